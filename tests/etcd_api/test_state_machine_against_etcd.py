"""A state machine drives a real etcd and our store over the same API, and every answer must be the same.

Two machines: one of requests and watches, and a slow one in which leases expire in real time, both servers are killed
and started again, and snapshots are taken. ``PODCHAIN_LONG=1`` runs many more examples of both.
"""

import os
import time

import pytest
from etcd_programs import missing
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

if missing():
    pytest.skip(missing(), allow_module_level=True)

import etcd_steps as steps
from etcd_twins import BARRIER, CATCH_UP_S, Twins, Watching

from store.etcd_api import messages as m

LONG = bool(os.environ.get("PODCHAIN_LONG"))
EXAMPLES = 1500 if LONG else 8
SLOW_EXAMPLES = 60 if LONG else 2
LONG_TTL_S = 5000
#: etcd grants no shorter lease with its default election timeout, and looks for expired ones every half second.
SHORT_TTL_S = 2
EXPIRY_WAIT_S = 12.0
#: A remaining time to live is rounded to seconds, at two moments.
TTL_TOLERANCE_S = 2
WATCHES_MAX = 4

#: A transaction that is impossible for two reasons: etcd 3.5 looks at all puts first, later ones go in order.
IMPOSSIBLE = ("etcdserver: key not found", "etcdserver: requested lease not found", "etcdserver: mvcc: required")


