"""Answers that are kept for repeated requests: the latest ones for certain, and never without bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker import kept_answers
from broker.kept_answers import ANSWER_KEPT_BYTES_MAX, KeptAnswers
from broker.message import KIND_REPLY, NO_CAUSE, VERSION


def answer(number: int):
    return (VERSION, KIND_REPLY, f"id-{number}", "method", "sender", NO_CAUSE), [b"body"]


@given(st.integers(1, 40), st.integers(1, 10))
def test_the_latest_are_kept_and_of_the_others_no_more_than_as_many(number, kept):
    answers = KeptAnswers()
    before = kept_answers.ANSWERS_KEPT
    kept_answers.ANSWERS_KEPT = kept
    try:
        for i in range(number):
            answers.keep(f"id-{i}", answer(i), 4)
    finally:
        kept_answers.ANSWERS_KEPT = before
    found = [i for i in range(number) if answers.get(f"id-{i}") == answer(i)]
    assert set(found) >= set(range(max(0, number - kept), number))
    assert len(found) <= 2 * kept


def test_their_bytes_are_bounded_and_large_ones_are_not_kept():
    answers = KeptAnswers()
    answers.keep("large", answer(0), ANSWER_KEPT_BYTES_MAX + 1)
    assert answers.get("large") is None
    number = 3 * kept_answers.ANSWERS_KEPT_BYTES // ANSWER_KEPT_BYTES_MAX
    for i in range(number):
        answers.keep(f"id-{i}", answer(i), ANSWER_KEPT_BYTES_MAX)
    found = sum(answers.get(f"id-{i}") is not None for i in range(number))
    assert number // 3 <= found <= 2 * number // 3
