"""Objects as YAML and JSON, in the form kubectl prints them."""

from __future__ import annotations

import json
from typing import Any, Final

from actors.kubectl.yaml_scalars import needs_quotes

_TEXT: Final = "tag:yaml.org,2002:str"
#: Go's JSON encoder writes these so that JSON can stand inside HTML.
_ESCAPES: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def to_json(value: Any, *, indent: int | None = 4, sort_keys: bool = True) -> str:
    """JSON with kubectl's indentation and Go's escapes; on one line, without blanks, when `indent` is None."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, indent=indent, sort_keys=sort_keys, ensure_ascii=False, separators=separators)
    for character, escape in _ESCAPES.items():
        if character in text:
            text = text.replace(character, escape)
    return text


def to_yaml(value: Any) -> str:
    """YAML with sorted keys, unindented lists, and text quoted where it would read as something else."""
    import yaml  # costs start-up time that only YAML output should pay

    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    node = _node(value, yaml)
    text: str = yaml.serialize(node, Dumper=_plain(dumper), allow_unicode=True)
    return text


_plain_dumpers: dict[Any, Any] = {}


def _plain(dumper: Any) -> Any:
    """The dumper without rules of its own about what plain scalars mean: `_node` has decided."""
    if dumper not in _plain_dumpers:
        _plain_dumpers[dumper] = type("PlainDumper", (dumper,), {"yaml_implicit_resolvers": {}})
    return _plain_dumpers[dumper]


def _node(value: Any, yaml: Any) -> Any:
    if isinstance(value, dict):
        pairs = [(_scalar(str(key), yaml), _node(value[key], yaml)) for key in sorted(value)]
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=not pairs)
    if isinstance(value, (list, tuple)):
        return yaml.SequenceNode("tag:yaml.org,2002:seq", [_node(item, yaml) for item in value], flow_style=not value)
    if isinstance(value, str):
        return _scalar(value, yaml)
    return yaml.ScalarNode(_TEXT, _bare(value))


def _bare(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return str(value)


def _scalar(text: str, yaml: Any) -> Any:
    if "\n" in text:
        style = "|"
    elif needs_quotes(text):
        style = '"'
    else:
        style = None
    return yaml.ScalarNode(_TEXT, text, style=style)
