"""Rates of processor use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.usage import Counter, CpuRates


def test_the_first_look_is_the_mean_since_the_start_and_later_ones_since_the_look_before():
    rates = CpuRates()
    assert rates.update({"a": Counter(10.0, 5.0)}, 20.0) == {"a": 0.5}
    assert rates.update({"a": Counter(10.0, 5.0)}, 30.0) == {"a": 0.0}
    assert rates.update({"a": Counter(10.0, 25.0)}, 40.0) == {"a": 2.0}
    assert rates.update({"a": Counter(42.0, 4.0)}, 50.0) == {"a": 0.5}  # started again
    assert rates.update({"a": Counter(42.0, 4.5)}, 50.5) == {"a": 0.5}  # too soon to tell
    assert rates.update({"a": Counter(42.0, 6.0)}, 52.0) == {"a": 1.0}
    assert rates.update({}, 60.0) == {}
    assert rates.update({"a": Counter(60.0, 1.0)}, 60.0) == {"a": 0.0}


@given(st.lists(st.tuples(st.floats(1.5, 10), st.floats(0, 4)), min_size=1, max_size=10))
def test_a_steady_load_is_what_is_told(steps):
    rates, now_s, cpu_s = CpuRates(), 0.0, 0.0
    for length_s, cores in steps:
        now_s, cpu_s = now_s + length_s, cpu_s + cores * length_s
        assert rates.update({"a": Counter(0.0, cpu_s)}, now_s)["a"] == pytest.approx(cores, abs=1e-6)
