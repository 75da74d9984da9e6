"""A key-value as one revision left it: what a range shows, and at the same time the event of that change."""

from __future__ import annotations

from typing import Final, NamedTuple

#: Changes one transaction may make (16 million); a position has so many below the next revision.
SUB_REVISION_BITS: Final = 24


class KeyValue(NamedTuple):
    """One version of a key. The first five fields are, in this order, a kv of `store.protocol`.

    `create_revision` is the revision that began the key's present generation (its life since it last didn't exist),
    `mod_revision` the one that wrote this version, and `version` counts the writes of the generation from 1. A
    tombstone (the key was deleted) has create_revision, version and lease 0 and no value, as in etcd.
    """

    key: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: int
    value: bytes
    sub_revision: int = 0
    """Place among the changes of its revision, from 0."""
    note: str = ""
    """Text that the writer gave the transaction; travels with the event."""
    wall_s: float = 0.0
    """When the transaction was applied, in seconds since the epoch."""

    @property
    def is_tombstone(self) -> bool:
        """Whether this change deleted the key."""
        return self.version == 0

    @property
    def position(self) -> int:
        """Place among all changes ever: ordered by revision, then by sub-revision."""
        return self.mod_revision << SUB_REVISION_BITS | self.sub_revision


def mod_revision_of(kv: KeyValue) -> int:
    """Sort key of lists that are ordered by revision."""
    return kv.mod_revision
