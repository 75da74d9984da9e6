"""The checker: small histories whose answer is known, and random ones against trying every order."""

from itertools import permutations
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.proof.linearizability import (
    Operation,
    Outcome,
    Transaction,
    _State,
    not_linearizable,
    parts,
    revisions_out_of_order,
    step,
)


def put(value, invoked, returned, revision, key=b"x"):
    outcome = None if returned == inf else Outcome(True, revision)
    return Operation("w", Transaction((), ((key, value),)), invoked, returned, outcome)


def read(found, invoked, returned, revision, key=b"x"):
    return Operation("r", Transaction(reads=(key,)), invoked, returned, Outcome(True, revision, (found,)))


def swap(old, new, invoked, returned, succeeded, revision, found=None, key=b"x"):
    outcome = Outcome(succeeded, revision, () if succeeded else (found,))
    return Operation("s", Transaction(((key, old),), ((key, new),), (key,)), invoked, returned, outcome)


RIGHT = {
    "one after the other": [put(b"1", 0, 1, 2), read((b"1", 2), 2, 3, 2), put(b"2", 4, 5, 3)],
    "a read beside a write sees either": [
        put(b"1", 0, 1, 2), put(b"2", 2, 9, 3), read((b"1", 2), 3, 4, 2), read((b"2", 3), 5, 6, 3)
    ],
    "an unknown write took effect late": [
        put(b"1", 0, inf, 0), put(b"2", 1, 2, 2), read((b"2", 2), 3, 4, 2), read((b"1", 3), 5, 6, 3)
    ],
    "an unknown write never took effect": [put(b"1", 0, inf, 0), put(b"2", 1, 2, 2), read((b"2", 2), 3, 4, 2)],
    "one of two swaps succeeds": [
        swap(None, b"1", 0, 5, True, 2), swap(None, b"2", 0, 6, False, 2, (b"1", 2)), read((b"1", 2), 7, 8, 2)
    ],
    "keys go their own ways": [put(b"1", 0, 1, 2), put(b"2", 0, 1, 3, b"y"), read((b"2", 3), 2, 3, 3, b"y")],
}  # fmt: skip
WRONG = {
    "a stale read": [put(b"1", 0, 1, 2), put(b"2", 2, 3, 3), read((b"1", 2), 4, 5, 3)],
    "a lost write": [put(b"1", 0, 1, 2), read(None, 2, 3, 2)],
    "a read goes back": [
        put(b"1", 0, 1, 2), put(b"2", 2, 9, 3), read((b"2", 3), 3, 4, 3), read((b"1", 2), 5, 6, 3)
    ],
    "an unknown write undoes itself": [
        put(b"0", 0, 1, 2), put(b"1", 2, inf, 0), read((b"1", 3), 3, 4, 3), read((b"0", 2), 5, 6, 3)
    ],
    "both swaps succeed": [swap(None, b"1", 0, 5, True, 2), swap(None, b"2", 0, 6, True, 3)],
    "a swap fails for no reason": [put(b"1", 0, 1, 2), swap(b"1", b"2", 2, 3, False, 2, (b"1", 2))],
    "half a transaction is seen": [
        Operation("w", Transaction((), ((b"x", b"1"), (b"y", b"1"))), 0, 1, Outcome(True, 2)),
        Operation("r", Transaction(reads=(b"x", b"y")), 2, 3, Outcome(True, 2, ((b"1", 2), None))),
    ],
    "a revision is used twice": [put(b"1", 0, 1, 2), put(b"2", 2, 3, 2)],
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_right_histories_are_explained(name):
    assert not_linearizable(RIGHT[name]) == []
    assert revisions_out_of_order(RIGHT[name]) == []


@pytest.mark.parametrize("name", WRONG)
def test_wrong_histories_are_not(name):
    assert not_linearizable(WRONG[name])


def test_revisions_of_different_keys_are_compared_too():
    ahead = [put(b"1", 0, 1, 3), put(b"2", 2, 3, 2, b"y")]
    assert not_linearizable(ahead) == []
    assert revisions_out_of_order(ahead)
    assert revisions_out_of_order([put(b"1", 0, 5, 2), put(b"2", 1, 4, 2, b"y")])


def test_keys_of_one_transaction_are_checked_together():
    both = Operation("w", Transaction((), ((b"b", b"1"), (b"c", b"1"))), 0, 1, Outcome(True, 2))
    groups = parts([put(b"1", 0, 1, 2, b"a"), put(b"1", 0, 1, 2, b"b"), both, put(b"1", 0, 1, 2, b"c")])
    assert [len(group) for group in groups] == [1, 3]


def explained_by_trial(operations):
    """Every order of every choice of the unknown operations."""
    known = [op for op in operations if op.outcome is not None]
    unknown = [op for op in operations if op.outcome is None]
    for chosen in range(2 ** len(unknown)):
        some = known + [op for place, op in enumerate(unknown) if chosen >> place & 1]
        for order in permutations(some):
            if any(b.returned_s < a.invoked_s for place, a in enumerate(order) for b in order[place + 1 :]):
                continue
            state = _State()
            for op in order:
                state = step(state, op)
                if state is None:
                    break
            if state is not None:
                return True
    return False


VERSIONS = st.none() | st.tuples(st.sampled_from([b"1", b"2"]), st.integers(2, 4))


@st.composite
def operations(draw):
    invoked = draw(st.integers(0, 8))
    returned = draw(st.sampled_from([inf, *range(invoked + 1, 11)]))
    revision = draw(st.integers(1, 4))
    value = draw(st.sampled_from([b"1", b"2"]))
    match draw(st.sampled_from(["put", "read", "swap"])):
        case "put":
            return put(value, invoked, returned, revision)
        case "read":
            return read(draw(VERSIONS), invoked, 11 if returned == inf else returned, revision)
        case _:
            old = draw(st.sampled_from([None, b"1"]))
            succeeded = draw(st.booleans())
            return swap(old, value, invoked, 11 if returned == inf else returned, succeeded, revision, draw(VERSIONS))


@settings(max_examples=300, deadline=None)
@given(st.lists(operations(), max_size=5))
def test_the_checker_finds_an_order_exactly_when_there_is_one(history):
    assert (not not_linearizable(history)) == explained_by_trial(history)
