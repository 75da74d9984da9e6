"""etcd's requests in the form of `store.protocol`: pure translation."""

from __future__ import annotations

from typing import Any, Final

from store.etcd_api.refusal import INVALID_ARGUMENT, INVALID_SORT, KEY_NOT_FOUND, Refusal

_ORDERS: Final = ("none", "ascend", "descend")
_SORT_TARGETS: Final = ("key", "version", "create", "mod", "value")
_OPERATORS: Final = ("=", ">", "<", "!=")
#: By the number of etcd's compare target: our name, and the field of its operand.
_COMPARE_TARGETS: Final = (
    ("version", "version"),
    ("create", "create_revision"),
    ("mod", "mod_revision"),
    ("value", "value"),
    ("lease", "lease"),
)
_OPTIONAL_RANGE_FIELDS: Final = (
    "keys_only",
    "count_only",
    "min_mod_revision",
    "max_mod_revision",
    "min_create_revision",
    "max_create_revision",
)

Row = list[Any]


def range_request(request: Any) -> dict[str, Any]:
    """The body of a RANGE request. Raises `Refusal`."""
    return {
        "key": request.key,
        "range_end": request.range_end,
        "limit": max(request.limit, 0),
        **_range_options(request),
    }


def _range_options(request: Any) -> dict[str, Any]:
    if request.sort_order not in range(len(_ORDERS)) or request.sort_target not in range(len(_SORT_TARGETS)):
        raise Refusal(INVALID_ARGUMENT, INVALID_SORT)
    options: dict[str, Any] = {name: value for name in _OPTIONAL_RANGE_FIELDS if (value := getattr(request, name))}
    if request.revision > 0:
        options["revision"] = request.revision
    if request.sort_order:
        options["sort_order"] = _ORDERS[request.sort_order]
    if request.sort_target:
        options["sort_target"] = _SORT_TARGETS[request.sort_target]
    return options


def put_operation(request: Any, values: list[bytes]) -> Row:
    """A put inside a TXN request; its value goes to `values`."""
    values.append(request.value)
    return [
        "put",
        request.key,
        request.lease,
        {"prev_kv": request.prev_kv, "ignore_value": request.ignore_value, "ignore_lease": request.ignore_lease},
    ]


def delete_operation(request: Any) -> Row:
    """A delete inside a TXN request."""
    return ["delete", request.key, request.range_end, request.prev_kv]


def is_read_only(request: Any) -> bool:
    """Whether a transaction has ranges alone."""
    return all(op.WhichOneof("request") == "request_range" for op in (*request.success, *request.failure))


def txn_row(request: Any, values: list[bytes]) -> Row:
    """A transaction of a TXN request (without its note); the values of its puts go to `values`. Raises `Refusal`."""
    return [
        [_compare(compare) for compare in request.compare],
        [_operation(op, values) for op in request.success],
        [_operation(op, values) for op in request.failure],
    ]


def _operation(op: Any, values: list[bytes]) -> Row:
    match op.WhichOneof("request"):
        case "request_range":
            inner = op.request_range
            return ["range", inner.key, inner.range_end, max(inner.limit, 0), _range_options(inner)]
        case "request_put":
            return put_operation(op.request_put, values)
        case "request_delete_range":
            return delete_operation(op.request_delete_range)
        case "request_txn":
            return ["txn", *txn_row(op.request_txn, values)]
    raise Refusal(INVALID_ARGUMENT, KEY_NOT_FOUND)  # an operation that is none: etcd says it so


def _compare(compare: Any) -> Row:
    if compare.target not in range(len(_COMPARE_TARGETS)) or compare.result not in range(len(_OPERATORS)):
        raise Refusal(INVALID_ARGUMENT, f"etcdserver: no such compare: {compare.target} {compare.result}")
    target, operand_field = _COMPARE_TARGETS[compare.target]
    operand = getattr(compare, operand_field)  # zero when another member of the union is set, as etcd reads it
    return [compare.key, target, _OPERATORS[compare.result], operand, compare.range_end]
