"""What people write on the command line: chances, durations, names of actors, kinds of objects."""

from __future__ import annotations

import re
from typing import Any, Final

import click

from actors.apimachinery.resources import UnknownResource, resolve
from actors.supervisor.cluster_directory import ClusterDirectory
from actors.supervisor.cluster_lock import is_locked
from actors.supervisor.commands.cluster_name import directory_of
from actors.supervisor.session import ClusterNotRunning
from actors.supervisor.state_file import ClusterState, read_state
from broker.chaos import ANY, matches

_DURATION: Final = re.compile(r"([+-]?\d+(?:\.\d+)?)(ms|s|m|h|)")
_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType):  # type: ignore[type-arg]
    """``100ms``, ``2s``, ``1m``; a plain number is seconds."""

    name = "duration"

    def __init__(self, *, signed: bool = False) -> None:
        self._signed = signed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = _DURATION.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is not a duration such as 100ms, 2s or 1m", param, ctx)
        duration_s = float(found[1]) * _UNITS_S[found[2]]
        if duration_s < 0 and not self._signed:
            self.fail(f"{value!r} is negative", param, ctx)
        return duration_s


class Chance(click.ParamType):  # type: ignore[type-arg]
    """``0.2`` or ``20%``."""

    name = "chance"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        text = value.strip()
        try:
            chance = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            chance = -1.0
        if not 0.0 <= chance <= 1.0:
            self.fail(f"{value!r} is not a chance from 0 to 1 (or 0% to 100%)", param, ctx)
        return chance


def running_cluster(ctx: click.Context) -> tuple[ClusterDirectory, ClusterState]:
    """The cluster that the command is about. Raises `click.ClickException` when it doesn't run."""
    directory = directory_of(ctx)
    state = read_state(directory) if is_locked(directory) else None
    if state is None:
        raise click.ClickException(str(ClusterNotRunning(directory.name)))
    return directory, state


def check_actor(state: ClusterState, pattern: str) -> str:
    """A name, or ``*``, or ``kubelet-*``, that means some actor. Raises `click.BadParameter` that lists them."""
    names = [actor.name for actor in state.actors]
    if pattern != ANY and not any(matches(pattern, name) for name in names):
        raise click.BadParameter(f"there is no actor {pattern}; there are {', '.join(names)} (* means all)")
    return pattern


def resource_key(kind: str) -> str:
    """``pods``, ``deploy`` as ``v1/pods``, ``apps/v1/deployments``. Raises `click.BadParameter`."""
    if kind.count("/") in (1, 2):
        return kind  # group/version/plural, for custom resources
    try:
        return resolve(kind).key
    except UnknownResource:
        raise click.BadParameter(f"there is no kind {kind}; podchain api-resources lists all") from None
