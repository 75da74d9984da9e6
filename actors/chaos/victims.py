"""``podchain chaos pause | kill | restart``: what happens to processes, carried out while the command runs."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
import time
from collections import Counter
from typing import Final

import click

from actors.chaos.arguments import Duration, check_actor, running_cluster
from actors.supervisor.cluster_directory import ClusterDirectory
from actors.supervisor.session import connect
from actors.supervisor.signals import send
from actors.supervisor.state_file import ActorRecord, ClusterState, read_state
from actors.supervisor.supervised import HANG_TIMEOUT_S
from broker.chaos import EXEMPT_PREFIX, matches
from broker.fabric import FAULTS_TOLD_EVERY_S

RANDOM: Final = "random"
#: A killed actor is up again after this long, or it takes longer than anybody would wait.
BACK_WITHIN_S: Final = 15.0
_LOOK_EVERY_S: Final = 0.02


def victims(state: ClusterState, pattern: str) -> list[ActorRecord]:
    """The actors that are meant and have a process."""
    return [a for a in state.actors if a.process.is_alive() and (pattern == RANDOM or matches(pattern, a.name))]


async def _tell(name: str, faults: list[tuple[str, str]]) -> None:
    """Have faults counted with all others; a cluster that can't be told now isn't."""
    async with connect(name) as ctx:
        ctx.publish(EXEMPT_PREFIX)  # has the connection made by the time there is something to tell
        for kind, actor in faults:
            ctx.note_fault(kind, "podchain", actor)
        await ctx.sleep(FAULTS_TOLD_EVERY_S + 0.1)


def tell(name: str, faults: list[tuple[str, str]]) -> None:
    """Have faults counted with all others, as far as the cluster can be told."""
    with contextlib.suppress(Exception):  # it is being broken: what is told is told
        asyncio.run(_tell(name, faults))


@click.command(help="Stop an actor's process for a while (SIGSTOP, SIGCONT), as in: pause store 2s")
@click.argument("actor")
@click.argument("for_s", metavar="TIME", type=Duration())
@click.pass_context
def pause(ctx: click.Context, actor: str, for_s: float) -> None:
    """The command."""
    directory, state = running_cluster(ctx)
    check_actor(state, actor)
    chosen = victims(state, actor)
    if not chosen:
        raise click.ClickException(f"{actor} has no process just now; try again in a moment (podchain ps)")
    names = ", ".join(a.name for a in chosen)
    if for_s >= HANG_TIMEOUT_S:
        click.echo(f"Note: the supervisor replaces an actor that gives no sign of life for {HANG_TIMEOUT_S:g} s")
    click.echo(f"{names}: paused for {for_s:g} s ...")
    try:
        for each in chosen:
            send(each, signal.SIGSTOP)
        time.sleep(for_s)
    finally:
        woken = [a.name for a in chosen if send(a, signal.SIGCONT)]
    replaced = [a.name for a in chosen if a.name not in woken]
    if woken:
        click.echo(f"{', '.join(woken)}: goes on")
    if replaced:
        click.echo(f"{', '.join(replaced)}: was replaced meanwhile")
    tell(directory.name, [("pause", a.name) for a in chosen])


@click.command(
    "kill",
    help="Kill an actor (SIGKILL), or a random one; the supervisor starts it again. --every goes on with it until "
    "Ctrl-C, or for the time that --for says.",
)
@click.argument("actor", metavar="ACTOR|random")
@click.option("--every", "every_s", type=Duration(), default=None, help="Kill again and again, so often.")
@click.option("--for", "for_s", type=Duration(), default=None, help="With --every: for this time.")
@click.option("--seed", type=int, default=None, help="Draws the victims.")
@click.pass_context
def crash(ctx: click.Context, actor: str, every_s: float | None, for_s: float | None, seed: int | None) -> None:
    """The command."""
    directory, state = running_cluster(ctx)
    if actor != RANDOM:
        check_actor(state, actor)
    if for_s is not None and every_s is None:
        raise click.BadParameter("it goes with --every, such as --every 1s", param_hint="--for")
    if every_s is not None and every_s <= 0:
        raise click.BadParameter("is a time between two kills, such as 1s", param_hint="--every")
    chance = random.Random(seed)  # noqa: S311 - a seed is the point
    done: Counter[str] = Counter()
    until_s = time.monotonic() + (for_s or 0.0) if every_s is None or for_s is not None else float("inf")
    try:
        while True:
            killed = _kill_one(directory, actor, chance)
            if killed:
                done[killed] += 1
                _progress(directory, killed, done, one=every_s is None)
            if every_s is None or time.monotonic() + every_s > until_s:
                break
            time.sleep(every_s)
    except KeyboardInterrupt:
        click.echo("")
    if not done:
        raise click.ClickException(f"{actor} has no process just now; try again in a moment (podchain ps)")
    tell(directory.name, [("crash", name) for name in done.elements()])
    if every_s is None:
        _wait_until_back(directory, next(iter(done)))
    else:
        click.echo(f"{sum(done.values())} kills: " + ", ".join(f"{name} {n}" for name, n in done.most_common()))


def _kill_one(directory: ClusterDirectory, pattern: str, chance: random.Random) -> str:
    """Kill one actor that is meant; its name, or nothing when none has a process."""
    state = read_state(directory)
    chosen = victims(state, pattern) if state is not None else []
    if not chosen:
        return ""
    victim = chance.choice(sorted(chosen, key=lambda actor: actor.name))
    return victim.name if send(victim, signal.SIGKILL) else ""


def _progress(directory: ClusterDirectory, killed: str, done: Counter[str], *, one: bool) -> None:
    state = read_state(directory)
    running = sum(actor.state == "running" for actor in state.actors) if state is not None else 0
    actors = len(state.actors) if state is not None else 0
    if one:
        click.echo(f"killed {killed}")
    elif sys.stdout.isatty():
        click.echo(f"\r\033[Kkilled {killed}; {sum(done.values())} so far, {running} of {actors} actors run", nl=False)
    else:
        click.echo(f"killed {killed}")


def _wait_until_back(directory: ClusterDirectory, name: str) -> None:
    """Tell when an actor that was killed is running again."""
    started_s = time.monotonic()
    while time.monotonic() - started_s < BACK_WITHIN_S:
        state = read_state(directory)
        actor = next((a for a in state.actors if a.name == name), None) if state is not None else None
        if actor is not None and actor.state == "running" and actor.process.is_alive():
            click.echo(f"{name} runs again (restarts: {actor.restarts})")
            return
        time.sleep(_LOOK_EVERY_S)
    click.echo(f"{name} is not back yet; podchain ps and podchain actor-logs {name} tell more")


@click.command(help="Ask an actor to end (SIGTERM); the supervisor starts it again.")
@click.argument("actor")
@click.pass_context
def restart(ctx: click.Context, actor: str) -> None:
    """The command."""
    directory, state = running_cluster(ctx)
    check_actor(state, actor)
    chosen = victims(state, actor)
    if not chosen:
        raise click.ClickException(f"{actor} has no process just now; it is being started already (podchain ps)")
    for each in chosen:
        send(each, signal.SIGTERM)
    tell(directory.name, [("restart", a.name) for a in chosen])
    for each in chosen:
        _wait_until_back(directory, each.name)
