"""JSON patch (RFC 6902).

    patched = apply_json_patch(obj, [{"op": "replace", "path": "/spec/replicas", "value": 3}])    # raises ApiError

Pure: `obj` is left alone, and parts that the patch doesn't touch are shared with the result, not copied. Like the
library Kubernetes uses, ``remove`` of something missing is an error, ``-`` appends, and a failing ``test`` fails all.
Malformed patches are 400 BadRequest; well-formed ones that can't be carried out are 422 Invalid.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final

import orjson

from actors.apimachinery.depth import check_depth
from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError, bad_request, format_value, status_failure

#: Kubernetes refuses longer patches (``maxJSONPatchOperations``).
OPERATIONS_MAX: Final = 10_000
#: All copies of a patch together may have so many bytes of JSON (``JSONPatchMaxCopyBytes``): a few doublings would do.
COPIED_BYTES_MAX: Final = 3 * 1024 * 1024

_MISSING: Final = object()
_OPERATIONS: Final = ("add", "remove", "replace", "move", "copy", "test")


class _Failure(Exception):
    """An operation can't be carried out."""


def apply_json_patch(obj: Object, patch: Any) -> Object:
    """The patched object. Raises `ApiError` (400 for a malformed patch, 413 for a long one, 422 when it fails)."""
    if not isinstance(patch, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(patch) > OPERATIONS_MAX:
        message = f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(patch)}"
        raise ApiError(status_failure(413, "RequestEntityTooLarge", message))
    document = _Document(obj)
    for operation in patch:
        _check(operation)
        try:
            document.apply(operation)
        except _Failure as failure:
            message = "the server rejected our request due to an error in our request"
            details = {"causes": [{"reason": "UnexpectedServerResponse", "message": str(failure)}]}
            raise ApiError(status_failure(422, "Invalid", message, details)) from None
    patched = document.root
    if not isinstance(patched, dict):
        raise bad_request("a patched object must be an object")
    check_depth(patched)
    return patched


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


class _Document:
    """The document under change. What it has copied is its own, and is changed in place from then on.

    So a patch of thousands of operations on a large object costs no more than one copy of what it touches.
    """

    def __init__(self, root: Any) -> None:
        self._holder: dict[str, Any] = {"": root}
        self._own: dict[int, Any] = {id(self._holder): self._holder}
        self._copied_bytes = 0

    @property
    def root(self) -> Any:
        return self._holder[""]

    def apply(self, operation: Object) -> None:
        """Carry out an operation. Raises `ApiError` for a malformed path, `_Failure` when it can't be done."""
        kind = operation["op"]
        path = parse_pointer(operation["path"])
        if kind == "test":
            found = _get(self.root, path, operation["path"], absent_is_null=operation["value"] is None)
            if not equal(found, operation["value"]):
                raise _Failure(f"testing value {operation['path']} failed: test failed")
        elif kind == "remove":
            self._remove(path)
        elif kind == "replace":
            _replace(*self._place(path), operation["value"])
        elif kind == "add":
            _add(*self._place(path), operation["value"])
        else:
            source = parse_pointer(operation["from"])
            value = _get(self.root, source, operation["from"])
            if kind == "copy":
                value = self._copy(value)
            elif path[: len(source)] == source and len(path) > len(source):
                raise _Failure(f"error in move for path: '{operation['path']}': it lies within what is moved")
            else:
                self._remove(source)
            _add(*self._place(path), value)

    def _place(self, path: Sequence[str]) -> tuple[Any, str]:
        """The container that holds the path's last token, ours to change, and that token."""
        container: Any = self._holder
        tokens = ("", *path)
        for token in tokens[:-1]:
            key: Any = token
            if isinstance(container, list):
                key = _index(token, len(container) - 1)
            elif token not in container:
                raise _missing(path)
            inner = container[key]
            if not isinstance(inner, (dict, list)):
                raise _missing(path)
            if id(inner) not in self._own:
                inner = container[key] = inner.copy()
                self._own[id(inner)] = inner
            container = inner
        return container, tokens[-1]

    def _remove(self, path: Sequence[str]) -> None:
        _remove(*self._place(path))
        self._holder.setdefault("", None)

    def _copy(self, value: Any) -> Any:
        content = orjson.dumps(value)
        self._copied_bytes += len(content)
        if self._copied_bytes > COPIED_BYTES_MAX:
            raise _Failure(
                f"Unable to copy, the accumulated size increase of copy is {self._copied_bytes}, exceeding the limit "
                f"{COPIED_BYTES_MAX}"
            )
        return orjson.loads(content)


def _missing(path: Sequence[str]) -> _Failure:
    return _Failure(f"missing path: {format_value('/' + '/'.join(path))}: missing value")


def parse_pointer(pointer: str) -> list[str]:
    """The tokens of a JSON pointer (RFC 6901). Raises `ApiError` unless it is empty or starts with a slash."""
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise bad_request(f"JSON pointer must be empty or begin with '/': {format_value(pointer)}")
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]


def _index(token: str, index_max: int) -> int:
    """An array index; like Kubernetes' library, negative ones are refused."""
    if not (token.isascii() and token.isdigit()) or (len(token) > 1 and token[0] == "0"):
        raise _Failure(f"invalid array index {format_value(token)}: invalid index referenced")
    index = int(token)
    if index > index_max:
        raise _Failure(f"Unable to access invalid index: {index}: invalid index referenced")
    return index


def _add(parent: Any, token: str, value: Any) -> None:
    if isinstance(parent, dict):
        parent[token] = value
    else:
        parent.insert(len(parent) if token == "-" else _index(token, len(parent)), value)  # noqa: S105


def _replace(parent: Any, token: str, value: Any) -> None:
    if isinstance(parent, dict):
        if token not in parent:
            raise _Failure(f"replace operation does not apply: doc is missing key: /{token}: missing value")
        parent[token] = value
    else:
        parent[_index(token, len(parent) - 1)] = value


def _remove(parent: Any, token: str) -> None:
    if isinstance(parent, dict):
        if token not in parent:
            raise _Failure(f"remove operation does not apply: doc is missing key: /{token}: missing value")
        del parent[token]
    else:
        del parent[_index(token, len(parent) - 1)]


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


def identity(value: Any) -> Hashable:
    """What is the same for values that are `equal`, and for no others: a key for sets and dicts."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, dict):
        return ("map", frozenset((key, identity(inner)) for key, inner in value.items()))
    if isinstance(value, list):
        return ("list", *map(identity, value))
    return value  # type: ignore[no-any-return]
