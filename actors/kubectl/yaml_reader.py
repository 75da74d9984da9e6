"""Reading manifests: YAML or JSON, several documents a text, with the checks that untrusted text needs.

Bounds: the size of a text, how deeply it nests, and how much its aliases blow it up ("billion laughs").
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import yaml

from actors.kubectl.yaml_scalars import meaning_of

TEXT_BYTES_MAX: Final = 64 * 1024 * 1024
DEPTH_MAX: Final = 200
#: Nodes of a document, aliases written out.
NODES_MAX: Final = 2_000_000

_BaseLoader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_STR: Final = "tag:yaml.org,2002:str"
_MERGE: Final = "<<"


class UnreadableManifest(Exception):
    """The text is not YAML or JSON that Kubernetes takes; says why, without naming the file."""


def read_documents(text: str) -> list[Any]:
    """The documents of a text as JSON values, empty ones left out. Raises `UnreadableManifest`."""
    if len(text) > TEXT_BYTES_MAX:
        raise UnreadableManifest(f"more than {TEXT_BYTES_MAX} characters")
    if text.lstrip()[:1] == "{":
        try:
            return list(_json_documents(text))
        except (json.JSONDecodeError, RecursionError):
            pass  # YAML in flow style, or JSON that YAML's reader explains better
    try:
        nodes: list[Any] = list(yaml.compose_all(text, Loader=_BaseLoader))
    except RecursionError:
        raise UnreadableManifest("yaml: exceeded max depth") from None
    except yaml.YAMLError as error:
        raise UnreadableManifest(f"error converting YAML to JSON: {_in_go_words(error)}") from error
    documents = []
    for node in nodes:
        if node is None:
            continue
        _Census().count(node, 0)
        value = _value(node)
        if value is not None:
            documents.append(value)
    return documents


def _json_documents(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(object_pairs_hook=_unique_pairs)
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        value, position = decoder.raw_decode(text, position)
        yield value


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UnreadableManifest(f'json: key "{twice}" already set in map')
    return found


def _in_go_words(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return f"yaml: line {mark.line + 1}: {problem}" if mark is not None else f"yaml: {problem}"


class _Census:
    """Counts a document's nodes with aliases written out, and finds anchors that contain themselves."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        self._open: set[int] = set()

    def count(self, node: Any, depth: int) -> int:
        known = self._known.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            raise UnreadableManifest("error converting YAML to JSON: yaml: an anchor's value contains itself")
        if depth > DEPTH_MAX:
            raise UnreadableManifest(f"error converting YAML to JSON: yaml: exceeded max depth of {DEPTH_MAX}")
        self._open.add(id(node))
        total = 1
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                total += self.count(key, depth + 1) + self.count(value, depth + 1)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                total += self.count(item, depth + 1)
        if total > NODES_MAX:
            raise UnreadableManifest("error converting YAML to JSON: yaml: document contains excessive aliasing")
        self._open.discard(id(node))
        self._known[id(node)] = total
        return total


def _value(node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    return _mapping(node)


def _scalar(node: Any) -> Any:
    if node.tag not in (_STR, "!"):
        return _tagged(node)
    return node.value if node.style in ("'", '"', "|", ">") or node.tag == "!" else meaning_of(node.value)


def _tagged(node: Any) -> Any:
    kind = node.tag.rpartition(":")[2]
    if kind == "binary":
        return node.value
    if kind in ("int", "float", "bool", "null"):
        return meaning_of(node.value)
    raise UnreadableManifest(f"error converting YAML to JSON: yaml: unsupported tag {node.tag}")


def _mapping(node: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise UnreadableManifest("error converting YAML to JSON: yaml: invalid map key")
        key = _key(key_node)
        if key == _MERGE and not key_node.style:
            _merge(merged, value_node)
            continue
        if key in found:
            line = key_node.start_mark.line + 1
            raise UnreadableManifest(
                f'error converting YAML to JSON: yaml: unmarshal errors:\n  line {line}: key "{key}" already set in map'
            )
        found[key] = _value(value_node)
    return {**merged, **found} if merged else found


def _key(node: Any) -> str:
    value = _scalar(node)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _merge(merged: dict[str, Any], node: Any) -> None:
    sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
    for source in sources:
        if not isinstance(source, yaml.MappingNode):
            raise UnreadableManifest("error converting YAML to JSON: yaml: map merge requires map or sequence of maps")
        for name, value in _mapping(source).items():
            merged.setdefault(name, value)
