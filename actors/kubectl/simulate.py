"""``podchain simulate``: whole clusters on virtual time, under faults drawn from a seed; failures replay and shrink."""

from __future__ import annotations

import contextlib
import gc
import io
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import orjson
import yaml

if TYPE_CHECKING:
    from actors.simulation.explore import Exploration
    from actors.simulation.scenario import Scenario
    from actors.simulation.schedule import RunReport, Schedule

MINUTES: Final = 1.0
NODES: Final = 3
PROFILE: Final = "light"
#: Operations that start a rollout.
ROLLOUTS: Final = ("create", "apply", "scale", "set-image", "update", "undo")
#: Lines of a failure's details and of a schedule's story that are printed.
LINES_MAX: Final = 40


@click.command(
    "simulate",
    help="Run whole clusters in this process, on virtual time, under faults drawn from a seed, and check that they "
    "converge and never break an invariant. Failures are shrunk to the few steps that cause them. Exit code 1 when "
    "a run fails.",
)
@click.option("--seed", type=click.IntRange(min=0), default=None, help="The first run's seed (default 0).")
@click.option("--runs", type=click.IntRange(min=1), default=1, show_default=True, help="Runs, each with the next seed.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=None, help="Virtual minutes of each run.")
@click.option("--nodes", type=click.IntRange(min=1), default=None, help=f"Nodes of each cluster (default {NODES}).")
@click.option("--faults", default=None, metavar="PROFILE|FILE", help="none, light, messages, crashes, api, heavy.")
@click.option("--scenario", type=click.Path(path_type=Path), default=None, help="Manifests, operations, faults (YAML).")
@click.option("--save", type=click.Path(path_type=Path), default=None, help="Write the first failure's scenario here.")
@click.option("--explore", is_flag=True, help="Instead of drawing faults, make them from the causes in a recorded run.")
@click.option(
    "--workload", type=click.Choice(["rollout", "ordered-scale"]), default=None, help="What --explore explores."
)
@click.option("--no-shrink", is_flag=True, help="Leave failures as they are.")
@click.option("-o", "--output", type=click.Choice(["json"]), default=None, help="json: for programs.")
@click.pass_context
def simulate(ctx: click.Context, /, **options: Any) -> None:
    """The command."""
    plan: Exploration | None = None
    try:
        if options["explore"]:
            plan = _exploration(options)
        schedules = _schedules(options) if plan is None else plan.schedules
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    # Most of what runs allocate dies young: looking less often for cycles among it is a fifth of the time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    started_s = time.perf_counter()
    reports = list(_execute(schedules))
    took_s = time.perf_counter() - started_s
    failed = [report for report in reports if report.failure is not None]
    shrunk = failed if options["no_shrink"] else [_shrunk(report) for report in failed]
    if options["save"] and shrunk:
        _save(options["save"], shrunk[0].schedule)
    if options["output"] == "json":
        document = _document(reports, failed, shrunk)
        if plan is not None:
            document["explored"] = {"generated": plan.generated, "pruned": plan.pruned, "run": len(reports)}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        if plan is not None:
            _line("schedules", f"{plan.generated} generated, {plan.pruned} pruned as equivalent, {len(reports)} run")
        _print_report(reports, failed, shrunk, took_s)
    if failed:
        ctx.exit(1)


def _exploration(options: dict[str, Any]) -> Exploration:
    """Schedules made from a run without faults: the scenario's, or a Deployment's rollout. Raises `ValueError`."""
    from actors.simulation.explore import WORKLOADS, plan

    for name in ("faults", "minutes"):
        if options[name] is not None:
            raise ValueError(f"--{name} does not go with --explore")
    if options["runs"] != 1:
        raise ValueError("--runs does not go with --explore")
    if options["scenario"] and options["workload"]:
        raise ValueError("--workload does not go with --scenario")
    if options["scenario"]:
        baseline = _schedules(options)[0]
    else:
        baseline = WORKLOADS[options["workload"] or "rollout"](options["seed"] or 0, options["nodes"] or NODES)
    with _silence():
        return plan(replace(baseline, steps=tuple(step for step in baseline.steps if not step.is_fault)))


def _schedules(options: dict[str, Any]) -> list[Schedule]:
    """The runs that are asked for. Raises `ValueError`."""
    from actors.simulation.fault_profile import PROFILES, FaultProfile
    from actors.simulation.scenario import Scenario, read_faults, read_scenario, read_yaml
    from actors.simulation.schedule import draw_schedule

    scenario = read_scenario(options["scenario"]) if options["scenario"] else Scenario()
    steps, profile = scenario.faults, scenario.profile
    given = options["faults"]
    if given is not None:
        if given in PROFILES:
            steps, profile = (), PROFILES[given]
        elif Path(given).exists():
            document = read_yaml(Path(given))
            named = document["faults"] if isinstance(document, dict) and "faults" in document else document
            steps, profile = read_faults(named)
        else:
            raise ValueError(f"--faults {given}: neither a file nor one of {', '.join(PROFILES)}")
    if profile is None:
        profile = FaultProfile() if steps or options["scenario"] else PROFILES[PROFILE]
    nodes = options["nodes"] or scenario.nodes or NODES
    duration_s = 60 * (options["minutes"] or scenario.minutes or MINUTES)
    first = options["seed"] if options["seed"] is not None else scenario.seed or 0
    return [
        _with_scenario(draw_schedule(seed, nodes, duration_s, profile), scenario, steps)
        for seed in range(first, first + options["runs"])
    ]


def _with_scenario(drawn: Schedule, scenario: Scenario, faults: Sequence[Any]) -> Schedule:
    operations = scenario.operations
    if operations is None:
        operations = tuple(step for step in drawn.steps if not step.is_fault)
    timed = tuple(step for step in drawn.steps if step.is_fault)
    return replace(
        drawn,
        steps=(*operations, *timed, *faults),
        expectations=scenario.expectations,
        controllers=scenario.controllers,
    )


def _execute(schedules: Sequence[Schedule]) -> Iterator[RunReport]:
    """Run all, showing progress to whoever watches a terminal."""
    from actors.simulation.run import execute

    bar = click.progressbar(schedules, label="runs", file=sys.stderr) if sys.stderr.isatty() else None
    with bar or contextlib.nullcontext(schedules) as remaining:
        for schedule in remaining:
            with _silence():
                report = execute(schedule)
            yield report


def _silence() -> contextlib.AbstractContextManager[Any]:
    """Actors log to standard error; thousands of injected faults would fill the screen."""
    return contextlib.redirect_stderr(io.StringIO())


def _shrunk(report: RunReport) -> RunReport:
    from actors.simulation.shrink import shrink

    with _silence():
        return shrink(report)


def _save(path: Path, schedule: Schedule) -> None:
    from actors.simulation.scenario import scenario_of

    path.write_text(yaml.safe_dump(scenario_of(schedule), sort_keys=False))


def _document(reports: Sequence[RunReport], failed: Sequence[RunReport], shrunk: Sequence[RunReport]) -> dict[str, Any]:
    from actors.simulation.scenario import scenario_of

    failures = []
    for report, small in zip(failed, shrunk, strict=True):
        assert report.failure is not None
        assert small.failure is not None
        failures.append(
            {
                "seed": report.schedule.seed,
                "kind": report.failure.kind,
                "details": list(report.failure.details),
                "shrunk": {
                    "details": list(small.failure.details),
                    "trace_hash": small.trace_hash,
                    "story": [str(step) for step in _story(small.schedule)],
                    "scenario": scenario_of(small.schedule),
                },
            }
        )
    return {"runs": [report.to_plain() for report in reports], "failures": failures}


def _story(schedule: Schedule) -> list[Any]:
    return sorted(schedule.steps, key=lambda step: (step.kind == "message", step.at_s))


def _print_report(
    reports: Sequence[RunReport], failed: Sequence[RunReport], shrunk: Sequence[RunReport], took_s: float
) -> None:
    seeds = [report.schedule.seed for report in reports]
    virtual_s = sum(report.virtual_s for report in reports)
    faults: Counter[str] = Counter()
    for report in reports:
        faults.update(report.faults)
    rollouts = sum(step.kind in ROLLOUTS for r in reports for step in r.schedule.steps)
    errors = sum(len(report.actor_errors) for report in reports)
    _line("seeds", f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}")
    if len(reports) == 1:
        _line("trace hash", reports[0].trace_hash)
    _line("virtual time", f"{virtual_s:.0f} s in {took_s:.1f} s ({virtual_s / took_s:.0f} times real time)")
    _line("messages", str(sum(report.messages for report in reports)))
    _line("rollouts", f"{rollouts} ({rollouts / took_s * 60:.0f} a minute)")
    _line("faults", ", ".join(f"{name} {count}" for name, count in sorted(faults.items())) or "none")
    _line("checks", f"{sum(report.checks for report in reports)} of invariants and laws")
    _line("actors' own errors", f"{errors} (each restarted)")
    _line("failures", str(len(failed)))
    for report, small in zip(failed, shrunk, strict=True):
        _print_failure(report, small)


def _line(name: str, value: str) -> None:
    click.echo(f"{name + ':':<20}{value}")


def _print_failure(report: RunReport, small: RunReport) -> None:
    assert small.failure is not None
    before, after = len(report.schedule.steps), len(small.schedule.steps)
    click.echo(f"\nseed {report.schedule.seed}: {small.failure.kind} ({before} steps, {after} after shrinking)")
    for line in small.failure.details[:LINES_MAX]:
        click.echo(f"  {line}")
    click.echo("because")
    story = _story(small.schedule)
    for step in story[:LINES_MAX]:
        click.echo(f"  {step}")
    if len(story) > LINES_MAX:
        click.echo(f"  ... and {len(story) - LINES_MAX} more")
