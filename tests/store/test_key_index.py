"""The sorted key index behaves like a sorted set."""

from hypothesis import given, settings
from hypothesis import strategies as st

from store import key_index
from store.key_index import KeyIndex

KEYS = st.binary(min_size=1, max_size=2)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.booleans(), KEYS), max_size=80),
    start=KEYS,
    end=st.none() | KEYS,
    chunk=st.sampled_from([1, 2, 4]),
)
def test_index_is_a_sorted_set(steps, start, end, chunk):
    original = key_index.CHUNK_KEYS
    key_index.CHUNK_KEYS = chunk
    try:
        index = KeyIndex()
        model: set[bytes] = set()
        for adding, key in steps:
            if adding and key not in model:
                index.add(key)
                model.add(key)
            elif not adding and key in model:
                index.remove(key)
                model.remove(key)
            assert (key in index) == (key in model)
        assert len(index) == len(model)
        assert index.between(b"", None) == sorted(model)
        expected = sorted(key for key in model if key >= start and (end is None or key < end))
        assert index.between(start, end) == expected
    finally:
        key_index.CHUNK_KEYS = original


def test_many_keys_in_any_order():
    index = KeyIndex()
    keys = [f"{i * 7919 % 10_007:05}".encode() for i in range(10_007)]
    for key in keys:
        index.add(key)
    assert index.between(b"", None) == sorted(keys)
    assert index.between(b"01", b"02") == [key for key in sorted(keys) if key.startswith(b"01")]
