"""A client that never finishes the head of a request loses its connection; one that is slow in between does not."""

import asyncio

from aiohttp import web

from actors.gateway.http_server import server_runner

HEAD_TIMEOUT_S = 0.3
REQUEST = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"


async def slow(_request: web.BaseRequest) -> web.Response:
    await asyncio.sleep(2 * HEAD_TIMEOUT_S)
    return web.Response(text="done")


async def answers(*pieces: bytes, pause_s: float) -> bytes:
    """What a client gets that sends pieces with pauses between, until the server hangs up or nothing more comes."""
    runner = server_runner(slow, HEAD_TIMEOUT_S)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause_s)
        async with asyncio.timeout(4 * HEAD_TIMEOUT_S):
            while chunk := await reader.read(1000):
                received += chunk
        return received + b"<closed>"
    except TimeoutError:
        return received
    except ConnectionError:
        return received + b"<closed>"
    finally:
        writer.close()
        await runner.cleanup()


def test_an_unfinished_head_is_given_up() -> None:
    drops = [b"GET /x HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 8]
    assert asyncio.run(answers(*drops, pause_s=HEAD_TIMEOUT_S / 4)) == b"<closed>"
    assert asyncio.run(answers(b"", pause_s=0)) == b"<closed>"


def test_a_slow_answer_is_waited_for() -> None:
    received = asyncio.run(answers(REQUEST, pause_s=0))
    assert received.endswith(b"done")


def test_a_connection_is_used_again_after_a_pause() -> None:
    received = asyncio.run(answers(REQUEST, REQUEST, pause_s=4 * HEAD_TIMEOUT_S))
    assert received.count(b"done") == 2


def test_the_next_requests_head_is_given_up_too() -> None:
    received = asyncio.run(answers(REQUEST, b"GET ", pause_s=3 * HEAD_TIMEOUT_S))
    assert received.count(b"done") == 1
    assert received.endswith(b"<closed>")
