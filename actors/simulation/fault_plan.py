"""A schedule as data: what users do and what fate does, as steps that can be printed, saved, replayed and shrunk.

A step is a time (virtual seconds since the cluster was ready), a kind and its details. Faults of single messages have
no time: they name the message, as the n-th that went over a link with a subject, so they mean the same in every replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from broker.message import KIND_FAILURE, KIND_PUBLICATION, KIND_REPLY, KIND_REQUEST

#: Kinds of message by the names used in files.
MESSAGE_KINDS: Final = {
    "request": KIND_REQUEST,
    "reply": KIND_REPLY,
    "failure": KIND_FAILURE,
    "publication": KIND_PUBLICATION,
}
MESSAGE_KIND_NAMES: Final = {number: name for name, number in MESSAGE_KINDS.items()}

#: Faults of one message; `cut` and `crash-receiver` are crashes at a message, the last four are the API server's.
MESSAGE_FAULTS: Final = (
    "drop",
    "duplicate",
    "delay",
    "reorder",
    "corrupt",
    "cut",
    "crash-receiver",
    "conflict",
    "too-many-requests",
    "error-after-commit",
    "expired",
)

Details = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a step of a kind has, and how it reads."""

    required: tuple[str, ...]
    story: Callable[[Details], str]
    optional: tuple[str, ...] = ()
    is_fault: bool = True


def _message_story(d: Details) -> str:
    what = {
        "drop": "is lost",
        "duplicate": f"arrives twice, again after {d.get('delay_s', 0):.3f} s",
        "delay": f"is late by {d.get('delay_s', 0):.3f} s",
        "reorder": f"is overtaken by others, by {d.get('delay_s', 0) * 1000:.1f} ms",
        "corrupt": "is damaged, noticed and thrown away",
        "cut": f"has only its first {d.get('keep', 0)} writes carried out, and {d['sender']} crashes",
        "crash-receiver": f"finds {d['receiver']} crashing",
        "conflict": "is answered 409 Conflict",
        "too-many-requests": "is answered 429 Too Many Requests",
        "error-after-commit": "is carried out, and answered 500",
        "expired": "is answered 410 Gone",
    }[d["fault"]]
    return f"{d['kind']} #{d['n']} {d['subject']} from {d['sender']} to {d['receiver']} {what}"


KINDS: Final[Mapping[str, _Kind]] = {
    "create": _Kind(("manifest",), lambda d: f"user creates {_called(d['manifest'])}", is_fault=False),
    "scale": _Kind(
        ("name", "replicas"), lambda d: f"user scales {d['name']} to {d['replicas']}", ("namespace",), is_fault=False
    ),
    "set-image": _Kind(
        ("name", "image"), lambda d: f"user sets the image of {d['name']} to {d['image']}", ("namespace",), False
    ),
    "delete": _Kind(("name",), lambda d: f"user deletes {d['name']}", ("namespace", "resource"), is_fault=False),
    "message": _Kind(("sender", "receiver", "kind", "subject", "n", "fault"), _message_story, ("delay_s", "keep")),
    "partition": _Kind(
        ("from", "to", "for_s"),
        lambda d: (
            f"nothing gets {'from' if d.get('one_way') else 'between'} {d['from']} "
            f"{'to' if d.get('one_way') else 'and'} {d['to']} for {d['for_s']:.2f} s"
        ),
        ("one_way",),
    ),
    "slow": _Kind(
        ("from", "to", "for_s", "delay_s"),
        lambda d: f"messages from {d['from']} to {d['to']} are late by {d['delay_s']:.3f} s for {d['for_s']:.2f} s",
        ("subject",),
    ),
    "crash": _Kind(
        ("actor",),
        lambda d: f"{d['actor']} crashes, and is back after {d.get('restart_after_s', 0.1):.2f} s",
        ("restart_after_s",),
    ),
    "pause": _Kind(("actor", "for_s"), lambda d: f"{d['actor']} is paused for {d['for_s']:.2f} s"),
    "skew": _Kind(("actor", "by_s"), lambda d: f"the clock of {d['actor']} jumps by {d['by_s']:+.1f} s"),
    "commit-crash": _Kind(("when",), lambda d: f"the store crashes {d['when']} its next commit"),
    "disk-full": _Kind(("for_s",), lambda d: f"the store's disk is full for {d['for_s']:.2f} s"),
    "slow-sync": _Kind(
        ("for_s", "delay_s"), lambda d: f"each sync of the store takes {d['delay_s']:.3f} s for {d['for_s']:.2f} s"
    ),
}


def _called(manifest: Mapping[str, Any]) -> str:
    name = f"{manifest.get('kind')} {manifest['metadata'].get('name')}"
    replicas = manifest.get("spec", {}).get("replicas")
    return name if replicas is None else f"{name} with {replicas} replicas"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done to the cluster."""

    at_s: float
    kind: str
    details: Details = field(default_factory=dict)

    @property
    def is_fault(self) -> bool:
        """Whether fate does it, not a user."""
        return KINDS[self.kind].is_fault

    @property
    def label(self) -> str:
        """What it is counted as."""
        return str(self.details["fault"]) if self.kind == "message" else self.kind

    def __str__(self) -> str:
        text = KINDS[self.kind].story(self.details)
        return text if self.kind == "message" else f"{self.at_s:8.3f} s  {text}"

    def to_plain(self) -> dict[str, Any]:
        """As it stands in a file."""
        return {"at": self.at_s, "do": self.kind, **self.details}

    @staticmethod
    def from_plain(spec: Any) -> Step:
        """The reverse of `to_plain`. Raises `ValueError`, naming what is wrong."""
        if not isinstance(spec, Mapping):
            raise ValueError(f"a step is a mapping, not {spec!r}")  # noqa: TRY004 - what is wrong is the file
        kind = spec.get("do")
        known = KINDS.get(kind) if isinstance(kind, str) else None
        if known is None:
            raise ValueError(f"do: {kind!r} is no kind of step; known are {', '.join(KINDS)}")
        details = {name: value for name, value in spec.items() if name not in ("at", "do")}
        for name in known.required:
            if name not in details:
                raise ValueError(f"{kind}: {name} is missing")
        for name in details:
            if name not in known.required + known.optional:
                raise ValueError(f"{kind}: {name} is unknown")
        _check_values(str(kind), details)
        return Step(_number(spec.get("at", 0.0), "at"), str(kind), details)


def _check_values(kind: str, details: dict[str, Any]) -> None:
    for name in ("for_s", "delay_s", "by_s", "restart_after_s"):
        if name in details:
            details[name] = _number(details[name], f"{kind}: {name}", negative=name == "by_s")
    if kind == "message":
        if details["fault"] not in MESSAGE_FAULTS:
            raise ValueError(f"message: fault: {details['fault']!r} is unknown; known are {', '.join(MESSAGE_FAULTS)}")
        if details["kind"] not in MESSAGE_KINDS:
            raise ValueError(f"message: kind: {details['kind']!r} is unknown; known are {', '.join(MESSAGE_KINDS)}")
    if kind == "commit-crash" and details["when"] not in ("before", "after"):
        raise ValueError(f"commit-crash: when: {details['when']!r} is neither before nor after")
    if kind == "create" and not isinstance(details["manifest"], Mapping):
        raise ValueError("create: manifest is not a mapping")


def _number(value: Any, where: str, *, negative: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (negative or value >= 0):
        raise ValueError(f"{where}: {value!r} is not a number of seconds")
    return float(value)
