"""A cluster of real processes for one test, in a directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

COMMAND_TIMEOUT_S: Final = 120.0


class LiveCluster:
    """A running cluster, and the command line that speaks to it."""

    def __init__(self, home: Path, name: str, nodes: int) -> None:
        self.name = name
        self.home = home
        self._environment = {**os.environ, "PODCHAIN_HOME": str(home), "PODCHAIN_NAME": name}
        self._nodes = nodes

    def up(self, *options: str) -> None:
        """Start it; returns when it is ready."""
        self.podchain("up", "--detach", "--nodes", str(self._nodes), *options)

    def podchain(self, *arguments: str, check: bool = True, stdin: str | None = None) -> str:
        """Run a command against it, such as ``podchain("get", "pods")``; gives its standard output.

        Raises `AssertionError` with what it printed when it fails.
        """
        done = subprocess.run(  # noqa: S603 - our own command line, no shell
            [sys.executable, "-m", "cli", *arguments],
            capture_output=True,
            text=True,
            input=stdin,
            timeout=COMMAND_TIMEOUT_S,
            env=self._environment,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"podchain {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def down(self) -> None:
        """Stop it and delete its data."""
        self.podchain("down", "--purge", check=False)
