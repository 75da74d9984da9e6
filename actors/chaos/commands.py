"""``podchain chaos``: break a running cluster on purpose, and heal it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import click

from actors.chaos.arguments import Chance, Duration, check_actor, resource_key, running_cluster
from actors.chaos.policy import heal, put_in_force
from actors.chaos.soak_command import soak
from actors.chaos.space_alarm import alarms, lift_alarm
from actors.chaos.status_command import status
from actors.chaos.victims import crash, pause, restart
from actors.chaos.vocabulary import API_FAULTS, KINDS, WATCH_SUBJECT, seconds, story
from actors.supervisor.cluster_directory import DEFAULT_NAME
from actors.supervisor.session import connect
from actors.supervisor.signals import wake_stopped
from broker.chaos import Fault
from broker.context import RequestError
from broker.zeromq import CHAOS_LOOK_S

#: A disk that was full can be written to again after this long.
ALARM_LIFTED_WITHIN_S: Final = 10.0
#: After so long every actor has looked at what is in force now.
IN_FORCE_AFTER_S: Final = 1.5 * CHAOS_LOOK_S

Command = Callable[..., Any]

FOR = click.option("--for", "for_s", type=Duration(), default=None, help="End it by itself after this time.")
SEED = click.option("--seed", type=int, default=None, help="Draw faults from this from now on.")
KIND = click.option("--kind", default=None, metavar="KIND", help="Of these objects only, such as pods.")


@click.group(
    help="Break the running cluster on purpose. Faults stay in force until podchain chaos heal, or for the time that "
    "--for says; also for actors that start meanwhile. podchain chaos status shows them and what they did."
)
def chaos() -> None:
    """The group."""


def _in_force(ctx: click.Context, kind: str, details: dict[str, Any], for_s: float | None, seed: int | None) -> None:
    """Put a fault in force, and return when it is."""
    directory, state = running_cluster(ctx)
    details = {name: value for name, value in details.items() if value is not None}
    for name in ("from", "to", "actor"):
        if name in details:
            check_actor(state, details[name])
    fault = Fault(kind, details, time.time() + for_s if for_s is not None else 0.0)
    try:
        put_in_force(directory, fault, seed)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    time.sleep(IN_FORCE_AFTER_S)
    if details.get("rate") == 0:
        click.echo(f"{kind}: no more")
        return
    click.echo(f"{story(fault)}{f', for {seconds(for_s)}' if for_s is not None else ''}")
    if for_s is None:
        option = "" if directory.name == DEFAULT_NAME else f" --name {directory.name}"
        click.echo(f"Until: podchain chaos heal{option}")


# Messages

_MESSAGE_FAULTS: Final = {
    "drop": "Lose messages between actors.",
    "duplicate": "Have messages arrive twice.",
    "delay": "Have messages arrive late; they overtake one another.",
    "reorder": "Have messages overtaken by those just behind them.",
    "corrupt": "Damage messages; receivers notice, and throw them away.",
}


def _add_message_command(kind: str, help_text: str) -> None:
    @click.pass_context
    def command(
        ctx: click.Context,
        rate: float,
        sender: str | None,
        receiver: str | None,
        subject: str | None,
        up_to: float | None,
        for_s: float | None,
        seed: int | None,
    ) -> None:
        details = {"rate": rate, "from": sender, "to": receiver, "subject": subject, "delay_s": up_to}
        _in_force(ctx, kind, details, for_s, seed)

    decorated: Command = SEED(FOR(command))
    if kind in ("duplicate", "delay"):
        decorated = click.option("--up-to", type=Duration(), default=None, help="Late by so much at most (500ms).")(
            decorated
        )
    else:
        decorated = click.option("--up-to", type=Duration(), default=None, hidden=True)(decorated)
    decorated = click.option("--subject", default=None, help="Only what begins so: a method or topic (operate).")(
        decorated
    )
    decorated = click.option("--to", "receiver", default=None, metavar="ACTOR", help="Only what goes to it.")(decorated)
    decorated = click.option("--from", "sender", default=None, metavar="ACTOR", help="Only what it sends.")(decorated)
    decorated = click.argument("rate", type=Chance(), metavar="CHANCE")(decorated)
    chaos.command(kind, help=f"{help_text} CHANCE is from 0 to 1 (or 20%); 0 ends it.")(decorated)


for _kind, _help in _MESSAGE_FAULTS.items():
    _add_message_command(_kind, _help)


# Links


@chaos.command(help="Let nothing pass between two actors. An actor may be *, or kubelet-*.")
@click.argument("one", metavar="ACTOR")
@click.argument("other", metavar="ACTOR")
@click.option("--one-way", is_flag=True, help="Only from the first to the second.")
@FOR
@SEED
@click.pass_context
def partition(ctx: click.Context, one: str, other: str, one_way: bool, for_s: float | None, seed: int | None) -> None:
    """The command."""
    _in_force(ctx, "partition", {"from": one, "to": other, "one_way": one_way or None}, for_s, seed)


@chaos.command(help="Make every message from one actor to another late, as in: slow scheduler apiserver 100ms")
@click.argument("one", metavar="FROM")
@click.argument("other", metavar="TO")
@click.argument("delay_s", metavar="DELAY", type=Duration())
@FOR
@click.pass_context
def slow(ctx: click.Context, one: str, other: str, delay_s: float, for_s: float | None) -> None:
    """The command."""
    _in_force(ctx, "slow", {"from": one, "to": other, "delay_s": delay_s}, for_s, None)


# Clock and disk


@chaos.command(
    help="Set an actor's clock wrong, as in: skew scheduler 30s, or -30s. It jumps at once, and back when healed.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("actor")
@click.argument("by_s", metavar="BY", type=Duration(signed=True))
@FOR
@click.pass_context
def skew(ctx: click.Context, actor: str, by_s: float, for_s: float | None) -> None:
    """The command."""
    _in_force(ctx, "skew", {"actor": actor, "by_s": by_s}, for_s, None)


def _check_own_disk(ctx: click.Context) -> None:
    from actors.supervisor.cluster_config import load_config

    directory, _ = running_cluster(ctx)
    if load_config(directory).store == "etcd":
        raise click.ClickException("this cluster's data is in an etcd, whose disk is not ours to break")


@chaos.command(
    "disk-full",
    help="Let the store's disk be full: it refuses writes (etcd's NOSPACE alarm), also after --for is over, until "
    "podchain chaos heal lifts the alarm.",
)
@FOR
@click.pass_context
def disk_full(ctx: click.Context, for_s: float | None) -> None:
    """The command."""
    _check_own_disk(ctx)
    _in_force(ctx, "disk-full", {}, for_s, None)
    if for_s is not None:
        click.echo("Then the store still refuses writes (NOSPACE), until: podchain chaos heal")


@chaos.command("slow-sync", help="Let each sync of the store's disk take so much longer, as in: slow-sync 200ms")
@click.argument("delay_s", metavar="DELAY", type=Duration())
@FOR
@click.pass_context
def slow_sync(ctx: click.Context, delay_s: float, for_s: float | None) -> None:
    """The command."""
    _check_own_disk(ctx)
    _in_force(ctx, "slow-sync", {"delay_s": delay_s}, for_s, None)


# The API


@chaos.command(
    help="Have the API server refuse: 409 (changes), 410 (watches and continued lists), 429 (anything), 500 (after a "
    "write was carried out). Felt by every client, in any language."
)
@click.argument("code", type=click.Choice([str(code) for code in API_FAULTS]))
@KIND
@click.option("--verb", default=None, help="Of these operations only: create, update, patch, delete, get, list.")
@click.option("--rate", type=Chance(), default=0.1, show_default=True, help="How often; 0 ends it.")
@click.option("--from", "sender", default=None, metavar="ACTOR", help="Of this actor's only (gateway: all over HTTP).")
@click.option("--before", type=int, default=None, metavar="REVISION", help="410: of watches that begin before it only.")
@FOR
@SEED
@click.pass_context
def api(
    ctx: click.Context,
    code: str,
    kind: str | None,
    verb: str | None,
    rate: float,
    sender: str | None,
    before: int | None,
    for_s: float | None,
    seed: int | None,
) -> None:
    """The command."""
    if before is not None and code != "410":
        raise click.BadParameter("it goes with 410", param_hint="--before")
    if (verb is not None or sender is not None) and code == "410":
        raise click.BadParameter("410 is about everybody's watches and continued lists", param_hint="--verb, --from")
    resource = None if kind is None else resource_key(kind)
    details = {"rate": rate, "resource": resource, "verb": verb, "from": sender, "before": before}
    _in_force(ctx, API_FAULTS[int(code)], details, for_s, seed)


_WATCH_FAULTS: Final = {"drop": "drop", "delay": "delay", "repeat": "duplicate", "reset": "watch-reset"}


@chaos.command(
    help="Have watches drop, delay or repeat events, be reset, or carry no bookmarks. Felt by the actors, and by "
    "clients of the gateway: for them a dropped event ends in a 410, so that they list again, having missed it."
)
@click.argument("what", type=click.Choice([*_WATCH_FAULTS, "no-bookmarks"]))
@click.argument("rate", type=Chance(), default=0.1, metavar="[CHANCE]")
@KIND
@click.option("--up-to", type=Duration(), default=None, help="Delays: late by so much at most (500ms).")
@FOR
@SEED
@click.pass_context
def watch(
    ctx: click.Context,
    what: str,
    rate: float,
    kind: str | None,
    up_to: float | None,
    for_s: float | None,
    seed: int | None,
) -> None:
    """The command."""
    resource = None if kind is None else resource_key(kind)
    if what == "no-bookmarks":
        _in_force(ctx, "missing-bookmarks", {"resource": resource}, for_s, seed)
    elif what == "reset":
        _in_force(ctx, "watch-reset", {"rate": rate, "resource": resource}, for_s, seed)
    else:
        subject = WATCH_SUBJECT if resource is None else f"{WATCH_SUBJECT}{resource}|"
        _in_force(ctx, _WATCH_FAULTS[what], {"rate": rate, "subject": subject, "delay_s": up_to}, for_s, seed)


@chaos.command(help="Answer reads that may be old (resourceVersion=0) as of a while ago, as in: lag 5s --kind pods")
@click.argument("by_s", metavar="BY", type=Duration())
@KIND
@FOR
@click.pass_context
def lag(ctx: click.Context, by_s: float, kind: str | None, for_s: float | None) -> None:
    """The command."""
    resource = None if kind is None else resource_key(kind)
    _in_force(ctx, "lagging-replica", {"delay_s": by_s, "resource": resource}, for_s, None)


# Ending it


@chaos.command("heal", help="End all faults, or those of some kinds; wake what is paused.")
@click.argument("kinds", nargs=-1, type=click.Choice(list(KINDS)), metavar="[KIND]...")
@click.pass_context
def heal_command(ctx: click.Context, kinds: tuple[str, ...]) -> None:
    """The command."""
    directory, state = running_cluster(ctx)
    ended = heal(directory, kinds)
    woken = [] if kinds else wake_stopped(state)
    time.sleep(IN_FORCE_AFTER_S)
    for fault in ended:
        click.echo(f"ended: {story(fault)}")
    for name in woken:
        click.echo(f"woken: {name}")
    if not kinds or "disk-full" in kinds:
        click.echo(asyncio.run(_lift_alarm(directory.name)), nl=False)
    if not ended and not woken:
        click.echo("No fault was in force")


async def _lift_alarm(name: str) -> str:
    """Have the store take writes again, if a full disk has made it refuse them; what to say about it."""
    async with connect(name) as ctx:
        try:
            raised = await alarms(ctx)
        except RequestError:
            return "The store does not answer; podchain ps and podchain actor-logs store tell more\n"
        if not raised:
            return ""
        if await lift_alarm(ctx, ALARM_LIFTED_WITHIN_S):
            return "lifted: the store's NOSPACE alarm; it takes writes again\n"
        return "The store's NOSPACE alarm can't be lifted: its disk is really full. Make room, and heal again\n"


for _command in (pause, crash, restart, status, soak):
    chaos.add_command(_command)
