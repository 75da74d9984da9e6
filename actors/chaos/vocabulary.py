"""All kinds of fault that can be in force on a running cluster: what each needs, and how it reads.

Kinds and details have the names that they have in the simulation's schedules (`actors.simulation.fault_plan`). There
are two more kinds, which happen once and are not in force: ``crash`` and ``pause`` of an actor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from broker.chaos import ANY, Fault
from broker.faults import MESSAGE_RATES

#: Refusals of the API server, by the HTTP status that a client sees.
API_FAULTS: Final[Mapping[int, str]] = {
    409: "conflict",
    410: "expired",
    429: "too-many-requests",
    500: "error-after-commit",
}
#: Topics of watch streams begin so (`actors.apimachinery.stream`): faults of these messages are faults of watches, felt
#: by native actors and by the gateway's clients.
WATCH_SUBJECT: Final = "watch/"
DELAY_MAX_S: Final = 60.0

Details = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault of a kind has, and how it reads."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    story: Callable[[Details], str]


def percent(rate: float) -> str:
    """``0.05`` as ``5%``."""
    return f"{rate * 100:g}%"


def seconds(duration_s: float) -> str:
    """``0.1`` as ``100 ms``, ``2.5`` as ``2.5 s``."""
    return f"{duration_s * 1000:g} ms" if abs(duration_s) < 1 else f"{duration_s:g} s"


def _messages(d: Details) -> str:
    resource = _resource_of(d)
    what = "messages"
    if str(d.get("subject", "")).startswith(WATCH_SUBJECT):
        what = f"watch events{f' of {resource}' if resource else ''}"
    elif d.get("subject"):
        what = f"messages about {d['subject']}"
    ends = f" from {d['from']}" if d.get("from", ANY) != ANY else ""
    return f"{percent(d['rate'])} of {what}{ends}" + (f" to {d['to']}" if d.get("to", ANY) != ANY else "")


def _resource_of(d: Details) -> str:
    """The plural of a watch subject (``watch/v1/pods|``) or a resource (``v1/pods``)."""
    text = str(d.get("resource") or str(d.get("subject", "")).removeprefix(WATCH_SUBJECT)).rstrip("|")
    return text.rpartition("/")[2]


def _watches(d: Details) -> str:
    resource = _resource_of(d)
    return f"watches of {resource}" if resource else "watches"


def _lagging(d: Details) -> str:
    reads = f"reads of {_resource_of(d)}" if _resource_of(d) else "reads"
    return f"{reads} that may be old (resourceVersion=0) are answered as of {seconds(d['delay_s'])} ago"


def _rate(what: str) -> Kind:
    return Kind(("rate",), ("from", "to", "subject", "delay_s"), lambda d: f"{_messages(d)} {what}")


def _operations(d: Details, what: str) -> str:
    resource = _resource_of(d)
    whose = f" by {d['from']}" if d.get("from", ANY) != ANY else ""
    return f"{percent(d['rate'])} of {d.get('verb') or what}{f' of {resource}' if resource else ''}{whose}"


def _late(d: Details) -> str:
    return f"{_messages(d)} are late, by up to {seconds(d.get('delay_s', 0.5))}"


def _partition(d: Details) -> str:
    one_way = d.get("one_way")
    return f"nothing gets {'from' if one_way else 'between'} {d['from']} {'to' if one_way else 'and'} {d['to']}"


def _expired(d: Details) -> str:
    since = f" from before revision {d['before']}" if d.get("before") else ""
    return f"{_operations(d, 'watches and continued lists')}{since} are answered 410 Gone"


_API: Final = ("resource", "verb", "from")

KINDS: Final[Mapping[str, Kind]] = {
    "drop": _rate("are lost"),
    "duplicate": _rate("arrive twice"),
    "delay": Kind(("rate",), ("from", "to", "subject", "delay_s"), _late),
    "reorder": _rate("are overtaken by others"),
    "corrupt": _rate("are damaged, noticed and thrown away"),
    "partition": Kind(("from", "to"), ("one_way",), _partition),
    "slow": Kind(
        ("from", "to", "delay_s"),
        ("subject",),
        lambda d: f"messages from {d['from']} to {d['to']} are late by {seconds(d['delay_s'])}",
    ),
    "skew": Kind(("actor", "by_s"), (), lambda d: f"the clock of {d['actor']} is wrong by {d['by_s']:+g} s"),
    "disk-full": Kind((), (), lambda _: "the store's disk is full"),
    "slow-sync": Kind(("delay_s",), (), lambda d: f"each sync of the store takes {seconds(d['delay_s'])} longer"),
    "conflict": Kind(("rate",), _API, lambda d: f"{_operations(d, 'changes')} are answered 409 Conflict"),
    "too-many-requests": Kind(
        ("rate",), _API, lambda d: f"{_operations(d, 'requests')} are answered 429 Too Many Requests"
    ),
    "error-after-commit": Kind(
        ("rate",), _API, lambda d: f"{_operations(d, 'writes')} are carried out, and answered 500"
    ),
    "expired": Kind(("rate",), ("resource", "before"), _expired),
    "lagging-replica": Kind(("delay_s",), ("resource",), _lagging),
    "watch-reset": Kind(
        ("rate",), ("resource",), lambda d: f"{_watches(d)} are cut off at {percent(d['rate'])} of their events"
    ),
    "missing-bookmarks": Kind((), ("resource",), lambda d: f"{_watches(d)} carry no bookmarks and progress marks"),
}

#: What distinguishes two faults of one kind; a second one of the same scope takes the first one's place.
_SCOPE: Final = ("from", "to", "subject", "actor", "resource", "verb", "one_way")


def story(fault: Fault) -> str:
    """What a fault does, in words."""
    return KINDS[fault.kind].story(fault.details)


def scope_of(fault: Fault) -> tuple[Any, ...]:
    """What it is about: of one scope there is one fault at most."""
    return (fault.kind, *(fault.details.get(name) for name in _SCOPE))


def check(fault: Fault) -> None:
    """Raise `ValueError`, naming what is wrong, unless the fault makes sense."""
    known = KINDS.get(fault.kind)
    if known is None:
        raise ValueError(f"{fault.kind}: unknown fault; known are {', '.join(KINDS)}")
    for name in known.required:
        if name not in fault.details:
            raise ValueError(f"{fault.kind}: {name} is missing")
    for name, value in fault.details.items():
        if name not in known.required + known.optional:
            raise ValueError(f"{fault.kind}: {name} is unknown")
        if name == "rate" and (not _is_number(value) or not 0.0 <= value <= 1.0):
            raise ValueError(f"{fault.kind}: {value!r} is not a chance from 0 to 1")
        if name == "delay_s" and (not _is_number(value) or not 0.0 <= value <= DELAY_MAX_S):
            raise ValueError(f"{fault.kind}: {value!r} is not a delay from 0 to {DELAY_MAX_S:g} s")
        if name == "by_s" and not _is_number(value):
            raise ValueError(f"{fault.kind}: {value!r} is not a number of seconds")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def faults_from_rates(rates: Mapping[str, Any]) -> Sequence[Fault]:
    """``{"drop": 0.1, "conflict": 0.05}`` as faults; ``delay_max_s`` limits delays. Raises `ValueError`."""
    limit = {"delay_s": rates["delay_max_s"]} if "delay_max_s" in rates else {}
    faults = []
    for name, rate in rates.items():
        if name == "delay_max_s":
            continue
        known = KINDS.get(name)
        if known is None or known.required != ("rate",):
            names = ", ".join(kind for kind, about in KINDS.items() if about.required == ("rate",))
            raise ValueError(f"{name}: there is no such fault with a chance; there are {names}")
        fault = Fault(name, {"rate": rate, **(limit if name in MESSAGE_RATES else {})})
        check(fault)
        faults.append(fault)
    return faults
