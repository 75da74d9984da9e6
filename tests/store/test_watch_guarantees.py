"""Each guarantee for watches holds for a record that is right, and is found broken in one where it alone is broken."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.mvcc import Mvcc
from store.proof.watch_guarantees import GUARANTEES, violations
from store.proof.watch_record import Event, Response, Session, WatchRecord, WatchRequest
from store.transaction import DeleteRange, Put, Txn

KEYS = (b"a", b"b", b"c")


def history_of(steps):
    """What a store's log has after puts and deletes; a step is a transaction."""
    store = Mvcc()
    for number, step in enumerate(steps):
        operations = [DeleteRange(key) if deletes else Put(key, b"%d" % number) for key, deletes in dict(step).items()]
        store.txn(Txn((), operations))
    return store.events_since(0)


def right_record(history, request, start_revision=2, resumed_at=None):
    """What a watcher is told when nothing goes wrong: a response a revision, then a progress mark."""
    before = {}
    record = WatchRecord(request, [Session(start_revision)])
    for revision in sorted({kv.mod_revision for kv in history}):
        if revision == resumed_at:
            record.resume()
        events = []
        for kv in history:
            if kv.mod_revision != revision:
                continue
            previous = before.get(kv.key) if request.prev_kv else None
            before[kv.key] = None if kv.is_tombstone else kv
            if request.wants(kv) and revision >= start_revision:
                events.append(Event(kv, previous))
        if events:
            record.sessions[-1].responses.append(Response(events))
    record.through = history[-1].mod_revision if history else 1
    record.sessions[-1].responses.append(Response(progress_revision=record.through))
    return record


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(st.lists(st.tuples(st.sampled_from(KEYS), st.booleans()), min_size=1, max_size=3), max_size=12),
    prev_kv=st.booleans(),
    filters=st.tuples(st.booleans(), st.booleans()),
    key=st.sampled_from([(b"\0", b"\0"), (b"a", b""), (b"a", b"c"), (b"b", b"\0")]),
    start_revision=st.integers(1, 8),
    resumed_at=st.none() | st.integers(2, 8),
)
def test_a_right_record_has_no_violations(steps, prev_kv, filters, key, start_revision, resumed_at):
    history = history_of(steps)
    request = WatchRequest(*key, no_put=filters[0], no_delete=filters[1], prev_kv=prev_kv)
    if resumed_at is not None and resumed_at <= start_revision:
        resumed_at = None
    assert violations([right_record(history, request, start_revision, resumed_at)], history) == []


HISTORY = history_of(
    [[(b"a", False)], [(b"b", False), (b"c", False)], [(b"a", False)], [(b"a", True)], [(b"a", False)], [(b"b", False)]]
)


def swap(responses):
    """Two revisions change places."""
    responses[1], responses[2] = responses[2], responses[1]


def swap_inside(responses):
    """Two changes of a revision change places."""
    responses[1] = Response(list(reversed(responses[1].events)))


def repeat(responses):
    """A response is delivered again."""
    responses.insert(3, responses[2])


def leave_out(responses):
    """A revision in the middle is lost."""
    del responses[2]


def other_value(responses):
    """The right change with a wrong value."""
    event = responses[0].events[0]
    responses[0] = Response([replace(event, kv=event.kv._replace(value=b"stale"))])


def split(responses):
    """The second change of a revision comes in a response of its own."""
    events = responses[1].events
    responses[1:2] = [Response(events[:1]), Response(events[1:])]


def lose_the_end(responses):
    """The last change never comes, though there was time."""
    del responses[-2:]


def early_mark(responses):
    """A progress mark runs ahead of the events (etcd before 3.5.8)."""
    responses.insert(2, Response(progress_revision=6))


def mark_goes_back(responses):
    """A progress mark older than the one before."""
    responses.append(Response(progress_revision=3))


def stale_previous(responses):
    """The previous value is the one before the previous."""
    event = responses[3].events[0]
    responses[3] = Response([replace(event, previous=HISTORY[0])])


def no_previous(responses):
    """The previous value is missing."""
    responses[2] = Response([Event(responses[2].events[0].kv)])


def not_a_creation(responses):
    """A key that came again after its deletion goes on counting versions."""
    event = responses[4].events[0]
    responses[4] = Response([Event(event.kv._replace(create_revision=2, version=3))])


def never_happened(responses):
    """A change that no log has."""
    responses.insert(2, Response([Event(HISTORY[3]._replace(key=b"x", mod_revision=3))]))


@pytest.mark.parametrize(
    ("guarantee", "damage"),
    [
        ("ordered", swap),
        ("ordered", swap_inside),
        ("unique", repeat),
        ("reliable", leave_out),
        ("reliable", other_value),
        ("atomic", split),
        ("resumable", lose_the_end),
        ("bookmarkable", early_mark),
        ("bookmarkable", mark_goes_back),
        ("previous_values_right", stale_previous),
        ("previous_values_right", no_previous),
        ("creations_right", not_a_creation),
        ("filters_right", never_happened),
    ],
)
def test_what_breaks_a_guarantee_is_found(guarantee, damage):
    record = right_record(HISTORY, WatchRequest(prev_kv=True))
    damage(record.sessions[0].responses)
    assert GUARANTEES[guarantee](record, HISTORY)


@pytest.mark.parametrize(
    "request_",
    [WatchRequest(b"b"), WatchRequest(b"b", b"c"), WatchRequest(no_delete=True), WatchRequest(no_put=True)],
)
def test_what_was_not_asked_for_is_found(request_):
    record = right_record(HISTORY, WatchRequest())
    record.request = request_
    assert GUARANTEES["filters_right"](record, HISTORY)


def test_a_session_that_begins_too_late_or_too_early_is_found():
    for shift in (1, -2):
        record = right_record(HISTORY, WatchRequest(), resumed_at=5)
        first, second = record.sessions
        second.start_revision += shift
        if shift > 0:
            del second.responses[0]
        else:
            second.responses.insert(0, first.responses[-1])
        assert GUARANTEES["resumable"](record, HISTORY)


def test_what_was_compacted_may_be_skipped():
    """A watch that was cancelled at a compact revision begins anew there: the gap is no loss, but the end would be."""
    record = right_record(HISTORY, WatchRequest())
    whole = record.sessions[0].responses
    record.sessions = [
        Session(2, [whole[0], Response(compact_revision=5)]),
        Session(5, [response for response in whole if response.events and response.events[0].kv.mod_revision >= 5]),
    ]
    assert violations([record], HISTORY) == []
    del record.sessions[1].responses[-1]
    assert GUARANTEES["resumable"](record, HISTORY)
