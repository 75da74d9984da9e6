"""Quantities: ``quantity("500m").isLessThan(quantity("1"))``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from actors.apimachinery.quantity import (
    Amount,
    QuantityError,
    add_quantities,
    canonical_quantity,
    parse_quantity,
)

_INT64: Final = 2**63


def _quantity(text: Any) -> dict[str, str]:
    try:
        return {"k8sQuantity": canonical_quantity(text)}
    except QuantityError as error:
        raise ValueError(str(error)) from None


def _is_quantity(text: Any) -> bool:
    try:
        parse_quantity(text)
    except QuantityError:
        return False
    return True


def _text(value: Any) -> str:
    """The quantity itself, or a whole number as one."""
    if isinstance(value, dict) and "k8sQuantity" in value:
        return str(value["k8sQuantity"])
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError("no such overload: not a quantity")


def _amount(value: Any) -> Amount:
    return parse_quantity(_text(value))


def _is_integer(value: Any) -> bool:
    amount = _amount(value)
    return amount == int(amount) and -_INT64 <= amount < _INT64


def _as_integer(value: Any) -> int:
    if not _is_integer(value):
        raise ValueError("cannot convert value to integer")
    return int(_amount(value))


def _sign(value: Any) -> int:
    amount = _amount(value)
    return (amount > 0) - (amount < 0)


def _compare(one: Any, other: Any) -> int:
    left, right = _amount(one), _amount(other)
    return (left > right) - (left < right)


def _add(one: Any, other: Any) -> dict[str, str]:
    return {"k8sQuantity": add_quantities(_text(one), _text(other))}


def _sub(one: Any, other: Any) -> dict[str, str]:
    text = _text(other)
    return _add(one, _quantity(text[1:] if text.startswith("-") else f"-{text}"))


QUANTITY_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "quantity": _quantity,
    "isQuantity": _is_quantity,
    "isInteger": _is_integer,
    "asInteger": _as_integer,
    "asApproximateFloat": lambda value: float(_amount(value)),
    "sign": _sign,
    "add": _add,
    "sub": _sub,
    "isLessThan": lambda one, other: _compare(one, other) < 0,
    "isGreaterThan": lambda one, other: _compare(one, other) > 0,
    "compareTo": _compare,
}
