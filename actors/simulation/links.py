"""The state of links between actors: cut, slow, and watches whose events don't get through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.stream import Stream
from actors.simulation.fault_plan import Step
from broker.message import unpack

#: Stands for every actor in a link.
ANY: Final = "*"
WATCH_PREFIX: Final = "watch/"


class Links:
    """Which messages pass, and how late."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._links: list[tuple[float, Mapping[str, Any]]] = []
        self._without_bookmarks: list[tuple[float, str]] = []
        self._cut_watches: dict[str, tuple[str, set[str]]] = {}
        """Actors whose watches were cut: of which resource (all when empty), and the topics they asked for again."""
        self.hints_pass = True
        """Publications; when not, that is never healed."""

    def set(self, step: Step) -> None:
        """A fault of links or watches sets in."""
        d = step.details
        until_s = self._now_s() + d.get("for_s", 0.0)
        if step.kind == "watch-reset":
            self._cut_watches[d["actor"]] = (d.get("resource", ""), set())
        elif step.kind == "missing-bookmarks":
            self._without_bookmarks.append((until_s, d.get("resource", "")))
        elif step.kind == "no-hints":
            self.hints_pass = False
        else:
            self._links.append((until_s, d))

    def clear(self) -> None:
        """All is well, but for hints if they don't pass."""
        self._links.clear()
        self._without_bookmarks.clear()
        self._cut_watches.clear()

    def delay_s(self, sender: str, receiver: str, subject: str) -> float | None:
        """How late a message is by the state of its link; None when it does not pass."""
        if not self._links:
            return 0.0
        now_s = self._now_s()
        self._links = [entry for entry in self._links if entry[0] > now_s]
        delay_s = 0.0
        for _, link in self._links:
            forth = link["from"] in (ANY, sender) and link["to"] in (ANY, receiver)
            back = link["from"] in (ANY, receiver) and link["to"] in (ANY, sender)
            if "delay_s" in link:
                if forth and subject.startswith(link.get("subject", "")):
                    delay_s += link["delay_s"]
            elif forth or (back and not link.get("one_way")):
                return None
        return delay_s

    def watch_asked(self, sender: str, frames: Sequence[bytes]) -> None:
        """A reader asks for a stream (again): what was cut is whole again."""
        if sender in self._cut_watches:
            d = unpack(frames[1])
            stream = Stream(d["resource"], d["namespace"], d["labelSelector"], d["fieldSelector"])
            self._cut_watches[sender][1].add(stream.topic)

    def loses(self, reader: str, topic: str, frames: Sequence[bytes]) -> str:
        """Which fault a publication falls to; empty for none."""
        if not self.hints_pass:
            return "no-hints"
        if not topic.startswith(WATCH_PREFIX):
            return ""
        resource = topic.removeprefix(WATCH_PREFIX).split("|")[0]
        cut = self._cut_watches.get(reader)
        if cut is not None and cut[0] in ("", resource) and topic not in cut[1]:
            return "events lost by a watch reset"
        if self._without_bookmarks:
            now_s = self._now_s()
            self._without_bookmarks = [entry for entry in self._without_bookmarks if entry[0] > now_s]
            if any(of in ("", resource) for _, of in self._without_bookmarks) and not unpack(frames[1])[1]:
                return "bookmarks lost"
        return ""
