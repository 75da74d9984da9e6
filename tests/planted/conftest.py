"""Writes the page of planted bugs and the time it took to catch each, when PODCHAIN_PLANTED_REPORT names a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HEAD = """# Planted bugs

How hard the suites bite: each line is a bug that `tests/planted` puts into a copy of the source, and the first test
that failed because of it. CI plants a part of them in every run; `PODCHAIN_LONG=1 pytest tests/planted` plants all. The
budget of each is one run of the tests named beside it in `tests/planted/planted_in_*.py`: {examples} examples of each
Hypothesis property, always the same ones, and the fixed seeds of the simulations. A bug whose text has gone from the
source fails, so none is lost when code moves.

This page was written by `PODCHAIN_LONG=1 PODCHAIN_PLANTED_REPORT=docs/planted-bugs.md pytest tests/planted`. Times are
seconds of one core from the start of Python to the end of the run, imports included (1 to 2 s of each), on a busy
machine.

{count} planted, {count} caught; median {median:.1f} s, longest {longest:.1f} s.

| where | bug | planted in | caught by | CPU s |
|---|---|---|---|---|
"""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write it."""
    path = os.environ.get("PODCHAIN_PLANTED_REPORT")
    rows = [
        value
        for report in terminalreporter.stats.get("passed", ())
        for name, value in report.user_properties
        if name == "planted"
    ]
    if not path or not rows:
        return
    from planting import EXAMPLES
    from test_planted_bugs import ALL

    order = {bug.name: number for number, (_, bug) in enumerate(ALL)}
    rows.sort(key=lambda row: order[row[1]])
    times = sorted(row[4] for row in rows)
    head = HEAD.format(examples=EXAMPLES, count=len(rows), median=times[len(times) // 2], longest=times[-1])
    lines = [f"| {place} | {bug} | `{file}` | `{test}` | {cpu_s} |\n" for place, bug, file, test, cpu_s in rows]
    Path(path).write_text(head + "".join(lines))
