"""Where the store's changes are kept: the seam between the data model and a disk. It fits on one screen on purpose.

A log is a list of changes, each under its position (revision and sub-revision), plus the leases that are alive and the
compacted revision. It never interprets a value.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from store.key_value import KeyValue
from store.lease import LeaseRecord


class LogError(Exception):
    """The log cannot be opened or written; the store stops rather than acknowledge what isn't kept."""


class LogFull(LogError):
    """There is no room: nothing of the call was kept, what was kept before still is, and the log can go on."""


class LogCorrupt(LogError):
    """What the log holds is not what was written to it; it is refused, not served."""


@dataclass(slots=True)
class LogContent:
    """Everything a log kept."""

    changes: list[KeyValue] = field(default_factory=list)
    """In order of position. At and before the compacted revision only what was still needed."""
    leases: list[LeaseRecord] = field(default_factory=list)
    compacted_revision: int = -1
    nospace: bool = False
    """Whether the NOSPACE alarm is raised."""

    @property
    def revision(self) -> int:
        """Of the last change, or the compacted one when that is later; 1 when there is neither."""
        return max(self.changes[-1].mod_revision if self.changes else 1, self.compacted_revision)


class LogSizes(NamedTuple):
    """What a log takes up, in bytes."""

    allocated: int
    """With the free pages; what etcd calls the database's size and holds against its quota."""
    in_use: int


class Log(ABC):
    """Durable memory of one store. Calls block until the disk has it; one user at a time."""

    @abstractmethod
    def load(self) -> LogContent:
        """Read everything, once, before anything else. Raises `LogCorrupt`, or `LogError` when it can't be opened."""

    @abstractmethod
    def append(self, changes: Sequence[KeyValue], leases: Sequence[LeaseRecord]) -> None:
        """Keep changes (later than all before) and leases, all or none; on return they are durable.

        Raises `LogFull`. After another `LogError` it is not known whether they are: the caller must stop and load
        again.
        """

    @abstractmethod
    def compact(self, revision: int, obsolete: Sequence[int]) -> Sequence[int]:
        """Remember the compacted revision, durably, and forget the changes at these positions (soon, not durably).

        Answers the positions that it left for a further call, since all of them would have taken too long. Raises as
        `append` does.
        """

    @abstractmethod
    def set_nospace(self, raised: bool) -> None:
        """Remember whether the NOSPACE alarm is raised, durably. Raises as `append` does."""

    @abstractmethod
    def sizes(self) -> LogSizes:
        """What it takes up."""

    def defragment(self, pages_max: int) -> bool:
        """Give so many free pages back to the disk; answers whether there are more. Raises as `append` does."""
        return False

    def refill_reserve(self) -> bool:
        """Take back the space that was kept for a full disk; answers whether there is any now."""
        return True

    @abstractmethod
    def close(self) -> None:
        """Let go of the file, if there is one."""


def check_continuity(content: LogContent) -> None:
    """Raise `LogCorrupt` unless every revision after the compacted one is there once, its changes numbered from 0."""
    revision = max(content.compacted_revision, 1)
    sub_revision = -1
    for kv in content.changes:
        if kv.mod_revision <= content.compacted_revision:
            continue
        if kv.mod_revision == revision and kv.sub_revision == sub_revision + 1 and sub_revision >= 0:
            sub_revision += 1
        elif kv.mod_revision == revision + 1 and kv.sub_revision == 0:
            revision += 1
            sub_revision = 0
        else:
            raise LogCorrupt(
                f"after revision {revision} (change {sub_revision}) comes revision {kv.mod_revision} "
                f"(change {kv.sub_revision}): changes are missing"
            )
