"""Writes the page of planted bugs and the time it took to catch each, when PODCHAIN_PLANTED_REPORT names a file."""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from typing import Any

import pytest

HEAD = """# Planted bugs

How hard the suites bite: each line is a bug that `tests/planted` puts into a copy of the source, and the first test
that failed because of it. CI plants a part of them in every run; `PODCHAIN_LONG=1 pytest tests/planted` plants all. The
budget of each is one run of the tests named beside it in `tests/planted/planted_in_*.py`: {examples} examples of each
Hypothesis property, always the same ones, and the fixed seeds of the simulations. A bug whose text has gone from the
source fails, so none is lost when code moves.

This page is written by `PODCHAIN_LONG=1 PODCHAIN_PLANTED_REPORT=docs/planted-bugs.md pytest tests/planted`; a run of
some of them renews their lines. Times are seconds of one core from the start of Python to the end of the run, imports
included (1 to 2 s of each), on a busy machine.

{count} of {of} planted and caught; median {median:.1f} s, longest {longest:.1f} s.

| where | bug | planted in | caught by | CPU s |
|---|---|---|---|---|
"""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write it."""
    path = os.environ.get("PODCHAIN_PLANTED_REPORT")
    rows = {
        value[1]: value
        for report in terminalreporter.stats.get("passed", ())
        for name, value in report.user_properties
        if name == "planted"
    }
    if path and rows:
        Path(path).write_text(page({**written_before(Path(path)), **rows}))


def written_before(path: Path) -> dict[str, list[Any]]:
    """The lines of the page as it is, by the bug's name."""
    lines = path.read_text().splitlines() if path.exists() else []
    cells = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    return {cell[1]: [*cell[:4], float(cell[4])] for cell in cells if cell[4] != "CPU s"}


def page(rows: dict[str, list[Any]]) -> str:
    """The page, of the bugs that there are now."""
    from planting import EXAMPLES
    from test_planted_bugs import ALL

    told = [rows[bug.name] for _, bug in ALL if bug.name in rows]
    times_s = [row[4] for row in told]
    head = HEAD.format(
        examples=EXAMPLES, count=len(told), of=len(ALL), median=statistics.median(times_s), longest=max(times_s)
    )
    return head + "".join(
        f"| {place} | {bug} | `{file}` | `{test}` | {cpu_s} |\n" for place, bug, file, test, cpu_s in told
    )
