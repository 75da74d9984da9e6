"""A body that comes too slowly is given up."""

import asyncio

import pytest

from actors.apimachinery.status import ApiError
from actors.gateway import server


class NeverRead:
    """A request whose body never ends."""

    can_read_body = True

    async def read(self) -> bytes:
        await asyncio.sleep(60)
        return b""


def test_a_body_that_comes_too_slowly_is_refused(monkeypatch):
    monkeypatch.setattr(server, "BODY_TIMEOUT_S", 0.01)
    with pytest.raises(ApiError) as refused:
        asyncio.run(server._body(NeverRead()))
    assert (refused.value.code, refused.value.status["reason"]) == (408, "Timeout")
    assert server.refusal(refused.value).keep_alive is False
