"""The inside of an actor's process, from the fork to its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import setproctitle

from actors.supervisor.actor_spec import ActorMain, ActorSpec
from actors.supervisor.heartbeat import Heartbeat
from actors.supervisor.parent_death import adopt_orphans, kill_descendants, signal_when_parent_dies

EXIT_CRASHED: Final = 1
#: The supervisor is gone; nobody reads this code.
EXIT_ORPHANED: Final = 3
#: The collector runs this rarely in actors: their caches are big and nearly free of cycles.
GC_THRESHOLDS: Final = (20_000, 20, 50)
#: Signals that are blocked during a fork: they must not find the supervisor's handlers in the child.
HELD_BACK: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


@dataclass(frozen=True, slots=True)
class Birth:
    """What a child needs from the moment of its fork."""

    spec: ActorSpec
    main: ActorMain
    cluster: str
    log_file: Path
    heartbeat_fd: int
    supervisor_pid: int
    inherited_fds: tuple[int, ...]
    """Descriptors of the supervisor that the child must not keep."""


def live(birth: Birth) -> NoReturn:
    """Be the actor. Called in the forked child; never returns."""
    code = EXIT_CRASHED
    try:
        _settle_in(birth)
        birth.main(Heartbeat(birth.heartbeat_fd, _die_as_orphan(birth.spec)))
        code = 0
    except BaseException:  # whatever it is: into the log, and the supervisor restarts
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            if birth.spec.owns_processes:
                kill_descendants()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _settle_in(birth: Birth) -> None:
    """Leave the supervisor's session, descriptors and signals behind, and take a name."""
    os.setsid()
    _close(birth.inherited_fds)
    _redirect_output(birth.log_file)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if birth.spec.owns_processes:
        adopt_orphans()
        signal_when_parent_dies(signal.SIGTERM)
    else:
        signal_when_parent_dies(signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
    if os.getppid() != birth.supervisor_pid:
        os._exit(EXIT_ORPHANED)
    setproctitle.setproctitle(f"podchain: {birth.cluster}/{birth.spec.name}")
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


def _redirect_output(log_file: Path) -> None:
    """Nothing to read, and everything written goes to the log, line by line."""
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115


def _die_as_orphan(spec: ActorSpec) -> Callable[[], None]:
    def die() -> None:
        if spec.owns_processes:
            with contextlib.suppress(BaseException):
                kill_descendants()
        os._exit(EXIT_ORPHANED)

    return die


def asyncio_main(work: Callable[[Callable[[BaseException], None]], Coroutine[Any, Any, None]]) -> ActorMain:
    """The main of an actor that lives on an event loop.

    `work` is given a function to call when something that runs beside its coroutine has failed, which ends the process
    with a traceback. SIGTERM cancels the coroutine; it may clean up and then the process ends with code 0.
    """

    def main(heartbeat: Heartbeat) -> None:
        asyncio.run(_work(work, heartbeat))

    return main


async def _work(
    work: Callable[[Callable[[BaseException], None]], Coroutine[Any, Any, None]], heartbeat: Heartbeat
) -> None:
    loop = asyncio.get_running_loop()
    crash: asyncio.Future[None] = loop.create_future()

    def on_crash(error: BaseException) -> None:
        if not crash.done():
            crash.set_exception(error)

    task = asyncio.ensure_future(work(on_crash))
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    loop.call_soon(heartbeat.beat_on, loop)
    await asyncio.wait((task, crash), return_when=asyncio.FIRST_COMPLETED)
    if crash.done():
        task.cancel()
        await asyncio.wait((task,), timeout=1.0)
        crash.result()
    with contextlib.suppress(asyncio.CancelledError):
        task.result()
