"""``podchain down``: stop a cluster, or clean up what is left of one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from typing import Final

import click

from actors.supervisor.cluster_directory import ClusterDirectory
from actors.supervisor.cluster_lock import ClusterIsRunning, ClusterLock, is_locked, lock_holder
from actors.supervisor.commands.cluster_name import directory_of
from actors.supervisor.leftovers import StillAlive, clean_leftovers

#: A supervisor that isn't done after this long is killed, and its actors with it.
STOP_TIMEOUT_S: Final = 20.0
_LOOK_AGAIN_S: Final = 0.02


@click.command("down")
@click.option("--purge", is_flag=True, help="Delete the cluster's data and logs, too.")
@click.pass_context
def down(ctx: click.Context, purge: bool) -> None:
    """Stop a cluster. Its data stays for the next up, unless --purge is given."""
    directory = directory_of(ctx)
    try:
        was_running = stop_supervisor(directory, STOP_TIMEOUT_S)
        failures = _forget_kubeconfigs(directory) if purge else []
        killed = _clean(directory, purge)
    except (ClusterIsRunning, StillAlive, OSError) as error:
        raise click.ClickException(str(error)) from error
    if was_running:
        click.echo(f'Cluster "{directory.name}" is down')
    elif killed:
        click.echo(f'Cluster "{directory.name}" had lost its supervisor; ended {killed} of its processes')
    else:
        click.echo(f'Cluster "{directory.name}" was not running')
    for failure in failures:
        click.echo(failure, err=True)
    if purge:
        click.echo("Its data is deleted")


def _forget_kubeconfigs(directory: ClusterDirectory) -> list[str]:
    if not directory.merged_kubeconfigs.exists():
        return []
    from actors.kubectl.kubeconfig import forget_merged

    return forget_merged(directory.name, directory.merged_kubeconfigs)


def stop_supervisor(directory: ClusterDirectory, timeout_s: float) -> bool:
    """Have the supervisor stop the cluster; by force after `timeout_s`. Whether there was one."""
    if not is_locked(directory):
        return False
    until_s = time.monotonic() + timeout_s
    asked = 0
    while is_locked(directory):
        holder = lock_holder(directory)
        if holder and asked != holder:
            asked = holder
            with contextlib.suppress(ProcessLookupError):
                os.kill(holder, signal.SIGTERM)
                os.kill(holder, signal.SIGCONT)
        if holder and time.monotonic() > until_s:
            with contextlib.suppress(ProcessLookupError):
                os.kill(holder, signal.SIGKILL)
            until_s = time.monotonic() + timeout_s
        time.sleep(_LOOK_AGAIN_S)
    return True


def _clean(directory: ClusterDirectory, purge: bool) -> int:
    """Remove what is left; gives how many processes that took."""
    if not directory.root.exists():
        shutil.rmtree(directory.run, ignore_errors=True)
        return 0
    with ClusterLock(directory):
        killed = clean_leftovers(directory)
        if purge:
            shutil.rmtree(directory.root)
    return killed
