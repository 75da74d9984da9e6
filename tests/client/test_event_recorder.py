"""Events are counted, combined, limited and sent at a rate, as client-go does it."""

from __future__ import annotations

import asyncio
from typing import Any

from actors.apimachinery.operation import OPERATE, Operation, encode_object, operations_from_wire
from actors.client.client import Client
from actors.client.decision import EventNote
from actors.client.events import BUFFER_MAX, BURST_PER_OBJECT, SEND_BURST, SEND_RATE_PER_S, SIMILAR_MAX, EventRecorder
from broker.context import Context
from broker.message import Request
from broker.simulation import Simulation


class Sink:
    """Takes whatever is written."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    async def run(self, ctx: Context) -> None:
        ctx.serve(OPERATE, self.take)
        await asyncio.Event().wait()

    def take(self, request: Request) -> None:
        operations = operations_from_wire(request.body, request.blobs)
        self.operations.extend(operations)
        blob = encode_object({"metadata": {}})
        request.reply([[201, 1, [1], None, None] for _ in operations], [blob for _ in operations])


def about(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"}}


def recorded(notes: list[EventNote], seconds: float = 120.0) -> list[Operation]:
    sink = Sink()
    with Simulation(seed=1) as sim:
        sim.spawn_actor("apiserver", sink.run)
        ctx = sim.context("kubelet")
        recorder = EventRecorder(Client(ctx), "kubelet", "node-1")

        async def record() -> None:
            for note in notes:
                recorder.record(note)

        sim.run(record())
        sim.run_for(seconds)
        assert not sim.crashes
    return sink.operations


def test_an_event_names_its_object_source_and_time() -> None:
    (operation,) = recorded(
        [EventNote(about("web"), "Normal", "Started", "Started container web", "spec.containers{web}")]
    )
    event = operation.body
    assert (operation.verb, operation.resource, operation.namespace) == ("create", "v1/events", "default")
    assert event["involvedObject"] == {
        "kind": "Pod",
        "name": "web",
        "apiVersion": "v1",
        "namespace": "default",
        "uid": "uid-web",
        "fieldPath": "spec.containers{web}",
    }
    assert event["source"] == {"component": "kubelet", "host": "node-1"}
    assert event["metadata"]["name"].startswith("web.")
    assert (event["count"], event["type"], event["reason"]) == (1, "Normal", "Started")


def test_repeats_raise_the_count() -> None:
    note = EventNote(about("web"), "Warning", "BackOff", "Back-off restarting failed container")
    first, second, third = recorded([note, note, note])
    assert first.verb == "create"
    assert (second.verb, second.name, second.body["count"]) == ("patch", first.name, 2)
    assert third.body["count"] == 3


def test_many_similar_events_are_combined() -> None:
    notes = [EventNote(about("web"), "Normal", "Scaled", f"message {i}") for i in range(SIMILAR_MAX + 3)]
    messages = [operation.body["message"] for operation in recorded(notes)]
    assert messages[:SIMILAR_MAX] == [f"message {i}" for i in range(SIMILAR_MAX)]
    assert all(message.startswith("(combined from similar events): ") for message in messages[SIMILAR_MAX:])


def test_one_object_can_not_flood() -> None:
    notes = [EventNote(about("web"), "Normal", f"Reason{i}", "m") for i in range(BURST_PER_OBJECT + 20)]
    assert len(recorded(notes, 60.0)) == BURST_PER_OBJECT


def test_sending_keeps_to_its_rate_and_the_buffer_to_its_size() -> None:
    notes = [EventNote(about(f"web-{i}"), "Normal", "Created", "m") for i in range(BUFFER_MAX + 500)]
    soon = len(recorded(notes, 1.0))
    assert SEND_BURST <= soon <= SEND_BURST + SEND_RATE_PER_S * 1.5
    assert len(recorded(notes, 60.0)) == BUFFER_MAX
