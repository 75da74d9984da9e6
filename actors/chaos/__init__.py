"""Chaos: faults put into a running cluster, and what it must come through."""
