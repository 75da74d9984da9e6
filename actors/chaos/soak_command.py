"""``podchain chaos soak``: the chaos suite on the running cluster, and its table."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
import time
from typing import Final, TextIO

import click
import orjson

from actors.apimachinery.status import ApiError
from actors.chaos.arguments import Duration, running_cluster
from actors.chaos.soak import Soak, SoakReport
from actors.supervisor.cluster_config import load_config
from broker.context import RequestError

#: How often progress is shown on a terminal, and elsewhere.
SHOWN_EVERY_S: Final = 0.5
TOLD_EVERY_S: Final = 10.0
MIB: Final = 2**20


@click.command(
    help="Put load and faults on the running cluster for minutes: rollouts, scales, writes and deletes in a namespace "
    "of its own, while actors are killed and hang, links break, messages get lost and the API refuses. Then check that "
    "it converges, that no acknowledged write is lost, and that nothing is left over. Exit code 1 when that isn't so."
)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True)
@click.option("--every", "every_s", type=Duration(), default="1s", show_default=True, help="Kill an actor so often.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws load and faults.")
@click.option("-o", "--output", type=click.Choice(["json"]), default=None, help="json: for programs.")
@click.pass_context
def soak(ctx: click.Context, minutes: float, every_s: float, seed: int, output: str | None) -> None:
    """The command."""
    directory, _ = running_cluster(ctx)
    if every_s <= 0:
        raise click.BadParameter("is a time between two kills, such as 1s", param_hint="--every")
    story = Soak(directory, load_config(directory), seed, 60 * minutes, every_s)
    try:
        report = asyncio.run(_with_progress(story))
    except (ApiError, RequestError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("\nstopped; no fault is left in force. What it made: podchain get all -n chaos-soak")
        ctx.exit(130)
    if output == "json":
        click.echo(orjson.dumps(report.to_plain(), option=orjson.OPT_INDENT_2).decode())
    else:
        for line in table(report):
            click.echo(line)
    if not report.ok:
        ctx.exit(1)


async def _with_progress(story: Soak) -> SoakReport:
    screen = sys.stderr
    showing = asyncio.create_task(_show(story, screen))
    try:
        # What reaches this process damaged is said on standard error, too: an actor has a log for that.
        with contextlib.redirect_stderr(io.StringIO()):
            return await story.run()
    finally:
        showing.cancel()
        if screen.isatty():
            screen.write("\r\033[K")


async def _show(story: Soak, screen: TextIO) -> None:
    terminal = screen.isatty()
    started_s = time.monotonic()
    while True:
        await asyncio.sleep(SHOWN_EVERY_S if terminal else TOLD_EVERY_S)
        p = story.progress
        elapsed_s = int(time.monotonic() - started_s)
        line = f"{elapsed_s // 60:02}:{elapsed_s % 60:02} {p.phase}: {p.faults} faults, {p.acknowledged} acknowledged"
        line += f"; {p.waiting_for}" if p.waiting_for else ""
        screen.write(f"\r\033[K{line[:118]}" if terminal else f"{line}\n")
        screen.flush()


def table(report: SoakReport) -> list[str]:
    """The report for people."""
    lines = [f"{'FAULT':<22}{'TIMES':>7}{'MET BY':>10}"]
    kinds = sorted({**report.faults, **report.messages}, key=lambda kind: -report.faults.get(kind, 0))
    for kind in kinds:
        met = report.messages.get(kind)
        lines.append(f"{kind:<22}{report.faults.get(kind, 0):>7}{met if met is not None else '-':>10}")
    killed = ", ".join(f"{name} {count}" for name, count in report.killed.items())
    converged = f"{report.converged_after_s:.1f} s" if report.converged_after_s >= 0 else "NOT CONVERGED"
    before, after = report.memory_bytes
    lines += [
        "",
        f"killed:                  {killed or 'nobody'}",
        f"faults survived:         {sum(report.faults.values())} in {report.duration_s:.0f} s (seed {report.seed})",
        f"operations acknowledged: {report.acknowledged} ({report.unknown} uncertain, {report.refused} refused)",
        f"acknowledged and lost:   {len(report.lost)}",
        f"converged after:         {converged} from the last fault",
        f"memory of all actors:    {before // MIB} MiB before, {after // MIB} MiB after",
        f"open descriptors:        {report.open_fds[0]} before, {report.open_fds[1]} after",
    ]
    lines += [f"LOST: {lost}" for lost in report.lost]
    lines += [f"PROBLEM: {problem}" for problem in report.problems]
    return lines
