"""``explain``: what a kind's fields mean, from the published schema."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from actors.apimachinery.custom_resources.openapi import custom_definition_name, custom_definitions
from actors.apimachinery.resources import RESOURCES, Resource, ResourceTable, UnknownResource
from actors.apimachinery.schema import definition_name, definitions_with_descriptions, reference_name
from actors.kubectl.failure import CommandFailed
from actors.kubectl.grammar import command
from actors.kubectl.session import Kubectl, run_with_client

WIDTH: Final = 76
#: Schemas whose fields nobody wants spelled out again: they contain themselves.
DEPTH_MAX: Final = 16

Schema = Mapping[str, Any]


@command("explain", short_help="Get documentation for a resource")
@click.argument("args", nargs=-1, metavar="TYPE[.FIELD...]")
@click.option("--recursive", is_flag=True, help="Show the names of all fields below, too.")
@click.option("--api-version", default="", metavar="GROUP/VERSION", help="The version of the API.")
@click.pass_context
def explain_command(ctx: click.Context, args: tuple[str, ...], recursive: bool, api_version: str) -> None:
    """Show what a kind, or one of its fields, is."""
    if not args:
        raise CommandFailed(
            'You must specify the type of resource to explain. Use "podchain api-resources" '
            "for a complete list of supported resources."
        )
    if len(args) > 1:
        raise CommandFailed("We accept only this format: explain RESOURCE")
    try:
        _resource(args[0], api_version, RESOURCES)
    except UnknownResource:  # then it is a custom one, which the cluster knows

        async def work(kubectl: Kubectl) -> None:
            _print_explained(args[0], recursive, api_version, kubectl.resources)

        run_with_client(ctx, work)
        return
    _print_explained(args[0], recursive, api_version, RESOURCES)


def _print_explained(target: str, recursive: bool, api_version: str, table: ResourceTable) -> None:
    try:
        sys.stdout.write(explain(target, table, recursive=recursive, api_version=api_version))
    except UnknownResource as error:
        sys.stderr.write(f"{error}\n")  # as kubectl: without "error:"
        raise click.exceptions.Exit(1) from None


def explain(target: str, table: ResourceTable, *, recursive: bool = False, api_version: str = "") -> str:
    """The text for ``deployment.spec.replicas``. Raises `CommandFailed` or `UnknownResource`."""
    resource, fields = _resource(target, api_version, table)
    schema = _schema(resource)
    lines = [f"GROUP:      {resource.group}"] if resource.group else []
    lines += [f"KIND:       {resource.kind}", f"VERSION:    {resource.version}", ""]
    texts = [schema.get("description", "")]
    for field in fields:
        found = _field(schema, field)
        if found is None:
            sys.stdout.write("\n".join(lines) + "\n")
            raise CommandFailed(f'field "{field}" does not exist')
        schema = found
        texts = _texts(schema)
    if fields:
        lines += [f"FIELD: {fields[-1]} <{type_name(schema)}>", *_enumeration(schema, "    "), ""]
    if fields:
        lines.append("")
    lines += ["DESCRIPTION:", *_paragraphs(texts), "    "]
    body = _fields_of(schema)
    if body.get("properties"):
        lines.append("FIELDS:")
        lines += _names(body, 1, set()) if recursive else _described(body)
    lines.append("")
    return "\n".join(lines) + "\n"


def _schema(resource: Resource) -> Schema:
    if resource.custom is not None:
        published = definitions_with_descriptions()
        return custom_definitions(resource, resource.custom, published)[custom_definition_name(resource)]
    kind_name = definition_name(resource.api_version, resource.kind)
    if kind_name is None:
        raise CommandFailed(f'couldn\'t find resource for "{resource.api_version}, Kind={resource.kind}"')
    return definitions_with_descriptions()[kind_name]


def _resource(target: str, api_version: str, table: ResourceTable) -> tuple[Resource, list[str]]:
    """What ``crontabs.spec.image`` or ``crontabs.stable.example.com.spec`` names: the resource and the fields."""
    name, *fields = target.rstrip(".").split(".")
    if api_version:
        group, _, version = api_version.rpartition("/")
        return table.resolve(f"{name}.{version}.{group}" if group else f"{name}.{version}."), fields
    for resource in table:  # the longest name that is one
        if resource.custom is not None and f"{target}.".startswith(f"{name}.{resource.group}."):
            rest = target[len(f"{name}.{resource.group}") :].strip(".")
            return table.resolve(f"{name}.{resource.group}"), rest.split(".") if rest else []
    return table.resolve(name), fields


def _target(schema: Schema) -> Schema:
    """What a schema refers to, if it refers to something."""
    name = reference_name(schema)
    return definitions_with_descriptions()[name] if name else schema


def _fields_of(schema: Schema) -> Schema:
    """The schema with the fields: of a list's items or a map's values, when it is one."""
    target = _target(schema)
    while "properties" not in target:
        inner = target.get("items") or target.get("additionalProperties")
        if not isinstance(inner, dict):
            return target
        target = _target(inner)
    return target


def _field(schema: Schema, name: str) -> Schema | None:
    found: Schema | None = _fields_of(schema).get("properties", {}).get(name)
    return found


def _texts(schema: Schema) -> list[str]:
    """The field's own description, and that of what it is made of."""
    texts = [schema.get("description", "")]
    target = schema
    while True:
        inner = target.get("items") or target.get("additionalProperties")
        reference = reference_name(target)
        if reference:
            target = definitions_with_descriptions()[reference]
        elif isinstance(inner, dict):
            target = inner
        else:
            return [text for text in dict.fromkeys(texts) if text]
        texts.append(target.get("description", ""))


