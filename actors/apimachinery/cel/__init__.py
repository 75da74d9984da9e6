"""Kubernetes' dialect of the Common Expression Language, over a library (extra ``cel``) that parses and evaluates it.

The library has CEL's own functions; those that Kubernetes adds are here. ``scan`` looks into an expression before the
library does: which fields it names, and how deep its loops nest, so that none can keep the server.
"""
