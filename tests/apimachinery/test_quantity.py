"""Quantities: exact parsing, canonical form, and the laws they obey."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.quantity import (
    FORMAT_WRONG,
    NUMBER_WRONG,
    SUFFIX_WRONG,
    QuantityError,
    add_quantities,
    canonical_quantity,
    compare_quantities,
    format_quantity,
    milli_value,
    parse_quantity,
    quantity_format,
    whole_value,
)

DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("100m", Fraction(1, 10)),
        ("1.5Gi", 3 * 2**29),
        ("2k", 2000),
        ("1E", 10**18),
        ("1Ei", 2**60),
        ("12e6", 12_000_000),
        ("1E3", 1000),
        ("5e-3", Fraction(5, 1000)),
        ("1e+2", 100),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("+7", 7),
        ("-1.5", Fraction(-3, 2)),
        ("0.1n", Fraction(1, 10**9)),
        ("-0.1n", Fraction(-1, 10**9)),
        ("100Ei", 2**63 - 1),
        ("00012", 12),
        (4, 4),
        (0.25, Fraction(1, 4)),
        (1e22, 10**22),
        ("-", 0),
        ("m", 0),
    ],
)
def test_amounts(text, amount):
    parsed = parse_quantity(text)
    assert parsed == amount
    assert isinstance(parsed, int) or parsed.denominator > 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", FORMAT_WRONG),
        ("aoeu", FORMAT_WRONG),
        ("1.1.M", FORMAT_WRONG),
        ("1+1.0M", FORMAT_WRONG),
        ("0.1am", FORMAT_WRONG),
        (" 1", FORMAT_WRONG),
        ("1 ", FORMAT_WRONG),
        ("1\n", FORMAT_WRONG),
        ("\u0661", FORMAT_WRONG),
        (None, FORMAT_WRONG),
        (True, FORMAT_WRONG),
        ([], FORMAT_WRONG),
        (float("nan"), FORMAT_WRONG),
        ("0.1mi", SUFFIX_WRONG),
        (".5i", SUFFIX_WRONG),
        ("1i", SUFFIX_WRONG),
        ("1K", SUFFIX_WRONG),
        ("-3.01e-", SUFFIX_WRONG),
        ("1e", SUFFIX_WRONG),
        ("1Ki5", SUFFIX_WRONG),
        ("1e999999999", SUFFIX_WRONG),
        ("1" * 300, NUMBER_WRONG),
    ],
)
def test_refusals(text, message):
    with pytest.raises(QuantityError) as caught:
        parse_quantity(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0.5", "500m"),
        ("1500m", "1500m"),
        ("1.5", "1500m"),
        ("1000m", "1"),
        ("1000", "1k"),
        ("100000", "100k"),
        ("1024", "1024"),
        ("1024Ki", "1Mi"),
        ("0.5Gi", "512Mi"),
        ("512Ki", "512Ki"),
        ("0.5Ki", "512"),
        ("1000Ki", "1000Ki"),
        ("0.0001Ki", "102400u"),
        ("1.5e3", "1500"),
        ("12000e3", "12e6"),
        ("1e0", "1"),
        ("0Gi", "0"),
        ("-0", "0"),
        ("-2048Ki", "-2Mi"),
        ("1e-3", "1e-3"),
        ("123456789E", "123456789E"),
        ("1000E", "1000E"),
    ],
)
def test_canonical_form(text, canonical):
    assert canonical_quantity(text) == canonical


def test_values_are_rounded_up():
    assert milli_value("100u") == 1
    assert milli_value("2") == 2000
    assert milli_value("-1500u") == -1
    assert whole_value("1500m") == 2
    assert whole_value("1Ki") == 1024
    assert whole_value("1n") == 1
    assert (milli_value(1), milli_value(1.0)) == (1000, 1000)


def test_sums_keep_the_left_format_unless_it_is_zero():
    assert add_quantities("1Gi", "1024Mi") == "2Gi"
    assert add_quantities("0", "1Gi") == "1Gi"
    assert add_quantities("100m", "0.9") == "1"
    assert add_quantities("1", "1Ki") == "1025"


numbers = st.tuples(st.integers(0, 10**12), st.integers(0, 999)).map(lambda t: f"{t[0]}.{t[1]:03}")
suffixes = st.sampled_from([*DECIMAL, *BINARY])


def reference(number: str, suffix: str) -> Fraction:
    scale = Fraction(10) ** DECIMAL[suffix] if suffix in DECIMAL else Fraction(2) ** BINARY[suffix]
    exact = Fraction(number) * scale
    nanos = -((-exact * 10**9) // 1)
    return min(Fraction(nanos, 10**9), Fraction(2**63 - 1)) if suffix in BINARY else Fraction(nanos, 10**9)


@settings(max_examples=150)
@given(numbers, suffixes, st.sampled_from(["", "-", "+"]))
def test_parsing_agrees_with_fractions(number, suffix, sign):
    expected = reference(number, suffix)
    assert parse_quantity(f"{sign}{number}{suffix}") == (-expected if sign == "-" else expected)


@settings(max_examples=150)
@given(numbers, suffixes)
def test_canonical_form_keeps_the_amount_and_is_stable(number, suffix):
    text = number + suffix
    canonical = canonical_quantity(text)
    assert parse_quantity(canonical) == parse_quantity(text)
    assert canonical_quantity(canonical) == canonical
    assert "." not in canonical


@settings(max_examples=150)
@given(numbers, suffixes, numbers, suffixes)
def test_comparison_and_sum_agree_with_fractions(a, suffix_a, b, suffix_b):
    left, right = a + suffix_a, b + suffix_b
    x, y = reference(a, suffix_a), reference(b, suffix_b)
    assert compare_quantities(left, right) == (x > y) - (x < y)
    assert parse_quantity(add_quantities(left, right)) == x + y
    assert milli_value(left) == -((-x * 1000) // 1)
    assert whole_value(left) == -(-x // 1)


@settings(max_examples=150)
@given(st.fractions(max_denominator=10**9), st.sampled_from(["DecimalSI", "BinarySI", "DecimalExponent"]))
def test_formatting_is_within_a_nano_away_from_zero(amount, written_in):
    back = parse_quantity(format_quantity(amount, written_in))
    assert abs(back) >= abs(amount)
    assert abs(back - amount) < Fraction(1, 10**9)


def test_formats():
    assert [quantity_format(t) for t in ("1Ki", "1k", "1e3", "0.5")] == [
        "BinarySI",
        "DecimalSI",
        "DecimalExponent",
        "DecimalSI",
    ]
