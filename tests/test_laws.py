"""Law 1: an actor reaches the world through its context only, so that the same code runs in simulation."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: What gives a module clocks, chance, files, sockets or processes behind the context's back.
FORBIDDEN_MODULES = {
    "fcntl",
    "http",
    "io",
    "multiprocessing",
    "os",
    "pathlib",
    "psutil",
    "random",
    "resource",
    "secrets",
    "select",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
    "zmq",
}
FORBIDDEN_CALLS = {"open", "input", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
#: A generator that is given its seed has no chance of its own.
ALLOWED_NAMES = {("random", "Random")}

#: The shells around the actors: they meet the world so that the actors needn't.
SHELLS = {
    "actors/supervisor": "starts processes",
    "actors/kubectl": "the command line: terminal, files, editors",
    "actors/testing": "the pytest plugin: a test's directories and command lines",
    "actors/simulation": "makes the simulated world",
    "actors/runtime/process": "driver: containers are processes of the machine",
    "actors/runtime/container_log": "the process driver's logs",
    "actors/chaos": "breaks a running cluster: its processes, its chaos file",
    "actors/gateway": "HTTP for clients of other languages",
}
#: Single files that do so, and why.
SHELL_FILES = {
    "store/sqlite_log.py": "the store's log on disk",
    "store/sqlite_format.py": "its tables",
    "store/high_water.py": "how far it was acknowledged",
    "store/reserve.py": "space for the day the disk is full",
    "store/wal_room.py": "room at the end of the write-ahead log",
    "store/etcd_log.py": "the store's log in etcd",
    "store/etcd_api/server.py": "the gRPC server",
    "store/etcd_api/__main__.py": "its command line",
    "store/etcd_api/restore.py": "reads a snapshot's file before the store starts",
    "actors/apimachinery/protobuf/table/__main__.py": "a development tool: reads programs, prints the table",
    "actors/apimachinery/schema.py": "reads the published schema, package data that never changes",
}


def actor_files() -> list[Path]:
    found = [*(ROOT / "actors").rglob("*.py"), *(ROOT / "store").rglob("*.py")]
    return sorted(path for path in found if not _is_shell(path.relative_to(ROOT).as_posix()))


def _is_shell(path: str) -> bool:
    return path in SHELL_FILES or any(path.startswith((f"{shell}/", f"{shell}.py", f"{shell}_")) for shell in SHELLS)


def violations(source: str) -> Iterator[str]:
    """What a module's text does that an actor may not."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in FORBIDDEN_MODULES:
                    yield f"line {node.lineno}: import {alias.name}"
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            module = node.module.split(".")[0]
            names = [alias.name for alias in node.names if (module, alias.name) not in ALLOWED_NAMES]
            if module in FORBIDDEN_MODULES and names:
                yield f"line {node.lineno}: from {node.module} import {', '.join(names)}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in FORBIDDEN_CALLS:
            yield f"line {node.lineno}: {ast.unparse(node.func)}()"


@pytest.mark.parametrize("path", actor_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_actors_reach_the_world_through_their_context_only(path: Path) -> None:
    assert list(violations(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import os.path",
        "from zmq import Context",
        "from random import random, Random",
        "def f():\n    import uuid",
        "x = open('f')",
        "from datetime import datetime\nnow = datetime.now()",
    ],
)
def test_the_check_finds_what_it_is_there_to_find(source: str) -> None:
    assert list(violations(source)) != []


def test_the_check_lets_pass_what_is_allowed() -> None:
    allowed = "import asyncio\nfrom random import Random\nfrom datetime import UTC, datetime\nimport broker.context"
    assert list(violations(allowed)) == []


def test_there_is_something_to_check() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in actor_files()}
    assert {"store/actor.py", "actors/apiserver/actor.py", "actors/scheduler/actor.py"} <= names


def test_nothing_imports_the_command() -> None:
    """`cli` is at the top: import-linter checks the packages below it, and this the one module above them."""
    for package in ("actors", "broker", "store"):
        for path in (ROOT / package).rglob("*.py"):
            imported = {
                name
                for node in ast.walk(ast.parse(path.read_text()))
                for name in (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else []
                )
            }
            assert "cli" not in imported, path
