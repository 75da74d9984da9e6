"""etcd's guarantees for watches, checked over simulated runs of the watch hub, and shown to bite.

The fabric loses, repeats, delays and reorders; the store and the API's process crash; watchers read slowly, break off
and resume; history is compacted under them. Then bugs are planted in the code, and each guarantee finds its own.
"""

import asyncio
import importlib.util
import os
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.context import RequestError
from broker.faults import RandomFaults
from broker.simulation import Simulation
from store.actor import run
from store.proof.recorded_log import RecordedLog
from store.proof.watch_guarantees import violations
from store.proof.watch_record import Session, WatchRecord, WatchRequest
from store.protocol import COMPACT, STATUS, TXN

if importlib.util.find_spec("google.protobuf") is None:
    pytest.skip("protobuf is not installed (extra: etcd)", allow_module_level=True)

from watch_recording import Recorder, create_request

from store.etcd_api import messages as m
from store.etcd_api import watch_hub, watch_stream
from store.etcd_api.answers import Identity
from store.etcd_api.refusal import Refusal
from store.etcd_api.watch_hub import WatchHub
from store.etcd_api.watch_stream import WatchStream
from store.etcd_api.watcher import Watcher
from store.mvcc import Mvcc

EXAMPLES = 1000 if os.environ.get("PODCHAIN_LONG") else 30
KEYS = (b"a", b"b", b"c")
REQUESTS = (
    WatchRequest(),
    WatchRequest(prev_kv=True),
    WatchRequest(b"a", b"", no_delete=True),
    WatchRequest(b"a", b"c", no_put=True, prev_kv=True),
)
#: While a watch wants previous values the hub reads the store's log; otherwise it takes what is published.
WITHOUT_PREV_KV = (WatchRequest(), WatchRequest(b"a", b"", no_delete=True))
POLL_S = 0.2
#: A request that an API process did not live to see answered is given up.
CREATE_TIMEOUT_S = 5.0


class World:
    """A store, the hub of an API process, and watchers that record what they are told."""

    def __init__(self, seed, faults, requests):
        self.log = RecordedLog()
        self.sim = Simulation(seed=seed, faults=faults)
        self.sim.spawn_actor("store", lambda ctx: run(ctx, self.log))
        self.client = self.sim.context("client")
        self.api = None
        self.sim.spawn_actor("etcd-api", self._api)
        self.compacted = 0
        self.paused = set()
        self.broken = set()
        self.records = [WatchRecord(request, []) for request in requests]
        for number in range(len(requests)):
            self.sim.spawn_actor(f"watcher-{number}", lambda ctx, number=number: self._watch(ctx, number))

    async def _api(self, ctx):
        self.api = None
        hub = WatchHub(ctx)
        await hub.start()
        self.api = (ctx, hub)
        await ctx.sleep(1e9)

    async def _watch(self, ctx, number):
        record = self.records[number]
        start_revision = 2
        while True:
            while self.api is None:
                await ctx.sleep(POLL_S)
            record.sessions.append(Session(start_revision))
            try:
                await self._session(ctx, number, self.api)
            except (RequestError, Refusal):
                await ctx.sleep(POLL_S)
            session = record.sessions[-1]
            compact_revision = max((response.compact_revision for response in session.responses), default=0)
            start_revision = max(session.next_revision, compact_revision)

    async def _session(self, ctx, number, api):
        """Until the watch is cancelled, broken off, or its server is gone."""
        record = self.records[number]
        recorder = Recorder(record.sessions[-1])
        stream = WatchStream(*api, Identity(1, 2), 600.0)
        try:
            request = create_request(record.request, record.sessions[-1].start_revision)
            await asyncio.wait_for(stream.on_request(request), CREATE_TIMEOUT_S)
            asked_s = ctx.monotonic_s()
            while self.api is api and number not in self.broken:
                if number in self.paused:
                    await ctx.sleep(POLL_S)
                    continue
                try:
                    response = await asyncio.wait_for(stream.next_response(), POLL_S)
                except TimeoutError:
                    pass
                else:
                    if not recorder.add(response):
                        return
                if number % 2 and ctx.monotonic_s() > asked_s + 0.5:
                    asked_s = ctx.monotonic_s()
                    await stream.on_request(m.WatchRequest(progress_request=m.WatchProgressRequest()))
        except TimeoutError:
            pass
        finally:
            self.broken.discard(number)
            stream.close()

    def write(self, *operations):
        values = [b"%d" % len(self.log.history)] * sum(op[0] == "put" for op in operations)
        self.sim.run(self.client.request("store", TXN, [[[], list(operations), [], ""]], values))

    def compact(self, ago):
        revision = self.sim.run(self.client.request("store", STATUS)).body["revision"] - ago
        if revision > self.compacted:
            self.sim.run(self.client.request("store", COMPACT, {"revision": revision}))
            self.compacted = revision

    def take(self, step):
        match step:
            case ("put", key):
                self.write(["put", key, 0])
            case ("others", key):
                self.write(*(["put", other, 0] for other in KEYS if other != key))
            case ("delete", key):
                self.write(["delete", key, b""])
            case ("crash", actor):
                self.sim.crash(actor)
            case ("crash at commit", where):
                self.log.crash_next = where
            case ("wait", duration_s):
                self.sim.run_for(duration_s)
            case ("compact", ago):
                self.compact(ago)
            case ("pause", number):
                self.paused.symmetric_difference_update({number})
            case ("break off", number):
                self.broken.add(number)

    def finish(self):
        """Let everything be told; answers what is wrong with it."""
        self.sim.set_faults(None)
        self.log.crash_next = None
        self.paused.clear()
        self.sim.run_for(15)
        revision = self.log.history[-1].mod_revision if self.log.history else 1
        for record in self.records:
            record.through = revision
            record.compacted = self.compacted
        return violations(self.records, self.log.history)


