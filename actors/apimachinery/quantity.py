"""Quantities: how Kubernetes writes amounts of cpu, memory and everything else that is counted.

A quantity is a decimal number with an optional suffix: ``100m`` (a tenth), ``1.5Gi`` (times 2**30), ``2k`` (times
1000), ``3e6``. Amounts are kept exact, as an `int` or a `Fraction`; what is finer than a nano is rounded away from
zero, as in ``k8s.io/apimachinery/pkg/api/resource``. The suffix a quantity was written with is its *format*, which
decides how it is written back:

    DecimalSI         n u m (none) k M G T P E      powers of 1000
    BinarySI          Ki Mi Gi Ti Pi Ei             powers of 1024
    DecimalExponent   e3, E-6                       powers of ten

The canonical form has no fraction and the largest suffix that allows it: ``0.5`` is ``500m``, ``1024Ki`` is ``1Mi``.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, Literal

Format = Literal["DecimalSI", "BinarySI", "DecimalExponent"]
Amount = int | Fraction

FORMAT_WRONG: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
SUFFIX_WRONG: Final = "unable to parse quantity's suffix"
NUMBER_WRONG: Final = "unable to parse numeric part of quantity"

_NANO: Final = 10**9
_CACHE_ENTRIES: Final = 16_384
#: Binary amounts are capped here, as in Kubernetes (the largest int64).
_BINARY_MAX: Final = 2**63 - 1
#: Longer numbers and larger exponents are refused: nobody counts so far, and their arithmetic could stall us.
_TEXT_CHARACTERS_MAX: Final = 256
_EXPONENT_MAX: Final = 1000

_DECIMAL_SUFFIXES: Final = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_BINARY_SUFFIXES: Final = {10: "Ki", 20: "Mi", 30: "Gi", 40: "Ti", 50: "Pi", 60: "Ei"}
_DECIMAL_EXPONENTS: Final = {suffix: exponent for exponent, suffix in _DECIMAL_SUFFIXES.items()}
_BINARY_EXPONENTS: Final = {suffix: exponent for exponent, suffix in _BINARY_SUFFIXES.items()}

#: Sign, digits, fraction and suffix. Digits may be missing, which reads as zero: so does Kubernetes.
_SYNTAX: Final = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_EXPONENT: Final = re.compile(r"[eE]([-+]?[0-9]+)", re.ASCII)


class QuantityError(ValueError):
    """The text is not a quantity; the message is Kubernetes'."""


def parse_quantity(value: Any) -> Amount:
    """The exact amount of a quantity: an `int` when whole, else a `Fraction`.

    Takes text, or a number as JSON may have it. Raises `QuantityError`.
    """
    return _parse(_text_of(value))[0]


def quantity_format(value: Any) -> Format:
    """The format a quantity is written in. Raises `QuantityError`."""
    return _parse(_text_of(value))[1]


def milli_value(value: Any) -> int:
    """The amount in thousandths, rounded up: 250 for a cpu of ``250m``. Raises `QuantityError`."""
    return _milli(_text_of(value))


def whole_value(value: Any) -> int:
    """The amount in whole units, rounded up: bytes of a memory quantity. Raises `QuantityError`."""
    return _whole(_text_of(value))


def canonical_quantity(value: Any) -> str:
    """The quantity in its canonical form, as the API server stores it. Raises `QuantityError`."""
    return _canonical(_text_of(value))


def compare_quantities(left: Any, right: Any) -> int:
    """-1, 0 or 1: whether `left` is less than, equal to or more than `right`. Raises `QuantityError`."""
    a, b = parse_quantity(left), parse_quantity(right)
    return (a > b) - (a < b)


def add_quantities(left: Any, right: Any) -> str:
    """The sum in canonical form; in the format of `left`, or of `right` when `left` is zero. Raises `QuantityError`."""
    a, b = parse_quantity(left), parse_quantity(right)
    return format_quantity(a + b, quantity_format(left if a else right))


