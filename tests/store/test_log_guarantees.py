"""etcd's guarantees for watches, over the store's own publications as its subscribers put them together.

A subscriber follows the revision chain (`store.protocol`): what a publication says it lacks it asks for with WATCH, and
a progress mark tells it that it knows everything.
"""

import os
from random import Random

import pytest

from broker.context import RequestFailed, RequestTimeout
from broker.faults import RandomFaults
from broker.simulation import Simulation
from store import actor as store_actor
from store.actor import run
from store.key_value import KeyValue
from store.proof.recorded_log import RecordedLog
from store.proof.watch_guarantees import violations
from store.proof.watch_record import Event, Response, Session, WatchRecord, WatchRequest
from store.protocol import COMPACT, LEASE_GRANT, LOG_TOPIC, STATUS, TXN, WATCH

SEEDS = 400 if os.environ.get("PODCHAIN_LONG") else 15
#: A store that crashes again and again is started again after half a minute.
PATIENCE_S = 600.0
KEYS = (b"a", b"b", b"c")


class Subscriber:
    """Follows the log, and records it."""

    def __init__(self) -> None:
        self.record = WatchRecord(WatchRequest(), [Session(2)])
        self.paused = False

    async def run(self, ctx) -> None:
        self.waiting = []
        self._ctx = ctx
        ctx.subscribe(LOG_TOPIC, lambda publication: self.waiting.append((publication.body, publication.blobs)))
        while True:
            await ctx.sleep(0.05)
            while self.waiting and not self.paused:
                await self._take(*self.waiting.pop(0))

    async def _take(self, body, blobs) -> None:
        prev, rows, through = body
        known = self.record.sessions[-1].next_revision - 1
        if through < known or (through == known and rows):
            return
        if prev > known:
            await self._catch_up(known)
            return
        self._tell(rows, blobs, known)
        if not rows:
            self.record.sessions[-1].responses.append(Response(progress_revision=through))

    async def _catch_up(self, known) -> None:
        try:
            reply = await self._ctx.request("store", WATCH, {"since": known})
        except RequestTimeout:
            return
        except RequestFailed as error:
            if error.code != "Compacted":
                raise
            compacted = (await self._ctx.request("store", STATUS)).body["compacted"]
            self.record.sessions[-1].responses.append(Response(compact_revision=compacted))
            self.record.sessions.append(Session(compacted))
            return
        self._tell(reply.body[1], reply.blobs, known)

    def _tell(self, rows, blobs, known) -> None:
        events = [Event(KeyValue(*row[1:6], value)) for row, value in zip(rows, blobs, strict=True) if row[3] > known]
        if events:
            self.record.sessions[-1].responses.append(Response(events))


def play(seed, compacting):
    """One run: two subscribers, writes, crashes, loss, leases that expire, compaction."""
    random = Random(seed)
    log = RecordedLog()
    faults = RandomFaults(drop=0.2, duplicate=0.2, delay=0.2)
    with Simulation(seed=seed, faults=faults) as sim:
        sim.spawn_actor("store", lambda ctx: run(ctx, log))
        subscribers = [Subscriber(), Subscriber()]
        for number, subscriber in enumerate(subscribers):
            sim.spawn_actor(f"subscriber-{number}", subscriber.run)
        client = sim.context("client")
        sim.run(client.request("store", LEASE_GRANT, {"id": 7, "ttl_s": 5}, timeout_s=PATIENCE_S))
        compacted = 0
        for _ in range(40):
            keys = random.sample(KEYS, random.randint(1, 3))
            lease = 7 if random.random() < 0.1 else 0
            operations = [["delete", key, b""] if random.random() < 0.3 else ["put", key, lease] for key in keys]
            values = [b"%d" % random.getrandbits(20)] * sum(op[0] == "put" for op in operations)
            sim.run(client.request("store", TXN, [[[], operations, [], ""]], values, timeout_s=PATIENCE_S))
            if random.random() < 0.1:
                sim.crash("store")
            if random.random() < 0.1:
                log.crash_next = random.choice(("before commit", "after commit"))
            if random.random() < 0.2:
                sim.run_for(random.choice((0.1, 1.0, 3.0)))
            if random.random() < 0.1:
                subscribers[0].paused = not subscribers[0].paused
            if compacting and random.random() < 0.1:
                revision = sim.run(client.request("store", STATUS, timeout_s=PATIENCE_S)).body[
                    "revision"
                ] - random.randint(0, 4)
                if revision > compacted:
                    # Carried out, and the answer lost with a crash: to the next incarnation the repeat comes too late.
                    _compact(sim, client, revision)
                    compacted = revision
        sim.set_faults(None)
        log.crash_next = None
        subscribers[0].paused = False
        sim.run_for(10)
        for subscriber in subscribers:
            subscriber.record.through = log.history[-1].mod_revision
        return violations([subscriber.record for subscriber in subscribers], log.history)


def _compact(sim, client, revision):
    try:
        sim.run(client.request("store", COMPACT, {"revision": revision}, timeout_s=PATIENCE_S))
    except RequestFailed as error:
        if error.code != "Compacted":
            raise


@pytest.mark.parametrize("compacting", [False, True])
def test_the_log_keeps_every_guarantee_under_loss_and_crashes(compacting):
    for seed in range(SEEDS):
        assert play(seed, compacting) == [], f"seed {seed}"


def splits_revisions(monkeypatch):
    monkeypatch.setattr(store_actor, "piece_end", lambda changes, start, most: min(start + 1, len(changes)))


def claims_no_gap(monkeypatch):
    right = store_actor.log_body
    monkeypatch.setattr(store_actor, "log_body", lambda prev, changes, through: right(0, changes, through))


def marks_ahead(monkeypatch):
    right = store_actor.log_body
    monkeypatch.setattr(
        store_actor,
        "log_body",
        lambda prev, changes, through: right(prev, changes, through) if changes else right(0, [], through + 1),
    )


@pytest.mark.parametrize(
    ("guarantee", "bug"),
    [("reliable", splits_revisions), ("reliable", claims_no_gap), ("resumable", marks_ahead)],
)
def test_a_bug_planted_in_the_store_is_found(guarantee, bug, monkeypatch):
    bug(monkeypatch)
    assert any(f"{guarantee}: " in sentence for seed in range(10) for sentence in play(seed, compacting=False))
