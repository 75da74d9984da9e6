"""``--from-literal``, ``--from-file`` and ``--from-env-file``: keys and contents of config maps and secrets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from actors.kubectl.failure import CommandFailed

Sources = list[tuple[str, bytes]]


def read_sources(literals: Sequence[str], files: Sequence[str], env_files: Sequence[str]) -> Sources:
    """Everything named, in kubectl's order. Raises `CommandFailed`."""
    if env_files and (literals or files):
        raise CommandFailed("from-env-file cannot be combined with from-file or from-literal")
    found = [_literal(text) for text in literals]
    for text in files:
        found.extend(_file(text))
    for name in env_files:
        found.extend(_env_file(name))
    return sorted(found, key=lambda pair: pair[0]) if not env_files else found


def _literal(text: str) -> tuple[str, bytes]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise CommandFailed(f"invalid literal source {text}, expected key=value")
    return key, value.encode()


def _file(text: str) -> Sources:
    key, equals, name = text.partition("=")
    if not equals:
        key, name = "", text
    elif not key:
        raise CommandFailed(f"key name for file path {name} missing")
    elif not name:
        raise CommandFailed(f"file path for key name {key} missing")
    path = Path(name)
    try:
        if path.is_dir():
            if key:
                raise CommandFailed("cannot give a key name for a directory path")
            return [(entry.name, entry.read_bytes()) for entry in sorted(path.iterdir()) if entry.is_file()]
        return [(key or path.name, path.read_bytes())]
    except OSError as error:
        raise CommandFailed(f"error reading {name}: {(error.strerror or str(error)).lower()}") from error


def _env_file(name: str) -> Sources:
    try:
        lines = Path(name).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"error reading {name}: {error}") from error
    found: Sources = []
    for line in lines:
        stripped = line.lstrip()
        if not stripped or stripped.startswith("#"):
            continue
        key, equals, value = stripped.partition("=")
        if not equals:
            value = os.environ.get(key, "")
        found.append((key, value.encode()))
    return found