class Requests(RuleBasedStateMachine):
    """KV, leases, compaction, watches, hashes."""

    twins: Twins

    def __init__(self) -> None:
        super().__init__()
        self.twins.lease_base += 10
        self.lease_base = self.twins.lease_base
        self.revision = 0
        self.compacted = 0
        self.watches: set[int] = set()
        self.compacted_watches: set[int] = set()
        self.ask("kv", "DeleteRange", m.DeleteRangeRequest(key=b"\0", range_end=b"\0"))
        self.steps = 0
        for _ in range(10):  # that every relative revision means the same in a repeat
            self.ask("kv", "Put", m.PutRequest(key=BARRIER))
        self.compact_to(self.revision, physical=True)
        self.open_watch_calls()

    def teardown(self) -> None:
        for watching in self.watching:
            watching.close()
        for lease in self.twins.each("lease", "LeaseLeases", m.LeaseLeasesRequest())[0].leases:
            self.twins.each("lease", "LeaseRevoke", m.LeaseRevokeRequest(ID=lease.ID))

    def ask(self, service, method, request):
        answer = self.twins.ask(service, method, request)
        if not isinstance(answer, tuple):
            self.revision = max(self.revision, answer.header.revision)
        return answer

    def message(self, step):
        return steps.message(step, self.revision, self.lease_base)

    def open_watch_calls(self) -> None:
        self.watches.clear()
        self.compacted_watches.clear()
        self.watching = [Watching(client) for client in self.twins.clients]

    # -- KV

    @rule(step=steps.PUTS)
    def put(self, step):
        self.ask("kv", "Put", self.message(step))

    @rule(step=steps.ODD_PUTS)
    def odd_put(self, step):
        self.ask("kv", "Put", self.message(step))

    @rule(step=steps.DELETES)
    def delete(self, step):
        self.ask("kv", "DeleteRange", self.message(step))

    @rule(step=steps.RANGES)
    def range(self, step):
        self.ask("kv", "Range", self.message(step))

    @rule(step=steps.TXNS)
    def txn(self, step):
        request = self.message(step)
        real, ours = self.twins.each("kv", "Txn", request)
        if isinstance(real, tuple) and isinstance(ours, tuple) and real != ours:
            assert all(message.startswith(IMPOSSIBLE) for _, message in (real, ours)), (request, ours, real)
            return
        assert ours == real, f"{request}: ours {ours}, etcd {real}"
        if not isinstance(real, tuple):
            self.revision = max(self.revision, real.header.revision)

    @rule(ago=steps.AGO, physical=st.booleans())
    def compact(self, ago, physical):
        self.compact_to(max(self.revision - ago, 1), physical)

    def compact_to(self, revision, physical):
        self.settle()  # which watches are cancelled must not depend on how far they have come
        while self.compacted < revision <= self.revision and self.deletes_at(revision):
            revision += 1  # etcd 3.5.1 forgets the tombstones of the compacted revision itself; later ones don't
        answer = self.ask("kv", "Compact", m.CompactionRequest(revision=revision, physical=physical))
        if not isinstance(answer, tuple):
            self.compacted = revision

    def deletes_at(self, revision):
        """Whether a revision deleted a key."""
        before, after = (
            {kv.key for kv in self.ask("kv", "Range", request).kvs}
            for request in (
                m.RangeRequest(key=b"\0", range_end=b"\0", revision=at, keys_only=True)
                for at in (revision - 1, revision)
            )
        )
        return not before <= after

    @rule(ago=steps.AGO, now=st.booleans())
    def hash(self, ago, now):
        time.sleep(0.02)  # etcd compacts in the background, and refuses to hash meanwhile
        self.ask("maintenance", "HashKV", m.HashKVRequest(revision=0 if now else max(self.revision - ago, 1)))

    @rule()
    def status(self):
        real, ours = self.twins.each("maintenance", "Status", m.StatusRequest())
        assert (ours.header, ours.version, list(ours.errors)) == (real.header, real.version, list(real.errors))
        assert 0 < ours.dbSizeInUse <= ours.dbSize

    # -- leases

    @rule(slot=steps.LIVE_SLOTS, ttl_s=st.sampled_from([-1, 0, LONG_TTL_S, LONG_TTL_S, 9_000_000_001, 2**62]))
    def grant(self, slot, ttl_s):
        if ttl_s > 0 or self.lease_base + slot in self.leases():
            self.ask("lease", "LeaseGrant", m.LeaseGrantRequest(ID=self.lease_base + slot, TTL=ttl_s))
        else:  # as short as it can be: seen and ended at once
            self.ask("lease", "LeaseGrant", m.LeaseGrantRequest(ID=self.lease_base + 9, TTL=ttl_s))
            self.ask("lease", "LeaseRevoke", m.LeaseRevokeRequest(ID=self.lease_base + 9))

    @rule(slot=st.sampled_from([1, 2, 3]))
    def revoke(self, slot):
        self.ask("lease", "LeaseRevoke", m.LeaseRevokeRequest(ID=self.lease_base + slot))

    @rule(slot=st.sampled_from([1, 2, 3]))
    def keep_alive(self, slot):
        self.twins.keep_alive(self.lease_base + slot)

    @rule(slot=st.sampled_from([1, 2, 3]), keys=st.booleans())
    def time_to_live(self, slot, keys):
        request = m.LeaseTimeToLiveRequest(ID=self.lease_base + slot, keys=keys)
        real, ours = self.twins.each("lease", "LeaseTimeToLive", request)
        assert abs(ours.TTL - real.TTL) <= TTL_TOLERANCE_S
        assert (ours.TTL < 0) == (real.TTL < 0)
        assert sorted(ours.keys) == sorted(real.keys)
        assert (ours.header, ours.ID, ours.grantedTTL) == (real.header, real.ID, real.grantedTTL)

    def leases(self):
        """Ids of all leases. etcd orders them by expiry, and equal ones by chance."""
        real, ours = self.twins.each("lease", "LeaseLeases", m.LeaseLeasesRequest())
        assert ours.header == real.header
        found = {lease.ID for lease in ours.leases}
        assert found == {lease.ID for lease in real.leases}
        return found

    @rule()
    def list_leases(self):
        self.leases()

    # -- watches

    @precondition(lambda self: len(self.watches) < WATCHES_MAX)
    @rule(fields=steps.WATCHES)
    def watch(self, fields):
        fields = steps.resolved(fields, self.revision, self.lease_base)
        if fields.get("start_revision") == self.compacted:
            fields["start_revision"] += 1  # etcd 3.5.1 forgets the deletions of the compacted revision itself
        self.settle()
        created = []
        for watching in self.watching:
            watching.call.create(**fields)
            created.append(watching.until(lambda response: response.created))
        real, ours = created
        assert ours == real
        if real[-1].canceled:
            return
        self.watches.add(real[-1].watch_id)
        if 0 < fields.get("start_revision", 0) <= self.revision:
            time.sleep(CATCH_UP_S)
            self.settle()

    @precondition(lambda self: self.watches)
    @rule(watch_id=st.integers(0, 4))
    def cancel_watch(self, watch_id):
        self.settle()
        told = []
        for watching in self.watching:
            watching.call.cancel(watch_id)
            if watch_id in self.watches | self.compacted_watches:
                told.append(watching.until(lambda response: response.canceled))
        if told:
            assert told[1] == told[0]
            self.watches.discard(watch_id)
            self.compacted_watches.discard(watch_id)

    @precondition(lambda self: self.watches)
    @rule()
    def progress(self):
        """Once everything was told, a progress mark shows the revision."""
        self.settle()
        told = []
        for watching in self.watching:
            watching.call.progress()
            told.append(watching.until(lambda response: not response.events and not response.created))
        assert told[1] == told[0]

    @invariant()
    def settled(self):
        """Not after every step: so that some watches have several revisions to be told of."""
        self.steps += 1
        if self.steps % 3 == 0:
            self.settle()

    def settle(self):
        """What every watch was told since the last time, response by response: grouping, revisions, everything."""
        if not getattr(self, "watching", None):
            return
        self.ask("kv", "Put", m.PutRequest(key=BARRIER))
        real, ours = (watching.up_to_barrier() for watching in self.watching)
        if real != ours:
            # An etcd that is busy may bring a watch up to date after the barrier: once more.
            time.sleep(CATCH_UP_S)
            self.ask("kv", "Put", m.PutRequest(key=BARRIER))
            for told, watching in zip((real, ours), self.watching, strict=True):
                for watch_id, responses in watching.up_to_barrier().items():
                    told.setdefault(watch_id, []).extend(responses)
        assert ours == real, f"watches: ours {ours}, etcd {real}"
        for watch_id, responses in ours.items():
            if responses[-1].canceled:
                self.watches.discard(watch_id)
                self.compacted_watches.add(watch_id)

    @rule()
    def compare_everything(self):
        self.settle()
        for revision in range(max(self.compacted, self.revision - 12, 1), self.revision + 1):
            self.ask("kv", "Range", m.RangeRequest(key=b"\0", range_end=b"\0", revision=revision))
        for ago in (0, 1, 5):
            self.ask("maintenance", "HashKV", m.HashKVRequest(revision=max(self.revision - ago, 1)))


