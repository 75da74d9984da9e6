"""Faults in force, as the fabric carries them out: in simulation, where the same middleware runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest

from broker.chaos import FAULTS_TOPIC, NO_CHAOS, Chaos, Fault
from broker.context import Context, RequestTimeout
from broker.faults import CORRUPTED, DELIVERED, DROPPED, ChaosFaults, RandomFaults
from broker.message import KIND_PUBLICATION, KIND_REPLY, KIND_REQUEST
from broker.simulation import Simulation


async def echo_actor(ctx: Context) -> None:
    ctx.serve("echo", lambda request: request.reply(ctx.wall_s()))
    await asyncio.Event().wait()


def faults(*each: dict[str, Any]) -> ChaosFaults:
    return ChaosFaults(Chaos([Fault.from_plain(plain) for plain in each]))


def fate(policy: ChaosFaults, sender: str, receiver: str, kind: int = KIND_REQUEST, subject: str = "operate") -> Any:
    return policy.fate(sender, receiver, kind, subject, Random(1))


def test_a_partition_goes_both_ways_unless_it_is_told_not_to() -> None:
    both = faults({"do": "partition", "from": "a", "to": "b"})
    assert fate(both, "a", "b") is fate(both, "b", "a") is DROPPED
    assert both.last == "partition"
    assert fate(both, "a", "c") is DELIVERED
    assert both.last == ""
    one = faults({"do": "partition", "from": "a", "to": "b", "one_way": True})
    assert fate(one, "a", "b") is DROPPED
    assert fate(one, "b", "a", KIND_REPLY) is DELIVERED
    many = faults({"do": "partition", "from": "kubelet-*", "to": "*"})
    assert fate(many, "x", "kubelet-1") is DROPPED
    assert fate(many, "x", "y") is DELIVERED


def test_a_link_of_the_broker_is_that_of_publications() -> None:
    cut = faults({"do": "partition", "from": "a", "to": "broker"})
    assert fate(cut, "x", "a", KIND_PUBLICATION) is fate(cut, "a", "x", KIND_PUBLICATION) is DROPPED
    assert fate(cut, "x", "a", KIND_REQUEST) is DELIVERED


def test_slow_links_add_up_with_what_else_befalls() -> None:
    slow = {"do": "slow", "from": "a", "to": "b", "delay_s": 2.0}
    assert fate(faults(slow), "a", "b") == [2.0]
    assert fate(faults(slow), "b", "a") is DELIVERED
    twice = fate(faults(slow, {"do": "duplicate", "rate": 1, "delay_s": 1.0}), "a", "b")
    assert twice[0] == 2.0
    assert 2.0 <= twice[1] <= 3.0
    assert list(fate(faults(slow, {"do": "drop", "rate": 1}), "a", "b")) == []
    assert fate(faults(slow, {"do": "corrupt", "rate": 1}), "a", "b") is CORRUPTED


def test_rates_are_kept_and_filters_looked_at() -> None:
    policy = faults({"do": "drop", "rate": 0.2, "subject": "watch/"}, {"do": "delay", "rate": 0.3, "to": "b"})
    random = Random(2)
    drawn: Counter[tuple[str, str]] = Counter()
    for subject in ("watch/x", "operate"):
        for _ in range(5000):
            policy.fate("a", "b", KIND_REQUEST, subject, random)
            drawn[subject, policy.last] += 1
    assert drawn["operate", "drop"] == 0
    assert drawn["watch/x", "drop"] == pytest.approx(1000, rel=0.15)
    assert drawn["watch/x", "delay"] == pytest.approx(1500, rel=0.15)
    assert drawn["operate", "delay"] == pytest.approx(1500, rel=0.15)


def test_in_force_and_healed_while_actors_run_and_when_they_restart() -> None:
    with Simulation(seed=4) as sim:
        sim.spawn_actor("echo", echo_actor)
        ctx = sim.context("test")
        sim.run(ctx.request("echo", "echo"))
        sim.set_chaos(Chaos([Fault("partition", {"from": "test", "to": "echo"})]))
        with pytest.raises(RequestTimeout):
            sim.run(ctx.request("echo", "echo", timeout_s=3.0))
        sim.crash("echo")
        sim.run_for(1.0)
        with pytest.raises(RequestTimeout):
            sim.run(ctx.request("echo", "echo", timeout_s=3.0))
        sim.set_chaos(NO_CHAOS)
        sim.run(ctx.request("echo", "echo", timeout_s=0.5))


def test_a_skewed_clock_jumps_and_comes_back() -> None:
    with Simulation(seed=4) as sim:
        sim.spawn_actor("echo", echo_actor)
        ctx = sim.context("test")

        def wrong_by_s() -> float:
            return float(sim.run(ctx.request("echo", "echo")).body) - ctx.wall_s()

        assert wrong_by_s() == pytest.approx(0.0, abs=0.1)
        sim.set_chaos(Chaos([Fault("skew", {"actor": "echo", "by_s": -30.0})]))
        assert wrong_by_s() == pytest.approx(-30.0, abs=0.1)
        sim.set_chaos(NO_CHAOS)
        assert wrong_by_s() == pytest.approx(0.0, abs=0.1)


def test_requests_get_through_everything_and_what_was_injected_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    rates = {"drop": 0.2, "duplicate": 0.1, "delay": 0.1, "reorder": 0.1, "corrupt": 0.1}
    told: dict[str, dict[str, int]] = {}
    with Simulation(seed=5) as sim:
        sim.spawn_actor("echo", echo_actor)
        ctx, listener = sim.context("test"), sim.context("listener")
        listener.subscribe(FAULTS_TOPIC, lambda p: told.__setitem__(p.message.sender, p.body["counts"]))
        sim.set_chaos(Chaos([Fault(name, {"rate": rate}) for name, rate in rates.items()], 5))

        async def many() -> None:
            await asyncio.gather(*(ctx.request("echo", "echo", i) for i in range(200)))

        sim.run(many())
        sim.run_for(1.0)
    counts = Counter(told["echo"]) + Counter(told["test"])
    assert set(counts) == set(rates)
    assert counts["drop"] > counts["corrupt"] > 10
    assert capsys.readouterr().err.count("dropped a malformed message") == counts["corrupt"]


def test_the_seed_decides() -> None:
    def trace(seed: int) -> str:
        with Simulation(seed=6) as sim:
            sim.spawn_actor("echo", echo_actor)
            sim.set_chaos(Chaos([Fault("drop", {"rate": 0.2})], seed))
            ctx = sim.context("test")
            for _ in range(20):
                sim.run(ctx.request("echo", "echo"))
            return sim.trace_hash

    assert trace(1) == trace(1)
    assert trace(1) != trace(2)


def test_the_plain_policy_knows_the_same_faults() -> None:
    assert RandomFaults(corrupt=1.0).fate("a", "b", KIND_REQUEST, "x", Random(1)) is CORRUPTED
    (late_s,) = RandomFaults(reorder=1.0).fate("a", "b", KIND_REQUEST, "x", Random(1))
    assert 0.0 <= late_s <= 0.005