def format_quantity(amount: Amount, quantity_format: Format = "DecimalSI") -> str:
    """Write an amount in canonical form.

    A binary format is kept only for whole amounts of at least 1024, as in Kubernetes (half a byte is ``500m``), and of
    less than 2^63: what is written with a binary suffix is capped there when it is read.
    """
    nanos = _round_away(amount * _NANO)
    if nanos == 0:
        return "0"
    if quantity_format == "BinarySI":
        whole, fraction = divmod(nanos, _NANO)
        if fraction == 0 and 1024 <= abs(whole) <= _BINARY_MAX:
            return _format_binary(whole)
        quantity_format = "DecimalSI"
    return _format_decimal(nanos, with_exponent=quantity_format == "DecimalExponent")


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(value)
    raise QuantityError(FORMAT_WRONG)


@lru_cache(maxsize=_CACHE_ENTRIES)
def _parse(text: str) -> tuple[Amount, Format]:
    match = _SYNTAX.fullmatch(text)
    if match is None or not text:
        raise QuantityError(FORMAT_WRONG)
    if len(text) > _TEXT_CHARACTERS_MAX:
        raise QuantityError(NUMBER_WRONG)
    sign, digits, fraction, suffix = match.group(1), match.group(2), match.group(3) or "", match.group(4)
    scale, quantity_format = _interpret(suffix)
    amount = _round_away(Fraction(int(digits + fraction or "0"), 10 ** len(fraction)) * scale * _NANO)
    if quantity_format == "BinarySI":
        amount = min(amount, _BINARY_MAX * _NANO)
        if 0 < amount < _NANO:
            quantity_format = "DecimalSI"
    whole, rest = divmod(amount, _NANO)
    exact: Amount = Fraction(amount, _NANO) if rest else whole
    return (-exact if sign == "-" else exact), quantity_format


def _interpret(suffix: str) -> tuple[Amount, Format]:
    """What a suffix multiplies by, and its format."""
    if suffix in _DECIMAL_EXPONENTS:
        return _power_of_ten(_DECIMAL_EXPONENTS[suffix]), "DecimalSI"
    if suffix in _BINARY_EXPONENTS:
        return 2 ** _BINARY_EXPONENTS[suffix], "BinarySI"
    match = _EXPONENT.fullmatch(suffix)
    if match is None or abs(int(match.group(1))) > _EXPONENT_MAX:
        raise QuantityError(SUFFIX_WRONG)
    return _power_of_ten(int(match.group(1))), "DecimalExponent"


def _power_of_ten(exponent: int) -> Amount:
    return 10**exponent if exponent >= 0 else Fraction(1, 10**-exponent)


def _round_away(amount: Amount) -> int:
    """The nearest whole number that is not closer to zero."""
    return _ceiling(amount) if amount > 0 else -_ceiling(-amount)


def _ceiling(amount: Amount) -> int:
    return -(-amount.numerator // amount.denominator)


@lru_cache(maxsize=_CACHE_ENTRIES)
def _milli(text: str) -> int:
    return _ceiling(_parse(text)[0] * 1000)


@lru_cache(maxsize=_CACHE_ENTRIES)
def _whole(text: str) -> int:
    return _ceiling(_parse(text)[0])


@lru_cache(maxsize=_CACHE_ENTRIES)
def _canonical(text: str) -> str:
    amount, written_in = _parse(text)
    return format_quantity(amount, written_in)


def _format_binary(whole: int) -> str:
    exponent = 0
    while exponent < 60 and whole % 1024 == 0:
        whole //= 1024
        exponent += 10
    return f"{whole}{_BINARY_SUFFIXES.get(exponent, '')}"


def _format_decimal(nanos: int, *, with_exponent: bool) -> str:
    exponent = -9
    while (with_exponent or exponent < 18) and nanos % 1000 == 0:
        nanos //= 1000
        exponent += 3
    if with_exponent:
        return f"{nanos}e{exponent}" if exponent else str(nanos)
    return f"{nanos}{_DECIMAL_SUFFIXES[exponent]}"
