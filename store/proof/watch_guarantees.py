"""etcd's guarantees for watches, each a function that finds where a record breaks it.

`history` is the truth: every change of the store in order, tombstones included, none left out (take it from the log of
a store that compacted nothing, or put it together before compaction). Each function answers violations as sentences; an
empty list says that the guarantee held.

| guarantee | what etcd says of it |
|---|---|
| `ordered` | events come in the order of their revisions |
| `unique` | no event comes twice in one watch |
| `reliable` | no event between two that came is left out |
| `atomic` | the events of one revision come in one response |
| `resumable` | a watch that begins again where it was broken off misses nothing and repeats nothing |
| `bookmarkable` | after a progress mark of R, whatever happened up to R has been told |
| `previous_values_right` | `prev_kv` is the version that the change replaced |
| `creations_right` | an event is a creation exactly when the key was not there before |
| `filters_right` | only the keys and types asked for are told of |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from store.key_value import KeyValue
from store.proof.watch_record import Event, Session, WatchRecord

Change = tuple[int, bytes]
"""Revision and key: what tells two changes apart."""


def _change(event: Event) -> Change:
    return event.kv.mod_revision, event.kv.key


def ordered(record: WatchRecord, history: Sequence[KeyValue]) -> list[str]:
    """Revisions never go back within a session, and keep the order of changes within a revision."""
    place = {(kv.mod_revision, kv.key): kv.position for kv in history}
    found = []
    for session in record.sessions:
        last = (0, b"")
        for event in session.events():
            change = _change(event)
            if change[0] < last[0] or place.get(change, 0) < place.get(last, 0):
                found.append(f"{change} came after {last}")
            last = change
    return found


def unique(record: WatchRecord, _history: Sequence[KeyValue]) -> list[str]:
    """Within a session no change is told of twice."""
    return [
        f"{change} came {times} times"
        for session in record.sessions
        for change, times in Counter(map(_change, session.events())).items()
        if times > 1
    ]


def reliable(record: WatchRecord, history: Sequence[KeyValue]) -> list[str]:
    """From a session's start to the last revision it told of, every change that is wanted came as it was."""
    found = []
    for session in record.sessions:
        told = {_change(event): event.kv for event in session.events()}
        if not told:
            continue
        last = max(revision for revision, _ in told)
        for kv in history:
            if session.start_revision <= kv.mod_revision <= last and record.request.wants(kv):
                got = told.get((kv.mod_revision, kv.key))
                if got is None:
                    found.append(f"{kv.mod_revision, kv.key} was left out")
                elif got.value != kv.value or got.is_tombstone != kv.is_tombstone or got.lease != kv.lease:
                    found.append(f"{kv.mod_revision, kv.key} came as {got}, it was {kv}")
    return found


def atomic(record: WatchRecord, _history: Sequence[KeyValue]) -> list[str]:
    """A revision is never split over two responses."""
    found = []
    for session in record.sessions:
        seen: dict[int, int] = {}
        for number, response in enumerate(session.responses):
            for event in response.events:
                revision = event.kv.mod_revision
                if seen.setdefault(revision, number) != number:
                    found.append(f"revision {revision} came in responses {seen[revision]} and {number}")
    return found


def resumable(record: WatchRecord, history: Sequence[KeyValue]) -> list[str]:
    """All sessions together told every change once, up to `WatchRecord.through`; a compacted part may be skipped.

    A session that was cancelled with a compact revision may be followed by one that begins there or later.
    """
    found = []
    told: Counter[Change] = Counter()
    for before, session in zip([None, *record.sessions], record.sessions, strict=False):
        if before is not None and session.start_revision > before.next_revision and not _compacted(before):
            found.append(f"a session began at {session.start_revision}, the one before knew {before.next_revision - 1}")
        for event in session.events():
            if event.kv.mod_revision < session.start_revision:
                found.append(f"{_change(event)} came, it is older than the start {session.start_revision}")
            told[_change(event)] += 1
    found += [f"{change} came {times} times" for change, times in told.items() if times > 1]
    for kv in history:
        if kv.mod_revision <= record.through and record.request.wants(kv) and _was_due(record, kv.mod_revision):
            change = (kv.mod_revision, kv.key)
            if change not in told:
                found.append(f"{change} never came")
    return found


def _compacted(session: Session) -> int:
    return max((response.compact_revision for response in session.responses), default=0)


