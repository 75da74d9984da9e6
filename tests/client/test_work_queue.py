"""The work queue: each key once, again after work, backoff for failures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.apimachinery.meta import Key
from actors.client.work_queue import BACKOFF_BASE_S, BACKOFF_MAX_S, WorkQueue
from broker.message import NO_CAUSE, Cause
from broker.simulation import Simulation

A, B = Key("", "a"), Key("", "b")


def test_a_key_waits_once_with_its_first_cause() -> None:
    calls: list[int] = []
    queue = WorkQueue(lambda: calls.append(1))
    queue.add(A, Cause("first"))
    queue.add(A, Cause("second"))
    queue.add(B, NO_CAUSE)
    assert queue.take(10) == [(A, Cause("first")), (B, NO_CAUSE)]
    assert len(calls) == 2


def test_a_key_added_during_work_comes_again_afterwards() -> None:
    queue = WorkQueue(lambda: None)
    queue.add(A, NO_CAUSE)
    queue.take(1)
    queue.add(A, Cause("later"))
    assert queue.take(1) == []
    queue.done(A, NO_CAUSE)
    assert queue.take(1) == [(A, Cause("later"))]


@given(st.integers(1, 30))
def test_failures_back_off_and_success_forgets(failures: int) -> None:
    with Simulation() as sim:

        async def scenario() -> None:
            queue = WorkQueue(lambda: None)
            delays = []
            queue.add(A, NO_CAUSE)
            for _ in range(failures):
                assert queue.take(1)
                delays.append(queue.failed(A, NO_CAUSE))
                for _ in range(4):
                    if not len(queue):
                        await ctx.sleep(delays[-1] / 2)
            assert delays == [min(BACKOFF_BASE_S * 2**i, BACKOFF_MAX_S) for i in range(failures)]
            queue.take(1)
            queue.done(A, NO_CAUSE)
            assert queue.idle
            queue.add(A, NO_CAUSE)
            queue.take(1)
            assert queue.failed(A, NO_CAUSE) == BACKOFF_BASE_S

        ctx = sim.context("test")
        sim.run(scenario(), 5000)


def test_looking_again_takes_the_earliest_time() -> None:
    with Simulation() as sim:

        async def scenario() -> None:
            queue = WorkQueue(lambda: None)
            for after_s in (5.0, 1.0, 3.0):
                queue.add(A, NO_CAUSE)
                queue.take(1)
                queue.done(A, NO_CAUSE, after_s)
            await ctx.sleep(1.1)
            assert queue.take(1) == [(A, NO_CAUSE)]

        ctx = sim.context("test")
        sim.run(scenario())
