"""The production transport, between real processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from broker.fabric import HELLO_AFTER_S
from broker.message import KIND_PUBLICATION, NO_CAUSE, VERSION, Request, pack
from broker.process import run_broker
from broker.zeromq import Endpoints, ZeroMQContext


def endpoints_in(directory: Path) -> Endpoints:
    return Endpoints(f"ipc://{directory}/.pub", f"ipc://{directory}/.sub", lambda name: f"ipc://{directory}/{name}")


def _fail(error: BaseException) -> None:
    raise error


def _broker(directory: Path) -> None:
    endpoints = endpoints_in(directory)
    run_broker(endpoints.publish, endpoints.subscribe, lambda: None)


def _server(directory: Path) -> None:
    async def serve() -> None:
        ctx = ZeroMQContext("server", endpoints_in(directory), on_crash=_fail)

        def echo(request: Request) -> None:
            request.reply(request.body, request.blobs)
            ctx.publish("heard", request.body)
            if len(request.blobs) > 1:
                ctx.publish("blobs", None, request.blobs)

        ctx.serve("echo", echo)
        await asyncio.Event().wait()

    asyncio.run(serve())


@pytest.fixture
def world(tmp_path: Path):
    spawn = multiprocessing.get_context("spawn")
    processes: list[multiprocessing.process.BaseProcess] = []

    def start(main) -> multiprocessing.process.BaseProcess:
        process = spawn.Process(target=main, args=(tmp_path,))
        process.start()
        processes.append(process)
        return process

    yield tmp_path, start
    for process in processes:
        process.kill()
        process.join()


def test_pipelined_requests_publications_and_a_killed_server(world) -> None:
    directory, start = world
    start(_broker)
    server = start(_server)

    async def client() -> None:
        ctx = ZeroMQContext("client", endpoints_in(directory), on_crash=_fail)
        heard: list[int] = []
        ctx.subscribe("heard", lambda publication: heard.append(publication.body))
        replies = await asyncio.gather(*(ctx.request("server", "echo", i, [b"x" * 1000]) for i in range(2000)))
        assert [reply.body for reply in replies] == list(range(2000))
        assert all(reply.blobs == [b"x" * 1000] for reply in replies)
        for _ in range(100):
            if heard and heard[-1] == 1999:
                break
            await ctx.request("server", "echo", 1999)
            await asyncio.sleep(0.05)
        assert heard[-1] == 1999
        blobs: list[list[bytes]] = []
        ctx.subscribe("blobs", lambda publication: blobs.append(publication.blobs))
        many = [b"%d" % number for number in range(100)]
        for _ in range(100):
            assert (await ctx.request("server", "echo", 0, many)).blobs == many
            if blobs:
                break
            await asyncio.sleep(0.05)
        assert blobs[0] == many

        waiting = [asyncio.create_task(ctx.request("server", "echo", i)) for i in range(50)]
        os.kill(server.pid, signal.SIGKILL)
        await asyncio.sleep(0.2)
        start(_server)
        assert [reply.body for reply in await asyncio.gather(*waiting)] == list(range(50))
        ctx.close()

    asyncio.run(asyncio.wait_for(client(), 30))


def test_an_answer_that_comes_before_a_send_is_noticed(world) -> None:
    """The send takes the descriptor's signal of the answer away."""
    directory, start = world
    start(_broker)
    server = start(_server)

    async def ask() -> None:
        ctx = ZeroMQContext("client", endpoints_in(directory), on_crash=_fail)
        await ctx.request("server", "echo", 1)
        await asyncio.sleep(max(HELLO_AFTER_S) + 0.3)  # then nothing makes the client repeat itself
        os.kill(server.pid, signal.SIGSTOP)
        asked = asyncio.create_task(ctx.request("server", "echo", 2, timeout_s=60.0, attempt_timeout_s=60.0))
        await asyncio.sleep(0.1)
        os.kill(server.pid, signal.SIGCONT)
        time.sleep(0.5)  # the answer comes, and the loop doesn't look
        header = VERSION, KIND_PUBLICATION, "1", "nobody", "client", NO_CAUSE
        ctx._send_request("server", (header, [pack(None), bytes(100_000)]))
        assert (await asyncio.wait_for(asked, 10.0)).body == 2
        ctx.close()

    asyncio.run(ask())
