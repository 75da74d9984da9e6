"""Faults of watches, as a client of the gateway meets them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from actors.apimachinery.stream import Stream
from actors.gateway.watch_faults import disturbed
from broker.chaos import NO_CHAOS, Chaos, Fault
from broker.simulation import Simulation

PODS = Stream("v1/pods")
END = "k8s.io/initial-events-end"


def line(number: int, kind: str = "MODIFIED", **metadata: Any) -> bytes:
    obj = {"metadata": {"resourceVersion": str(number), **metadata}}
    return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"


class Told:
    """What a client is told of twenty chunks of two events and a bookmark each."""

    def __init__(self, *faults: Fault, stream: Stream = PODS) -> None:
        self.events: list[tuple[str, str]] = []
        self.cuts = 0
        with Simulation(seed=3) as sim:
            ctx = sim.context("gateway")
            ctx.set_chaos(Chaos(faults, 1) if faults else NO_CHAOS)
            started_s = sim.now_s
            sim.run(self._read(disturbed(ctx, stream, self._lines(), self._cut)))
            self.took_s = sim.now_s - started_s

    async def _lines(self) -> AsyncGenerator[bytes, None]:
        yield line(0, "ADDED") + line(1, "BOOKMARK", annotations={END: "true"})
        for n in range(2, 60, 3):
            yield line(n) + line(n + 1)
            await asyncio.sleep(0.001)
            yield line(n + 2, "BOOKMARK")

    def _cut(self) -> None:
        self.cuts += 1

    async def _read(self, chunks: AsyncGenerator[bytes, None]) -> None:
        async for chunk in chunks:
            for each in chunk.splitlines():
                event = json.loads(each)
                self.events.append((event["type"], event["object"].get("metadata", {}).get("resourceVersion", "")))
                if event["type"] == "ERROR":
                    assert event["object"]["code"] == 410

    @property
    def versions(self) -> list[int]:
        return [int(version) for kind, version in self.events if kind != "ERROR"]


WHOLE = list(range(62))


def test_without_faults_and_with_faults_of_others_all_is_told() -> None:
    assert Told().versions == WHOLE
    of_others = [
        Fault("drop", {"rate": 1.0}),
        Fault("drop", {"rate": 1.0, "subject": "watch/v1/configmaps|"}),
        Fault("watch-reset", {"rate": 1.0, "resource": "v1/nodes"}),
    ]
    assert Told(*of_others).versions == WHOLE


def test_a_dropped_event_ends_in_a_410_with_nothing_told_after_it() -> None:
    told = Told(Fault("drop", {"rate": 0.1, "subject": "watch/v1/pods|"}))
    assert told.versions == WHOLE[: len(told.versions)]
    assert len(told.versions) < len(WHOLE)
    assert told.events[-1][0] == "ERROR"
    assert [kind for kind, _ in told.events].count("ERROR") == 1


def test_delays_keep_the_order() -> None:
    told = Told(Fault("delay", {"rate": 0.5, "subject": "watch/", "delay_s": 1.0}))
    assert told.versions == WHOLE
    assert 3.0 < told.took_s < 30.0


def test_repeats_are_repeats() -> None:
    told = Told(Fault("duplicate", {"rate": 0.5, "subject": "watch/"}))
    assert sorted(set(told.versions)) == WHOLE
    assert told.versions == sorted(told.versions)
    assert len(WHOLE) + 5 < len(told.versions) < 2 * len(WHOLE)


def test_a_reset_cuts_the_connection() -> None:
    told = Told(Fault("watch-reset", {"rate": 0.1}))
    assert told.versions == WHOLE[: len(told.versions)]
    assert len(told.versions) < len(WHOLE)
    assert told.cuts == 1


@pytest.mark.parametrize("resource", [None, "v1/pods"])
def test_bookmarks_stop_but_the_end_of_the_initial_events_is_told(resource: str | None) -> None:
    told = Told(Fault("missing-bookmarks", {"resource": resource} if resource else {}))
    assert [event for event in told.events if event[0] == "BOOKMARK"] == [("BOOKMARK", "1")]
    assert len(told.versions) == 1 + 1 + 40
