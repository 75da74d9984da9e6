"""Random requests of etcd's API. Revisions and leases in them are relative, so that failures shrink and repeat."""

from __future__ import annotations

from hypothesis import strategies as st

from store.etcd_api import messages as m

KEYS = st.sampled_from([b"a", b"a\0", b"ab", b"b", b"c\xfe"])
ANY_KEY = KEYS | st.sampled_from([b"\0", b""])
ENDS = st.sampled_from([b"", b"", b"\0", b"ab", b"b", b"c", b"z"])
VALUES = st.sampled_from([b"", b"1", b"2", b"\xff\0"])
#: How many revisions before the present one; -1 is the next, and None is 0, which means now.
AGO = st.integers(-1, 8)
#: 0 is no lease, 3 is never granted.
SLOTS = st.sampled_from([0, 0, 0, 1, 2, 3])
LIVE_SLOTS = st.sampled_from([1, 2])
FLAGS = st.booleans()
REVISION_FIELDS = ("revision", "min_mod_revision", "max_mod_revision", "min_create_revision", "max_create_revision")


class Ago(int):
    """A revision, counted back from the present one."""


class Slot(int):
    """A lease, by its place."""


RANGES = st.fixed_dictionaries(
    {"key": ANY_KEY, "range_end": ENDS},
    optional={
        "limit": st.integers(-1, 3),
        "sort_order": st.sampled_from(["NONE", "ASCEND", "DESCEND"]),
        "sort_target": st.sampled_from(["KEY", "VERSION", "CREATE", "MOD", "VALUE"]),
        "keys_only": FLAGS,
        "count_only": st.sampled_from([False, False, True]),
        "serializable": FLAGS,
        **{name: AGO.map(Ago) for name in REVISION_FIELDS},
    },
).map(lambda fields: ("RangeRequest", fields))
PUTS = st.fixed_dictionaries({"key": KEYS, "value": VALUES, "lease": SLOTS.map(Slot)}, optional={"prev_kv": FLAGS}).map(
    lambda fields: ("PutRequest", fields)
)
#: With what makes a put impossible: no key, a value or a lease beside the flag that keeps the old one, no such lease.
ODD_PUTS = st.fixed_dictionaries(
    {"key": ANY_KEY, "value": st.just(b"") | VALUES, "lease": SLOTS.map(Slot), "prev_kv": FLAGS},
    optional={"ignore_value": FLAGS, "ignore_lease": FLAGS},
).map(lambda fields: ("PutRequest", fields))
DELETES = st.fixed_dictionaries({"key": ANY_KEY, "range_end": ENDS}, optional={"prev_kv": FLAGS}).map(
    lambda fields: ("DeleteRangeRequest", fields)
)


def _compares(target: str, field: str, operands: st.SearchStrategy) -> st.SearchStrategy:
    operators = st.sampled_from(["EQUAL", "GREATER", "LESS", "NOT_EQUAL"])
    return st.fixed_dictionaries(
        {"target": st.just(target), "key": KEYS, "range_end": ENDS, "result": operators, field: operands}
    ).map(lambda fields: ("Compare", fields))


COMPARES = st.one_of(
    _compares("MOD", "mod_revision", AGO.map(Ago) | st.just(0)),
    _compares("CREATE", "create_revision", AGO.map(Ago) | st.just(0)),
    _compares("VERSION", "version", st.integers(0, 2)),
    _compares("VALUE", "value", VALUES),
    _compares("LEASE", "lease", SLOTS.map(Slot)),
)
_OP_FIELDS = {
    "RangeRequest": "request_range",
    "PutRequest": "request_put",
    "DeleteRangeRequest": "request_delete_range",
    "TxnRequest": "request_txn",
}


def _txns(operations: st.SearchStrategy, depth: int) -> st.SearchStrategy:
    inner = operations if depth == 0 else operations | _txns(operations, depth - 1)
    return st.fixed_dictionaries(
        {
            "compare": st.lists(COMPARES, max_size=2),
            "success": st.lists(inner, max_size=4),
            "failure": st.lists(inner, max_size=3),
        }
    ).map(lambda fields: ("TxnRequest", fields))


# An ignore flag on a key that the same transaction deleted makes etcd panic: the two don't meet here.
TXNS = _txns(st.one_of(PUTS, DELETES, RANGES), 2) | _txns(st.one_of(PUTS, ODD_PUTS, RANGES), 1)
WATCHES = st.fixed_dictionaries(
    {"key": ANY_KEY, "range_end": ENDS},
    optional={
        "start_revision": AGO.map(Ago),
        "prev_kv": FLAGS,
        "fragment": FLAGS,
        "progress_notify": FLAGS,
        "filters": st.lists(st.sampled_from(["NOPUT", "NODELETE"]), max_size=2, unique=True),
        "watch_id": st.integers(1, 4),
    },
)


def message(step, revision: int, lease_base: int):
    """The request that a step means when the store is at a revision."""
    name, fields = step
    return getattr(m, name)(**{field: _resolved(value, revision, lease_base) for field, value in fields.items()})


def resolved(fields: dict, revision: int, lease_base: int) -> dict:
    """The fields of a message, with what is relative made absolute."""
    return {field: _resolved(value, revision, lease_base) for field, value in fields.items()}


def _resolved(value, revision: int, lease_base: int):
    if isinstance(value, Ago):
        return max(revision - value, 1)
    if isinstance(value, Slot):
        return lease_base + value if value else 0
    if isinstance(value, list):
        return [_inner(item, revision, lease_base) for item in value]
    return value


def _inner(item, revision: int, lease_base: int):
    if isinstance(item, str):
        return item
    made = message(item, revision, lease_base)
    field = _OP_FIELDS.get(item[0])
    return m.RequestOp(**{field: made}) if field else made
