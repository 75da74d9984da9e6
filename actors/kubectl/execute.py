"""``exec``: a command beside a container's own, where the runtime can do that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click

from actors.kubectl.container_choice import chosen_container, kubelet_actor, pods_of
from actors.kubectl.failure import CommandFailed
from actors.kubectl.grammar import after_dash, command
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import Query, Targets, find_all, parse_targets
from broker.context import RequestFailed

CONTAINER_EXEC: Final = "container_exec"
EXEC_TIMEOUT_S: Final = 60.0


@command("exec", short_help="Execute a command in a container")
@click.argument("args", nargs=-1, metavar="POD | TYPE/NAME -- COMMAND [ARG...]")
@click.option("-c", "--container", default="", help="The container.")
@click.option("-i", "--stdin", is_flag=True, help="Not supported: commands get no input.")
@click.option("-t", "--tty", is_flag=True, help="Not supported: commands get no terminal.")
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
    if stdin or tty:
        raise CommandFailed("a terminal and standard input are not supported; leave -i and -t out")
    run_with_client(ctx, lambda kubectl: execute(kubectl, names[0], container, words, quiet=quiet))


async def execute(
    kubectl: Kubectl, target: str, container: str, words: Sequence[str], *, quiet: bool = False
) -> int | None:
    """Carry out ``exec``; answers the command's exit code."""
    named = parse_targets([target if "/" in target else f"pods/{target}"], kubectl.resources).named
    query = Query(kubectl.namespace)
    found = await find_all(kubectl, Targets(named[:1]), query)
    if query.errors:
        raise query.errors[0]
    pod = (await pods_of(kubectl, found[0]))[0]
    chosen = chosen_container(kubectl, pod, container, quiet=quiet)
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        phase = pod["status"]["phase"]
        raise CommandFailed(f"cannot exec into a container in a completed pod; current phase is {phase}")
    question: dict[str, Any] = {
        "node": (pod.get("spec") or {}).get("nodeName"),
        "namespace": pod["metadata"]["namespace"],
        "pod": pod["metadata"]["name"],
        "container": chosen,
        "command": list(words),
        "timeout_s": EXEC_TIMEOUT_S,
    }
    actor = await kubelet_actor(kubectl, pod)
    try:
        reply = await kubectl.client.ctx.request(
            actor,
            CONTAINER_EXEC,
            question,
            timeout_s=EXEC_TIMEOUT_S + 5.0,
            attempt_timeout_s=EXEC_TIMEOUT_S + 5.0,  # a command that was run must not be run again
        )
    except RequestFailed as failure:
        raise CommandFailed(f"unable to upgrade connection: {failure.message}") from failure
    kubectl.out.write(reply.body.get("stdout", ""))
    kubectl.err.write(reply.body.get("stderr", ""))
    code = int(reply.body.get("exit_code", 0))
    if code:
        kubectl.flush()
        kubectl.warn(f"command terminated with exit code {code}")
    return code
