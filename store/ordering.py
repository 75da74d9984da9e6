"""How a range's key-values are filtered and sorted, as etcd does it: filters first, then order, then the limit."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

from store.key_value import KeyValue
from store.transaction import Range

_SORT_KEYS: Final[dict[str, Callable[[KeyValue], Any]]] = {
    "key": itemgetter(0),
    "create": itemgetter(1),
    "mod": itemgetter(2),
    "version": itemgetter(3),
    "value": itemgetter(5),
}


def order_and_filter(kvs: list[KeyValue], op: Range) -> list[KeyValue]:
    """The key-values that pass the revision filters, in the order asked for.

    A sort target other than the key without an order means ascending.
    """
    if op.max_mod_revision:
        kvs = [kv for kv in kvs if kv.mod_revision <= op.max_mod_revision]
    if op.min_mod_revision:
        kvs = [kv for kv in kvs if kv.mod_revision >= op.min_mod_revision]
    if op.max_create_revision:
        kvs = [kv for kv in kvs if kv.create_revision <= op.max_create_revision]
    if op.min_create_revision:
        kvs = [kv for kv in kvs if kv.create_revision >= op.min_create_revision]
    if op.sort_target == "key" and op.sort_order != "descend":
        return kvs
    return sorted(kvs, key=_SORT_KEYS[op.sort_target], reverse=op.sort_order == "descend")
