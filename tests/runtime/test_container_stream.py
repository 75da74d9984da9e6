"""Streams into pods: every byte arrives once and in order, whatever becomes of the messages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.client.container_stream import ContainerStream
from actors.runtime.protocol import Params, PodSandbox
from actors.runtime.stream import OUTPUT_BYTES_MAX, STDERR, STDOUT, Ended, Input, Stream, StreamRequest
from actors.runtime.streaming import StreamServer
from broker.context import Context, RequestFailed
from broker.faults import RandomFaults
from broker.simulation import Simulation

EXEC = StreamRequest("exec", ("cat",), stdin=True)


class Echo:
    """A driver whose every stream gives back its input, doubled, and ends with its input."""

    def check_stream(self, pod: Any, container: Any, request: StreamRequest) -> None:
        pass

    async def stream(self, pod: Any, container: Any, stream: Stream) -> Ended:
        size = 0
        while True:
            given = await stream.receive()
            size += len(given.data)
            await stream.send(STDOUT, given.data)
            await stream.send(STDERR, given.data[::-1])
            if given.end:
                return Ended(size % 256)


class OnePod:
    """A runtime service with one pod."""

    driver = Echo()

    def pod(self, uid: str) -> PodSandbox:
        return PodSandbox(uid, "default", "p", "s")

    def container(self, params: Params) -> tuple[PodSandbox, None]:
        return self.pod(params["uid"]), None


def conversation(seed: int, faults: RandomFaults, inputs: Sequence[bytes]) -> tuple[bytes, bytes, Ended | None]:
    """What comes back of some inputs."""

    async def runtime(ctx: Context) -> None:
        server = StreamServer(ctx)
        server.start()
        server.serve_open(OnePod())  # type: ignore[arg-type]
        await asyncio.Event().wait()

    async def talk(ctx: Context) -> tuple[bytes, bytes, Ended | None]:
        params = {"uid": "u", "container": "c", "kind": "exec", "command": ["cat"], "stdin": True}
        reply = await ctx.request("runtime", "open_stream", {**params, "stdout": True, "stderr": True})
        stream = ContainerStream(ctx, "runtime", reply.body["stream"])

        async def feed() -> None:
            for data in inputs:
                await stream.write(data)
            await stream.end_input()

        ctx.spawn(feed(), "feed")
        outputs = {STDOUT: b"", STDERR: b""}
        async for channel, data in stream.chunks():
            outputs[channel] += data
        await stream.close()
        with pytest.raises(RequestFailed, match="closed"):
            await ctx.request("runtime", "read_stream", {"stream": reply.body["stream"], "after": 0})
        return outputs[STDOUT], outputs[STDERR], stream.ended

    with Simulation(seed, faults=faults) as sim:
        sim.spawn_actor("runtime", runtime)
        answer = sim.run(talk(sim.context("client")))
        assert not sim.crashes
        return answer


@settings(max_examples=25)
@given(
    st.integers(0, 1000),
    st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    st.sampled_from([RandomFaults(), RandomFaults(drop=0.2, duplicate=0.2, delay=0.2), RandomFaults(duplicate=0.9)]),
)
def test_every_byte_arrives_once_and_in_order_whatever_becomes_of_the_messages(
    seed: int, inputs: list[bytes], faults: RandomFaults
) -> None:
    out, err, ended = conversation(seed, faults, inputs)
    assert out == b"".join(inputs)
    assert err == b"".join(data[::-1] for data in inputs)
    assert ended == Ended(len(out) % 256)


def test_input_of_megabytes() -> None:
    data = bytes(range(256)) * 12_000
    out, err, _ = conversation(1, RandomFaults(duplicate=0.2), [data])
    assert out == data
    assert len(err) == len(data)


def test_who_reads_nothing_holds_up_the_writer_and_who_only_repeats_a_question_gets_the_same_answer() -> None:
    async def play() -> None:
        stream = Stream(EXEC)
        await stream.send(STDOUT, b"x" * OUTPUT_BYTES_MAX)
        assert not stream.offer(STDOUT, b"y")
        late = asyncio.ensure_future(stream.send(STDOUT, b"y"))
        await asyncio.sleep(0)
        assert not late.done()
        first = stream.read(0)
        assert stream.read(0) == first
        assert first.chunks == [(STDOUT, b"x" * OUTPUT_BYTES_MAX)]
        stream.read(1)
        await late
        assert stream.read(1).chunks == [(STDOUT, b"y")]
        stream.end(Ended(3))
        stream.end(Ended(4))
        assert stream.read(1).ended == Ended(3)

    asyncio.run(play())


def test_input_is_taken_once_and_waits_for_room() -> None:
    stream = Stream(EXEC)
    for serial in range(8):
        assert stream.take(serial, Input(b"%d" % serial))
    assert not stream.take(8, Input(b"8"))
    assert stream.take(3, Input(b"again"))

    async def taken() -> list[bytes]:
        return [(await stream.receive()).data for _ in range(8)]

    assert asyncio.run(taken()) == [b"%d" % serial for serial in range(8)]
    assert stream.take(8, Input(b"8"))


def test_a_stream_that_nobody_reads_is_closed() -> None:
    async def runtime(ctx: Context) -> None:
        server = StreamServer(ctx)
        server.start()
        server.serve_open(OnePod())  # type: ignore[arg-type]
        await asyncio.Event().wait()

    with Simulation(3) as sim:
        sim.spawn_actor("runtime", runtime)
        ctx = sim.context("client")
        params = {"uid": "u", "container": "c", "kind": "exec", "command": ["cat"], "stdout": True}
        name = sim.run(ctx.request("runtime", "open_stream", params)).body["stream"]
        sim.run(ctx.request("runtime", "read_stream", {"stream": name, "after": 0}))
        sim.run_for(40)
        with pytest.raises(RequestFailed, match="closed"):
            sim.run(ctx.request("runtime", "read_stream", {"stream": name, "after": 0}))
        with pytest.raises(RequestFailed, match="a command is needed"):
            sim.run(ctx.request("runtime", "open_stream", {**params, "command": []}))
