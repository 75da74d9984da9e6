"""``podchain trace KIND/NAME``: the chain of messages that made an object real, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
import orjson

from actors.kubectl.failure import CommandFailed
from actors.kubectl.grammar import command
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import parse_targets
from broker.context import RequestFailed

#: What each of the ten steps is, in words.
STEP_TITLES: Final = {
    1: "the client's manifest reaches the API server, which validates, admits and stores it",
    2: "the watch tells the Deployment controller",
    3: "the Deployment controller writes a ReplicaSet",
    4: "the watch tells the ReplicaSet controller",
    5: "the ReplicaSet controller writes Pods",
    6: "the watch tells the scheduler, which filters and ranks the nodes",
    7: "the scheduler writes the binding",
    8: "the watch tells the kubelet of that node",
    9: "the kubelet tells the container runtime: fetch the image, create and start the container",
    10: "the container runs; the kubelet reports the status, and it is stored",
}
#: Messages shown of one step, unless all are asked for: the first ones and the last.
SHOWN_FIRST: Final = 4
TRACE_TIMEOUT_S: Final = 10.0


def render(steps: Sequence[dict[str, Any]], missing: Sequence[int], *, everything: bool) -> list[str]:
    """The lines that tell the chain; `missing` are the steps without a message."""
    widths = [max((len(str(step[name])) for step in steps), default=0) for name in ("actor", "message", "object")]
    lines: list[str] = []
    for number in sorted({step["step"] for step in steps}):
        mine = [step for step in steps if step["step"] == number]
        lines.append(f"{number:>2}  {STEP_TITLES[number]}")
        shown = mine if everything or len(mine) <= SHOWN_FIRST + 1 else [*mine[:SHOWN_FIRST], mine[-1]]
        for i, step in enumerate(shown):
            if len(shown) < len(mine) and i == SHOWN_FIRST:
                lines.append(f"    ... {len(mine) - len(shown)} more ...")
            lines.append(_line(step, widths))
    lines.extend(_closing(steps, missing))
    return lines


def render_faults(faults: Mapping[str, Any]) -> list[str]:
    """What was broken on purpose meanwhile (``podchain chaos``), and what of it befell these very messages."""
    met = [row[:4] for row in faults["met"]]
    lines = [f"{kind} befell {sender}'s {subject} at {actor}" for kind, sender, actor, subject in met]
    meanwhile = ", ".join(f"{kind} {count}" for kind, count in sorted(faults["meanwhile"].items()))
    return [*lines, *([f"Faults injected meanwhile: {meanwhile}"] if meanwhile else [])]


def _line(step: dict[str, Any], widths: Sequence[int]) -> str:
    revision = f"revision {step['revision']}" if step["revision"] else ""
    return (
        f"    +{_ms(step['since_start_s']):>9}  took {_ms(step['took_s']):>8}"
        f"  {step['actor']:<{widths[0]}}  {step['message']:<{widths[1]}}  {step['object']:<{widths[2]}}  {revision}"
    ).rstrip()


def _closing(steps: Sequence[dict[str, Any]], missing: Sequence[int]) -> list[str]:
    total_s = max(step["since_start_s"] for step in steps)
    pods = len({step["object"] for step in steps if step["step"] == 10})
    lines = [
        "",
        f"{len(steps)} messages in {_ms(total_s)}; {pods} pod{'' if pods == 1 else 's'} reported their status.",
    ]
    if missing:
        numbers = ", ".join(map(str, missing))
        lines.append(f"No message of step {numbers}: this object needs none, or the tracer has forgotten it.")
    return lines


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 10 else f"{seconds:.1f} s"


async def _trace(kubectl: Kubectl, target: str, output: str, everything: bool) -> None:
    named = parse_targets([target], kubectl.resources).named
    if len(named) != 1:
        raise CommandFailed("name one object, as in: podchain trace deployment/web")
    ((resource, name),) = named
    namespace = kubectl.namespace if resource.namespaced else ""
    question = {"resource": resource.key, "namespace": namespace, "name": name}
    try:
        reply = await kubectl.client.ctx.request("tracer", "trace", question, timeout_s=TRACE_TIMEOUT_S)
    except RequestFailed as failure:
        if failure.code != "NotFound":
            raise
        raise CommandFailed(
            f"nothing is remembered of {target} in namespace {namespace or '(none)'}: it was never written to, "
            "or that was too long ago; traces begin anew when the tracer starts"
        ) from None
    answer = reply.body
    if output == "json":
        document = {"object": target, "namespace": namespace, "steps": answer["steps"], "faults": answer["faults"]}
        kubectl.print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        return
    told = render(answer["steps"], answer["missing"], everything=everything)
    for line in [*told, *render_faults(answer["faults"])]:
        kubectl.print(line)


@command("trace", help="Show the chain of messages that the newest change of an object by a user led to.")
@click.argument("target", metavar="KIND/NAME")
@click.option(
    "-o", "--output", type=click.Choice(["json"]), default=None, help="json: every message, to be read by programs."
)
@click.option("--all", "everything", is_flag=True, help="Show every message of a step, not just some.")
@click.pass_context
def trace(ctx: click.Context, target: str, output: str | None, everything: bool) -> None:
    """The command."""
    run_with_client(ctx, lambda kubectl: _trace(kubectl, target, output or "", everything))
