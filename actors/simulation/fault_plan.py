"""A schedule as data: what users do and what fate does, as steps that can be printed, saved, replayed and shrunk.

A step is a time (virtual seconds since the cluster was ready), a kind and its details. Instead of a time it may have a
moment in the causal trace (``when``; see `actors.simulation.moment`). Faults of single messages have no time either:
they name the message, as the n-th that went over a link with a subject, so they mean the same in every replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from actors.simulation.moment import Moment
from broker.message import KIND_FAILURE, KIND_PUBLICATION, KIND_REPLY, KIND_REQUEST

#: Kinds of message by the names used in files.
MESSAGE_KINDS: Final = {
    "request": KIND_REQUEST,
    "reply": KIND_REPLY,
    "failure": KIND_FAILURE,
    "publication": KIND_PUBLICATION,
}
MESSAGE_KIND_NAMES: Final = {number: name for name, number in MESSAGE_KINDS.items()}

#: Faults of one message; `cut` and the next two are crashes at a message, the last four are the API server's.
MESSAGE_FAULTS: Final = (
    "drop",
    "duplicate",
    "delay",
    "reorder",
    "corrupt",
    "swap",
    "cut",
    "crash-receiver",
    "crash-onto-old-view",
    "conflict",
    "too-many-requests",
    "error-after-commit",
    "expired",
)

#: What the step of a message may say: which it is, and by how much. `revision`: what an old view shows at the newest.
_MESSAGE_DETAILS: Final = ("sender", "receiver", "kind", "subject", "n", "delay_s", "keep", "by", "for_s", "revision")

Details = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a step of a kind has, and how it reads."""

    required: tuple[str, ...]
    story: Callable[[Details], str]
    optional: tuple[str, ...] = ()
    is_fault: bool = True


def _message_story(d: Details) -> str:
    late_s = d.get("delay_s", 0)
    what = {
        "drop": "is lost",
        "duplicate": f"arrives twice, again after {late_s:.3f} s",
        "delay": f"is late by {late_s:.3f} s",
        "reorder": f"is overtaken by others, by {late_s * 1000:.1f} ms",
        "corrupt": "is damaged, noticed and thrown away",
        "swap": f"is overtaken by {_other_message(d.get('by'))}",
        "cut": f"has only its first {d.get('keep', 0)} writes carried out, and its sender crashes",
        "crash-receiver": "finds its receiver crashing",
        "crash-onto-old-view": f"finds its receiver crashing, which is back with a view from before{_as_of(d)}",
        "conflict": "is answered 409 Conflict",
        "too-many-requests": "is answered 429 Too Many Requests",
        "error-after-commit": "is carried out, and answered 500",
        "expired": "is answered 410 Gone",
    }[d["fault"]]
    if "n" not in d:
        return f"that message {what}"
    return f"{d['kind']} #{d['n']} {d['subject']} from {d['sender']} to {d['receiver']} {what}"


def _as_of(d: Details) -> str:
    return f", as of revision {d['revision']}" if "revision" in d else ""


def _other_message(d: Any) -> str:
    return f"{d['kind']} #{d['n']} {d['subject']} from {d['sender']}" if d else "another"


def _partition_story(d: Details) -> str:
    one_way = d.get("one_way")
    ends = f"{'from' if one_way else 'between'} {d['from']} {'to' if one_way else 'and'} {d['to']}"
    return f"nothing gets {ends} for {d['for_s']:.2f} s"


def _user(story: Callable[[Details], str], *required: str, optional: tuple[str, ...] = ()) -> _Kind:
    return _Kind(required, story, optional, is_fault=False)


#: What users do. Deployments unless a resource says otherwise.
_OPERATIONS: Final[Mapping[str, _Kind]] = {
    "create": _user(lambda d: f"user creates {_called(d['manifest'])}", "manifest"),
    "apply": _user(lambda d: f"user applies {_called(d['manifest'])}", "manifest"),
    "scale": _user(
        lambda d: f"user scales {d['name']} to {d['replicas']}", "name", "replicas", optional=("namespace", "resource")
    ),
    "set-image": _user(
        lambda d: f"user sets the image of {d['name']} to {d['image']}",
        "name",
        "image",
        optional=("namespace", "container", "resource"),
    ),
    "update": _user(
        lambda d: f"user changes {d['name']}: {d['patch']}", "name", "patch", optional=("namespace", "resource")
    ),
    "undo": _user(lambda d: f"user undoes the rollout of {d['name']}", "name", optional=("namespace", "to_revision")),
    "delete": _user(lambda d: f"user deletes {d['name']}", "name", optional=("namespace", "resource")),
    "cordon": _user(lambda d: f"user cordons {d['node']}", "node"),
    "uncordon": _user(lambda d: f"user uncordons {d['node']}", "node"),
    "drain": _user(lambda d: f"user drains {d['node']}", "node"),
    "add-node": _user(lambda d: f"user adds {d['node']}", "node"),
    "remove-node": _user(lambda d: f"user switches {d['node']} off and removes it", "node"),
}

