"""OpenAPI v3 documents of the API, made from Kubernetes' published schema.

One document a group and version, as clients fetch them. kubectl finds a kind by ``x-kubernetes-group-version-kind``,
whether the server validates fields by the parameters of PATCH, and the texts of ``explain`` in the descriptions.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

import orjson

from actors.apimachinery import schema
from actors.apimachinery.custom_resources.definition import CustomVersion
from actors.apimachinery.custom_resources.openapi import custom_definition_name, custom_definitions
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource, ResourceTable

_DEFINITIONS: Final = "#/$defs/"
_COMPONENTS: Final = "#/components/schemas/"
_PATCH_TYPES: Final = ("json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")
_QUERY: Final = {
    "post": ("dryRun", "fieldManager", "fieldValidation", "pretty"),
    "put": ("dryRun", "fieldManager", "fieldValidation", "pretty"),
    "patch": ("dryRun", "fieldManager", "fieldValidation", "force", "pretty"),
}


def document_path(group_version: str) -> str:
    """``api/v1``, ``apis/apps/v1``: how the index names a document."""
    return f"apis/{group_version}" if "/" in group_version else f"api/{group_version}"


def index(resources: ResourceTable) -> Object:
    """``/openapi/v3``. The mark of a document changes when it does: clients keep what they have as long as it stays."""
    marks: dict[str, str] = {}
    for resource in resources:
        marks.setdefault(resource.api_version, f"podchain-{schema.KUBERNETES_VERSION}")
        if resource.custom is not None:
            marks[resource.api_version] += f"-{_state_of(resource.custom)}"
    return {
        "paths": {
            document_path(gv): {"serverRelativeURL": f"/openapi/v3/{document_path(gv)}?hash={quote(mark)}"}
            for gv, mark in marks.items()
        }
    }


def _state_of(custom: CustomVersion) -> str:
    """What changes whenever a definition does."""
    metadata = custom.crd["metadata"]
    return f"{metadata.get('uid', '')[:8]}.{metadata.get('resourceVersion', '')}"


def document(group_version: str, resources: ResourceTable) -> bytes | None:
    """The document of a group and version as JSON; None when there is no such version."""
    members = [resource for resource in resources if resource.api_version == group_version]
    state = tuple(_state_of(resource.custom) for resource in members if resource.custom is not None)
    return _document(tuple(members), state) if members else None


@lru_cache(maxsize=16)
def _document(resources: tuple[Resource, ...], _state: tuple[str, ...]) -> bytes:
    """Only the encoded text is kept: the schema with all its texts would take tens of megabytes."""
    known = dict(schema.definitions_with_descriptions.__wrapped__())
    wanted: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for resource in resources:
        name = schema.definition_name(resource.api_version, resource.kind)
        if resource.custom is not None:
            name = custom_definition_name(resource)
            known |= custom_definitions(resource, resource.custom, known)
        if name is None:
            continue
        _collect(name, known, wanted)
        _collect(name + "List", known, wanted)
        paths.update(_paths(resource, name))
    content = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": schema.KUBERNETES_VERSION},
        "paths": paths,
        "components": {"schemas": dict(sorted(wanted.items()))},
    }
    return orjson.dumps(content)


def _collect(name: str, known: Any, wanted: dict[str, Any]) -> None:
    """A definition and everything that it refers to."""
    waiting = [name]
    while waiting:
        name = waiting.pop()
        if name in wanted or name not in known:
            continue
        wanted[name] = converted(known[name])
        waiting.extend(_references(known[name]))


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in _references(item)]
    if not isinstance(value, dict):
        return []
    found = [name for item in value.values() for name in _references(item)]
    reference = value.get("$ref")
    if isinstance(reference, str):
        found.append(reference.removeprefix(_DEFINITIONS))
    return found


def converted(definition: Any) -> Any:
    """A JSON schema as OpenAPI 3.0 has it: no null types, references beside other keys wrapped in ``allOf``."""
    if isinstance(definition, list):
        return [converted(item) for item in definition]
    if not isinstance(definition, dict):
        return definition
    result: dict[str, Any] = {}
    for key, value in definition.items():
        if key == "type" and isinstance(value, list):
            result[key] = next(item for item in value if item != "null")
        elif key in ("properties", "patternProperties"):
            result[key] = {name: converted(field) for name, field in value.items()}
        elif key in ("additionalProperties", "items", "oneOf", "anyOf", "allOf", "not"):
            result[key] = converted(value)
        elif key != "$ref":
            result[key] = value
    reference = definition.get("$ref")
    if reference is not None:
        target = {"$ref": _COMPONENTS + reference.removeprefix(_DEFINITIONS)}
        if not result:
            return target
        result["allOf"] = [target]
        result.setdefault("default", {})
    return result


def _paths(resource: Resource, name: str) -> dict[str, Any]:
    base = f"/{document_path(resource.api_version)}"
    place = f"{base}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else f"{base}/{resource.plural}"
    collection = {
        method: _method(resource, name, verb, method)
        for verb, method in (("list", "get"), ("create", "post"), ("deletecollection", "delete"))
        if verb in resource.verbs
    }
    item = {
        method: _method(resource, name, verb, method)
        for verb, method in (("get", "get"), ("update", "put"), ("patch", "patch"), ("delete", "delete"))
        if verb in resource.verbs
    }
    paths = {place: collection}
    if item:
        paths[f"{place}/{{name}}"] = item
    return paths


def _method(resource: Resource, name: str, verb: str, method: str) -> Object:
    answered = name + "List" if verb == "list" else name
    operation: Object = {
        "operationId": f"{verb}{resource.kind}{resource.version}{resource.group.replace('.', '')}",
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": _reference(answered)}}}},
        "x-kubernetes-action": {"create": "post", "update": "put"}.get(verb, verb),
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "kind": resource.kind,
            "version": resource.version,
        },
        "parameters": [
            {"name": parameter, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for parameter in _QUERY.get(method, ("pretty",))
        ],
    }
    if method in ("post", "put"):
        operation["requestBody"] = {"content": {"*/*": {"schema": _reference(name)}}}
    elif method == "patch":
        body = {"schema": {"type": "object"}}
        kinds = [kind for kind in _PATCH_TYPES if resource.custom is None or not kind.startswith("strategic")]
        operation["requestBody"] = {"content": {f"application/{kind}": body for kind in kinds}}
    return operation


def _reference(name: str) -> Object:
    return {"$ref": _COMPONENTS + name}
