"""Whether a key-value satisfies a compare of a transaction."""

from __future__ import annotations

from typing import Final

from store.key_value import KeyValue
from store.transaction import Compare

#: Stands for a key that isn't there: it compares as zeros, and its value never compares.
NO_KEY: Final = KeyValue(b"", 0, 0, 0, 0, b"")


def satisfies(kv: KeyValue, compare: Compare) -> bool:
    """Whether one key-value satisfies a compare; `NO_KEY` stands for a key that isn't there."""
    target, operator, operand = compare.target, compare.operator, compare.operand
    actual: int | bytes
    if target == "mod":
        actual = kv.mod_revision
    elif target == "create":
        actual = kv.create_revision
    elif target == "version":
        actual = kv.version
    elif target == "lease":
        actual = kv.lease
    elif kv is NO_KEY:
        return False
    else:
        actual = kv.value
    if operator == "=":
        return actual == operand
    if operator == "!=":
        return actual != operand
    if operator == "<":
        return actual < operand  # type: ignore[operator]
    return actual > operand  # type: ignore[operator]
