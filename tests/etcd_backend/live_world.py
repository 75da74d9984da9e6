"""Actors over real ZeroMQ sockets in one process, so that they can speak to a real etcd in real time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from broker.process import run_broker
from broker.zeromq import Endpoints, ZeroMQContext


class LiveWorld:
    """Call its methods inside one event loop; `spawn` starts an actor, `stop` ends it as a crash would."""

    def __init__(self, directory: Path) -> None:
        self.endpoints = Endpoints(
            f"ipc://{directory}/.pub", f"ipc://{directory}/.sub", lambda name: f"ipc://{directory}/{name}"
        )
        self.crashes: list[BaseException] = []
        self._actors: dict[str, tuple[ZeroMQContext, asyncio.Task[None]]] = {}
        self._contexts: list[ZeroMQContext] = []
        threading.Thread(
            target=run_broker, args=(self.endpoints.publish, self.endpoints.subscribe, lambda: None), daemon=True
        ).start()

    def context(self, name: str) -> ZeroMQContext:
        made = ZeroMQContext(name, self.endpoints, on_crash=self.crashes.append)
        self._contexts.append(made)
        return made

    def spawn(self, name: str, run: Callable[[Any], Awaitable[None]]) -> ZeroMQContext:
        ctx = ZeroMQContext(name, self.endpoints, on_crash=self.crashes.append)

        async def main() -> None:
            try:
                await run(ctx)
            except Exception as error:
                self.crashes.append(error)

        self._actors[name] = (ctx, asyncio.ensure_future(main()))
        return ctx

    async def stop(self, name: str) -> None:
        ctx, task = self._actors.pop(name)
        ctx.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        for name in list(self._actors):
            await self.stop(name)
        for ctx in self._contexts:
            ctx.close()
        assert not self.crashes, self.crashes


async def eventually(condition: Callable[[], bool], limit_s: float = 15.0) -> None:
    """Wait until something is so."""
    deadline_s = asyncio.get_running_loop().time() + limit_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline_s, "it did not happen"
        await asyncio.sleep(0.02)
