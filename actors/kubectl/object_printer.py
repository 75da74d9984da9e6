"""Objects as YAML and JSON, in the form kubectl prints them."""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.go_json import to_json
from actors.kubectl.yaml_scalars import needs_quotes

__all__ = ["to_json", "to_yaml"]

_TEXT: Final = "tag:yaml.org,2002:str"


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
