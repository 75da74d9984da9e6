"""``edit``: change objects in an editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import click

from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError
from actors.kubectl.failure import CommandFailed, message_of, raise_all
from actors.kubectl.grammar import command, filename_options
from actors.kubectl.last_applied import ANNOTATION, with_last_applied
from actors.kubectl.object_printer import to_yaml
from actors.kubectl.output_format import shown_object
from actors.kubectl.scale import named_targets
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import NO_RESOURCE, Found, Query, find_all
from actors.kubectl.yaml_reader import UnreadableManifest, read_documents

HEADER: Final = """\
# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""
#: How often an edit that was refused is opened again.
ATTEMPTS_MAX: Final = 20


@command("edit", short_help="Edit a resource on the server")
@click.argument("args", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@filename_options
@click.pass_context
def edit_command(ctx: click.Context, /, args: tuple[str, ...], filenames: tuple[str, ...], recursive: bool) -> None:
    """Change objects in the editor that KUBE_EDITOR or EDITOR names."""
    if not args and not filenames:
        raise CommandFailed(NO_RESOURCE)

    async def work(kubectl: Kubectl) -> None:
        targets = named_targets(kubectl, args, filenames, recursive=recursive)
        query = Query(kubectl.namespace)
        found = await find_all(kubectl, targets, query)
        raise_all(query.errors)
        for each in found:
            await edit_one(kubectl, each)

    run_with_client(ctx, work)


def _run_editor(text: str) -> str:
    """What the user made of the text. Raises `CommandFailed` when the editor fails."""
    editor = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="podchain-edit-") as directory:
        path = Path(directory) / "object.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*shlex.split(editor), str(path)], check=True)  # noqa: S603 - the user's own editor
        except (OSError, subprocess.CalledProcessError) as error:
            raise CommandFailed(f'there was a problem with the editor "{editor}"') from error
        return path.read_text(encoding="utf-8")


async def edit_one(kubectl: Kubectl, found: Found) -> None:
    """Have one object edited, again and again while the server refuses it. Raises `CommandFailed`."""
    text = HEADER + to_yaml(shown_object(found.object))
    original = text
    for _ in range(ATTEMPTS_MAX):
        edited = _run_editor(text)
        if _without_comments(edited) == _without_comments(original):
            kubectl.print("Edit cancelled, no changes made.")
            return
        if not _without_comments(edited).strip():
            kubectl.print("Edit cancelled, saved file was empty.")
            return
        if edited == text:  # refused, and left as it was
            raise CommandFailed("Edit cancelled, no valid changes were saved.")
        try:
            await _save(kubectl, found, edited)
        except (ApiError, CommandFailed, UnreadableManifest) as error:
            text = _with_reason(edited, message_of(error))
            continue
        kubectl.print(f"{found.label} edited")
        return
    raise CommandFailed("Edit cancelled, no valid changes were saved.")


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def _with_reason(edited: str, reason: str) -> str:
    lines = "".join(f"# {line}\n" for line in reason.splitlines())
    return HEADER + lines + "#\n" + _without_comments(edited) + "\n"


async def _save(kubectl: Kubectl, found: Found, text: str) -> None:
    documents = read_documents(text)
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise CommandFailed("one object is expected")
    edited: Object = documents[0]
    for field in ("apiVersion", "kind"):
        if edited.get(field) != found.object[field]:
            raise CommandFailed(f"At least one of apiVersion, kind and name was changed: {field}")
    if (edited.get("metadata") or {}).get("name") != found.name:
        raise CommandFailed("At least one of apiVersion, kind and name was changed: metadata.name")
    if ANNOTATION in (found.object["metadata"].get("annotations") or {}):
        edited = with_last_applied(edited) if ANNOTATION not in edited["metadata"].get("annotations", {}) else edited
    patch, patch_type = _patch(found, edited)
    settings: dict[str, Any] = {"fieldManager": "kubectl-edit"}
    await kubectl.client.patch(
        found.resource.key, found.name, patch, found.namespace, patch_type=patch_type, options=settings
    )


def _patch(found: Found, edited: Object) -> tuple[Object, str]:
    from actors.apimachinery.merge_patch import create_merge_patch
    from actors.apimachinery.strategic_diff import create_two_way_patch

    original = shown_object(found.object)
    if found.resource.custom is not None:
        return create_merge_patch(original, edited), "merge"
    return create_two_way_patch(original, edited, found.resource), "strategic"
