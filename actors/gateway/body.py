"""What a client sent: its body as an object, whichever of JSON, YAML and protobuf it is written in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import orjson
import yaml

from actors.apimachinery.depth import check_depth
from actors.apimachinery.status import ApiError, bad_request, status_failure

PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
JSON_TYPES: Final = ("application/json", "")
YAML_TYPES: Final = ("application/yaml", "application/x-yaml", "text/yaml")
YAML_DEPTH_MAX: Final = 100
PATCH_TYPES: Final[Mapping[str, str]] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


def unsupported(content_type: str, accepted: str) -> ApiError:
    """415."""
    message = (
        f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        if content_type
        else "the body of the request has no media type"
    )
    return ApiError(status_failure(415, "UnsupportedMediaType", message))


def decoded_body(content: bytes, content_type: str) -> Any:
    """The object in a body. Raises `ApiError` (400, 415)."""
    if content_type in JSON_TYPES:
        return _json(content)
    if content_type in YAML_TYPES:
        return _yaml(content)
    if content_type == PROTOBUF:
        from actors.apimachinery.protobuf import MalformedProtobuf, UnknownMessage, decode

        try:
            return decode(content)
        except UnknownMessage as error:
            raise ApiError(status_failure(415, "UnsupportedMediaType", str(error))) from None
        except MalformedProtobuf as error:
            raise bad_request(f"the body of the request is not valid protobuf: {error}") from None
    raise unsupported(content_type, f"application/json, application/yaml, {PROTOBUF}")


def decoded_patch(content: bytes, content_type: str) -> tuple[str, Any]:
    """Kind of a patch and the patch. Raises `ApiError` (400, 415)."""
    kind = PATCH_TYPES.get(content_type)
    if kind is None:
        raise unsupported(content_type, ", ".join(PATCH_TYPES))
    return kind, _yaml(content) if kind == "apply" else _json(content)


def _json(content: bytes) -> Any:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the body of the request is not valid JSON: {error}") from None
    check_depth(value)
    return value


class _Loader(yaml.CSafeLoader):
    """YAML as JSON's equal."""


# A timestamp in YAML stays the text that it is in JSON.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _as_json(value: Any) -> Any:
    """YAML's values as JSON has them: keys are texts, numbers finite. Raises `ValueError` for what JSON has not."""
    if isinstance(value, dict):
        return {_key(key): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_json(inner) for inner in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)  # as in JSON
    if value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    shown = type(value).__name__ if not isinstance(value, float) else str(value)
    raise ValueError(f"it holds a value that JSON has not: {shown}")


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, (int, float)):
        return str(key)
    raise ValueError(f"a key of a map is no text: {key}")


def _check_events(content: bytes) -> None:
    """Raises `yaml.YAMLError` for aliases, a few of which can stand for gigabytes, and for what nests too deep."""
    depth = 0
    for event in yaml.parse(content, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not accepted")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > YAML_DEPTH_MAX:
                raise yaml.YAMLError(f"it is nested deeper than {YAML_DEPTH_MAX} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _yaml(content: bytes) -> Any:
    try:
        _check_events(content)
        return _as_json(yaml.load(content, Loader=_Loader))  # noqa: S506 - a safe loader, made stricter
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, RecursionError) as error:
        raise bad_request(f"the body of the request is not valid YAML: {error}") from None
