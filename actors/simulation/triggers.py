"""Faults that wait for their moment in the causal trace, and the counting that finds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.simulation.fault_plan import Step
from actors.simulation.moment import AFTER, AFTER_ANSWER, BEFORE, BEFORE_ANSWER


class Triggers:
    """Steps by their moments. Each is given out once."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._waiting: list[Step] = [step for step in steps if step.when is not None]
        self._counts: dict[int, int] = {}
        self._seen: dict[str, None] = {}
        """Ids of requests that were counted: their repeats are not."""
        self._at_answer: dict[str, list[Step]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits any more."""
        return not self._waiting and not self._at_answer

    def clear(self) -> None:
        """Nothing is going to happen."""
        self._waiting.clear()
        self._at_answer.clear()

    def at_request(self, sender: str, message_id: str, operations: Sequence[list[Any]]) -> list[Step]:
        """What happens before a batch is carried out; what happens at its answer is kept for then."""
        if message_id in self._seen:
            return []
        self._seen[message_id] = None
        due = [
            step
            for step in list(self._waiting)
            if step.when is not None
            and step.when.operation
            and self._is_reached(step, sum(step.when.matches_operation(sender, op) for op in operations))
        ]
        later = [step for step in due if step.when is not None and step.when.point != BEFORE]
        if later:
            self._at_answer[message_id] = later
        return [step for step in due if step not in later]

    def at_answer(self, message_id: str) -> tuple[list[Step], list[Step]]:
        """What happens before and after an answer is known."""
        steps = self._at_answer.pop(message_id, [])
        return _split(steps, BEFORE_ANSWER, AFTER_ANSWER)

    def at_events(self, reader: str, resource: str, events: Sequence[list[Any]]) -> tuple[list[Step], list[Step]]:
        """What happens before and after a reader is told of events."""
        due = [
            step
            for step in list(self._waiting)
            if step.when is not None
            and step.when.event
            and self._is_reached(step, sum(step.when.matches_event(reader, resource, event) for event in events))
        ]
        return _split(due, BEFORE, AFTER)

    def _is_reached(self, step: Step, count: int) -> bool:
        assert step.when is not None
        before = self._counts.get(id(step), 0)
        self._counts[id(step)] = before + count
        if before < step.when.nth <= before + count:
            self._waiting.remove(step)
            return True
        return False


def _split(steps: Sequence[Step], first: str, second: str) -> tuple[list[Step], list[Step]]:
    points = [(step, step.when.point) for step in steps if step.when is not None]
    return [step for step, point in points if point == first], [step for step, point in points if point == second]
