"""From HTTP to operations: a method, a path, parameters and a body as what the API server is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.operation import Operation, Verb
from actors.apimachinery.request_options import MANAGER_BYTES_MAX
from actors.apimachinery.status import ApiError, bad_request, status_failure
from actors.gateway.body import JSON_TYPES, YAML_TYPES, decoded_body, decoded_patch
from actors.gateway.duplicate_fields import duplicate_fields, duplicate_yaml_keys
from actors.gateway.request_path import RequestPath

Query = Mapping[str, str]

UNKNOWN_MANAGER: Final = "unknown"

_IS_WHOLE: Final = re.compile(r"[+-]?[0-9]+", re.ASCII).fullmatch
#: So much of a parameter that is no number is repeated to who sent it.
SHOWN_MAX: Final = 40

_READ_OPTIONS: Final = (
    "labelSelector",
    "fieldSelector",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
)


def is_true(text: str | None) -> bool:
    """Whether a parameter says yes (``strconv.ParseBool``; there, but empty, is yes too)."""
    return text is not None and text.lower() not in ("0", "f", "false")


def whole_number(query: Query, name: str) -> int | None:
    """A parameter that is a number. Raises `ApiError` (400)."""
    text = query.get(name)
    if not text:
        return None
    shown = text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."
    if not _IS_WHOLE(text):
        raise bad_request(f'strconv.ParseInt: parsing "{shown}": invalid syntax')
    if len(text) > SHOWN_MAX or not -(2**63) <= int(text) < 2**63:
        raise bad_request(f'strconv.ParseInt: parsing "{shown}": value out of range')
    return int(text)


def is_watch(method: str, path: RequestPath, query: Query) -> bool:
    """Whether a request asks for a watch."""
    return method == "GET" and not path.subresource and is_true(query.get("watch"))


def operation_of(
    method: str, path: RequestPath, query: Query, content: bytes, content_type: str, user_agent: str = ""
) -> Operation:
    """The operation that a request stands for. Raises `ApiError` (400, 405, 415)."""
    options: dict[str, Any] = {}
    body: Any = None
    verb: Verb
    if method in ("GET", "HEAD"):
        verb = "get" if path.name else "list"
        options = read_options(query)
    elif method == "POST" and (not path.name or path.subresource):
        verb, options, body = "create", write_options(query), decoded_body(content, content_type)
    elif method == "PUT" and path.name:
        verb, options, body = "update", write_options(query), decoded_body(content, content_type)
    elif method == "PATCH" and path.name:
        kind, body = decoded_patch(content, content_type)
        verb, options = "patch", {**write_options(query), "patchType": kind}
        if "force" in query:
            options["force"] = is_true(query["force"])
    elif method == "DELETE":
        verb = "delete" if path.name else "deletecollection"
        options = delete_options(query, decoded_body(content, content_type) if content else None)
        if verb == "deletecollection":
            options |= read_options(query)
    else:
        message = "the server does not allow this method on the requested resource"
        raise ApiError(status_failure(405, "MethodNotAllowed", message))
    if verb in ("create", "update", "patch") and options.get("patchType") != "apply":
        options.setdefault("fieldManager", manager_from(user_agent))
    if verb in ("create", "update") and options["fieldValidation"] != "Ignore":
        found = strict_errors(content, content_type)
        if found:
            options["strictErrors"] = found
    name = path.name
    if verb == "create" and not name and isinstance(body, dict):
        name = str((body.get("metadata") or {}).get("name") or "") if isinstance(body.get("metadata"), dict) else ""
    return Operation(verb, path.resource.key, path.namespace, name, path.subresource, body, options)


def strict_errors(content: bytes, content_type: str) -> list[str]:
    """What a strict reader finds wrong with a body that can be read: fields that stand there twice."""
    if content_type in JSON_TYPES:
        return [f'duplicate field "{path}"' for path in duplicate_fields(content)]
    if content_type in YAML_TYPES and (twice := duplicate_yaml_keys(content)):
        return ["yaml: unmarshal errors:" + "".join(f"\n  {each}" for each in twice)]
    return []


def read_options(query: Query) -> dict[str, Any]:
    """Options of get and list."""
    options: dict[str, Any] = {name: query[name] for name in _READ_OPTIONS if query.get(name)}
    limit = whole_number(query, "limit")
    if limit:
        options["limit"] = limit
    return options


def write_options(query: Query) -> dict[str, Any]:
    """Options of create, update and patch. Unknown fields give a warning unless the client says otherwise."""
    options: dict[str, Any] = {"fieldValidation": query.get("fieldValidation") or "Warn"}
    if query.get("dryRun"):
        options["dryRun"] = [query["dryRun"]]
    if query.get("fieldManager"):
        options["fieldManager"] = query["fieldManager"]
    return options


def manager_from(user_agent: str) -> str:
    """The field manager of a client that names none: the first word of its User-Agent."""
    found = ""
    for character in user_agent.partition("/")[0]:
        if character.isprintable():
            if len((found + character).encode()) > MANAGER_BYTES_MAX:
                break
            found += character
    return found or UNKNOWN_MANAGER


def delete_options(query: Query, body: Any) -> dict[str, Any]:
    """Options of deletes: from the body (DeleteOptions), else from the parameters."""
    if body is not None and not isinstance(body, dict):
        raise bad_request("the body of a delete must be DeleteOptions")
    given = body or {}
    options: dict[str, Any] = {}
    policy = given.get("propagationPolicy") or query.get("propagationPolicy")
    if policy:
        options["propagationPolicy"] = policy
    orphan = given.get("orphanDependents")
    if orphan is None and query.get("orphanDependents"):
        orphan = is_true(query["orphanDependents"])
    if orphan is not None:
        options["orphanDependents"] = orphan
    grace = given.get("gracePeriodSeconds")
    if grace is None:
        grace = whole_number(query, "gracePeriodSeconds")
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if given.get("preconditions"):
        options["preconditions"] = given["preconditions"]
    dry_run = given.get("dryRun") or query.get("dryRun")
    if dry_run:
        options["dryRun"] = dry_run if isinstance(dry_run, list) else [dry_run]
    return options
