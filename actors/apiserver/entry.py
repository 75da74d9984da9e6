"""One object as the API server holds it: the bytes of the store, decoded when it is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.apimachinery.operation import Object, decode_object


class Entry:
    """A state of one key at one revision. Its object is shared and read-only.

    An entry without a blob says that the key had nothing at that revision.
    """

    __slots__ = ("_object", "blob", "create_revision", "revision", "shown")

    def __init__(self, blob: bytes | None, revision: int, create_revision: int, obj: Object | None = None) -> None:
        self.blob = blob
        self.revision = revision
        self.create_revision = create_revision
        self._object = obj
        self.shown: tuple[Any, Entry | None] | None = None
        """A version of a custom resource, and what it makes of this; None: the same (see `conversion`)."""

    @property
    def object(self) -> Object:
        """The object, with its resourceVersion filled in."""
        if self._object is None:
            if self.blob is None:
                raise LookupError("nothing is stored there")
            self._object = decode_object(self.blob, self.revision)
        return self._object

    def forget_object(self) -> None:
        """Keep the bytes only: history is rarely looked into, and decoded it is several times as large."""
        self._object = None
        self.shown = None

    @property
    def exists(self) -> bool:
        """Whether something is stored."""
        return self.blob is not None

    @property
    def data(self) -> bytes:
        """The stored bytes of what exists."""
        if self.blob is None:
            raise LookupError("nothing is stored there")
        return self.blob

    @property
    def labels(self) -> Mapping[str, str]:
        """The object's labels."""
        labels: Mapping[str, str] = self.object["metadata"].get("labels") or {}
        return labels

    def copy(self) -> Any:
        """The object decoded anew, the caller's own to change."""
        return decode_object(self.data, self.revision)


#: Nothing is known to be stored under the key.
ABSENT = Entry(None, 0, 0)
