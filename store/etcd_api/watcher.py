"""One watch of a client, and which changes it is told of: pure, but for the queue it fills.

A watcher is *synced* when it has been given everything up to what the hub has seen; then the hub hands it each new
change. Otherwise it is behind (it began in the past, or its client reads slowly) and catches up from the store's log on
its own; meanwhile the hub passes it over. Its client's queue is bounded: when it is full, the watcher falls behind
rather than have changes pile up in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from store.etcd_api import messages
from store.etcd_api.refusal import GRPC_OVERHEAD_BYTES
from store.protocol import DELETE, PUT
from store.transaction import FROM_KEY, TXN_BYTES_MAX

#: Stands for no watch: in errors, and in progress marks that mean every watch of the stream.
NO_WATCH: Final = -1
#: A fragment's size, as etcd has it.
FRAGMENT_BYTES_MAX: Final = TXN_BYTES_MAX + GRPC_OVERHEAD_BYTES


#: A response to a watcher that is behind has the changes of at most so many revisions (etcd's watchBatchMaxRevs).
BATCH_REVISIONS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """A change as the store told it, with its message, which is made once for all watchers."""

    type: int
    key: bytes
    revision: int
    message: Any
    """Without the previous value."""
    full_message: Any
    """With it, if it is known."""

    def message_for(self, watcher: Watcher) -> Any:
        """What a watcher is sent."""
        return self.full_message if watcher.wants_prev_kv else self.message


@dataclass(slots=True, eq=False)
class Watcher:
    """One watch."""

    id: int
    key: bytes
    range_end: bytes
    next_revision: int
    """The first revision it has yet to be told of, while it is behind; later ones than this never reach it twice."""
    wants_prev_kv: bool = False
    wants_progress: bool = False
    fragments: bool = False
    filtered_types: frozenset[int] = frozenset()
    synced: bool = False
    quiet: bool = True
    """Whether it was told of nothing since the last progress mark."""
    stream: Any = field(default=None, repr=False)
    """The stream it belongs to."""

    def wants(self, change: Change) -> bool:
        """Whether the client is told of a change."""
        return (
            change.revision >= self.next_revision
            and change.type not in self.filtered_types
            and key_in_range(change.key, self.key, self.range_end)
        )


def key_in_range(key: bytes, start: bytes, range_end: bytes) -> bool:
    """Whether a range (as in `store.transaction`) contains a key."""
    if not range_end:
        return key == start
    return start <= key and (range_end == FROM_KEY or key < range_end)


def new_watcher(request: Any, watch_id: int, revision: int) -> Watcher:
    """The watcher that a create request asks for, when the store is at a revision."""
    types = {0: PUT, 1: DELETE}
    return Watcher(
        id=watch_id,
        key=request.key or FROM_KEY,
        range_end=request.range_end,
        next_revision=request.start_revision or revision + 1,
        wants_prev_kv=request.prev_kv,
        wants_progress=request.progress_notify,
        fragments=request.fragment,
        filtered_types=frozenset(types[value] for value in request.filters if value in types),
    )


def refusal_to_watch(request: Any, taken: Iterable[int]) -> str:
    """Why a create request is refused; empty when it isn't."""
    if request.start_revision < 0:
        return "etcdserver: mvcc: required revision has been compacted"
    key = request.key or FROM_KEY
    if request.range_end and request.range_end != FROM_KEY and key >= request.range_end:
        return "mvcc: watcher range is empty"
    if request.watch_id and request.watch_id in taken:
        return "mvcc: duplicate watch ID provided on the WatchStream"
    return ""


def batches(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """What a watcher that is behind is told in one response: so many revisions, as by etcd; none is split."""
    start = 0
    revisions = 0
    for place, change in enumerate(changes):
        if place and change.revision == changes[place - 1].revision:
            continue
        revisions += 1
        if revisions > BATCH_REVISIONS_MAX:
            yield changes[start:place]
            start, revisions = place, 1
    if changes:
        yield changes[start:]


def responses(header: Any, watcher: Watcher, changes: Sequence[Change]) -> Iterator[Any]:
    """The responses that tell a watcher of changes: one, or several pieces if it allows fragments."""
    if not watcher.fragments:
        yield _response(header, watcher, changes)
        return
    piece: list[Change] = []
    piece_bytes = 0
    for change in changes:
        size = change.message_for(watcher).ByteSize()
        if piece and piece_bytes + size > FRAGMENT_BYTES_MAX:
            yield _response(header, watcher, piece, fragment=True)
            piece, piece_bytes = [], 0
        piece.append(change)
        piece_bytes += size
    yield _response(header, watcher, piece)


def _response(header: Any, watcher: Watcher, changes: Sequence[Change], fragment: bool = False) -> Any:
    events = [change.message_for(watcher) for change in changes]
    return messages.WatchResponse(header=header, watch_id=watcher.id, events=events, fragment=fragment)
