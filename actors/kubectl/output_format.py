"""``-o FORMAT``: how objects are printed when not as a table of their kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from actors.apimachinery import jsonpath
from actors.apimachinery.operation import Object
from actors.kubectl.failure import CommandFailed
from actors.kubectl.object_printer import to_json, to_yaml
from actors.kubectl.target import Found

FORMATS = "custom-columns,custom-columns-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,wide,yaml"

Formatter = Callable[[Sequence[Found], bool], str]
"""Text of objects; the flag says whether they are shown as a list, even when there is just one."""


def list_of(objects: Sequence[Object]) -> Object:
    """The List that kubectl wraps several objects in."""
    return {"apiVersion": "v1", "items": list(objects), "kind": "List", "metadata": {"resourceVersion": ""}}


def shown_object(obj: Object, *, managed_fields: bool = False) -> Object:
    """The object without what kubectl leaves out (managedFields, unless asked for)."""
    metadata = obj.get("metadata")
    if not metadata or "managedFields" not in metadata:
        return obj
    if managed_fields:
        text = metadata["managedFields"]  # the API server keeps them as JSON
        return {**obj, "metadata": {**metadata, "managedFields": orjson.loads(text) if isinstance(text, str) else text}}
    return {**obj, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}


def formatter_of(output: str, *, headers: bool = True, managed_fields: bool = False) -> Formatter | None:
    """The formatter of an output format; None for tables (nothing, ``wide``). Raises `CommandFailed`."""
    name, _, argument = output.partition("=")
    if name in ("", "wide"):
        return None
    if name in ("custom-columns-file", "jsonpath-file"):
        argument, name = _file_text(argument), name.removesuffix("-file")
    if name == "name":
        return lambda found, _as_list: "".join(f"{each.label}\n" for each in found)
    if name in ("json", "yaml"):
        return _document_formatter(name, managed_fields=managed_fields)
    if name == "jsonpath":
        return _jsonpath_formatter(argument, as_json=False)
    if name == "jsonpath-as-json":
        return _jsonpath_formatter(argument, as_json=True)
    if name == "custom-columns":
        from actors.kubectl.custom_columns import parse_columns, render_columns

        columns = parse_columns(argument)
        return lambda found, _as_list: render_columns(columns, [each.object for each in found], headers=headers)
    if name in ("go-template", "template", "go-template-file", "templatefile"):
        raise CommandFailed("Go templates are not supported; use -o jsonpath=... or -o custom-columns=...")
    raise CommandFailed(
        f'unable to match a printer suitable for the output format "{output}", allowed formats are: {FORMATS}'
    )


def _file_text(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise CommandFailed(f"error reading template {name}, {error.strerror}") from error


def _document_formatter(name: str, *, managed_fields: bool) -> Formatter:
    def render(found: Sequence[Found], as_list: bool) -> str:
        objects = [shown_object(each.object, managed_fields=managed_fields) for each in found]
        value: Any = list_of(objects) if as_list or len(objects) != 1 else objects[0]
        return to_json(value) + "\n" if name == "json" else to_yaml(value)

    return render


def _jsonpath_formatter(argument: str, *, as_json: bool) -> Formatter:
    if not argument:
        raise CommandFailed("template format specified but no template given")
    try:
        template = jsonpath.Template(argument)
    except jsonpath.JSONPathError as error:
        raise CommandFailed(f"error parsing jsonpath {argument}, {error}") from error

    def render(found: Sequence[Found], as_list: bool) -> str:
        objects = [each.object for each in found]
        value: Any = list_of(objects) if as_list or len(objects) != 1 else objects[0]
        try:
            return to_json(template.values(value)) + "\n" if as_json else template.render(value)
        except jsonpath.JSONPathError as error:
            raise CommandFailed(f'error executing jsonpath "{argument}": {error}') from error

    return render
