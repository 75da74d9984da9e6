"""Bundles: what goes in comes out, and what is no bundle is refused."""

from __future__ import annotations

import asyncio
import multiprocessing

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from broker.bundle import BUNDLE_BYTES_MAX, BUNDLE_MESSAGES_MAX, MARK, Bundle, messages_in
from broker.context import RequestTimeout
from broker.message import KIND_REQUEST, NO_CAUSE, VERSION, MalformedMessage, Request, pack, parse
from broker.zeromq import Endpoints, ZeroMQContext

messages = st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=5), min_size=2, max_size=20)


def header(number: int) -> bytes:
    return pack((VERSION, KIND_REQUEST, f"id-{number}", "method", "sender", NO_CAUSE))


@given(messages)
def test_what_goes_in_comes_out(messages):
    bundle = Bundle()
    for number, frames in enumerate(messages):
        assert not bundle.add([header(number), *frames], sum(map(len, frames)))
    read = messages_in(bundle.frames(), 7.0)
    assert [[message.raw_body, *message.blobs] for message in read] == messages
    assert read == [parse([header(number), *frames], 7.0) for number, frames in enumerate(messages)]


def test_one_message_travels_as_it_is():
    bundle = Bundle()
    bundle.add([b"header", b"body"], 10)
    assert bundle.frames() == [b"header", b"body"]


def test_one_message_of_many_small_frames_is_joined():
    frames = [header(0), b"body", *(b"%d" % number for number in range(100))]
    bundle = Bundle()
    bundle.add(frames, sum(map(len, frames)))
    sent = bundle.frames()
    assert len(sent) == 4
    assert messages_in(sent, 0.0) == [parse(frames, 0.0)]


def test_a_bundle_is_full_by_messages_and_by_bytes():
    bundle = Bundle()
    assert [bundle.add([b""], 0) for _ in range(BUNDLE_MESSAGES_MAX)].index(True) == BUNDLE_MESSAGES_MAX - 1
    assert Bundle().add([b""], BUNDLE_BYTES_MAX)


@pytest.mark.parametrize(
    ("headers", "index", "payload"),
    [
        ([1], ((1,), (2,)), b"x"),
        ([1], ((2,), (1,)), b"x"),
        ([1], ((1,), (1,)), b"x"),
        ([header(0)], ((1,), (1,)), b"x"),
        ([], ((1,), (1,)), b"x"),
        (5, ((1,), (1,)), b"x"),
        ([1, 2], ((1, 1), (2, -1)), b"x"),
        ([1, 2], ((-1, 2), (1,)), b"x"),
        ([1, 2], ((0, 1), (1,)), b"x"),
        ([1], (("a",), (1,)), b"x"),
        ([], ((), ()), b""),
        ([], 5, b""),
        ([], (1, 2), b""),
        ([1], ((1,), (1,), 3), b"x"),
    ],
)
def test_malformed_bundles_are_refused(headers, index, payload):
    with pytest.raises(MalformedMessage):
        messages_in([MARK, pack(headers), pack(index), payload], 0.0)
    with pytest.raises(MalformedMessage):
        messages_in([MARK, pack(headers), b"\xc1", payload], 0.0)
    with pytest.raises(MalformedMessage):
        messages_in([MARK, pack(headers), payload], 0.0)


def endpoints_in(directory) -> Endpoints:
    return Endpoints(f"ipc://{directory}/.pub", f"ipc://{directory}/.sub", lambda name: f"ipc://{directory}/{name}")


def _fail(error: BaseException) -> None:
    raise error


def _server(directory) -> None:
    async def serve() -> None:
        ctx = ZeroMQContext("server", endpoints_in(directory), on_crash=_fail)

        def echo(request: Request) -> None:
            request.reply(request.body, request.blobs)

        ctx.serve("echo", echo)
        await asyncio.Event().wait()

    asyncio.run(serve())


def test_small_and_large_messages_keep_their_order_and_a_bad_bundle_hurts_nobody(tmp_path):
    server = multiprocessing.get_context("spawn").Process(target=_server, args=(tmp_path,), daemon=True)
    server.start()

    async def client() -> None:
        raw = zmq.Context.instance().socket(zmq.DEALER)
        raw.connect(f"ipc://{tmp_path}/server")
        raw.send_multipart([MARK, b"\xc1", b"\xc1", b""])
        ctx = ZeroMQContext("client", endpoints_in(tmp_path), on_crash=_fail)
        answered: list[int] = []

        async def ask(number: int) -> None:
            size = 100_000 if number % 7 == 0 else 100
            reply = await ctx.request("server", "echo", number, [b"x" * size])
            assert (reply.body, reply.blobs) == (number, [b"x" * size])
            answered.append(number)

        await asyncio.gather(*(ask(number) for number in range(1000)))
        assert answered == list(range(1000))
        with pytest.raises(RequestTimeout):
            await ctx.request("nobody", "echo", timeout_s=0.05)
        raw.close(0)
        ctx.close()

    try:
        asyncio.run(asyncio.wait_for(client(), 30))
    finally:
        server.kill()
        server.join()
