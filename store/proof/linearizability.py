"""Whether a history of concurrent operations could have come from a store that does one at a time.

The algorithm is Wing and Gong's with Lowe's memory of configurations: it looks for an order of the operations in which
each takes effect at one instant between its invocation and its return and every answer is the one that a plain model
gives. An operation whose outcome nobody knows (a timeout, a crash) may take effect at any instant after its invocation,
or never.

An order of all operations exists exactly when one exists for each part of them that touches keys of its own
(linearizability is local), so keys that no transaction names together are checked apart: `parts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final, NamedTuple

#: Configurations that are looked at before a check is given up: some minutes of work and a gigabyte.
CONFIGURATIONS_MAX: Final = 2_000_000

Version = tuple[bytes, int]
"""A value and the revision that wrote it; 0 in the model where that is not known yet."""


class TooManyConfigurations(Exception):
    """The history is too concurrent to be checked: it holds too many operations of unknown outcome at a time."""


class Transaction(NamedTuple):
    """What was asked: if every compare holds then the writes, else the reads. A plain read has neither of the two."""

    compares: tuple[tuple[bytes, bytes | None], ...] = ()
    """Key and the value it must have; None: the key must not be there."""
    writes: tuple[tuple[bytes, bytes | None], ...] = ()
    """Key and new value; None deletes."""
    reads: tuple[bytes, ...] = ()

    def keys(self) -> set[bytes]:
        """Every key it names."""
        return {*self.reads, *(key for key, _ in self.compares), *(key for key, _ in self.writes)}


class Outcome(NamedTuple):
    """What was answered."""

    succeeded: bool
    """Whether the compares held; a plain read and a plain write always succeed."""
    revision: int
    """The store's revision: of the write, or when it was read."""
    found: tuple[Version | None, ...] = ()
    """What the reads found, if they were carried out."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a client."""

    client: str
    asked: Transaction
    invoked_s: float
    returned_s: float = inf
    outcome: Outcome | None = None
    """None when it is unknown."""


class _State(NamedTuple):
    live: tuple[tuple[bytes, Version], ...] = ()
    """Keys in order."""
    revision: int = 0
    """The last one that is known."""


def step(state: _State, operation: Operation) -> _State | None:
    """The state after an operation, or None when its answer can't have come from this state."""
    asked, outcome = operation.asked, operation.outcome
    live = dict(state.live)
    holds = all((live[key][0] if key in live else None) == value for key, value in asked.compares)
    if outcome is None:
        return _State(_written(live, asked, 0), state.revision) if holds and asked.writes else None
    if outcome.succeeded != holds or outcome.revision < state.revision:
        return None
    if asked.writes and holds:
        changes = any(value is not None or key in live for key, value in asked.writes)
        if changes and outcome.revision <= state.revision:
            return None
        return _State(_written(live, asked, outcome.revision), outcome.revision)
    for key, found in zip(asked.reads, outcome.found, strict=True):
        expected = live.get(key)
        if found is None or expected is None:
            if found is not expected:
                return None
            continue
        if found[0] != expected[0] or expected[1] not in (0, found[1]):
            return None
        live[key] = found
    return _State(tuple(sorted(live.items())), outcome.revision)


def _written(live: dict[bytes, Version], asked: Transaction, revision: int) -> tuple[tuple[bytes, Version], ...]:
    for key, value in asked.writes:
        if value is None:
            live.pop(key, None)
        else:
            live[key] = (value, revision)
    return tuple(sorted(live.items()))


def parts(operations: Iterable[Operation]) -> list[list[Operation]]:
    """The operations in groups that share no key: those of one transaction belong together, and so on."""
    root: dict[bytes, bytes] = {}

    def find(key: bytes) -> bytes:
        while root.setdefault(key, key) != key:
            key = root[key]
        return key

    operations = list(operations)
    for operation in operations:
        first, *others = sorted(operation.asked.keys())
        for key in others:
            root[find(key)] = find(first)
    groups: dict[bytes, list[Operation]] = {}
    for operation in operations:
        groups.setdefault(find(min(operation.asked.keys())), []).append(operation)
    return list(groups.values())


