"""What faults were injected, as those who injected them tell it (`broker.chaos`): counts, and the latest one by one."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Mapping
from typing import Any, Final

#: Incarnations whose last counts are remembered, to know what is new in their next report.
INCARNATIONS_MAX: Final = 4096
FAULTS_MAX: Final = 20_000

#: Kind, sender, receiver, subject, message id, wall-clock time.
FaultRow = list[Any]


class FaultRecord:
    """The faults since the tracer started."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.by_actor: dict[str, Counter[str]] = {}
        self._reported: OrderedDict[str, Mapping[str, int]] = OrderedDict()
        self._rows: deque[FaultRow] = deque(maxlen=FAULTS_MAX)

    def take_in(self, actor: str, report: Mapping[str, Any]) -> None:
        """A report: all that its incarnation ever counted, so that one that got lost doesn't matter."""
        key = f"{actor}.{report['incarnation']}"
        before = self._reported.pop(key, {})
        new = Counter(report["counts"])
        new.subtract(before)
        self.counts.update(new)
        self.by_actor.setdefault(actor, Counter()).update(new)
        self._reported[key] = report["counts"]
        while len(self._reported) > INCARNATIONS_MAX:
            self._reported.popitem(last=False)
        self._rows.extend(report["rows"])

    def during(self, since_s: float, until_s: float) -> Counter[str]:
        """How many of which kind befell whatever, of those that are remembered one by one."""
        return Counter(row[0] for row in self._rows if since_s <= row[5] <= until_s)

    def of(self, messages: Collection[str]) -> list[FaultRow]:
        """Those that befell certain messages, or operations inside them."""
        return [row for row in self._rows if row[4] and (row[4] in messages or row[4].partition("#")[0] in messages)]

    def latest(self, count: int) -> list[FaultRow]:
        """The last ones, oldest first."""
        return list(self._rows)[-count:] if count else []
