"""Request/reply and publish/subscribe in both worlds."""

from __future__ import annotations

import asyncio

import pytest

from broker.context import Context, RequestFailed, RequestTimeout
from broker.faults import RandomFaults
from broker.message import (
    KIND_FAILURE,
    KIND_REPLY,
    KIND_REQUEST,
    NO_CAUSE,
    VERSION,
    Publication,
    Request,
    frames_of,
    pack,
)
from broker.simulation import Simulation


async def echo_actor(ctx: Context) -> None:
    def echo(request: Request) -> None:
        request.reply(request.body, request.blobs)

    ctx.serve("echo", echo)
    ctx.serve("refuse", lambda request: request.fail("Nope", "not today"))
    ctx.serve("silence", lambda request: None)
    await asyncio.Event().wait()


def test_echo_and_failures_in_simulation() -> None:
    with Simulation(seed=1) as sim:
        sim.spawn_actor("echo", echo_actor)
        ctx = sim.context("test")
        reply = sim.run(ctx.request("echo", "echo", {"a": [1, None]}, [b"blob", b""]))
        assert reply.body == {"a": [1, None]}
        assert reply.blobs == [b"blob", b""]
        with pytest.raises(RequestFailed, match="Nope"):
            sim.run(ctx.request("echo", "refuse"))
        with pytest.raises(RequestFailed, match="MethodNotServed"):
            sim.run(ctx.request("echo", "what"))
        before_s = sim.now_s
        with pytest.raises(RequestTimeout):
            sim.run(ctx.request("echo", "silence", timeout_s=7.0))
        assert 7.0 <= sim.now_s - before_s < 7.1
        assert not sim.crashes


def test_requests_get_through_heavy_loss_and_a_crash() -> None:
    with Simulation(seed=2, faults=RandomFaults(drop=0.3, duplicate=0.2, delay=0.2)) as sim:
        sim.spawn_actor("echo", echo_actor)
        ctx = sim.context("test")

        async def many() -> list[int]:
            replies = await asyncio.gather(*(ctx.request("echo", "echo", i) for i in range(100)))
            return [reply.body for reply in replies]

        task = many()
        sim.run_for(0.0003)
        sim.crash("echo")
        assert sim.run(task) == list(range(100))


def test_an_answered_request_is_not_handled_again() -> None:
    handled: list[str] = []

    async def counter(ctx: Context) -> None:
        def count(request: Request) -> None:
            handled.append(request.id)
            request.reply(len(handled))

        ctx.serve("count", count)
        await asyncio.Event().wait()

    with Simulation(seed=3, faults=RandomFaults(drop=0.4, duplicate=0.4)) as sim:
        sim.spawn_actor("counter", counter)
        ctx = sim.context("test")
        for _ in range(50):
            sim.run(ctx.request("counter", "count"))
        sim.run_for(10)
    assert len(handled) == len(set(handled)) == 50


def test_a_request_that_comes_again_while_it_is_handled_is_handled_once() -> None:
    handled: list[Request] = []

    async def slow(ctx: Context) -> None:
        ctx.serve("ask", handled.append)
        await asyncio.Event().wait()

    with Simulation(seed=4) as sim:
        sim.spawn_actor("slow", slow)
        ctx = sim.context("test")

        async def ask() -> object:
            asked = asyncio.create_task(ctx.request("slow", "ask", 1, attempt_timeout_s=0.5))
            await ctx.sleep(3.0)
            assert [request.body for request in handled] == [1]
            handled[0].reply("late")
            return (await asked).body

        assert sim.run(ask()) == "late"
        with pytest.raises(RuntimeError, match="answered already"):
            handled[0].reply("twice")


def test_a_published_request_and_a_garbled_answer_hurt_nobody() -> None:
    heard: list[object] = []

    async def listener(ctx: Context) -> None:
        ctx.serve("ask", lambda request: request.reply("served"))

        def hear(publication: Publication) -> None:
            heard.append(publication.body)
            ctx.spawn(ask(ctx), "ask")

        async def ask(ctx: Context) -> None:
            heard.append((await ctx.request("echo", "echo", "after")).body)

        ctx.subscribe("news", hear)
        await asyncio.Event().wait()

    with Simulation(seed=5) as sim:
        sim.spawn_actor("echo", echo_actor)
        sim.spawn_actor("listener", listener)
        ctx = sim.context("test")
        sim.run_for(0.1)
        request = (VERSION, KIND_REQUEST, "1", "ask", "test", NO_CAUSE), [pack(None)]
        ctx._send_publication("news", request)
        ctx.publish("news", "good")
        sim.run_for(1.0)
        assert heard == ["good", "after"]
        garbled = (VERSION, KIND_REPLY, "test.1", "echo", "echo", NO_CAUSE), [b"\xc1"]
        failure = (VERSION, KIND_FAILURE, "test.1", "echo", "echo", NO_CAUSE), [pack(5)]

        async def asked_again() -> object:
            asked = asyncio.create_task(ctx.request("echo", "echo", 1, request_id="test.1"))
            await asyncio.sleep(0)
            for header, contents in (garbled, failure):
                ctx._receive(frames_of(header, contents), None)
            return (await asked).body

        assert sim.run(asked_again()) == 1
        assert not sim.crashes


def _publishing_world(seed: int) -> tuple[str, list[int]]:
    got: list[int] = []

    async def speaker(ctx: Context) -> None:
        for i in range(100):
            ctx.publish("news", i)
            await ctx.sleep(ctx.random.random())

    with Simulation(seed=seed, faults=RandomFaults(drop=0.1, delay=0.1)) as sim:
        listener = sim.context("listener")
        listener.subscribe("news", lambda publication: got.append(publication.body))
        sim.spawn_actor("speaker", speaker)
        sim.run_for(120)
        return sim.trace_hash, got


def test_the_same_seed_gives_the_same_trace() -> None:
    first, second, other = _publishing_world(7), _publishing_world(7), _publishing_world(8)
    assert first == second
    assert first != other
    assert 70 < len(first[1]) < 100


def test_a_crashed_actor_starts_again_and_its_timers_never_fire() -> None:
    fired: list[str] = []

    async def mortal(ctx: Context) -> None:
        asyncio.get_running_loop().call_later(5, fired.append, ctx.incarnation)
        await ctx.sleep(3)
        if len(sim.crashes) == 0:
            raise RuntimeError("first life ends")
        await asyncio.Event().wait()

    with Simulation(seed=4) as sim:
        sim.spawn_actor("mortal", mortal)
        first = sim.context("mortal").incarnation
        sim.run_for(20)
        assert [str(crash.error) for crash in sim.crashes] == ["first life ends"]
        assert fired == [sim.context("mortal").incarnation]
        assert fired != [first]
