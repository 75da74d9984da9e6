"""Kubernetes' protobuf form of objects, read."""
