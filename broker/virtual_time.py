"""An event loop whose clock jumps to the next timer instead of waiting for it.

It does nothing but run callbacks in the order of their virtual times; those of one time in the order in which they were
scheduled. So it is deterministic, the same on every Python, and several times as fast as one that polls sockets.

Every callback belongs to whoever's code scheduled it, its *owner* (an actor's incarnation), known by the context
variable it runs with. Callbacks of an owner that is paused wait until it goes on; timers of one that has ended never
fire. Callbacks without owner are the world's: an exception in them is the simulation's own fault, and is raised.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context as Variables
from contextvars import ContextVar, copy_context
from heapq import heappop, heappush
from typing import Any, Final, Protocol, TypeVar

T = TypeVar("T")

#: So many callbacks without any time passing are an endless loop.
CALLBACKS_AT_ONCE_MAX: Final = 2_000_000


class Deadlock(Exception):
    """Nothing is scheduled and nothing ever will be: the simulated world stands still."""


class Livelock(Exception):
    """Somebody goes on and on without any time passing."""


class Owner(Protocol):
    """Whose code a callback is."""

    closed: bool
    """Whether it has ended."""
    held_until_s: float
    """It is paused until then."""


#: Whose code is running.
running: Final[ContextVar[Owner | None]] = ContextVar("running", default=None)


class _Callback(asyncio.TimerHandle):
    """A callback that is due. Made a hundred thousand times in a run, so without what debugging asyncio needs."""

    __slots__ = ("is_timer", "owner", "when_s")

    def __init__(
        self,
        when_s: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Variables,
        owner: Owner | None,
        is_timer: bool,
    ) -> None:
        self.when_s = when_s
        self._callback: Any = callback
        self._args: Any = args
        self._context = context
        self._cancelled = False
        self.owner = owner
        self.is_timer = is_timer

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = self._args = None

    def when(self) -> float:
        return self.when_s

    def __repr__(self) -> str:
        return f"<callback {self._callback} at {self.when_s:.6f} s>"


class VirtualTimeLoop(asyncio.AbstractEventLoop):
    """Runs callbacks in the order of their virtual times; nothing outside can reach it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._ready: deque[_Callback] = deque()
        self._timers: list[tuple[float, int, _Callback]] = []
        self._count = 0
        self._stopping = False
        self._running = False
        self._closed = False
        self._task_factory: Any = None
        self._nobody = Variables()

    # Scheduling

    def time(self) -> float:
        return self.now_s

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Variables | None = None
    ) -> _Callback:
        variables = copy_context() if context is None else context
        handle = _Callback(self.now_s, callback, args, variables, variables.get(running), False)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Variables | None = None
    ) -> _Callback:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Variables | None = None
    ) -> _Callback:
        variables = copy_context() if context is None else context
        handle = _Callback(when, callback, args, variables, variables.get(running), True)
        self._count += 1
        heappush(self._timers, (when, self._count, handle))
        return handle

    def call_outside(self, when_s: float, callback: Callable[..., object], *args: Any) -> None:
        """Run something then in the name of nobody: no actor's end or pause keeps it from running."""
        self._count += 1
        heappush(self._timers, (when_s, self._count, _Callback(when_s, callback, args, self._nobody, None, True)))

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        if self._task_factory is not None:
            task: asyncio.Task[Any] = self._task_factory(self, coro, **options)
            return task
        return asyncio.Task(coro, loop=self, **options)

    def set_task_factory(self, factory: Any) -> None:
        self._task_factory = factory

    def get_task_factory(self) -> Any:
        return self._task_factory

    # Running

    def run_forever(self) -> None:
        if self._closed or self._running:
            raise RuntimeError("the loop is closed" if self._closed else "the loop is running already")
        before = events._get_running_loop()
        events._set_running_loop(self)
        self._running = True
        try:
            while not self._stopping:
                self._run_ready()
                if not self._stopping:
                    self._run_next_timer()
        finally:
            self._stopping = self._running = False
            events._set_running_loop(before)

    def _run_ready(self) -> None:
        ready = self._ready
        done = 0
        while ready:
            handle = ready.popleft()
            if handle._cancelled:
                continue
            owner = handle.owner
            if owner is not None and owner.held_until_s > self.now_s and not owner.closed:
                self._hold(handle, owner)
                continue
            try:
                handle._context.run(handle._callback, *handle._args)
            except Exception as error:
                self._failed(handle, error)
            done += 1
            if done > CALLBACKS_AT_ONCE_MAX:
                raise Livelock(f"{done} callbacks at {self.now_s:.6f} s, the last of them {handle}")

    def _run_next_timer(self) -> None:
        timers = self._timers
        while timers:
            when_s, _, handle = heappop(timers)
            if handle._cancelled:
                continue
            owner = handle.owner
            if owner is not None:
                if owner.closed:
                    if handle.is_timer:
                        continue
                elif owner.held_until_s > max(when_s, self.now_s):
                    self._hold(handle, owner)
                    continue
            if when_s > self.now_s:
                self.now_s = when_s
            try:
                handle._context.run(handle._callback, *handle._args)
            except Exception as error:
                self._failed(handle, error)
            return
        raise Deadlock("no timer is set and no task can run")

    def _hold(self, handle: _Callback, owner: Owner) -> None:
        """Let it wait until its owner goes on. Those that are held keep their order."""
        self._count += 1
        heappush(self._timers, (owner.held_until_s, self._count, handle))

    def _failed(self, handle: _Callback, error: Exception) -> None:
        if handle.owner is None:
            raise error
        self.call_exception_handler({"message": f"exception in {handle}", "exception": error})

    def run_until_complete(self, future: Any) -> Any:
        task = asyncio.ensure_future(future, loop=self)
        task.add_done_callback(lambda _: self.stop())
        self.run_forever()
        return task.result()

    def stop(self) -> None:
        self._stopping = True

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True
        self._ready.clear()
        self._timers.clear()

    # What asyncio asks of every loop

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tell it on standard error, as the actor's log would."""
        error = context.get("exception")
        text = "".join(traceback.format_exception(error)) if error is not None else ""
        print(f"{context.get('message')}\n{text}", file=sys.stderr)  # noqa: T201 - the actor's log

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.call_exception_handler(context)

    async def shutdown_asyncgens(self) -> None:
        """None are tracked."""


def owned_task(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], **options: Any) -> asyncio.Task[T]:
    """Task factory: a task belongs to the actor whose code made it, and ends with it."""
    task: asyncio.Task[T] = asyncio.Task(work, loop=loop, **options)
    owner: Any = running.get()
    if owner is not None:
        owned: dict[asyncio.Task[Any], None] = owner.owned
        owned[task] = None
        task.add_done_callback(lambda done: owned.pop(done, None))
    return task