class Slow(Requests):
    """Also what takes seconds."""

    @rule(
        keys=st.lists(steps.KEYS, min_size=1, max_size=4, unique=True),
        moved=st.booleans(),
        kept_alive=st.booleans(),
        with_watch=st.booleans(),
    )
    def expire(self, keys, moved, kept_alive, with_watch):
        """A lease runs out: all its keys go in one revision, once its time is over and not before."""
        lease = self.lease_base + 5
        begin_s = time.monotonic()
        self.ask("lease", "LeaseGrant", m.LeaseGrantRequest(ID=lease, TTL=1))
        for key in keys:
            self.ask("kv", "Put", m.PutRequest(key=key, lease=lease))
        if moved:  # the first key's life is its own again
            self.ask("kv", "Put", m.PutRequest(key=keys[0]))
        if with_watch and len(self.watches) < WATCHES_MAX:
            self.watch({"key": b"a", "range_end": b"z", "prev_kv": True})
        if kept_alive:
            time.sleep(1)
            begin_s = time.monotonic()
            self.twins.keep_alive(lease)
        for client in self.twins.clients:
            request = m.LeaseTimeToLiveRequest(ID=lease)
            while client.lease.LeaseTimeToLive(request, timeout=5).TTL >= 0:
                assert time.monotonic() < begin_s + EXPIRY_WAIT_S
                time.sleep(0.05)
            assert time.monotonic() > begin_s + SHORT_TTL_S - 0.5
        time.sleep(0.1)  # the lease is gone a moment before its keys are
        expired = self.revision + (len(keys) > moved)
        answer = self.ask("kv", "Range", m.RangeRequest(key=b"\0", range_end=b"\0"))
        assert answer.header.revision == expired
        self.settle()

    @rule()
    def restart(self):
        """Both are killed and started on their data; watches are opened anew where they were."""
        self.settle()
        for watching in self.watching:
            watching.close()
        time.sleep(0.2)  # etcd commits its database, and so what it compacted, ten times a second
        self.twins.restart()
        self.open_watch_calls()
        self.compare_everything()

    @rule()
    def snapshot(self):
        """What a snapshot begins with: bytes come, and the rest is said to be what it is."""
        for client in self.twins.clients:
            pieces = list(client.maintenance.Snapshot(m.SnapshotRequest(), timeout=20))
            assert [piece.remaining_bytes for piece in pieces] == sorted(
                (piece.remaining_bytes for piece in pieces), reverse=True
            )
            assert pieces[-1].remaining_bytes == 0


@pytest.fixture(scope="module")
def make_twins(tmp_path_factory):
    made = []

    def make():
        """New ones when an example failed and left the two different."""
        if made and not made[-1].are_alike():
            made.pop().close()
        if not made:
            made.append(Twins(tmp_path_factory.mktemp("twins")))
        return made[-1]

    yield make
    for twins in made:
        twins.close()


def run(machine, make_twins, examples, step_count):
    class Machine(machine):
        def __init__(self):
            self.twins = make_twins()
            super().__init__()

    bounds = settings(
        max_examples=examples,
        stateful_step_count=step_count,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.reuse, Phase.generate, Phase.shrink],
    )
    run_state_machine_as_test(Machine, settings=bounds)


def test_requests_and_watches_are_answered_as_by_etcd(make_twins):
    run(Requests, make_twins, EXAMPLES, 25)


def test_expiry_and_restarts_are_those_of_etcd(make_twins):
    run(Slow, make_twins, SLOW_EXAMPLES, 12)
