"""Which transactions of a batch have to wait for which: the others may be under way at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from store.transaction import Txn


def predecessors(txns: Sequence[Txn]) -> list[list[int]]:
    """For each transaction, the places of those earlier in the batch that must be done before it begins.

    Two that name a common key stay in order. One that names a range stays in order with all.
    """
    last: dict[bytes, int] = {}
    barrier = -1
    found: list[list[int]] = []
    for at, txn in enumerate(txns):
        keys: dict[bytes, None] = {}
        is_barrier = False
        for key, range_end in _named(txn):
            keys[key] = None
            is_barrier = is_barrier or bool(range_end)
        if is_barrier:
            found.append(list(range(barrier if barrier >= 0 else 0, at)))
            barrier = at
            last.clear()
            continue
        before = {last[key]: None for key in keys if key in last}
        if barrier >= 0:
            before[barrier] = None
        found.append(list(before))
        for key in keys:
            last[key] = at
    return found


def _named(txn: Txn) -> Iterator[tuple[bytes, bytes]]:
    for compare in txn.compares:
        yield compare.key, compare.range_end
    for op in (*txn.success, *txn.failure):
        if isinstance(op, Txn):
            yield from _named(op)
        else:
            yield op.key, getattr(op, "range_end", b"")
