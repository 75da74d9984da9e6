"""Commands against a live cluster of this test run alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner

import cli

ROOT = Path(__file__).resolve().parents[2]


def podchain(*arguments: str, code: int = 0, stdin: str | None = None) -> str:
    """A command, in this process: starting Python for each would be most of a test's time."""
    result = CliRunner().invoke(cli.podchain, arguments, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, (arguments, result.output)
    return result.output


def run_process(*arguments: str, code: int = 0, timeout_s: float = 90.0, stdin: str | None = None) -> str:
    command = [sys.executable, str(ROOT / "cli.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, cwd=ROOT, input=stdin)
    assert done.returncode == code, (arguments, done.stdout, done.stderr)
    return done.stdout + (done.stderr if code else "")


def ps() -> dict[str, dict[str, Any]]:
    return {actor["name"]: actor for actor in json.loads(podchain("ps", "-o", "json"))}


def status() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(podchain("chaos", "status", "-o", "json"))
    return found


def cluster_name() -> str:
    """Actors are found again by their title, which has it."""
    return f"chaos-{os.getpid()}"
