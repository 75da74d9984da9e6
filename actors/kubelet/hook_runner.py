"""Runs lifecycle hooks through the runtime."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from actors.kubelet.pod_memory import Hook
from actors.kubelet.runtime_link import RuntimeLink
from actors.runtime.protocol import RuntimeRefused
from broker.context import Context

#: A postStart hook has no limit in Kubernetes; nobody waits longer here.
HOOK_TIMEOUT_S: Final = 3600.0


async def run_hook(ctx: Context, link: RuntimeLink, which: dict[str, Any], hook: Hook) -> str:
    """Run a hook of the container that `which` names; answers what went wrong, or nothing."""
    timeout_s = hook.timeout_s or HOOK_TIMEOUT_S
    handler = hook.handler
    if handler.get("exec"):
        try:
            command = handler["exec"].get("command") or []
            result = await link.exec_sync({**which, "command": command, "timeout_s": timeout_s}, timeout_s)
        except RuntimeRefused as refused:
            return refused.message
        code = result["exit_code"]
        return "" if code == 0 else f"command exited with {code}: {result['stderr'] or result['stdout']}"
    if handler.get("sleep"):
        await ctx.sleep(min(float(handler["sleep"].get("seconds") or 0), timeout_s))
        return ""
    answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def answer(ok: bool, output: str) -> None:
        if not answered.done():
            answered.set_result("" if ok else output or "failed")

    link.probe(
        {
            **which,
            "kind": "hook",
            "probe": handler,
            "ports": hook.container.spec.get("ports") or [],
            "timeout_s": timeout_s,
        },
        timeout_s,
        answer,
    )
    return await answered
