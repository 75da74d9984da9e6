"""SPDY/3.1 frames: what is written is what is read, in pieces of any size; what is no frame is refused."""

import asyncio
import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.gateway.port_forward import CONNECTIONS_MAX, Tunnel
from actors.gateway.spdy import (
    DATA,
    HEADER_DICTIONARY,
    PING,
    RST_STREAM,
    SYN_STREAM,
    FrameReader,
    FrameWriter,
    SpdyError,
    data_frame,
    ping_frame,
    reset_frame,
)

names = st.text(st.characters(codec="latin-1"), min_size=1, max_size=12).map(str.lower)
headers = st.dictionaries(names, st.text(st.characters(codec="latin-1"), max_size=20), max_size=5)


def test_the_dictionary_is_the_published_one():
    assert (len(HEADER_DICTIONARY), zlib.adler32(HEADER_DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(st.data())
def test_frames_arrive_as_they_were_sent(data):
    writer, wire, expected = FrameWriter(), b"", []
    for number in range(data.draw(st.integers(1, 6))):
        kind = data.draw(st.sampled_from([DATA, SYN_STREAM, RST_STREAM, PING]))
        stream = 2 * number + 1
        if kind == DATA:
            content, fin = data.draw(st.binary(max_size=60)), data.draw(st.booleans())
            wire += data_frame(stream, content, fin=fin)
            expected.append((kind, stream, content, {}, fin))
        elif kind == SYN_STREAM:
            fields = data.draw(headers)
            wire += writer.syn_stream(stream, fields)
            expected.append((kind, stream, b"", fields, False))
        elif kind == RST_STREAM:
            wire += reset_frame(stream, 5)
            expected.append((kind, stream, b"", {}, False))
        else:
            wire += ping_frame(b"\0\0\0\1")
            expected.append((kind, 0, b"\0\0\0\1", {}, False))
    reader, found = FrameReader(), []
    while wire:
        size = data.draw(st.integers(1, len(wire)))
        found += reader.feed(wire[:size])
        wire = wire[size:]
    assert [(f.kind, f.stream, f.data, dict(f.headers), f.fin) for f in found] == expected


@given(st.binary(max_size=200))
def test_anything_else_is_refused_or_waited_for(content):
    with contextlib.suppress(SpdyError):
        FrameReader().feed(content)


@pytest.mark.parametrize(
    "wire",
    [
        b"\x80\x02\x00\x01\x00\x00\x00\x00",  # version 2
        b"\x00\x00\x00\x01\x00\xff\xff\xff",  # 16 MiB of data
        b"\x80\x03\x00\x01\x00\x00\x00\x0e" + b"\0" * 14,  # headers that aren't packed
        b"\x80\x03\x00\x03\x00\x00\x00\x02\0\0",  # a reset without a stream
    ],
)
def test_what_is_no_frame(wire):
    with pytest.raises(SpdyError):
        FrameReader().feed(wire)


def test_headers_that_grow_without_end_are_refused():
    pack = zlib.compressobj(zdict=HEADER_DICTIONARY)
    packed = pack.compress(b"\0" * 10_000_000) + pack.flush(zlib.Z_SYNC_FLUSH)
    content = b"\0\0\0\1" + b"\0" * 6 + packed
    with pytest.raises(SpdyError, match="too large"):
        FrameReader().feed(b"\x80\x03\x00\x01" + len(content).to_bytes(4, "big") + content)


async def refused_streams(frames):
    sent = []

    async def send(data):
        sent.append(data)

    async def connect(port):
        raise AssertionError(f"connected to {port}")

    tunnel = Tunnel(send, connect)
    await tunnel.receive(frames)
    held = len(tunnel._pairs), len(tunnel._by_stream)
    await tunnel.close()
    return held, len(sent)


@pytest.mark.parametrize("port", ["", "x", "0", "65536", "9" * 5000, "٣".encode().decode("latin-1")])
def test_streams_to_ports_that_are_none_are_refused_and_forgotten(port):
    writer = FrameWriter()
    frames = b"".join(
        writer.syn_stream(2 * number + 1, {"requestid": str(number), "streamtype": "error", "port": port})
        for number in range(10)
    )
    assert asyncio.run(refused_streams(frames)) == ((0, 0), 10)


def test_streams_beyond_the_limit_are_refused_and_forgotten():
    writer = FrameWriter()
    frames = b"".join(
        writer.syn_stream(2 * number + 1, {"requestid": str(number), "streamtype": "error", "port": "80"})
        for number in range(2 * CONNECTIONS_MAX + 50)
    )
    held, answers = asyncio.run(refused_streams(frames))
    assert held == (2 * CONNECTIONS_MAX, 2 * CONNECTIONS_MAX)
    assert answers == 2 * CONNECTIONS_MAX + 50
