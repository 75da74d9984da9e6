"""Actors that read from a replica of the API server that lags, or that comes back with a view from before.

Lists that such an actor asks for are answered as of an old revision, its watches tell nothing newer than that, and
events reach it late. Its writes, and reads of single objects, go to the present state, as quorum reads do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from actors.apimachinery.operation import OPERATE, WATCH
from broker.message import pack, unpack


@dataclass(slots=True)
class _View:
    until_s: float
    revision: int
    """The newest that is seen; 0 when the view moves on, behind the present by `delay_s`."""
    delay_s: float


class OldViews:
    """Who sees what is old, and until when."""

    def __init__(self, now_s: Callable[[], float], revision_at: Callable[[float], int]) -> None:
        self._now_s = now_s
        self._revision_at = revision_at
        self._views: dict[str, _View] = {}
        self._watches: dict[str, str] = {}
        """Ids of watch requests on their way, and who asked."""

    def stand_still(self, actor: str, revision: int, for_s: float) -> None:
        """The actor sees nothing newer than a revision."""
        self._views[actor] = _View(self._now_s() + for_s, revision, 0.0)

    def lag(self, actor: str, delay_s: float, for_s: float) -> None:
        """The actor sees what was there `delay_s` ago."""
        self._views[actor] = _View(self._now_s() + for_s, 0, delay_s)

    def clear(self) -> None:
        """Everybody sees the present."""
        self._views.clear()
        self._watches.clear()

    @property
    def is_empty(self) -> bool:
        """Whether everybody does."""
        return not self._views and not self._watches

    def _of(self, actor: str) -> _View | None:
        view = self._views.get(actor)
        if view is not None and view.until_s <= self._now_s():
            del self._views[actor]
            return None
        return view

    def _newest(self, view: _View) -> int:
        return view.revision or max(1, self._revision_at(self._now_s() - view.delay_s))

    def asked(self, sender: str, subject: str, message_id: str, frames: Sequence[bytes]) -> Sequence[bytes]:
        """A request on its way to the API server, as a replica with that view would take it."""
        view = self._of(sender)
        if view is None:
            return frames
        if subject == WATCH:
            self._watches[message_id] = sender
        if subject != OPERATE:
            return frames
        operations = unpack(frames[1])
        changed = False
        for operation in operations:
            options = operation[5]
            if operation[0] == "list" and not options.get("continue") and not options.get("resourceVersion"):
                options["resourceVersion"] = str(self._newest(view))
                options["resourceVersionMatch"] = "Exact"
                changed = True
        return [frames[0], pack(operations), *frames[2:]] if changed else frames

    def answered(self, message_id: str, frames: Sequence[bytes]) -> Sequence[bytes]:
        """An answer of the API server: a watch's without what the view does not show."""
        actor = self._watches.pop(message_id, None)
        view = self._of(actor) if actor is not None else None
        if view is None:
            return frames
        newest = self._newest(view)
        prev, events, through = unpack(frames[1])
        kept = [(event, blob) for event, blob in zip(events, frames[2:], strict=True) if event[1] <= newest]
        body: list[Any] = [prev, [event for event, _ in kept], min(through, newest)]
        return [frames[0], pack(body), *(blob for _, blob in kept)]

    def delay_s(self, reader: str) -> float:
        """How late an event reaches a reader."""
        view = self._of(reader)
        if view is None:
            return 0.0
        return view.until_s - self._now_s() if view.revision else view.delay_s
