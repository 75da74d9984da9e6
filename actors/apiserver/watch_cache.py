"""The API server's copy of the store: every object, and a window of what happened lately.

Plain data without I/O: `follower` feeds it from the store's log. It always shows the store as it was at one revision.
Writes of one's own are known here before the log tells of them (`remember`): they don't show in reads or watches, but
the next write to the same key starts from them instead of running into a conflict.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from actors.apimachinery.meta import Key
from actors.apimachinery.operation import Object
from actors.apimachinery.stream import ADDED, DELETED, MODIFIED
from actors.apiserver.entry import ABSENT, Entry
from actors.apiserver.storage_key import parse_store_key
from store.protocol import PUT

#: Watches may start this many events back.
WINDOW_EVENTS_MAX: Final = 20_000
#: ... or, when objects are large, until the changes have so many bytes.
WINDOW_BYTES_MAX: Final = 48 * 1024 * 1024
#: Knowledge ahead of the log is looked through for what the log has overtaken when there is more of it than this.
AHEAD_MAX: Final = 4_000


class Change:
    """One event: a key went from one state to another."""

    __slots__ = ("collection", "key", "new", "note", "old", "path", "revision", "type", "wall_s")

    def __init__(
        self,
        collection: str,
        path: str,
        old: Entry | None,
        new: Entry | None,
        revision: int,
        note: str,
        wall_s: float,
    ) -> None:
        namespace, _, name = path.rpartition("/")
        self.collection = collection
        self.path = path
        self.key = Key(namespace, name)
        self.old = old
        self.new = new
        self.revision = revision
        self.note = note
        self.wall_s = wall_s
        self.type = MODIFIED if old is not None and new is not None else DELETED if new is None else ADDED

    @property
    def last(self) -> Entry:
        """The new state, or the last one of what was deleted."""
        entry = self.new if self.new is not None else self.old
        if entry is None:
            raise LookupError("a change has a state")
        return entry


class Collection:
    """The objects of one resource, and its recent changes."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.changes: deque[Change] = deque()
        self._sorted: list[str] | None = []

    def put(self, path: str, entry: Entry) -> None:
        """Set an object's state."""
        if path not in self.entries:
            self._sorted = None
        self.entries[path] = entry

    def remove(self, path: str) -> None:
        """Take an object out."""
        if self.entries.pop(path, None) is not None:
            self._sorted = None

    def paths(self) -> list[str]:
        """All paths in order. Not to be changed."""
        if self._sorted is None:
            self._sorted = sorted(self.entries)
        return self._sorted

    def paths_of(self, namespace: str, after: str = "") -> Sequence[str]:
        """The paths of a namespace (of all when it is empty), those later than `after`, in order."""
        paths = self.paths()
        first, end = 0, len(paths)
        if namespace:
            first = bisect_left(paths, namespace + "/")
            end = bisect_left(paths, namespace + "0")
        if after:
            first = max(first, bisect_left(paths, after + "\0"))
        return paths[first:end]

    def changes_since(self, revision: int) -> list[Change]:
        """The changes later than a revision, oldest first."""
        later: list[Change] = []
        for change in reversed(self.changes):
            if change.revision <= revision:
                break
            later.append(change)
        later.reverse()
        return later


@dataclass(slots=True)
class Gap:
    """A part of the log does not continue what is known: what lies between must be asked for."""

    since: int


