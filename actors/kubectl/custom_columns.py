"""``-o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[*].image``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.apimachinery import jsonpath
from actors.apimachinery.jsonpath_syntax import Path
from actors.apimachinery.operation import Object
from actors.kubectl.failure import CommandFailed
from actors.kubectl.tab_writer import align


def parse_columns(specification: str) -> list[tuple[str, Path]]:
    """Headers and paths. Raises `CommandFailed`."""
    if not specification:
        raise CommandFailed("custom-columns format specified but no custom columns given")
    columns = []
    for part in specification.split(","):
        header, colon, path = part.partition(":")
        if not colon:
            raise CommandFailed(f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
        try:
            columns.append((header, jsonpath.parse_path(path)))
        except jsonpath.JSONPathError as error:
            raise CommandFailed(str(error)) from error
    return columns


def render_columns(columns: Sequence[tuple[str, Path]], objects: Sequence[Object], *, headers: bool = True) -> str:
    """The table, each line ended."""
    lines = ["\t".join(header for header, _ in columns)] if headers else []
    lines.extend("\t".join(_cell(path, obj) for _, path in columns) for obj in objects)
    return align("\n".join(lines), minimum_width=6, padding=3) + "\n" if lines else ""


def _cell(path: Path, obj: Object) -> str:
    try:
        found = jsonpath.find(path, obj, obj)
    except jsonpath.JSONPathError:
        found = []
    return ",".join(_shown(value) for value in found) or "<none>"


def _shown(value: Any) -> str:
    if value is None:
        return "<none>"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_shown(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(_shown(item) for item in value) + "]"
    return jsonpath.text_of(value)
