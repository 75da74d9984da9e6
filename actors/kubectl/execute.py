"""``exec`` and ``attach``: a command beside a container's own, or the container's own, with input and a terminal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import click

from actors.apimachinery.operation import Object
from actors.client.container_stream import ContainerStream, open_stream
from actors.kubectl.container_choice import chosen_container, kubelet_actor, pods_of
from actors.kubectl.failure import CommandFailed
from actors.kubectl.grammar import after_dash, command
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import Query, Targets, find_all, parse_targets
from actors.kubectl.terminal import feed_input, follow_size, is_terminal, raw_terminal
from actors.runtime.stream import STDERR, Ended
from broker.context import RequestError, RequestFailed


@command("exec", short_help="Execute a command in a container")
@click.argument("args", nargs=-1, metavar="POD | TYPE/NAME -- COMMAND [ARG...]")
@click.option("-c", "--container", default="", help="The container.")
@click.option("-i", "--stdin", is_flag=True, help="Pass standard input to the command.")
@click.option("-t", "--tty", is_flag=True, help="Give the command a terminal.")
@click.option("-q", "--quiet", is_flag=True, help="Only the command's output.")
@click.pass_context
def exec_command(
    ctx: click.Context, /, args: tuple[str, ...], container: str, stdin: bool, tty: bool, quiet: bool
) -> None:
    """Run a command in a container; its output and exit code become this command's."""
    words = after_dash(ctx)
    names = args[: len(args) - len(words)]
    if not names:
        raise CommandFailed("pod, type/name or --filename must be specified")
    if not words:
        raise CommandFailed("you must specify at least one command for the container")
    run_with_client(
        ctx, lambda kubectl: execute(kubectl, names[0], container, words, stdin=stdin, tty=tty, quiet=quiet)
    )


@command("attach", short_help="Attach to a running container")
@click.argument("target", metavar="POD | TYPE/NAME")
@click.option("-c", "--container", default="", help="The container.")
@click.option("-i", "--stdin", is_flag=True, help="Pass standard input to the container.")
@click.option("-t", "--tty", is_flag=True, help="Standard input is a terminal, as the container's.")
@click.option("-q", "--quiet", is_flag=True, help="Only the container's output.")
@click.pass_context
def attach_command(ctx: click.Context, /, target: str, container: str, stdin: bool, tty: bool, quiet: bool) -> None:
    """Show what a container writes from now on, and pass it input; Ctrl-C detaches."""
    run_with_client(ctx, lambda kubectl: execute(kubectl, target, container, (), stdin=stdin, tty=tty, quiet=quiet))


async def execute(
    kubectl: Kubectl,
    target: str,
    container: str,
    words: Sequence[str],
    *,
    stdin: bool = False,
    tty: bool = False,
    quiet: bool = False,
) -> int | None:
    """Carry out ``exec``, or without words ``attach``; answers the command's exit code."""
    if tty and not (stdin and is_terminal()):
        kubectl.warn("Unable to use a TTY - input is not a terminal or the right kind of file")
        tty = tty and not stdin
    pod = await target_pod(kubectl, target)
    chosen = chosen_container(kubectl, pod, container, quiet=quiet)
    verb = "exec" if words else "attach"
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        phase = pod["status"]["phase"]
        raise CommandFailed(f"cannot {verb} into a container in a completed pod; current phase is {phase}")
    question = {
        **stream_question(pod, verb),
        "container": chosen,
        "command": list(words),
        "stdin": stdin,
        "stdout": True,
        "stderr": not tty,
        "tty": tty,
    }
    stream = await opened(kubectl, pod, question)
    try:
        with raw_terminal() if tty and stdin else contextlib.nullcontext():
            ended = await _converse(kubectl, stream, stdin=stdin, tty=tty)
    finally:
        await stream.close()
    if ended.message:
        raise CommandFailed(f"error executing command in container: {ended.message}")
    if ended.exit_code and words:
        kubectl.flush()
        kubectl.warn(f"command terminated with exit code {ended.exit_code}")
        return ended.exit_code
    return None


async def target_pod(kubectl: Kubectl, target: str) -> Object:
    """The pod that is named, or one of the workload that is. Raises `CommandFailed`."""
    named = parse_targets([target if "/" in target else f"pods/{target}"], kubectl.resources).named
    query = Query(kubectl.namespace)
    found = await find_all(kubectl, Targets(named[:1]), query)
    if query.errors:
        raise query.errors[0]
    return (await pods_of(kubectl, found[0]))[0]


def stream_question(pod: Object, kind: str) -> dict[str, Any]:
    """What a pod's kubelet has to know to open a stream."""
    metadata = pod["metadata"]
    node = (pod.get("spec") or {}).get("nodeName")
    return {"node": node, "namespace": metadata["namespace"], "pod": metadata["name"], "kind": kind}


async def opened(kubectl: Kubectl, pod: Object, question: dict[str, Any]) -> ContainerStream:
    """Open a stream into a pod. Raises `CommandFailed`."""
    actor = await kubelet_actor(kubectl, pod)
    try:
        return await open_stream(kubectl.client.ctx, actor, question)
    except RequestFailed as failure:
        raise CommandFailed(f"unable to upgrade connection: {failure.message}") from failure


async def _converse(kubectl: Kubectl, stream: ContainerStream, *, stdin: bool, tty: bool) -> Ended:
    """Pass bytes both ways until the stream ends."""
    feeding = [asyncio.ensure_future(_feed(stream, tty=tty))] if stdin else []
    try:
        async for channel, data in stream.chunks():
            place = kubectl.err if channel == STDERR else kubectl.out
            binary = getattr(place, "buffer", None)
            if binary is None:
                place.write(data.decode("utf-8", "replace"))
            else:
                place.flush()
                binary.write(data)
                binary.flush()
    finally:
        for task in feeding:
            task.cancel()
    assert stream.ended is not None
    return stream.ended


async def _feed(stream: ContainerStream, *, tty: bool) -> None:
    """Pass input on. One message at a time: a terminal's size waits for the input before it, and the reverse."""
    turn = asyncio.Lock()

    async def write(data: bytes) -> None:
        async with turn:
            await stream.write(data)

    async def resize(columns: int, rows: int) -> None:
        async with turn:
            await stream.resize(columns, rows)

    sizing = asyncio.ensure_future(follow_size(resize)) if tty else None
    try:
        with contextlib.suppress(RequestError):  # it has ended, as the output tells
            await feed_input(write, stream.end_input)
            if sizing is not None:
                await sizing
    finally:
        if sizing is not None:
            sizing.cancel()
