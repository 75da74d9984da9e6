"""``podchain chaos status``: what is in force, and what it has done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import click
import orjson

from actors.chaos.arguments import running_cluster
from actors.chaos.policy import read_chaos
from actors.chaos.space_alarm import alarms
from actors.chaos.vocabulary import seconds, story
from actors.supervisor.session import connect
from actors.supervisor.state_file import ClusterState
from broker.chaos import Chaos, Fault
from broker.context import Context

TRACER_TIMEOUT_S = 3.0


@click.command(help="Show the faults in force, how many were injected of each kind, and how the actors are.")
@click.option("-o", "--output", type=click.Choice(["json"]), default=None, help="json: for programs.")
@click.pass_context
def status(ctx: click.Context, output: str | None) -> None:
    """The command."""
    directory, state = running_cluster(ctx)
    chaos = read_chaos(directory)
    injected, raised = asyncio.run(_asked(directory.name))
    if output == "json":
        document = {**chaos.to_plain(), "injected": injected, "alarms": raised, "actors": _actors(state)}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        return
    for line in render(chaos, injected, state, time.time()):
        click.echo(line)
    if "NOSPACE" in raised:
        click.echo("The store refuses writes (NOSPACE); podchain chaos heal lifts the alarm once there is room")
    elif raised:
        click.echo(f"The store: {', '.join(raised)}")


async def _asked(name: str) -> tuple[dict[str, Any] | None, list[str]]:
    """What the tracer knows, None when it doesn't answer; and the store's alarms."""
    async with connect(name) as ctx:
        injected, raised = await asyncio.gather(_injected(ctx), alarms(ctx), return_exceptions=True)
    return (
        None if isinstance(injected, BaseException) else injected,
        ["does not answer"] if isinstance(raised, BaseException) else raised,
    )


async def _injected(ctx: Context) -> dict[str, Any]:
    reply = await ctx.request("tracer", "faults", timeout_s=TRACER_TIMEOUT_S)
    answer: dict[str, Any] = reply.body
    return answer


def _actors(state: ClusterState) -> dict[str, Any]:
    stopped = [a.name for a in state.actors if a.process.is_alive() and a.process.status() == "T"]
    return {
        "running": sum(actor.state == "running" for actor in state.actors),
        "of": len(state.actors),
        "restarts": sum(actor.restarts for actor in state.actors),
        "stopped": stopped,
        "away": [actor.name for actor in state.actors if actor.state != "running"],
    }


def render(chaos: Chaos, injected: dict[str, Any] | None, state: ClusterState, now_s: float) -> Sequence[str]:
    """The lines."""
    seed = "" if chaos.seed is None else f" (seed {chaos.seed})"
    lines = [f"In force{seed}:"] if chaos.faults else [f"No fault is in force{seed}"]
    width = max((len(fault.kind) for fault in chaos.faults), default=0)
    lines += [f"  {fault.kind:<{width}}  {story(fault)}{_left(fault, now_s)}" for fault in chaos.faults]
    if injected is None:
        lines.append("Injected: the tracer, which counts, does not answer")
    elif injected["counts"]:
        since = time.strftime("%H:%M:%S", time.localtime(injected["since_s"]))
        lines.append(f"Injected since {since}:")
        width = max(map(len, injected["counts"]))
        for kind, count in sorted(injected["counts"].items(), key=lambda item: (-item[1], item[0])):
            lines.append(f"  {kind:<{width}}  {count:>7}{_where(kind, injected['by_actor'])}")
    else:
        lines.append("Injected: nothing so far")
    about = _actors(state)
    lines.append(f"Actors: {about['running']} of {about['of']} run, {about['restarts']} restarts")
    lines += [f"  {name} is stopped" for name in about["stopped"]]
    lines += [f"  {name} is being started" for name in about["away"]]
    return lines


def _left(fault: Fault, now_s: float) -> str:
    return f", for another {seconds(round(max(fault.until_s - now_s, 0.0), 1))}" if fault.until_s else ""


def _where(kind: str, by_actor: dict[str, dict[str, int]]) -> str:
    """Who met most of them."""
    met = sorted(((counts.get(kind, 0), actor) for actor, counts in by_actor.items()), reverse=True)
    met = [(count, actor) for count, actor in met if not actor.startswith("cli-")]
    shown = [f"{actor} {count}" for count, actor in met[:3] if count]
    more = sum(1 for count, _ in met[3:] if count)
    return "  at " + ", ".join(shown) + (f" and {more} others" if more else "") if shown else ""
