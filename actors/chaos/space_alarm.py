"""What an operator does when a full disk has room again: lift the store's NOSPACE alarm."""

from __future__ import annotations

from typing import Final

from broker.context import Context, RequestError
from store import protocol

ASK_AGAIN_S: Final = 0.3
TIMEOUT_S: Final = 2.0


async def lift_alarm(ctx: Context, within_s: float) -> bool:
    """Lift it; whether it is lifted after `within_s`."""
    until_s = ctx.monotonic_s() + within_s
    while ctx.monotonic_s() < until_s:
        try:
            await ctx.request("store", protocol.ALARM, {"raised": False}, timeout_s=TIMEOUT_S)
            if not await alarms(ctx):
                return True
        except RequestError:
            pass
        await ctx.sleep(ASK_AGAIN_S)
    return False


async def alarms(ctx: Context) -> list[str]:
    """The alarms that are raised. Raises `RequestError`."""
    reply = await ctx.request("store", protocol.STATUS, timeout_s=TIMEOUT_S)
    found: list[str] = reply.body.get("alarms") or []
    return found
