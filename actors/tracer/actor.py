"""The tracer actor: listens to the tap, remembers within bounds, answers ``trace``."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from actors.tracer.chain import Trace, missing_steps, steps_of
from actors.tracer.faults import FaultRecord
from actors.tracer.record import TOPIC, hops
from broker.chaos import FAULTS_TOPIC
from broker.context import Context
from broker.message import Publication, Request, unpack

METHOD: Final = "trace"
#: Method: which faults were injected.
FAULTS: Final = "faults"
LATEST_FAULTS: Final = 20
#: What is remembered, in bytes of publications as they came; the oldest go first.
REMEMBERED_BYTES_MAX: Final = 48 * 1024 * 1024


class Tracer:
    """Keeps publications undecoded: reading them is only worth it when somebody asks."""

    def __init__(self, started_s: float = 0.0) -> None:
        self.faults = FaultRecord()
        self._started_s = started_s
        self._publications: deque[bytes] = deque()
        self._bytes = 0

    def remember(self, publication: Publication) -> None:
        """Keep a publication of the tap."""
        raw = publication.message.raw_body
        self._publications.append(raw)
        self._bytes += len(raw)
        while self._bytes > REMEMBERED_BYTES_MAX:
            self._bytes -= len(self._publications.popleft())

    def remember_faults(self, publication: Publication) -> None:
        """Keep a report of injected faults."""
        self.faults.take_in(publication.message.sender, publication.body)

    def answer_faults(self, request: Request) -> None:
        """``{"since_s", "counts": {kind: N}, "by_actor": {actor: {kind: N}}, "latest": [row, ...]}``."""
        by_actor = {actor: dict(counts) for actor, counts in sorted(self.faults.by_actor.items())}
        latest = self.faults.latest(LATEST_FAULTS)
        counts = dict(self.faults.counts)
        request.reply({"since_s": self._started_s, "counts": counts, "by_actor": by_actor, "latest": latest})

    def answer(self, request: Request) -> None:
        """``{"resource", "namespace", "name"}`` → ``{"steps": [...], "missing": [...], "roots": N, "faults": {...}}``.

        The faults are those that befell messages of the steps (``met``), and how many there were meanwhile
        (``meanwhile``). Fails with NotFound.
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
        end_s = roots[-1].received_s + max(step.since_start_s for step in steps)
        ids = {text for step in steps for text in (step.id, step.id.partition("#")[0])}
        faults = {"met": self.faults.of(ids), "meanwhile": dict(self.faults.during(roots[-1].received_s, end_s))}
        request.reply({"steps": plain, "missing": missing_steps(steps), "roots": len(roots), "faults": faults})


async def run(ctx: Context) -> None:
    """Run the tracer."""
    tracer = Tracer(ctx.wall_s())
    ctx.subscribe(TOPIC, tracer.remember)
    ctx.subscribe(FAULTS_TOPIC, tracer.remember_faults)
    ctx.serve(METHOD, tracer.answer)
    ctx.serve(FAULTS, tracer.answer_faults)
    await asyncio.Event().wait()
