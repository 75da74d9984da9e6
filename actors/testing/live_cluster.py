"""A cluster of real processes for one test, in a directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Final

from actors.supervisor.gateway_port import gateway_is_installed
from actors.testing.not_converged import NotConverged

COMMAND_TIMEOUT_S: Final = 120.0
#: How often a live cluster is asked whether something has come true.
LOOK_EVERY_S: Final = 0.2


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

    @cached_property
    def kubeconfig(self) -> Path | None:
        """The administrator's kubeconfig, for clients in any language; None without the extra `gateway`.

        It is a file in the cluster's own directory; `KUBECONFIG` and ~/.kube/config are left alone.
        """
        if not gateway_is_installed():
            return None
        file = self.home / "kubeconfig"
        self.podchain("kubeconfig", "--output", str(file))
        return file

    def assert_converges(self, condition: Callable[[], bool], within_s: float = 60.0) -> None:
        """Faults end; from then on the condition must come true within a time (of the wall clock).

        A condition that fails with `AssertionError`, as `podchain` does when a command is refused, does not hold yet.
        Raises `NotConverged`.
        """
        self.podchain("chaos", "heal")
        deadline_s = time.monotonic() + within_s
        while not _holds(condition):
            if time.monotonic() >= deadline_s:
                raise NotConverged(f"not converged within {within_s:g} seconds")
            time.sleep(LOOK_EVERY_S)

    def down(self) -> None:
        """Stop it and delete its data."""
        self.podchain("down", "--purge", check=False)


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return bool(condition())
    except AssertionError:
        return False
