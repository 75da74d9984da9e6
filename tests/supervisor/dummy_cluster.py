"""A cluster of tiny actors under the real supervisor, run as a process by the tests.

python dummy_cluster.py NAME ACTOR=KIND ...
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from actors.supervisor.actor_spec import ActorMain, ActorSpec
from actors.supervisor.cluster_directory import cluster_directory
from actors.supervisor.cluster_lock import ClusterIsRunning, ClusterLock
from actors.supervisor.heartbeat import Heartbeat
from actors.supervisor.leftovers import clean_leftovers
from actors.supervisor.process import asyncio_main
from actors.supervisor.progress import Progress
from actors.supervisor.supervisor import Supervisor

OnCrash = Callable[[BaseException], None]


async def idle(_on_crash: OnCrash) -> None:
    """Lives until it is stopped, with a socket in the run directory."""
    print("idle began")
    directory = cluster_directory(sys.argv[1])
    server = await asyncio.start_unix_server(lambda _r, w: w.close(), directory.run / f"idle-{os.getpid()}")
    try:
        await asyncio.Event().wait()
    finally:
        server.close()
        print("idle ended")


async def crash(_on_crash: OnCrash) -> None:
    await asyncio.sleep(0.02)
    raise RuntimeError("no reason at all")


async def crash_beside(on_crash: OnCrash) -> None:
    """A task beside the coroutine fails, once the cluster is ready."""
    asyncio.get_running_loop().call_later(0.5, on_crash, RuntimeError("failed beside"))
    await asyncio.Event().wait()


async def storm(_on_crash: OnCrash) -> None:
    """Well behaved until the file ``storm`` exists, then crashes at once each time."""
    flag = cluster_directory(sys.argv[1]).root / "storm"
    while not flag.exists():
        await asyncio.sleep(0.02)
    raise RuntimeError("storm")


async def stubborn(_on_crash: OnCrash) -> None:
    """Does not end when asked to."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            print("not I")


async def busy(_on_crash: OnCrash) -> None:
    """Its loop is stuck in a computation for a while after it came up."""
    await asyncio.sleep(0.3)
    until_s = time.monotonic() + 4.5
    while time.monotonic() < until_s:
        pass
    print("computed")
    await asyncio.Event().wait()


async def parent(_on_crash: OnCrash) -> None:
    """Has processes of its own: one in a session of its own, which has one whose parent has died."""
    script = "sleep 3601 & setsid sh -c 'sleep 3602 & exit' & wait"
    subprocess.Popen(["/bin/sh", "-c", script], start_new_session=True)
    await asyncio.Event().wait()


async def once(_on_crash: OnCrash) -> None:
    await asyncio.sleep(0.5)


def blocking(heartbeat: Heartbeat) -> None:
    while True:
        heartbeat.beat()
        time.sleep(0.1)


def deaf(heartbeat: Heartbeat) -> None:
    """Stuck beyond the reach of Python: only the kernel can end it."""
    heartbeat.beat()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    while True:
        time.sleep(3600)


KINDS: dict[str, Callable[[OnCrash], Coroutine[Any, Any, None]]] = {
    f.__name__: f for f in (idle, crash, crash_beside, storm, stubborn, busy, parent, once)
}
BLOCKING: dict[str, ActorMain] = {f.__name__: f for f in (blocking, deaf)}


def spec(name: str, kind: str) -> ActorSpec:
    def load() -> ActorMain:
        return BLOCKING.get(kind) or asyncio_main(KINDS[kind])

    return ActorSpec(name, load, one_shot=kind == "once", owns_processes=kind == "parent")


def main() -> int:
    directory = cluster_directory(sys.argv[1])
    specs = [spec(*argument.split("=")) for argument in sys.argv[2:]]
    try:
        lock = ClusterLock(directory)
    except ClusterIsRunning as error:
        print(error)
        return 1
    clean_leftovers(directory)
    directory.create()
    progress = Progress(directory.name, [s.name for s in specs], detached=False)
    return Supervisor(directory, specs, lock, progress).run()


if __name__ == "__main__":
    os._exit(main())
