"""A command-line client of another maker, run as a user would."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

COMMAND_TIMEOUT_S = 90


class ClientProgram:
    """A program that is given the same words first and the same environment each time."""

    def __init__(self, path: Path, *first_words: str, environment: Mapping[str, str]) -> None:
        self.path = path
        self._first_words = first_words
        self._environment = environment

    def run(self, *words: str, stdin: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it, whatever becomes of it."""
        return subprocess.run(
            [self.path, *self._first_words, *words],
            capture_output=True,
            text=True,
            input=stdin,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
            env={**self._environment, **environment},
        )

    def __call__(self, *words: str, stdin: str | None = None, **environment: str) -> str:
        """Run it; gives its output. It must succeed."""
        done = self.run(*words, stdin=stdin, **environment)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *words: str, stdin: str | None = None) -> str:
        """Run what must fail; gives what it says."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode != 0, f"{words}: {done.stdout}"
        return done.stderr
