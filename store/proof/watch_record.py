"""What one watcher asked for and was told, as a record that the guarantees are checked on.

A watcher may have had several *sessions*: when its connection, its server or the store dies, it begins again after the
last revision it knows. Within a session come *responses*; each holds events, or is a progress mark (a bookmark), or
says that the watch was cancelled because what it needs was compacted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from store.key_value import KeyValue
from store.transaction import FROM_KEY


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What is watched; fields as in etcd's WatchCreateRequest."""

    key: bytes = FROM_KEY
    range_end: bytes = FROM_KEY
    no_put: bool = False
    no_delete: bool = False
    prev_kv: bool = False

    def wants(self, kv: KeyValue) -> bool:
        """Whether a change is one that the watcher is to be told of."""
        if self.no_delete if kv.is_tombstone else self.no_put:
            return False
        if not self.range_end:
            return kv.key == self.key
        return self.key <= kv.key and (self.range_end == FROM_KEY or kv.key < self.range_end)


@dataclass(frozen=True, slots=True)
class Event:
    """A change that the watcher was told of; a tombstone is a deletion."""

    kv: KeyValue
    previous: KeyValue | None = None
    """The version before, if it was told."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came at once. Pieces of a fragmented response count as one."""

    events: Sequence[Event] = ()
    progress_revision: int = 0
    """Of a progress mark: everything up to here has been told."""
    compact_revision: int = 0
    """Of the end of a watch whose next revision was compacted."""


@dataclass(slots=True)
class Session:
    """From one creation of the watch to its end."""

    start_revision: int
    responses: list[Response] = field(default_factory=list)

    def events(self) -> Iterable[Event]:
        """Every event, in the order it came."""
        return (event for response in self.responses for event in response.events)

    @property
    def next_revision(self) -> int:
        """The first revision that it can't know yet: where the next session may begin."""
        known = self.start_revision - 1
        for response in self.responses:
            known = max([known, response.progress_revision, *(event.kv.mod_revision for event in response.events)])
        return known + 1


@dataclass(slots=True)
class WatchRecord:
    """One watcher from its first session to its last."""

    request: WatchRequest
    sessions: list[Session] = field(default_factory=list)
    through: int = 0
    """The watcher was given time enough to be told everything up to here; 0 when nothing is known of that."""
    compacted: int = 0
    """The last compaction of the run: previous values older than it may be missing, as in etcd."""

    def resume(self) -> Session:
        """Begin the next session where the last one ended."""
        session = Session(self.sessions[-1].next_revision)
        self.sessions.append(session)
        return session
