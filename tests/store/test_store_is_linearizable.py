"""Histories of concurrent clients of the store actor, in simulation with loss and crashes, are linearizable.

In the strict runs writes are for one incarnation of the store (TXN_ONCE): they are answered, or nobody knows. In the
others the fabric also repeats messages and clients ask again, over crashes of the store too. A write's precondition
makes that harmless, but the answer of a repeat that comes too late is "no": such an answer tells what was read, not
that nothing was written. Then a stale read and a lost write are planted in the store, and found.
"""

import os
from math import inf
from random import Random

import pytest

from broker.context import RequestFailed, RequestTimeout
from broker.faults import RandomFaults
from broker.simulation import Simulation
from store.actor import run
from store.memory_log import MemoryLog
from store.mvcc import Mvcc
from store.proof.linearizability import Operation, Outcome, Transaction, not_linearizable, revisions_out_of_order
from store.protocol import RANGE, STATUS, TXN, TXN_ONCE

SEEDS = 600 if os.environ.get("PODCHAIN_LONG") else 20
CLIENTS = 5
OPERATIONS = 18
SINGLE = (b"a", b"b")
PAIR = (b"p1", b"p2")


class Client:
    """Asks at random, and keeps what it asked and was answered."""

    def __init__(self, name, seed, history, repeats):
        self.name = name
        self._random = Random(f"{seed}/{name}")
        self._history = history
        self._repeats = repeats
        self._seen: dict[bytes, bytes | None] = {}
        self._incarnation = None
        self.done = False

    async def run(self, ctx):
        for number in range(OPERATIONS):
            await ctx.sleep(self._random.expovariate(1 / 0.1))
            asked = self._choose(f"{self.name}.{number}".encode())
            invoked_s = ctx.monotonic_s()
            try:
                outcome = await self._ask(ctx, asked)
            except (RequestTimeout, RequestFailed) as error:
                if isinstance(error, RequestFailed) and error.code != "MethodNotServed":
                    raise
                self._incarnation = None
                self._history.append(Operation(self.name, asked, invoked_s))
                continue
            returned_s = ctx.monotonic_s()
            if self._repeats and asked.writes and not outcome.succeeded:
                self._history.append(Operation(self.name, asked, invoked_s))
                asked, outcome = Transaction(reads=asked.reads), outcome._replace(succeeded=True)
            self._history.append(Operation(self.name, asked, invoked_s, returned_s, outcome))
        self.done = True

    def _choose(self, value):
        keys = PAIR if self._random.random() < 0.4 else (self._random.choice(SINGLE),)
        kind = self._random.random()
        if kind < 0.35:
            return Transaction(reads=keys)
        if kind < 0.5 and not self._repeats:
            delete = self._random.random() < 0.3
            return Transaction((), tuple((key, None if delete else value) for key in keys))
        return Transaction(tuple((key, self._seen.get(key)) for key in keys), tuple((key, value) for key in keys), keys)

    async def _method(self, ctx):
        if self._repeats:
            return TXN
        if self._incarnation is None:
            self._incarnation = (await ctx.request("store", STATUS)).body["incarnation"]
        return TXN_ONCE.format(self._incarnation)

    async def _ask(self, ctx, asked):
        options = {"timeout_s": 20.0 if self._repeats else 1.7}
        if len(asked.reads) == 1 and not asked.writes:
            reply = await ctx.request("store", RANGE, {"key": asked.reads[0]}, **options)
            revision, answers = reply.body[0], [["range", *reply.body[1:]]]
            succeeded = True
        else:
            reads = [["range", key, b"", 0] for key in asked.reads]
            writes = [["delete", key, b""] if value is None else ["put", key, 0] for key, value in asked.writes]
            row = [[compare(*pair) for pair in asked.compares], writes or reads, reads if writes else [], ""]
            values = [value for _, value in asked.writes if value is not None]
            reply = await ctx.request("store", await self._method(ctx), [row], values, **options)
            succeeded, revision, answers = reply.body[0]
        values = iter(reply.blobs)
        ranges = [kvs for kind, *rest in answers if kind == "range" for kvs in rest[:1]]
        found = [(next(values), kvs[0][2]) if kvs else None for kvs in ranges]
        for key, version in zip(asked.reads, found, strict=False):
            self._seen[key] = version and version[0]
        if succeeded:
            self._seen.update(asked.writes)
        return Outcome(succeeded, revision, tuple(found))


def compare(key, value):
    return [key, "mod", "=", 0] if value is None else [key, "value", "=", value]


def record(seed, repeats=False, log=None):
    """The history of one run."""
    random = Random(seed)
    log = log or MemoryLog()
    faults = RandomFaults(drop=0.1, delay=0.2, duplicate=0.2 if repeats else 0.0)
    history: list[Operation] = []
    with Simulation(seed=seed, faults=faults) as sim:
        sim.spawn_actor("store", lambda ctx: run(ctx, log))
        clients = [Client(f"c{number}", seed, history, repeats) for number in range(CLIENTS)]
        for client in clients:
            sim.spawn_actor(client.name, client.run)
        for _ in range(4):
            sim.run_for(random.uniform(0.1, 1.0))
            if random.random() < 0.5:
                sim.crash("store")
            else:
                log.crash_next = random.choice(("before commit", "after commit"))
        assert sim.run_until(lambda: all(client.done for client in clients), 2000.0)
    assert len(history) >= CLIENTS * OPERATIONS
    return history


def wrong_in(history):
    return bool(not_linearizable(history) or revisions_out_of_order(history))


@pytest.mark.parametrize("repeats", [False, True])
def test_recorded_histories_are_linearizable(repeats):
    unknown = 0
    for seed in range(SEEDS):
        history = record(seed, repeats)
        assert not_linearizable(history) == [], f"seed {seed}"
        assert revisions_out_of_order(history) == [], f"seed {seed}"
        unknown += sum(op.returned_s == inf for op in history)
    assert unknown > SEEDS


class LazyLog(MemoryLog):
    """Acknowledges what it will write with the next commit: a crash in between loses it."""

    def __init__(self):
        super().__init__()
        self._waiting = ([], [])

    def load(self):
        self._waiting = ([], [])
        return super().load()

    def append(self, changes, leases):
        before, self._waiting = self._waiting, (list(changes), list(leases))
        super().append(*before)


def plant_stale_reads(monkeypatch):
    """A read is answered from a little while ago, with the revision of now."""
    right = Mvcc._range

    def wrong(self, op):
        if op.revision or self.revision % 4 or self.revision < 4:
            return right(self, op)
        now = self.revision
        answer = right(self, op._replace(revision=now - 2))
        answer.revision = now
        return answer

    monkeypatch.setattr(Mvcc, "_range", wrong)


def plant_ignored_compares(monkeypatch):
    monkeypatch.setattr(Mvcc, "_holds", lambda self, compare: True)


@pytest.mark.parametrize("repeats", [False, True])
def test_a_planted_lost_write_is_found(repeats):
    assert any(wrong_in(record(seed, repeats, LazyLog())) for seed in range(10))


@pytest.mark.parametrize("plant", [plant_stale_reads, plant_ignored_compares])
@pytest.mark.parametrize("repeats", [False, True])
def test_a_planted_bug_is_found(plant, repeats, monkeypatch):
    plant(monkeypatch)
    assert any(wrong_in(record(seed, repeats)) for seed in range(10))
