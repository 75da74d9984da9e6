"""When what ended is started again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.supervisor.backoff import HEALTHY_AFTER_S, RESTART_DELAY_MAX_S, Backoff


def test_at_once_then_ever_later_up_to_a_limit() -> None:
    backoff = Backoff()
    assert [backoff.delay_s(0.0) for _ in range(10)] == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


@given(st.lists(st.floats(0.0, HEALTHY_AFTER_S - 1), max_size=100))
def test_health_resets_it_whatever_was_before(lives_s: list[float]) -> None:
    backoff = Backoff()
    delays = [backoff.delay_s(ran_s) for ran_s in lives_s]
    assert delays == sorted(delays)
    assert max(delays, default=0.0) <= RESTART_DELAY_MAX_S
    assert backoff.delay_s(HEALTHY_AFTER_S) == 0.0
