"""Bundles: what goes in comes out, and what is no bundle is refused."""

from __future__ import annotations

import asyncio
import multiprocessing

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from broker.bundle import BUNDLE_BYTES_MAX, BUNDLE_MESSAGES_MAX, Bundle, messages_in
from broker.context import RequestTimeout
from broker.message import (
    FRAMES_MAX,
    KIND_REQUEST,
    NAME_CHARS_MAX,
    NO_CAUSE,
    VERSION,
    Cause,
    Header,
    MalformedMessage,
    Request,
    frames_of,
    pack,
    parse,
)
from broker.zeromq import Endpoints, ZeroMQContext

messages = st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=5), min_size=1, max_size=20)


def header(number: int) -> Header:
    return VERSION, KIND_REQUEST, f"id-{number}", "method", "sender", NO_CAUSE


@given(messages)
def test_what_goes_in_comes_out(messages):
    bundle = Bundle()
    for number, contents in enumerate(messages):
        assert not bundle.add((header(number), contents), sum(map(len, contents)))
    read = messages_in(bundle.frame(), 7.0)
    assert [message.contents() for message in read] == messages
    assert read == [parse(frames_of(header(number), contents), 7.0) for number, contents in enumerate(messages)]


def test_a_cause_comes_through():
    bundle = Bundle()
    cause = Cause("id", 7, 1.5)
    bundle.add(((VERSION, KIND_REQUEST, "id", "method", "sender", cause), [b"body"]), 4)
    (message,) = messages_in(bundle.frame(), 0.0)
    assert message.cause == cause


def test_a_bundle_is_full_by_messages_and_by_bytes():
    bundle = Bundle()
    full = [bundle.add((header(0), [b""]), 0) for _ in range(BUNDLE_MESSAGES_MAX)]
    assert full.index(True) == BUNDLE_MESSAGES_MAX - 1
    assert Bundle().add((header(0), [b""]), BUNDLE_BYTES_MAX)


@pytest.mark.parametrize(
    ("headers", "contents"),
    [
        ([header(0)], []),
        ([], [[b"x"]]),
        ([header(0)], [[]]),
        ([header(0)], [["text"]]),
        ([header(0)], [[b"x", 1]]),
        ([header(0)], [b"x"]),
        ([header(0)], [5]),
        ([header(0)], 5),
        (5, [[b"x"]]),
        ([5], [[b"x"]]),
        ([header(0)[:5]], [[b"x"]]),
        ([(*header(0)[:5], ["id"])], [[b"x"]]),
        ([(*header(0)[:5], 5)], [[b"x"]]),
        ([(*header(0)[:5], "abc")], [[b"x"]]),
        ([(*header(0)[:5], ["id", "1", 0.0])], [[b"x"]]),
        ([(*header(0)[:5], ["id", 1, [0.0]])], [[b"x"]]),
        ([(*header(0)[:5], [[], 1, 0.0])], [[b"x"]]),
        ([(VERSION, KIND_REQUEST, "i" * (NAME_CHARS_MAX + 1), "method", "sender", NO_CAUSE)], [[b"x"]]),
        ([header(0)], [[b""] * FRAMES_MAX]),
        ([], []),
        ([(VERSION, KIND_REQUEST, 1, "method", "sender", NO_CAUSE)], [[b"x"]]),
    ],
)
def test_malformed_bundles_are_refused(headers, contents):
    with pytest.raises(MalformedMessage):
        messages_in(pack((headers, contents)), 0.0)


@pytest.mark.parametrize("frame", [b"", b"\xc1", pack(5), pack([[]]), pack([[], [], []]), pack(([], []))[:-1]])
def test_what_is_no_bundle_is_refused(frame):
    with pytest.raises(MalformedMessage):
        messages_in(frame, 0.0)


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
        raw.send_multipart([b"\xc1"])
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