def not_linearizable(operations: Sequence[Operation]) -> list[list[Operation]]:
    """The parts of a history that no order explains; none when it is linearizable.

    Raises `TooManyConfigurations`.
    """
    known = [op for op in operations if op.outcome is not None or op.asked.writes]
    return [part for part in parts(known) if not _explained(part, _State(), step)]


def _explained(operations: Sequence[Operation], state: Any, following: Callable[[Any, Operation], Any | None]) -> bool:
    calls = _Calls(operations)
    required = sum(1 << index for index, op in enumerate(operations) if op.outcome is not None)
    done = 0
    seen: set[tuple[int, Any]] = set()
    taken: list[tuple[int, Any]] = []
    node = calls.first()
    while done & required != required:
        index = calls.called[node]
        if index is not None:
            after = following(state, operations[index])
            if after is not None and (done | 1 << index, after) not in seen:
                done |= 1 << index
                seen.add((done, after))
                if len(seen) > CONFIGURATIONS_MAX:
                    raise TooManyConfigurations
                taken.append((node, state))
                state = after
                calls.lift(node)
                node = calls.first()
                continue
            node = calls.next[node]
            continue
        if not taken:
            return False
        node, state = taken.pop()
        index = calls.called[node]
        assert index is not None
        done ^= 1 << index
        calls.put_back(node)
        node = calls.next[node]
    return True


class _Calls:
    """Invocations and returns in the order of time, as a linked list from which operations are lifted and put back.

    Node 0 is the head; a return's `called` is None, and so is the end's, which stands for every return at infinity.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        times = [(op.invoked_s, 0, index) for index, op in enumerate(operations)]
        times += [(op.returned_s, 1, index) for index, op in enumerate(operations)]
        times.sort()
        self.called: list[int | None] = [None, *(index if kind == 0 else None for _, kind, index in times), None]
        size = len(self.called)
        self.next: list[int] = [*range(1, size), size - 1]
        self._previous: list[int] = [0, *range(size - 1)]
        returned = {index: node for node, (_, kind, index) in enumerate(times, 1) if kind == 1}
        self._return = {node: returned[index] for node, (_, kind, index) in enumerate(times, 1) if kind == 0}

    def first(self) -> int:
        return self.next[0]

    def lift(self, node: int) -> None:
        for place in (node, self._return[node]):
            self.next[self._previous[place]] = self.next[place]
            self._previous[self.next[place]] = self._previous[place]

    def put_back(self, node: int) -> None:
        for place in (self._return[node], node):
            self.next[self._previous[place]] = place
            self._previous[self.next[place]] = place


def revisions_out_of_order(operations: Sequence[Operation]) -> list[str]:
    """Where revisions, which all keys share, contradict time: the check of the parts can't see that.

    Two writes never have one revision; and what was invoked after a return shows no older revision than that return.
    """
    known = [op for op in operations if op.outcome is not None]
    written = Counter(op.outcome.revision for op in known if op.outcome and op.outcome.succeeded and _puts(op.asked))
    found = [f"{times} writes have the revision {revision}" for revision, times in written.items() if times > 1]
    returns = iter(sorted(known, key=lambda op: op.returned_s))
    found.extend(_older_than_before(sorted(known, key=lambda op: op.invoked_s), returns))
    return found


def _puts(asked: Transaction) -> bool:
    """Whether it makes a revision whatever it meets; a deletion of nothing makes none."""
    return any(value is not None for _, value in asked.writes)


def _older_than_before(invocations: list[Operation], returns: Iterator[Operation]) -> Iterator[str]:
    latest = 0
    returned = next(returns, None)
    for op in invocations:
        while returned is not None and returned.returned_s < op.invoked_s:
            assert returned.outcome is not None
            latest = max(latest, returned.outcome.revision)
            returned = next(returns, None)
        assert op.outcome is not None
        if op.outcome.revision < latest:
            yield f"{op} shows an older revision than {latest}, which was answered before it was asked"