STEPS = st.one_of(
    st.tuples(st.sampled_from(("put", "put", "others", "delete")), st.sampled_from(KEYS)),
    st.tuples(st.sampled_from(("put", "put", "others", "delete")), st.sampled_from(KEYS)),
    st.tuples(st.just("crash"), st.sampled_from(("store", "etcd-api"))),
    st.tuples(st.just("crash at commit"), st.sampled_from(("before commit", "after commit"))),
    st.tuples(st.just("wait"), st.sampled_from((0.05, 0.3, 1.5))),
    st.tuples(st.just("compact"), st.integers(0, 5)),
    st.tuples(st.sampled_from(("pause", "break off")), st.integers(0, len(REQUESTS) - 1)),
)


def play(seed, steps, requests=REQUESTS):
    world = World(seed, RandomFaults(drop=0.15, duplicate=0.15, delay=0.15), requests)
    try:
        for step in steps:
            world.take(step)
        return world.finish(), world
    finally:
        world.sim.close()


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32), st.lists(STEPS, max_size=40), st.sampled_from((REQUESTS, WITHOUT_PREV_KV)))
def test_every_guarantee_holds_under_loss_crashes_and_compaction(seed, steps, requests):
    found, world = play(seed, steps, requests)
    assert found == []
    assert all(record.sessions for record in world.records)


def random_steps(seed):
    """A run in which much happens, without compaction, which excuses some gaps."""
    random = Random(seed)
    for _ in range(30):
        yield (random.choice(("put", "others", "others", "delete")), random.choice(KEYS))
        if random.random() < 0.3:
            yield ("wait", random.choice((0.05, 0.3, 1.5)))
        if random.random() < 0.15:
            yield (random.choice(("pause", "break off")), random.randrange(len(REQUESTS)))
        if random.random() < 0.05:
            yield ("crash", random.choice(("store", "etcd-api")))


def misses_gaps(monkeypatch):
    def wrong(self, revision):
        self.revision = max(self.revision, revision)

    monkeypatch.setattr(WatchHub, "follow", wrong)


def believes_late_publications(monkeypatch):
    right = WatchHub._on_publication

    def wrong(self, publication):
        if self.revision and publication.body[1]:
            self.revision = min(self.revision, publication.body[0])
        right(self, publication)

    monkeypatch.setattr(WatchHub, "_on_publication", wrong)


def reverses_batches(monkeypatch):
    right = watch_stream.batches
    monkeypatch.setattr(watch_stream, "batches", lambda changes: right(changes[::-1]))


def splits_revisions(monkeypatch):
    right = WatchStream._tell

    def wrong(self, watcher, changes, revision):
        for change in changes:
            right(self, watcher, [change], revision)

    monkeypatch.setattr(WatchStream, "_tell", wrong)


def begins_late(monkeypatch):
    right = watch_stream.new_watcher

    def wrong(request, watch_id, revision):
        watcher = right(request, watch_id, revision)
        watcher.next_revision = max(watcher.next_revision, revision + 1)
        return watcher

    monkeypatch.setattr(watch_stream, "new_watcher", wrong)


def marks_too_early(monkeypatch):
    async def wrong(self, *watchers):
        return (await self._ctx.request("store", STATUS)).body["revision"]

    monkeypatch.setattr(WatchStream, "_synced_revision", wrong)


def tells_itself_as_previous(monkeypatch):
    monkeypatch.setattr(Mvcc, "before", lambda self, kv: kv)


def creates_anew(monkeypatch):
    right = Mvcc._record

    def wrong(self, kv, previous):
        right(self, kv._replace(create_revision=kv.mod_revision if kv.version else 0), previous)

    monkeypatch.setattr(Mvcc, "_record", wrong)


def ignores_filters(monkeypatch):
    def wrong(self, change):
        return change.revision >= self.next_revision and watch_hub.Watcher is Watcher

    monkeypatch.setattr(Watcher, "wants", wrong)


@pytest.mark.parametrize(
    ("guarantee", "bug"),
    [
        ("ordered", reverses_batches),
        ("unique", believes_late_publications),
        ("reliable", misses_gaps),
        ("atomic", splits_revisions),
        ("resumable", begins_late),
        ("bookmarkable", marks_too_early),
        ("previous_values_right", tells_itself_as_previous),
        ("creations_right", creates_anew),
        ("filters_right", ignores_filters),
    ],
)
def test_each_guarantee_finds_a_planted_bug(guarantee, bug, monkeypatch):
    bug(monkeypatch)
    for seed in range(20):
        found, _ = play(seed, random_steps(seed), WITHOUT_PREV_KV if bug is misses_gaps else REQUESTS)
        if any(sentence.startswith(f"{guarantee}: ") for sentence in found):
            return
    pytest.fail("the bug was not found")


def test_the_runs_in_which_bugs_are_planted_are_right_without_them():
    for seed in range(5):
        assert play(seed, random_steps(seed))[0] == []
