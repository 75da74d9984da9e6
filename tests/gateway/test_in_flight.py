"""Limits on what one client asks at once."""

import pytest

from actors.apimachinery.status import ApiError
from actors.gateway.in_flight import LONG_RUNNING, MUTATING, MUTATING_MAX, READING, InFlight


def test_one_client_too_many_requests_and_only_that_client():
    in_flight = InFlight()
    held = [in_flight.admitted("a", MUTATING) for _ in range(MUTATING_MAX)]
    for each in held:
        each.__enter__()
    with pytest.raises(ApiError) as refused, in_flight.admitted("a", MUTATING):
        pass
    assert refused.value.code == 429
    assert refused.value.status["details"]["retryAfterSeconds"] == 1
    with in_flight.admitted("a", READING), in_flight.admitted("b", MUTATING), in_flight.admitted("a", LONG_RUNNING):
        assert in_flight.total(MUTATING) == MUTATING_MAX + 1
    held.pop().__exit__(None, None, None)
    with in_flight.admitted("a", MUTATING):
        pass
    for each in held:
        each.__exit__(None, None, None)
    assert in_flight.total(MUTATING) == 0
