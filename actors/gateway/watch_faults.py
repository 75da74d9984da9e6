"""Faults of watches over HTTP: what a client of a real API server may meet, in any language.

The faults in force are plain data (`broker.chaos`); those of messages about ``watch/...`` are meant here, too:

- ``drop``: an event is not told, nor anything after it; a while later the watch ends with 410, so that the client
  lists again and never sees the states in between
- ``delay``: an event, and so everything behind it, is late
- ``duplicate``: an event is told twice
- ``watch-reset``: the connection is cut instead of telling an event
- ``missing-bookmarks``: bookmarks are not told, save the one that ends the initial events
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Final

import orjson

from actors.apimachinery.status import expired
from actors.apimachinery.stream import Stream
from broker.chaos import Chaos, Fault
from broker.context import Context

WATCH_SUBJECT: Final = "watch/"
DELAY_MAX_S: Final = 0.5
#: A client that isn't told an event hears nothing for up to so long, and then that it has to list again.
DEAF_MAX_S: Final = 3.0
_BOOKMARK: Final = b'{"type":"BOOKMARK"'
_INITIAL_EVENTS_END: Final = b"k8s.io/initial-events-end"


class _Ended(Exception):
    """The watch ends here; the last thing its client is told comes with it."""


async def disturbed(
    ctx: Context, stream: Stream, lines: AsyncGenerator[bytes, None], cut: Callable[[], None]
) -> AsyncGenerator[bytes, None]:
    """A watch's events as its client gets them. `cut` breaks the connection off."""
    async with contextlib.aclosing(lines):
        async for chunk in lines:
            if not _concerns(ctx.chaos, stream):
                yield chunk
                continue
            try:
                for line in chunk.splitlines(keepends=True):
                    for told in await _fate(ctx, stream, line, cut):
                        yield told
            except _Ended as end:
                if end.args:
                    yield end.args[0]
                return


def _concerns(chaos: Chaos, stream: Stream) -> bool:
    return any(_is_on(fault, stream) for fault in chaos.faults)


def _is_on(fault: Fault, stream: Stream) -> bool:
    if fault.kind in ("watch-reset", "missing-bookmarks"):
        return fault.details.get("resource") in (None, stream.resource)
    subject = str(fault.details.get("subject", ""))
    of_a_watch = fault.kind in ("drop", "delay", "duplicate") and subject.startswith(WATCH_SUBJECT)
    return of_a_watch and stream.topic.startswith(subject)


async def _fate(ctx: Context, stream: Stream, line: bytes, cut: Callable[[], None]) -> list[bytes]:
    """What is told in place of one event. Raises `_Ended`."""
    bookmark = line.startswith(_BOOKMARK)
    told = [line]
    for fault in ctx.chaos.faults:
        if not _is_on(fault, stream):
            continue
        if fault.kind == "missing-bookmarks":
            if bookmark and _INITIAL_EVENTS_END not in line:
                ctx.note_fault(fault.kind, ctx.name, stream.topic)
                return []
            continue
        if bookmark or ctx.fault_random.random() >= fault.details["rate"]:
            continue
        ctx.note_fault(fault.kind, ctx.name, stream.topic)
        if fault.kind == "drop":
            await ctx.sleep(ctx.fault_random.uniform(0.0, DEAF_MAX_S))
            status = expired("too old resource version (podchain chaos)").status
            raise _Ended(orjson.dumps({"type": "ERROR", "object": status}, option=orjson.OPT_APPEND_NEWLINE))
        if fault.kind == "watch-reset":
            cut()
            raise _Ended
        if fault.kind == "delay":
            await ctx.sleep(ctx.fault_random.uniform(0.0, fault.details.get("delay_s", DELAY_MAX_S)))
        else:
            told.append(line)
    return told
