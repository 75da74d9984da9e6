"""Kubernetes' vocabulary as pure functions on plain objects: metadata, selectors, quantities, schemas, patches.

An object is a plain ``dict`` as in Kubernetes' JSON. Nothing here does I/O, reads a clock or draws a random number.
"""
