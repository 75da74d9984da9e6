"""Kubernetes' protobuf form of objects (``application/vnd.kubernetes.protobuf``), read into plain dicts.

A body is the four bytes ``k8s\\0`` and a message that names the kind and holds the object's own message. What a field's
number means is a table (`field_numbers`); a kind or a field that isn't in it is refused, so nothing gets lost.
"""

from __future__ import annotations

from actors.apimachinery.protobuf.decoding import UnknownMessage, decode
from actors.apimachinery.protobuf.wire import MalformedProtobuf

__all__ = ["MalformedProtobuf", "UnknownMessage", "decode"]
