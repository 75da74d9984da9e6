"""What a user sees of a cluster's start, life and end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import Final, TextIO

from actors.supervisor.cluster_directory import DEFAULT_NAME

_GREEN: Final = "\033[32m"
_RED: Final = "\033[31m"
_PLAIN: Final = "\033[0m"


class Progress:
    """Tells on a stream, normally standard output; in colour on a terminal. A reader that has left doesn't matter."""

    def __init__(self, name: str, actors: Sequence[str], *, detached: bool, out: TextIO | None = None) -> None:
        self._name = name
        self._width = max(map(len, actors), default=0)
        self._detached = detached
        self._kubectl = [("kubeconfig -o ./kubeconfig", "for the real kubectl")] if "gateway" in actors else []
        self._out = out
        self._is_stopping = False

    @property
    def _stream(self) -> TextIO:
        return self._out or sys.stdout

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text + "\n")
            self._stream.flush()

    def _mark(self, symbol: str, colour: str) -> str:
        encoding = (getattr(self._stream, "encoding", None) or "ascii").lower().replace("-", "")
        if encoding != "utf8":
            symbol = {"✓": "+", "✗": "x"}.get(symbol, symbol)
        return f"{colour}{symbol}{_PLAIN}" if self._stream.isatty() else symbol

    def actor_up(self, name: str, after_s: float) -> None:
        """An actor gave its first sign of life."""
        self._say(f"  {self._mark('✓', _GREEN)} {name:<{self._width}}  {after_s * 1000:4.0f} ms")

    def actor_ended(self, name: str, how: str, restart_in_s: float) -> None:
        """An actor ended and will be started again."""
        when = "now" if restart_in_s <= 0 else f"in {restart_in_s:.1f} s"
        self._say(f"  {self._mark('✗', _RED)} {name:<{self._width}}  ended ({how}), starts again {when}")

    def ready(self, in_s: float) -> None:
        """The whole cluster works."""
        option = "" if self._name == DEFAULT_NAME else f" --name {self._name}"
        self._say(f'Cluster "{self._name}" is ready in {in_s:.2f} s')
        self._say("\nNext:")
        steps = (
            ("apply -f examples/nginx-deployment.yaml", "run something"),
            ("get pods -w", "watch it come up"),
            ("trace deployment/nginx-deployment", "see the ten steps that made it run"),
            *self._kubectl,
            ("ps", "the actors; kill one and see"),
            ("down", "stop the cluster" if self._detached else "stop the cluster (or press Ctrl-C)"),
        )
        width = max(len(command + option) for command, _ in steps)
        for command, what in steps:
            self._say(f"  podchain {command + option:<{width}}  # {what}")

    def start_failed(self, name: str, why: str, log: Sequence[str]) -> None:
        """The cluster can't start because of one actor."""
        self._say(f"  {self._mark('✗', _RED)} {name}: {why}")
        for line in log:
            self._say(f"      {line}")

    def stopping(self) -> None:
        """The end begins."""
        self._is_stopping = True
        self._say(f'Stopping cluster "{self._name}" ...')

    def stopped(self) -> None:
        """Nothing of the cluster runs any more."""
        self._say(f'Cluster "{self._name}" is down')
