"""Which cluster a command is about."""

from __future__ import annotations

import re
from typing import Final

import click

from actors.supervisor.cluster_directory import DEFAULT_NAME, ClusterDirectory, cluster_directory

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def checked_name(name: str) -> str:
    """A cluster's name becomes part of paths: it is a DNS label. Raises `click.BadParameter`."""
    if not _NAME.fullmatch(name):
        raise click.BadParameter(f"{name!r} is not a DNS label (a-z, 0-9 and -, at most 63 characters)")
    return name


def name_of(ctx: click.Context) -> str:
    """The name the options (or ``PODCHAIN_NAME``) gave."""
    world = ctx.find_object(dict) or {}
    return str(world.get("name") or DEFAULT_NAME)


def directory_of(ctx: click.Context) -> ClusterDirectory:
    """The directory of the cluster the command is about."""
    return cluster_directory(name_of(ctx))