def _was_due(record: WatchRecord, revision: int) -> bool:
    """Whether some session had to tell of a revision: not one before the first, nor in a gap that compaction made."""
    for session, after in zip(record.sessions, [*record.sessions[1:], None], strict=True):
        end = after.start_revision if after else record.through + 1
        if _compacted(session):
            end = min(end, session.next_revision)
        if session.start_revision <= revision < end:
            return True
    return False


def bookmarkable(record: WatchRecord, history: Sequence[KeyValue]) -> list[str]:
    """A progress mark comes after everything up to its revision, and marks never go back."""
    found = []
    for session in record.sessions:
        marked = 0
        told: set[Change] = set()
        for response in session.responses:
            for event in response.events:
                if event.kv.mod_revision <= marked:
                    found.append(f"{_change(event)} came after the progress mark {marked}")
                told.add(_change(event))
            if response.progress_revision:
                if response.progress_revision < marked:
                    found.append(f"the progress mark {response.progress_revision} came after {marked}")
                marked = response.progress_revision
                found += [
                    f"{kv.mod_revision, kv.key} had not come at the progress mark {marked}"
                    for kv in history
                    if session.start_revision <= kv.mod_revision <= marked
                    and record.request.wants(kv)
                    and (kv.mod_revision, kv.key) not in told
                ]
    return found


def previous_values_right(record: WatchRecord, history: Sequence[KeyValue]) -> list[str]:
    """With `prev_kv` each event has the version it replaced, if there was one; without it none has.

    It may be missing where it was compacted; another than the one replaced is always wrong.
    """
    replaced = _replaced(history)
    found = []
    for session in record.sessions:
        for event in session.events():
            expected = replaced.get(_change(event)) if record.request.prev_kv else None
            if event.previous is None and event.kv.mod_revision <= record.compacted:
                continue
            if not _same_version(event.previous, expected):
                found.append(f"{_change(event)} came with the previous {event.previous}, it was {expected}")
    return found


def creations_right(record: WatchRecord, history: Sequence[KeyValue]) -> list[str]:
    """create_revision is mod_revision exactly when the key was not there; versions count from 1 since then."""
    replaced = _replaced(history)
    found = []
    for session in record.sessions:
        for event in session.events():
            kv = event.kv
            if kv.is_tombstone:
                continue
            before = replaced.get(_change(event))
            created, version = (
                (before.create_revision, before.version + 1) if before is not None else (kv.mod_revision, 1)
            )
            if (kv.create_revision, kv.version) != (created, version):
                found.append(
                    f"{_change(event)} came as version {kv.version} created at {kv.create_revision}, "
                    f"it was version {version} created at {created}"
                )
    return found


def filters_right(record: WatchRecord, history: Sequence[KeyValue]) -> list[str]:
    """Nothing comes that wasn't asked for, and nothing that never happened."""
    happened = {(kv.mod_revision, kv.key) for kv in history}
    found = []
    for session in record.sessions:
        for event in session.events():
            if not record.request.wants(event.kv):
                found.append(f"{_change(event)} was not asked for")
            if _change(event) not in happened:
                found.append(f"{_change(event)} never happened")
    return found


Guarantee = Callable[[WatchRecord, Sequence[KeyValue]], list[str]]

GUARANTEES: Final[Mapping[str, Guarantee]] = {
    check.__name__: check
    for check in (
        ordered,
        unique,
        reliable,
        atomic,
        resumable,
        bookmarkable,
        previous_values_right,
        creations_right,
        filters_right,
    )
}


def violations(records: Iterable[WatchRecord], history: Sequence[KeyValue]) -> list[str]:
    """Everything that all guarantees find in all records, each with the guarantee's name."""
    return [
        f"{name}: {sentence}"
        for record in records
        for name, check in GUARANTEES.items()
        for sentence in check(record, history)
    ]


def _replaced(history: Sequence[KeyValue]) -> dict[Change, KeyValue]:
    """The version that each change replaced, if there was one."""
    live: dict[bytes, KeyValue] = {}
    found: dict[Change, KeyValue] = {}
    for kv in history:
        before = live.get(kv.key)
        if before is not None:
            found[kv.mod_revision, kv.key] = before
        if kv.is_tombstone:
            live.pop(kv.key, None)
        else:
            live[kv.key] = kv
    return found


def _same_version(told: KeyValue | None, expected: KeyValue | None) -> bool:
    if told is None or expected is None:
        return told is expected
    return tuple(told[:6]) == tuple(expected[:6])
