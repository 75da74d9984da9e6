"""Manifests: where they come from (files, directories, URLs, standard input) and what is in them."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.kubectl.failure import CommandFailed
from actors.kubectl.object_printer import to_json
from actors.kubectl.session import Kubectl
from actors.kubectl.yaml_reader import TEXT_BYTES_MAX, UnreadableManifest, read_documents

EXTENSIONS: Final = (".json", ".yaml", ".yml")
URL_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file, and the resource that it is one of."""

    source: str
    """The file, URL or ``STDIN``."""
    resource: Resource
    object: Object

    @property
    def name(self) -> str:
        name: str = (self.object.get("metadata") or {}).get("name") or ""
        return name

    @property
    def namespace(self) -> str:
        namespace: str = (self.object.get("metadata") or {}).get("namespace") or ""
        return namespace

    def describe(self) -> str:
        """How kubectl names it in the middle of an error."""
        group_version = self.resource.api_version if self.resource.group else f"/{self.resource.version}"
        return (
            f'Resource: "{group_version}, Resource={self.resource.plural}", '
            f'GroupVersionKind: "{group_version}, Kind={self.resource.kind}"\n'
            f'Name: "{self.name}", Namespace: "{self.namespace}"'
        )


def read_manifests(
    kubectl: Kubectl, filenames: Sequence[str], *, recursive: bool = False
) -> tuple[list[Manifest], list[Exception]]:
    """Every object of every file, and what could not be read. Raises `CommandFailed` for a file that isn't there."""
    found: list[Manifest] = []
    errors: list[Exception] = []
    for filename in filenames:
        for source, text in _texts(filename, recursive=recursive):
            try:
                documents = read_documents(text)
            except UnreadableManifest as error:
                errors.append(CommandFailed(f"error parsing {source}: {error}"))
                continue
            for document in documents:
                try:
                    found.extend(_manifests(kubectl, source, document))
                except CommandFailed as error:
                    errors.append(error)
    if not found and not errors:
        raise CommandFailed("no objects passed to apply" if filenames else "must specify one of -f and -k")
    return found, errors


def _texts(filename: str, *, recursive: bool) -> Iterator[tuple[str, str]]:
    if filename == "-":
        yield "STDIN", sys.stdin.read(TEXT_BYTES_MAX + 1)
    elif filename.startswith(("http://", "https://")):
        yield filename, _fetch(filename)
    else:
        for path in _paths(filename, recursive=recursive):
            try:
                yield str(path), path.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise CommandFailed(f'the path "{path}" cannot be accessed: {error}') from error


def _fetch(url: str) -> str:
    """Fetch a URL that the user gave."""
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=URL_TIMEOUT_S) as response:  # noqa: S310 - http and https only, see `_texts`
            content: bytes = response.read(TEXT_BYTES_MAX + 1)
    except HTTPError as error:
        raise CommandFailed(
            f'unable to read URL "{url}", server reported {error.code} {error.reason}, status code={error.code}'
        ) from error
    except (URLError, OSError) as error:
        raise CommandFailed(f'unable to read URL "{url}": {getattr(error, "reason", error)}') from error
    return content.decode("utf-8", "replace")


def _paths(filename: str, *, recursive: bool) -> list[Path]:
    path = Path(filename)
    if not path.exists():
        matches = sorted(glob.glob(filename)) if glob.has_magic(filename) else []  # noqa: PTH207 - may be absolute
        if not matches:
            raise CommandFailed(f'the path "{filename}" does not exist')
        return [found for match in matches for found in _paths(match, recursive=recursive)]
    if not path.is_dir():
        return [path]
    inside = path.rglob("*") if recursive else path.iterdir()
    files = sorted(entry for entry in inside if entry.suffix in EXTENSIONS and entry.is_file())
    if not files:
        raise CommandFailed(f"error reading [{filename}]: recognized file extensions are [{' '.join(EXTENSIONS)}]")
    return files


def _manifests(kubectl: Kubectl, source: str, document: Any) -> Iterator[Manifest]:
    if not isinstance(document, dict):
        shape = {list: "array", str: "string", bool: "bool"}.get(type(document), "number")
        raise CommandFailed(
            f'unable to decode "{source}": json: cannot unmarshal {shape} into Go value of type unstructured.detector'
        )
    kind = document.get("kind")
    if not isinstance(kind, str) or not kind:
        shown = to_json(document, indent=None)
        raise CommandFailed(f"unable to decode \"{source}\": Object 'Kind' is missing in '{shown}'")
    if kind.endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _manifests(kubectl, source, item)
        return
    yield _manifest(kubectl, source, document)


def _manifest(kubectl: Kubectl, source: str, document: Object) -> Manifest:
    api_version: Any = document.get("apiVersion")
    kind: str = document["kind"]
    if not isinstance(api_version, str) or not api_version:
        raise CommandFailed(
            f'error validating "{source}": error validating data: apiVersion not set; '
            "if you choose to ignore these errors, turn validation off with --validate=false"
        )
    metadata = document.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise CommandFailed(
            f'unable to decode "{source}": json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta'
        )
    metadata = dict(metadata or {})
    _check_strings(source, metadata)
    resource = kubectl.resources.for_kind(api_version, kind)
    if resource is None:
        raise CommandFailed(
            f'resource mapping not found for name: "{metadata.get("name", "")}" '
            f'namespace: "{metadata.get("namespace", "")}" from "{source}": '
            f'no matches for kind "{kind}" in version "{api_version}"\nensure CRDs are installed first'
        )
    if resource.namespaced:
        metadata["namespace"] = _namespace(kubectl, metadata.get("namespace"))
    return Manifest(source, resource, {**document, "metadata": metadata})


def _check_strings(source: str, metadata: Object) -> None:
    for field in ("name", "namespace", "generateName"):
        value = metadata.get(field)
        if value is not None and not isinstance(value, str):
            kind = {bool: "bool", dict: "object", list: "array"}.get(type(value), "number")
            raise CommandFailed(
                f'unable to decode "{source}": json: cannot unmarshal {kind} '
                f"into Go struct field ObjectMeta.metadata.{field} of type string"
            )


def _namespace(kubectl: Kubectl, stated: str | None) -> str:
    if not stated:
        return kubectl.namespace
    if kubectl.namespace_given and stated != kubectl.namespace:
        raise CommandFailed(
            f'the namespace from the provided object "{stated}" does not match the namespace "{kubectl.namespace}". '
            f"You must pass '--namespace={stated}' to perform this operation."
        )
    return stated
