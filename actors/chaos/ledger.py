"""What was acknowledged, and what the cluster must therefore show in the end.

Each object has one user, who does one thing after another. An operation that was answered with success is
acknowledged: its state must be there, until a later operation changes it. One whose outcome its user never learned may
have been carried out or not. One that was refused as wrong was not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

State = str | None
"""What is looked at of an object; None when there is none."""
ObjectKey = tuple[str, str]
"""Kind and name."""


@dataclass(slots=True)
class Entry:
    """What may be there of one object."""

    acknowledged: State = None
    possible: list[State] = field(default_factory=lambda: [None])


@dataclass(slots=True)
class Ledger:
    """Of all objects."""

    entries: dict[ObjectKey, Entry] = field(default_factory=dict)
    acknowledged: int = 0
    refused: int = 0
    unknown: int = 0

    def attempt(self, key: ObjectKey, state: State) -> None:
        """An operation is sent that would lead there."""
        self.entries.setdefault(key, Entry()).possible.append(state)

    def succeed(self, key: ObjectKey, state: State) -> None:
        """It was acknowledged."""
        self.acknowledged += 1
        self.entries[key] = Entry(state, [state])

    def refuse(self, key: ObjectKey, state: State) -> None:
        """It was refused for good: nothing came of it."""
        self.refused += 1
        self.entries[key].possible.remove(state)

    def doubt(self) -> None:
        """Nobody knows what came of it: its state stays possible."""
        self.unknown += 1

    def lost(self, shown: Callable[[ObjectKey], State]) -> list[str]:
        """The objects that are neither as acknowledged nor as anything later could have made them."""
        problems = []
        for key, entry in self.entries.items():
            state = shown(key)
            if state not in entry.possible:
                kind, name = key
                problems.append(f"{kind} {name} is {state!r}; acknowledged was {entry.acknowledged!r}")
        return problems