class WatchCache:
    """All collections at one revision."""

    def __init__(self, window_events_max: int = WINDOW_EVENTS_MAX) -> None:
        self.revision = 0
        self.floor = 0
        """Changes up to this revision have left the window."""
        self._window_events_max = window_events_max
        self._collections: dict[str, Collection] = {}
        self._order: deque[tuple[Collection, int, int]] = deque()
        self._window_bytes = 0
        self._ahead: dict[bytes, Entry] = {}
        self._expected: dict[bytes, tuple[bytes, Object]] = {}

    def collection(self, name: str) -> Collection:
        """A collection, empty when it has never had an object."""
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = Collection()
        return found

    def counts(self) -> dict[str, int]:
        """How many objects each collection has, by its name as ``deployments.apps``."""
        found: dict[str, int] = {}
        for name, collection in self._collections.items():
            group, _, plural = name.rpartition("/")
            found[f"{plural}.{group}" if group else plural] = len(collection.entries)
        return found

    def get(self, collection: str, path: str) -> Entry | None:
        """An object's state at the cache's revision."""
        found = self._collections.get(collection)
        return found.entries.get(path) if found is not None else None

    def latest(self, key: bytes, collection: str, path: str) -> Entry:
        """The newest known state of a key, one's own acknowledged writes included; may be older than the store's."""
        ahead = self._ahead.get(key)
        if ahead is not None:
            if ahead.revision > self.revision:
                return ahead
            del self._ahead[key]
        return self.get(collection, path) or ABSENT

    def remember(self, key: bytes, entry: Entry) -> None:
        """Know a state that the store told of outside its log."""
        known = self._ahead.get(key)
        if entry.revision > self.revision and (known is None or known.revision < entry.revision):
            self._ahead[key] = entry
            if len(self._ahead) > AHEAD_MAX:
                self._ahead = {k: e for k, e in self._ahead.items() if e.revision > self.revision}

    def expect(self, key: bytes, blob: bytes, obj: Object) -> None:
        """The log will probably tell of this value soon; `obj` is what it decodes to, the cache's from then on."""
        self._expected[key] = (blob, obj)

    def expect_no_more(self, key: bytes) -> None:
        """The reverse: it was written, or not, by now."""
        self._expected.pop(key, None)

    def load(self, rows: Iterator[tuple[bytes, Entry]], revision: int) -> None:
        """Replace everything by the state at a revision. The window begins anew there."""
        self._collections.clear()
        self._order.clear()
        self._window_bytes = 0
        self._ahead.clear()
        for key, entry in rows:
            stored = parse_store_key(key)
            if stored is not None:
                self.collection(stored.collection).put(stored.path, entry)
        self.revision = self.floor = revision

    def follow(self, prev: int, events: Sequence[Any], through: int, blobs: Sequence[bytes]) -> list[Change] | Gap:
        """Take in a part of the store's log; answers what changed, or the gap before it."""
        if through <= self.revision:
            return []
        if prev > self.revision:
            return Gap(self.revision)
        changes: list[Change] = []
        for event, blob in zip(events, blobs, strict=True):
            if event[3] > self.revision:
                change = self._apply(event, blob)
                if change is not None:
                    changes.append(change)
        self.revision = through
        self._trim()
        return changes

    def _apply(self, event: Sequence[Any], blob: bytes) -> Change | None:
        kind, key, create_revision, revision, _version, _lease, note, wall_s = event
        stored = parse_store_key(key)
        if stored is None:
            return None
        collection = self.collection(stored.collection)
        path = stored.path
        old = collection.entries.get(path)
        ahead = self._ahead.get(key) if self._ahead else None
        if ahead is not None and ahead.revision <= revision:
            del self._ahead[key]
        new: Entry | None = None
        if kind == PUT:
            if ahead is not None and ahead.revision == revision and ahead.blob == blob:
                new = ahead
            else:
                new = Entry(blob, revision, create_revision, self._decoded_already(key, blob, revision))
        if new is not None:
            collection.put(path, new)
        elif old is not None:
            collection.remove(path)
        else:
            return None
        change = Change(stored.collection, path, old, new, revision, note, wall_s)
        collection.changes.append(change)
        size = len(change.last.data)
        self._window_bytes += size
        self._order.append((collection, revision, size))
        return change

    def _decoded_already(self, key: bytes, blob: bytes, revision: int) -> Object | None:
        """The object of a value that this server is writing itself."""
        expected = self._expected.get(key)
        if expected is None or expected[0] != blob:
            return None
        obj = expected[1]
        obj["metadata"]["resourceVersion"] = str(revision)
        return obj

    def _trim(self) -> None:
        """Let the oldest changes leave the window; a revision leaves it as a whole."""
        order = self._order
        while len(order) > self._window_events_max or self._window_bytes > WINDOW_BYTES_MAX:
            self.floor = self._drop_oldest()
        while order and order[0][1] <= self.floor:
            self._drop_oldest()

    def _drop_oldest(self) -> int:
        collection, revision, size = self._order.popleft()
        collection.changes.popleft()
        self._window_bytes -= size
        return revision
