"""Where an object is in the store: ``/registry/[group/]plural/[namespace/]name``, as Kubernetes lays out etcd.

The version is not part of it: all versions of a resource are one collection.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from actors.apimachinery.meta import Key
from actors.apimachinery.resources import Resource

PREFIX: Final = b"/registry/"
#: The first key after all of the registry's.
PREFIX_END: Final = b"/registry0"


class StoredKey(NamedTuple):
    """A store key, taken apart."""

    collection: str
    """``apps/deployments``, ``pods``: the group (none for the core group) and the plural."""
    path: str
    """``namespace/name``, or ``name`` for what is cluster-scoped. Collections are ordered by it."""

    @property
    def key(self) -> Key:
        """The object's key."""
        namespace, _, name = self.path.rpartition("/")
        return Key(namespace, name)


def collection_of(resource: Resource) -> str:
    """The collection a resource's objects are kept in."""
    return f"{resource.group}/{resource.plural}" if resource.group else resource.plural


def path_of(namespace: str, name: str) -> str:
    """An object's place in its collection."""
    return f"{namespace}/{name}" if namespace else name


def store_key(collection: str, path: str) -> bytes:
    """The key of an object."""
    return f"/registry/{collection}/{path}".encode()


def parse_store_key(key: bytes) -> StoredKey | None:
    """Takes a key apart; None for keys that aren't the registry's.

    Groups have a dot in their name, plurals have none: that tells ``apps/deployments/ns/name`` (no dot in ``apps``,
    but five parts at most) from ``pods/ns/name``; group names without a dot are the four old ones.
    """
    parts = key.decode(errors="surrogateescape").split("/", 4)
    if len(parts) < 4 or parts[1] != "registry":
        return None
    if "." in parts[2] or parts[2] in _GROUPS_WITHOUT_DOT:
        if len(parts) < 5:
            return None
        return StoredKey(f"{parts[2]}/{parts[3]}", parts[4])
    path = f"{parts[3]}/{parts[4]}" if len(parts) == 5 else parts[3]
    return StoredKey(parts[2], path)


_GROUPS_WITHOUT_DOT: Final = frozenset({"apps", "batch", "policy", "autoscaling", "extensions"})
