"""What a pod's annotations tell the `sim` driver to play (see docs/runtimes.md). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "sim.podchain.dev/"


_Value = float | int | str | tuple[int, ...]


class SimScriptError(ValueError):
    """An annotation can't be understood; the message names it."""


@dataclass(frozen=True, slots=True)
class SimScript:
    """One container's part. Durations in seconds; None: never."""

    pull_seconds: float = 0.0
    image_pull_error: str = ""
    image_pull_failures: int | None = None
    """How many pulls fail before one succeeds; None: all."""
    start_seconds: float = 0.0
    """From start to the first answer of its probes."""
    start_error: str = ""
    run_seconds: float | None = None
    exit_codes: tuple[int, ...] = (0,)
    """One for each attempt; the last holds for all later ones."""
    exit_reason: str = ""
    exits: int | None = None
    """How many attempts end by `run_seconds`; later ones run on. None: all."""
    stop_seconds: float = 0.0
    stop_exit_code: int = 0
    ready_after_seconds: float = 0.0
    fail_readiness_after_seconds: float | None = None
    fail_liveness_after_seconds: float | None = None
    fail_startup_seconds: float = 0.0
    termination_message: str = ""
    logs: str = ""
    exec_output: str = ""
    exec_exit_code: int = 0
    cpu_cores: float = 0.0
    memory_bytes: int = 0

    def exit_code(self, attempt: int) -> int:
        """How that attempt exits."""
        return self.exit_codes[min(attempt, len(self.exit_codes) - 1)]

    def probe(self, kind: str, running_s: float) -> bool:
        """Whether a probe of that kind succeeds after so long."""
        if running_s < self.start_seconds:
            return False
        if kind == "readiness":
            gone = self.fail_readiness_after_seconds
            return running_s >= self.ready_after_seconds and (gone is None or running_s < gone)
        if kind == "liveness":
            gone = self.fail_liveness_after_seconds
            return gone is None or running_s < gone
        return running_s >= self.fail_startup_seconds


_NUMBERS: Final = {
    "pull-seconds": "pull_seconds",
    "start-seconds": "start_seconds",
    "run-seconds": "run_seconds",
    "stop-seconds": "stop_seconds",
    "ready-after-seconds": "ready_after_seconds",
    "fail-readiness-after-seconds": "fail_readiness_after_seconds",
    "fail-liveness-after-seconds": "fail_liveness_after_seconds",
    "fail-startup-seconds": "fail_startup_seconds",
    "cpu-cores": "cpu_cores",
}
_INTEGERS: Final = {
    "exits": "exits",
    "stop-exit-code": "stop_exit_code",
    "exec-exit-code": "exec_exit_code",
    "memory-bytes": "memory_bytes",
    "image-pull-failures": "image_pull_failures",
}
_TEXTS: Final = {
    "image-pull-error": "image_pull_error",
    "start-error": "start_error",
    "exit-reason": "exit_reason",
    "termination-message": "termination_message",
    "logs": "logs",
    "exec-output": "exec_output",
}
_LISTS: Final = {"exit-code": "exit_codes"}
DEFAULT_SCRIPT: Final = SimScript()
#: Largest duration, or other number with a fraction, that is taken: what is larger is a slip of the pen.
SECONDS_MAX: Final = 10 * 365 * 86_400.0


def sim_script(annotations: Mapping[str, str], container: str) -> SimScript:
    """The script of a container: ``sim.podchain.dev/<container>.<what>`` goes before ``sim.podchain.dev/<what>``.

    Raises `SimScriptError`.
    """
    if not any(key.startswith(PREFIX) for key in annotations):
        return DEFAULT_SCRIPT
    found: dict[str, _Value] = {}
    for what, attribute in [*_NUMBERS.items(), *_INTEGERS.items(), *_TEXTS.items(), *_LISTS.items()]:
        key = f"{PREFIX}{container}.{what}"
        if key not in annotations:
            key = PREFIX + what
        text = annotations.get(key)
        if text is None:
            continue
        try:
            found[attribute] = _value(what, text)
        except ValueError as error:
            raise SimScriptError(f"annotation {key}: {text!r} is not a number that makes sense") from error
    if "exit_codes" in found and "run_seconds" not in found:
        found["run_seconds"] = 0.0
    return SimScript(**found)  # type: ignore[arg-type]


def _value(what: str, text: str) -> _Value:
    if what in _TEXTS:
        return text
    if what in _LISTS:
        return tuple(int(part) for part in text.split(","))
    if what in _INTEGERS:
        return int(text)
    number = float(text)
    if not 0 <= number <= SECONDS_MAX:
        raise ValueError(text)
    return number
