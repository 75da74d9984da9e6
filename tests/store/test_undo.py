"""A batch that the log has no room for is taken back: the data model is as if it had never been."""

import copy

from hypothesis import example, given, settings
from hypothesis import strategies as st

from store.errors import StoreError
from store.key_value import KeyValue
from store.mvcc import Mvcc
from store.transaction import DeleteRange, Put, Range, Txn

KEYS = [b"a", b"b", b"c", b"d"]
puts = st.builds(Put, st.sampled_from(KEYS), st.binary(max_size=3), st.sampled_from([0, 0, 1, 2]))
deletes = st.builds(DeleteRange, st.sampled_from(KEYS), st.sampled_from([b"", b"\0", b"c"]))
steps = st.one_of(
    st.tuples(st.just("txn"), st.lists(st.one_of(puts, deletes), min_size=1, max_size=3)),
    st.tuples(st.just("grant"), st.sampled_from([1, 2])),
    st.tuples(st.just("revoke"), st.sampled_from([1, 2])),
)
before = st.lists(st.one_of(steps, st.tuples(st.just("compact"), st.integers(1, 20))), max_size=25)


def carry_out(mvcc, step):
    kind, what = step
    try:
        if kind == "txn":
            mvcc.txn(Txn((), tuple(what)))
        elif kind == "grant":
            mvcc.grant(what, 60, 0.0)
        elif kind == "revoke":
            mvcc.revoke(what)
        else:
            mvcc.compact(what)
            while mvcc.purge_pending:
                mvcc.purge(3)
    except StoreError:
        pass


def shape(mvcc):
    """All that the data model knows."""
    found = dict(vars(mvcc))
    found["lessor"] = {
        lease_id: (mvcc.lessor.get(lease_id).ttl_s, sorted(mvcc.lessor.get(lease_id).keys))
        for lease_id in mvcc.lessor.ids()
    }
    found["_index"] = mvcc._index.between(b"", None)
    found.pop("_note")
    return found


LEASED = [("grant", 1), ("txn", [Put(b"a", b"", 1)])]


@example(LEASED, [("txn", [DeleteRange(b"a")])], [("revoke", 1)])
@example(LEASED, [("revoke", 1)], [])
@given(before, st.lists(steps, max_size=12), st.lists(steps, max_size=6))
@settings(max_examples=300, deadline=None)
def test_undo_takes_everything_back(first, batch, later):
    mvcc = Mvcc()
    for step in first:
        carry_out(mvcc, step)
    mvcc.settle()
    revision, wanted = mvcc.revision, copy.deepcopy(shape(mvcc))
    untouched = copy.deepcopy(mvcc)
    for step in batch:
        carry_out(mvcc, step)
    mvcc.undo(revision)
    assert shape(mvcc) == wanted
    for step in later:
        carry_out(mvcc, step)
        carry_out(untouched, step)
    assert shape(mvcc) == shape(untouched)
    assert mvcc.range(Range(b"\0", b"\0")).kvs == untouched.range(Range(b"\0", b"\0")).kvs
    assert all(isinstance(kv, KeyValue) for kv in mvcc.events_since(mvcc.compacted_revision))