_FAULTS: Final[Mapping[str, _Kind]] = {
    "message": _Kind(("fault",), _message_story, _MESSAGE_DETAILS),
    "partition": _Kind(("from", "to", "for_s"), _partition_story, ("one_way",)),
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
    "restart": _Kind(("actor",), lambda d: f"{d['actor']} ends, and is back at once"),
    "restart-onto-old-view": _Kind(
        ("actor", "behind_s", "for_s"),
        lambda d: (
            f"{d['actor']} crashes, and is back with a view from {d['behind_s']:.2f} s before, for {d['for_s']:.2f} s"
        ),
    ),
    "pause": _Kind(("actor", "for_s"), lambda d: f"{d['actor']} is paused for {d['for_s']:.2f} s"),
    "skew": _Kind(
        ("actor", "by_s", "for_s"),
        lambda d: f"the clock of {d['actor']} is wrong by {d['by_s']:+.1f} s for {d['for_s']:.2f} s",
    ),
    "jump": _Kind(("actor", "by_s"), lambda d: f"the clock of {d['actor']} jumps by {d['by_s']:+.1f} s"),
    "commit-crash": _Kind(("when_committing",), lambda d: f"the store crashes {d['when_committing']} its next commit"),
    "disk-full": _Kind(("for_s",), lambda d: f"the store's disk is full for {d['for_s']:.2f} s"),
    "slow-sync": _Kind(
        ("for_s", "delay_s"), lambda d: f"each sync of the store takes {d['delay_s']:.3f} s for {d['for_s']:.2f} s"
    ),
    "lagging-replica": _Kind(
        ("actor", "delay_s", "for_s"),
        lambda d: f"{d['actor']} reads from a replica {d['delay_s']:.2f} s behind, for {d['for_s']:.2f} s",
    ),
    "watch-reset": _Kind(
        ("actor",), lambda d: f"the watches of {d['actor']} are cut{_of_resource(d)}", optional=("resource",)
    ),
    "missing-bookmarks": _Kind(
        ("for_s",), lambda d: f"no watch{_of_resource(d)} carries bookmarks for {d['for_s']:.2f} s", ("resource",)
    ),
    "no-hints": _Kind((), lambda _: "from now on every publication is lost, to the very end"),
}

KINDS: Final[Mapping[str, _Kind]] = {**_OPERATIONS, **_FAULTS}


def _of_resource(d: Details) -> str:
    return f" of {d['resource']}" if d.get("resource") else ""


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
    when: Moment | None = None
    """A fault's moment in the causal trace, in place of a time."""

    @property
    def is_fault(self) -> bool:
        """Whether fate does it, not a user."""
        return KINDS[self.kind].is_fault

    @property
    def is_timed(self) -> bool:
        """Whether it is a fault that has a time of its own."""
        return self.is_fault and self.kind != "message" and self.when is None

    @property
    def label(self) -> str:
        """What it is counted as."""
        if self.kind == "partition" and self.details.get("one_way"):
            return "one-way-partition"
        return str(self.details["fault"]) if self.kind == "message" else self.kind

    def __str__(self) -> str:
        text = KINDS[self.kind].story(self.details)
        if self.when is not None:
            return f"{self.when}: {text}"
        return text if self.kind == "message" else f"{self.at_s:8.3f} s  {text}"

    def to_plain(self) -> dict[str, Any]:
        """As it stands in a file."""
        time = {"at": self.at_s} if self.when is None else {"when": self.when.to_plain()}
        return {**time, "do": self.kind, **self.details}

    @staticmethod
    def from_plain(spec: Any) -> Step:
        """The reverse of `to_plain`. Raises `ValueError`, naming what is wrong."""
        if not isinstance(spec, Mapping):
            raise ValueError(f"a step is a mapping, not {spec!r}")  # noqa: TRY004 - what is wrong is the file
        kind = spec.get("do")
        known = KINDS.get(kind) if isinstance(kind, str) else None
        if known is None:
            raise ValueError(f"do: {kind!r} is no kind of step; known are {', '.join(KINDS)}")
        details = {name: value for name, value in spec.items() if name not in ("at", "do", "when")}
        for name in known.required:
            if name not in details:
                raise ValueError(f"{kind}: {name} is missing")
        for name in details:
            if name not in known.required + known.optional:
                raise ValueError(f"{kind}: {name} is unknown")
        when = Moment.from_plain(spec["when"]) if "when" in spec else None
        if when is not None and (not known.is_fault or "at" in spec):
            raise ValueError(f"{kind}: a fault has a time (at) or a moment (when); what users do has a time")
        _check_values(str(kind), details, when is not None)
        return Step(_number(spec.get("at", 0.0), "at"), str(kind), details, when)


def _check_values(kind: str, details: dict[str, Any], has_moment: bool) -> None:
    for name in ("for_s", "delay_s", "by_s", "restart_after_s", "behind_s"):
        if name in details:
            details[name] = _number(details[name], f"{kind}: {name}", negative=name == "by_s")
    if kind == "message":
        _check_message(details, has_moment)
    if kind == "commit-crash" and details["when_committing"] not in ("before", "after"):
        raise ValueError(f"commit-crash: {details['when_committing']!r} is neither before nor after")
    if kind in ("create", "apply"):
        manifest = details["manifest"]
        if not isinstance(manifest, Mapping) or not isinstance(manifest.get("metadata"), Mapping):
            raise ValueError(f"{kind}: manifest is not a mapping with metadata")
    replicas = details.get("replicas", 0)
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 0:
        raise ValueError(f"{kind}: replicas: {replicas!r} is not a number of pods")


def _check_message(details: dict[str, Any], has_moment: bool) -> None:
    if details["fault"] not in MESSAGE_FAULTS:
        raise ValueError(f"message: fault: {details['fault']!r} is unknown; known are {', '.join(MESSAGE_FAULTS)}")
    if has_moment:
        return
    for name in ("sender", "receiver", "kind", "subject", "n"):
        if name not in details:
            raise ValueError(f"message: {name} is missing")
    if details["kind"] not in MESSAGE_KINDS:
        raise ValueError(f"message: kind: {details['kind']!r} is unknown; known are {', '.join(MESSAGE_KINDS)}")


def _number(value: Any, where: str, *, negative: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (negative or value >= 0):
        raise ValueError(f"{where}: {value!r} is not a number of seconds")
    return float(value)
