"""A planted bug: how it is put into a copy of the source, and what becomes of the tests that must notice it."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
COPIED: Final = ("actors", "broker", "store", "tests", "cli.py", "pyproject.toml", "examples", "docs", ".ci")
#: The budget: so many examples of each Hypothesis property, always the same ones; simulations have seeds of their own.
EXAMPLES: Final = 50
#: Against tests that hang because of what was planted; it says nothing about how quickly a bug is caught.
HANGS_AFTER_S: Final = 1800.0
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+?)(?:\[.*)?(?: - .*)?$", re.MULTILINE)
#: What pytest's exit code is when tests ran, and some failed.
TESTS_FAILED: Final = 1


@dataclass(frozen=True)
class Bug:
    """A line that is changed, and the tests that must notice."""

    name: str
    file: str
    right: str
    wrong: str
    caught_by: str
    """Tests, as on pytest's command line; they run in order, until one fails."""
    always: bool = False
    """Whether it is planted in every run, not with PODCHAIN_LONG=1 alone."""

    @property
    def id(self) -> str:
        """Its name as a test's parameter."""
        return self.name.replace(" ", "-")

    @property
    def is_in_place(self) -> bool:
        """Whether the source still has what is to be changed (wherever it occurs)."""
        return self.right in (ROOT / self.file).read_text()


@dataclass(frozen=True)
class Outcome:
    """What the tests said about a bug."""

    is_caught: bool
    by: str
    """The first test that failed."""
    cpu_s: float
    """From the start of Python to the end, imports included, in seconds of one core."""
    said: str


def plant(bug: Bug, directory: Path) -> None:
    """A copy of the source, with the bug in it."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__", "planted"))
        else:
            shutil.copy(source, directory / name)
    file = directory / bug.file
    file.write_text(file.read_text().replace(bug.right, bug.wrong))


def run_tests(bug: Bug, directory: Path) -> Outcome:
    """Run the tests that must notice, in the directory with the bug."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(directory),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PODCHAIN_EXAMPLES": str(EXAMPLES),
        "PODCHAIN_PLANTED": "1",
    }
    for name in ("PODCHAIN_LONG", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *bug.caught_by.split()]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=HANGS_AFTER_S, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    failed = _FAILED.search(done.stdout)
    return Outcome(
        done.returncode == TESTS_FAILED,
        failed[1] if failed else "",
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        f"{done.stdout[-3000:]}{done.stderr[-500:]}",
    )
