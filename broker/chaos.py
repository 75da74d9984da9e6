"""The faults that are in force in a cluster, as data: one vocabulary for those who cause them and those who feel them.

    {"seed": 7, "faults": [{"do": "drop", "rate": 0.2},
                           {"do": "partition", "from": "scheduler", "to": "apiserver", "until": 1767225660.0}]}

A fault is a kind (``do``) and its details. What a kind means is known to whoever carries it out: the message fabric
(`broker.faults`), the clock, the store's log, the API server, the gateway. ``until`` (seconds since the epoch) ends one
by itself. `actors.chaos.vocabulary` lists all kinds, and checks what people write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

#: What faults were injected is told here, by those who injected them. Messages of topics with this prefix meet none.
FAULTS_TOPIC: Final = "chaos/faults"
EXEMPT_PREFIX: Final = "chaos/"

#: Stands for every actor in a link; at the end of a name, for every actor whose name begins so.
ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault."""

    kind: str
    details: Mapping[str, Any] = field(default_factory=dict)
    until_s: float = 0.0
    """When it ends, in seconds since the epoch; 0 when it is healed."""

    def to_plain(self) -> dict[str, Any]:
        """As it stands in files."""
        plain = {"do": self.kind, **self.details}
        return {**plain, "until": self.until_s} if self.until_s else plain

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Fault:
        """The reverse of `to_plain`. Raises `KeyError` when there is no kind."""
        details = {name: value for name, value in plain.items() if name not in ("do", "until")}
        return Fault(plain["do"], details, plain.get("until", 0.0))


@dataclass(frozen=True, slots=True)
class Chaos:
    """All faults in force, and what they are drawn from."""

    faults: Sequence[Fault] = ()
    seed: int | None = None
    """None: drawn from chance, differently at each start of an actor."""

    def of(self, kind: str) -> Iterator[Fault]:
        """The faults of a kind."""
        return (fault for fault in self.faults if fault.kind == kind)

    def at(self, wall_s: float) -> Chaos:
        """Those that haven't ended by then."""
        if all(not fault.until_s or fault.until_s > wall_s for fault in self.faults):
            return self
        return Chaos([f for f in self.faults if not f.until_s or f.until_s > wall_s], self.seed)

    def skew_s(self, actor: str) -> float:
        """How wrong the clock of an actor is."""
        return sum(float(f.details["by_s"]) for f in self.of("skew") if matches(f.details["actor"], actor))

    def to_plain(self) -> dict[str, Any]:
        """As it stands in files."""
        return {"seed": self.seed, "faults": [fault.to_plain() for fault in self.faults]}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Chaos:
        """The reverse of `to_plain`. Raises `KeyError`."""
        return Chaos([Fault.from_plain(fault) for fault in plain["faults"]], plain.get("seed"))


NO_CHAOS: Final = Chaos()


def matches(pattern: str, name: str) -> bool:
    """Whether a name is meant: the name itself, ``*``, or ``kubelet-*``."""
    return pattern in (name, ANY) or (pattern.endswith(ANY) and name.startswith(pattern[:-1]))


class ChaosFile:
    """The file that says which faults are in force; none while there is no such file.

    A file, not messages: faults must end when they are healed, and be met by an actor that has just started, also
    while messages are lost and while the broker and every other actor are being killed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._content = NO_CHAOS

    def read(self, wall_s: float) -> Chaos:
        """What is in force now. Costs one look at the file's date unless it was replaced."""
        try:
            about = self._path.stat()
        except OSError:
            self._seen, self._content = None, NO_CHAOS
            return NO_CHAOS
        seen = (about.st_ino, about.st_mtime_ns)
        if seen != self._seen:
            try:
                self._content = Chaos.from_plain(json.loads(self._path.read_text()))
            except (OSError, ValueError, KeyError, TypeError):
                return self._content  # it is replaced whole, so this is somebody else's doing: go on as before
            self._seen = seen
        self._content = self._content.at(wall_s)
        return self._content
