"""etcd's data model: revisions, generations, transactions, compaction, the watch log, leases."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.errors import (
    Compacted,
    DuplicateKey,
    EmptyKey,
    FutureRevision,
    KeyNotFound,
    LeaseExists,
    LeaseNotFound,
    StoreError,
    TooManyOperations,
)
from store.mvcc import Mvcc
from store.transaction import Compare, DeleteRange, Put, Range, Txn

ALL = (b"\0", b"\0")


def fields(kv):
    return kv.create_revision, kv.mod_revision, kv.version, kv.value


def keys(answer):
    return [kv.key for kv in answer.kvs]


def create(key, value=b"v"):
    return Txn((Compare(key, "mod", "=", 0),), (Put(key, value),), (Range(key),))


def test_first_write_is_revision_two():
    mvcc = Mvcc()
    assert mvcc.revision == 1
    assert mvcc.put(Put(b"a", b"1")).revision == 2


def test_generations_reset_create_revision_and_version():
    mvcc = Mvcc()
    mvcc.put(Put(b"a", b"1"))
    mvcc.put(Put(b"a", b"2"))
    assert fields(mvcc.get(b"a")) == (2, 3, 2, b"2")
    mvcc.delete_range(DeleteRange(b"a"))
    assert mvcc.get(b"a") is None
    mvcc.put(Put(b"a", b"3"))
    assert fields(mvcc.get(b"a")) == (5, 5, 1, b"3")
    seen = [[fields(kv) for kv in mvcc.range(Range(b"a", revision=r)).kvs] for r in (1, 2, 3, 4, 5)]
    assert seen == [[], [(2, 2, 1, b"1")], [(2, 3, 2, b"2")], [], [(5, 5, 1, b"3")]]


def test_create_that_collides_reads_what_is_there():
    mvcc = Mvcc()
    assert mvcc.txn(create(b"a", b"1")).succeeded
    second = mvcc.txn(create(b"a", b"2"))
    assert not second.succeeded
    assert second.revision == 2
    assert second.answers[0].kvs[0].value == b"1"


def test_one_transaction_is_one_revision_with_sub_revisions():
    mvcc = Mvcc()
    answer = mvcc.txn(Txn((), (Put(b"a", b"1"), Put(b"b", b"2"), Range(*ALL), DeleteRange(b"c"))), "why", 7.5)
    assert answer.revision == mvcc.revision == 2
    assert keys(answer.answers[2]) == [b"a", b"b"]
    events = mvcc.events_since(1)
    assert [(kv.key, kv.mod_revision, kv.sub_revision, kv.note, kv.wall_s) for kv in events] == [
        (b"a", 2, 0, "why", 7.5),
        (b"b", 2, 1, "why", 7.5),
    ]


def test_a_transaction_that_changes_nothing_takes_no_revision():
    mvcc = Mvcc()
    assert mvcc.txn(Txn((), (DeleteRange(*ALL), Range(*ALL)))).revision == 1


def test_nested_compares_see_the_state_before_the_transaction():
    mvcc = Mvcc()
    inner = Txn((Compare(b"a", "version", "=", 0),), (Put(b"b"),), (Put(b"c"),))
    answer = mvcc.txn(Txn((), (Put(b"a"), inner)))
    assert answer.answers[1].succeeded
    assert mvcc.get(b"b") is not None


@pytest.mark.parametrize(
    ("compare", "expected"),
    [
        (Compare(b"a", "mod", "=", 3), True),
        (Compare(b"a", "mod", ">", 2), True),
        (Compare(b"a", "create", "<", 3), True),
        (Compare(b"a", "version", "!=", 2), False),
        (Compare(b"a", "value", "=", b"2"), True),
        (Compare(b"a", "value", ">", b"2"), False),
        (Compare(b"none", "value", "!=", b"2"), False),
        (Compare(b"none", "version", "=", 0), True),
        (Compare(b"a", "mod", ">", 2, b"c"), True),
        (Compare(b"a", "version", "=", 1, b"c"), False),
        (Compare(b"x", "mod", "=", 0, b"z"), True),
        (Compare(b"a", "lease", "=", 0, b"\0"), True),
    ],
)
def test_compares(compare, expected):
    mvcc = Mvcc()
    for op in (Put(b"a", b"1"), Put(b"a", b"2"), Put(b"b", b"3")):
        mvcc.put(op)
    assert mvcc.txn(Txn((compare,))).succeeded is expected


@pytest.mark.parametrize(
    "operations",
    [
        (Put(b"a"), Put(b"a")),
        (Put(b"a"), DeleteRange(b"a")),
        (DeleteRange(b"a", b"c"), Put(b"b")),
        (Txn((), (Put(b"a"),)), Put(b"a")),
        (Txn((), (Put(b"a"),)), Txn((), (), (Put(b"a"),))),
        (Txn((), (DeleteRange(b"a"),)), Txn((), (Put(b"a"),))),
    ],
)
def test_duplicate_keys_are_refused(operations):
    mvcc = Mvcc()
    with pytest.raises(DuplicateKey):
        mvcc.txn(Txn((), operations))
    with pytest.raises(DuplicateKey):
        mvcc.txn(Txn((), (), operations))
    assert mvcc.revision == 1


def test_what_etcd_does_not_call_a_duplicate():
    mvcc = Mvcc()
    mvcc.txn(Txn((), (Txn((), (Put(b"a"),), (Put(b"a"),)),)))
    assert mvcc.revision == 2
    mvcc.txn(Txn((), (DeleteRange(b"a", b"\0"), Put(b"a", b"new"))))
    assert fields(mvcc.get(b"a")) == (3, 3, 1, b"new")
    mvcc.txn(Txn((), (Txn((), (Put(b"a"),)), Txn((), (DeleteRange(b"a"),)))))
    assert mvcc.get(b"a") is None
    assert [(kv.sub_revision, kv.is_tombstone) for kv in mvcc.events_since(3)] == [(0, False), (1, True)]


def test_refused_transactions_change_nothing():
    mvcc = Mvcc()
    for operations, error in [
        ((Put(b"a"), Put(b"b", ignore_value=True)), KeyNotFound),
        ((Put(b"a"), Put(b"b", lease=9)), LeaseNotFound),
        ((Put(b"a"), Range(b"a", revision=2)), FutureRevision),
        ((Put(b"a"), Put(b"")), EmptyKey),
        (tuple(Put(b"%d" % i) for i in range(129)), TooManyOperations),
    ]:
        with pytest.raises(error):
            mvcc.txn(Txn((), operations))
    assert (mvcc.revision, len(mvcc), mvcc.events_since(0)) == (1, 0, [])


def test_prev_kv_and_ignore_flags():
    mvcc = Mvcc()
    mvcc.grant(5, 60, 0.0)
    mvcc.put(Put(b"a", b"1", 5))
    answer = mvcc.put(Put(b"a", b"", 0, prev_kv=True, ignore_value=True))
    assert answer.answers[0].prev_kv.value == b"1"
    assert (mvcc.get(b"a").value, mvcc.get(b"a").lease) == (b"1", 0)
    mvcc.put(Put(b"a", b"2", 5))
    mvcc.put(Put(b"a", b"3", ignore_lease=True))
    assert mvcc.get(b"a").lease == 5
    deleted = mvcc.delete_range(DeleteRange(b"a", prev_kv=True)).answers[0]
    assert (deleted.deleted, deleted.prev_kvs[0].value) == (1, b"3")
    assert not mvcc.lessor.get(5).keys


def filled():
    mvcc = Mvcc()
    for i, key in enumerate([b"p/c", b"p/a", b"p/b", b"q", b"p/a"]):
        mvcc.put(Put(key, b"%d" % (9 - i)))
    return mvcc


def test_ranges():
    mvcc = filled()
    prefix = (b"p/", b"p0")
    assert keys(mvcc.range(Range(*prefix))) == [b"p/a", b"p/b", b"p/c"]
    assert keys(mvcc.range(Range(b"p/b", b"\0"))) == [b"p/b", b"p/c", b"q"]
    assert keys(mvcc.range(Range(b"p/b", b"p/a"))) == []
    limited = mvcc.range(Range(*prefix, limit=2))
    assert (keys(limited), limited.more, limited.count) == ([b"p/a", b"p/b"], True, 3)
    counted = mvcc.range(Range(*prefix, count_only=True))
    assert (counted.kvs, counted.count) == ([], 3)
    assert mvcc.range(Range(b"q", keys_only=True)).kvs[0].value == b""
    assert keys(mvcc.range(Range(*ALL, sort_target="mod", sort_order="descend"))) == [b"p/a", b"q", b"p/b", b"p/c"]
    assert keys(mvcc.range(Range(*ALL, sort_target="value", limit=1, sort_order="ascend"))) == [b"p/a"]
    filtered = mvcc.range(Range(*ALL, min_mod_revision=4, max_create_revision=4))
    assert (keys(filtered), filtered.count) == ([b"p/a", b"p/b"], 4)


def test_compaction_errors_and_what_stays():
    mvcc = filled()
    with pytest.raises(FutureRevision):
        mvcc.compact(7)
    mvcc.compact(4)
    with pytest.raises(Compacted):
        mvcc.compact(4)
    with pytest.raises(Compacted):
        mvcc.range(Range(*ALL, revision=3))
    with pytest.raises(FutureRevision):
        mvcc.range(Range(*ALL, revision=7))
    with pytest.raises(Compacted):
        mvcc.events_since(2)
    assert [kv.mod_revision for kv in mvcc.events_since(3)] == [4, 5, 6]
    assert keys(mvcc.range(Range(*ALL, revision=4))) == [b"p/a", b"p/b", b"p/c"]


def test_revisions_are_never_split():
    mvcc = Mvcc()
    for size in (2, 3, 1):
        mvcc.txn(Txn((), [Put(b"%d" % i) for i in range(size)]))
    assert [kv.mod_revision for kv in mvcc.events_since(1, 4)] == [2, 2]
    assert [kv.mod_revision for kv in mvcc.events_since(1, 1)] == [2, 2]
    assert [kv.mod_revision for kv in mvcc.events_since(2, 5)] == [3, 3, 3, 4]
    assert mvcc.events_since(4, 5) == []


def test_leases():
    mvcc = Mvcc()
    assert mvcc.grant(1, 1, 10.0).ttl_s == 2
    mvcc.grant(2, 100, 10.0)
    with pytest.raises(LeaseExists):
        mvcc.grant(1, 5, 10.0)
    for key, lease in [(b"b", 1), (b"a", 1), (b"c", 2)]:
        mvcc.put(Put(key, b"", lease))
    mvcc.put(Put(b"a", b"", 2))
    assert mvcc.lessor.expired(11.9) == []
    assert mvcc.lessor.keep_alive(1, 11.0) == 2
    assert mvcc.lessor.expired(12.0) == []
    assert mvcc.lessor.expired(13.0) == [1]
    revision = mvcc.revision
    mvcc.revoke(1)
    assert (mvcc.revision, mvcc.get(b"b")) == (revision + 1, None)
    mvcc.revoke(2)
    assert [(kv.key, kv.mod_revision, kv.sub_revision) for kv in mvcc.events_since(revision + 1)] == [
        (b"a", revision + 2, 0),
        (b"c", revision + 2, 1),
    ]
    with pytest.raises(LeaseNotFound):
        mvcc.revoke(2)


KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])
STEP = st.one_of(
    st.tuples(KEYS, st.binary(max_size=2)).map(lambda fields: Put(*fields)),
    st.tuples(KEYS, st.sampled_from([b"", b"c", b"\0"])).map(lambda fields: DeleteRange(*fields)),
    st.tuples(st.just("compact"), st.integers(1, 4)),
)


class Naive:
    """Every past state, kept whole: slow, and too simple to be wrong."""

    def __init__(self):
        self.states = {1: {}}
        self.revision = 1

    def apply(self, op):
        state = dict(self.states[self.revision])
        if isinstance(op, Put):
            state[op.key] = op.value
        else:
            gone = [
                key
                for key in state
                if (
                    key == op.key
                    if not op.range_end
                    else key >= op.key and (op.range_end == b"\0" or key < op.range_end)
                )
            ]
            if not gone:
                return
            for key in gone:
                del state[key]
        self.revision += 1
        self.states[self.revision] = state


def shown(mvcc, revision):
    return {kv.key: kv.value for kv in mvcc.range(Range(*ALL, revision=revision)).kvs}


@settings(max_examples=80, deadline=None)
@given(steps=st.lists(STEP, max_size=40), purge_events=st.integers(1, 5))
def test_every_readable_revision_shows_what_it_showed(steps, purge_events):
    """Against whole copies of all states; and a store restored from what purging left is the same store."""
    mvcc, naive = Mvcc(), Naive()
    kept = {}
    for step in steps:
        if isinstance(step, tuple) and step[0] == "compact":
            target = mvcc.revision - step[1]
            try:
                mvcc.compact(target)
            except StoreError:
                assert target <= mvcc.compacted_revision
        else:
            before = mvcc.revision
            mvcc.txn(Txn((), (step,)))
            naive.apply(step)
            kept.update((kv.position, kv) for kv in mvcc.events_since(before))
        if mvcc.purge_pending:
            for position in mvcc.purge(purge_events):
                del kept[position]
    first = max(mvcc.compacted_revision, 1)
    assert mvcc.revision == naive.revision
    restored = Mvcc()
    restored.restore([kept[position] for position in sorted(kept)], [], mvcc.compacted_revision, 0.0)
    while restored.purge_pending:
        restored.purge(purge_events)
    while mvcc.purge_pending:
        mvcc.purge(purge_events)
    for revision in range(first, mvcc.revision + 1):
        assert shown(mvcc, revision) == naive.states[revision]
        assert shown(restored, revision) == naive.states[revision]
    assert restored.events_since(first - 1) == mvcc.events_since(first - 1)
    assert (restored.revision, restored.live_bytes, restored.history_bytes) == (
        mvcc.revision,
        mvcc.live_bytes,
        mvcc.history_bytes,
    )
    assert restored.hash_at() == mvcc.hash_at()


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(STEP, max_size=40))
def test_compacting_everything_leaves_only_what_is_there(steps):
    mvcc = Mvcc()
    for step in steps:
        if not (isinstance(step, tuple) and step[0] == "compact"):
            mvcc.txn(Txn((), (step,)))
    mvcc.put(Put(b"z"))
    mvcc.compact(mvcc.revision)
    while mvcc.purge_pending:
        mvcc.purge(3)
    assert mvcc._history == {}
    assert len(mvcc._index) == len(mvcc)
    assert [kv.key for kv in mvcc._events] == [b"z"]