def _paragraphs(texts: Sequence[str], indent: str = "    ") -> list[str]:
    lines: list[str] = []
    for text in [text for text in texts if text] or ["<empty>"]:
        for paragraph in text.split("\n"):
            lines += [indent + line for line in wrapped(paragraph)] or [indent]
    return lines


def wrapped(text: str) -> list[str]:
    """A paragraph in lines of at most `WIDTH` characters; words are never broken."""
    return textwrap.wrap(
        text, WIDTH, expand_tabs=False, replace_whitespace=False, break_long_words=False, break_on_hyphens=False
    )


def type_name(schema: Schema) -> str:
    """``string``, ``[]Container``, ``map[string]string``, ``PodSpec``."""
    reference = reference_name(schema)
    if reference:
        plain = _primitive(definitions_with_descriptions()[reference])
        return reference.rpartition(".")[2] if plain in ("", "Object") else plain  # a time is a string
    primitive = _primitive(schema)
    if primitive == "array":
        return f"[]{type_name(schema.get('items') or {})}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map[string]{type_name(schema['additionalProperties'])}"
    return primitive or "Object"


def _primitive(schema: Schema) -> str:
    found = schema.get("type", "")
    if isinstance(found, list):
        found = next((name for name in found if name != "null"), "")
    return "Object" if found == "object" else str(found)


def _enumeration(schema: Schema, indent: str) -> list[str]:
    target = _target(schema)
    values = target.get("enum")
    if not values or schema.get("description", "").startswith(("APIVersion defines", "Kind is a string value")):
        return []
    shown = [str(value) if value != "" else '""' for value in values if value is not None]
    return [f"{indent}enum: {', '.join(shown)}"]


def _is_required(schema: Schema, name: str) -> str:
    return " -required-" if name in schema.get("required", ()) else ""


def _described(schema: Schema) -> list[str]:
    lines: list[str] = []
    for name, field in sorted(schema["properties"].items()):
        lines.append(f"  {name}\t<{type_name(field)}>{_is_required(schema, name)}")
        lines += _enumeration(field, "  ")
        lines += _paragraphs([field.get("description", "") or _target(field).get("description", "")])
        lines.append("")
    return lines


def _names(schema: Schema, level: int, seen: set[int]) -> list[str]:
    """The fields' names, below one another; what contains itself is spelled out once."""
    lines: list[str] = []
    for name, field in sorted(schema.get("properties", {}).items()):
        indent = "  " * level
        lines.append(f"{indent}{name}\t<{type_name(field)}>{_is_required(schema, name)}")
        lines += _enumeration(field, indent)
        body = _fields_of(field)
        if id(body) not in seen and level < DEPTH_MAX:
            lines += _names(body, level + 1, {*seen, id(body)})
    return lines
