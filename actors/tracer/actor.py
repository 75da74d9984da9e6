"""The tracer actor: listens to the tap, remembers within bounds, answers ``trace``."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from actors.tracer.chain import Trace, missing_steps, steps_of
from actors.tracer.record import TOPIC, hops
from broker.context import Context
from broker.message import Publication, Request, unpack

METHOD: Final = "trace"
#: What is remembered, in bytes of publications as they came; the oldest go first.
REMEMBERED_BYTES_MAX: Final = 48 * 1024 * 1024


class Tracer:
    """Keeps publications undecoded: reading them is only worth it when somebody asks."""

    def __init__(self) -> None:
        self._publications: deque[bytes] = deque()
        self._bytes = 0

    def remember(self, publication: Publication) -> None:
        """Keep a publication of the tap."""
        raw = publication.message.raw_body
        self._publications.append(raw)
        self._bytes += len(raw)
        while self._bytes > REMEMBERED_BYTES_MAX:
            self._bytes -= len(self._publications.popleft())

    def answer(self, request: Request) -> None:
        """``{"resource", "namespace", "name"}`` → ``{"steps": [...], "missing": [...], "roots": N}``.

        Fails with NotFound.
        """
        question: dict[str, Any] = request.body
        trace = Trace(hop for raw in self._publications for hop in hops(unpack(raw)))
        wanted = (question["resource"], question.get("namespace", ""), question["name"])
        asked = trace.roots(*wanted)
        # What came of a deletion is not these steps; it is shown only when nothing else is remembered.
        roots = [root for root in asked if root.verb != "delete"] or asked or trace.writes_of(*wanted)[:1]
        if not roots:
            request.fail("NotFound", "nothing is remembered of that object")
            return
        steps = steps_of(trace, roots[-1])
        plain = [step.plain() for step in steps]
        request.reply({"steps": plain, "missing": missing_steps(steps), "roots": len(roots)})


async def run(ctx: Context) -> None:
    """Run the tracer."""
    tracer = Tracer()
    ctx.subscribe(TOPIC, tracer.remember)
    ctx.serve(METHOD, tracer.answer)
    await asyncio.Event().wait()
