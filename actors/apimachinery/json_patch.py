"""JSON patch (RFC 6902).

    patched = apply_json_patch(obj, [{"op": "replace", "path": "/spec/replicas", "value": 3}])    # raises ApiError

Pure: `obj` is left alone, and parts that the patch doesn't touch are shared with the result, not copied. Like the
library Kubernetes uses, ``remove`` of something missing is an error, ``-`` appends, and a failing ``test`` fails all.
Malformed patches are 400 BadRequest; well-formed ones that can't be carried out are 422 Invalid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError, bad_request, format_value, status_failure

#: Kubernetes refuses longer patches (``maxJSONPatchOperations``).
OPERATIONS_MAX: Final = 10_000

_MISSING: Final = object()
_OPERATIONS: Final = frozenset({"add", "remove", "replace", "move", "copy", "test"})


class _Failure(Exception):
    """An operation can't be carried out."""


def apply_json_patch(obj: Object, patch: Any) -> Object:
    """The patched object. Raises `ApiError` (400 for a malformed patch, 413 for a long one, 422 when it fails)."""
    if not isinstance(patch, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(patch) > OPERATIONS_MAX:
        message = f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(patch)}"
        raise ApiError(status_failure(413, "RequestEntityTooLarge", message))
    document: Any = obj
    for operation in patch:
        _check(operation)
        try:
            document = _apply(document, operation)
        except _Failure as failure:
            message = "the server rejected our request due to an error in our request"
            details = {"causes": [{"reason": "UnexpectedServerResponse", "message": str(failure)}]}
            raise ApiError(status_failure(422, "Invalid", message, details)) from None
    if not isinstance(document, dict):
        raise bad_request("a patched object must be an object")
    return document


def _check(operation: Any) -> None:
    if not isinstance(operation, dict) or operation.get("op") not in _OPERATIONS:
        shown = operation.get("op") if isinstance(operation, dict) else operation
        raise bad_request(f"Unexpected kind: {format_value(shown)}")
    if not isinstance(operation.get("path"), str):
        raise bad_request(f'{operation["op"]} operation is missing its "path"')
    if operation["op"] in ("move", "copy") and not isinstance(operation.get("from"), str):
        raise bad_request(f'{operation["op"]} operation is missing its "from"')
    if operation["op"] in ("add", "replace", "test") and "value" not in operation:
        raise bad_request(f'{operation["op"]} operation is missing its "value"')


def _apply(document: Any, operation: Object) -> Any:
    kind = operation["op"]
    path = parse_pointer(operation["path"])
    if kind == "add":
        return _edit(document, path, lambda parent, token: _add(parent, token, operation["value"]))
    if kind == "replace":
        return _edit(document, path, lambda parent, token: _replace(parent, token, operation["value"]))
    if kind == "remove":
        return _edit(document, path, _remove)
    if kind == "test":
        found = _get(document, path, operation["path"], absent_is_null=operation["value"] is None)
        if not equal(found, operation["value"]):
            raise _Failure(f"testing value {operation['path']} failed: test failed")
        return document
    source = parse_pointer(operation["from"])
    value = _get(document, source, operation["from"])
    if kind == "move":
        if path[: len(source)] == source and len(path) > len(source):
            raise _Failure(f"error in move for path: '{operation['path']}': it lies within what is moved")
        document = _edit(document, source, _remove)
    return _edit(document, path, lambda parent, token: _add(parent, token, value))


def parse_pointer(pointer: str) -> list[str]:
    """The tokens of a JSON pointer (RFC 6901). Raises `ApiError` unless it is empty or starts with a slash."""
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise bad_request(f"JSON pointer must be empty or begin with '/': {format_value(pointer)}")
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]


def _edit(document: Any, path: Sequence[str], change: Callable[[Any, str], Any]) -> Any:
    """A document in which the container that holds the path's last token was changed; the way there is copied."""
    if not path:
        # The whole document: seen as the only field of an outer object.
        return change({"": document}, "").get("")
    if len(path) == 1:
        if not isinstance(document, (dict, list)):
            raise _Failure(f"missing path: {format_value('/' + path[0])}: missing value")
        return change(document, path[0])
    if isinstance(document, dict):
        if path[0] not in document:
            raise _Failure(f"missing path: {format_value('/' + '/'.join(path))}: missing value")
        return {**document, path[0]: _edit(document[path[0]], path[1:], change)}
    if isinstance(document, list):
        index = _index(path[0], len(document) - 1)
        return [*document[:index], _edit(document[index], path[1:], change), *document[index + 1 :]]
    raise _Failure(f"missing path: {format_value('/' + '/'.join(path))}: missing value")


def _index(token: str, index_max: int) -> int:
    """An array index; like Kubernetes' library, negative ones are refused."""
    if not (token.isascii() and token.isdigit()) or (len(token) > 1 and token[0] == "0"):
        raise _Failure(f"invalid array index {format_value(token)}: invalid index referenced")
    index = int(token)
    if index > index_max:
        raise _Failure(f"Unable to access invalid index: {index}: invalid index referenced")
    return index


def _add(parent: Any, token: str, value: Any) -> Any:
    if isinstance(parent, dict):
        return {**parent, token: value}
    index = len(parent) if token == "-" else _index(token, len(parent))  # noqa: S105
    return [*parent[:index], value, *parent[index:]]


def _replace(parent: Any, token: str, value: Any) -> Any:
    if isinstance(parent, dict):
        if token not in parent:
            raise _Failure(f"replace operation does not apply: doc is missing key: /{token}: missing value")
        return {**parent, token: value}
    index = _index(token, len(parent) - 1)
    return [*parent[:index], value, *parent[index + 1 :]]


def _remove(parent: Any, token: str) -> Any:
    if isinstance(parent, dict):
        if token not in parent:
            raise _Failure(f"remove operation does not apply: doc is missing key: /{token}: missing value")
        return {key: value for key, value in parent.items() if key != token}
    index = _index(token, len(parent) - 1)
    return [*parent[:index], *parent[index + 1 :]]


def _get(document: Any, path: Sequence[str], pointer: str, *, absent_is_null: bool = False) -> Any:
    for position, token in enumerate(path):
        if isinstance(document, list):
            document = document[_index(token, len(document) - 1)]
        else:
            found = document.get(token, _MISSING) if isinstance(document, dict) else _MISSING
            if found is _MISSING:
                if absent_is_null and position == len(path) - 1:
                    return None
                raise _Failure(f"doc is missing path: {format_value(pointer)}: missing value")
            document = found
    return document


def equal(left: Any, right: Any) -> bool:
    """JSON equality: unlike in Python, true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)
