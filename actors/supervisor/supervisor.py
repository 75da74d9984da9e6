"""The supervisor: forks every actor of a cluster, watches them, restarts what ends, and takes everything down with it.

It is a plain loop over pipes and signals in one thread, without an event loop or ZeroMQ, so that it can fork at any
time: a child starts from what the supervisor has loaded, in milliseconds, and shares that memory with all others.

Each actor is on its own (one for one): its end starts it again, at once the first time and with growing delays when it
ends again and again (`backoff`). A process that gives no sign of life is killed, and that is an end like any other.
Until the cluster is ready for the first time it is less patient: an actor that keeps ending fails the whole start.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from actors.supervisor import parent_death
from actors.supervisor.actor_log import bound_log, last_lines, log_file
from actors.supervisor.actor_spec import ActorSpec
from actors.supervisor.cluster_directory import ClusterDirectory
from actors.supervisor.cluster_lock import ClusterLock
from actors.supervisor.process_id import process_id
from actors.supervisor.state_file import ClusterState, write_state
from actors.supervisor.supervised import Supervised

#: The supervisor looks after its actors at least this often.
TICK_S: Final = 0.5
#: A turn this much later than planned means that the supervisor itself was suspended: silence proves nothing then.
SUSPENDED_AFTER_S: Final = 1.0
LOG_CHECK_S: Final = 5.0
#: The actors of a stage have this long to end by themselves before they are killed.
STAGE_TIMEOUT_S: Final = 2.0
#: Killed processes are gone after this long, or the kernel has hold of them.
KILL_TIMEOUT_S: Final = 2.0
#: An actor that ends this often before the cluster is ready fails the start.
ENDS_DURING_START_MAX: Final = 3
CLUSTER_START_TIMEOUT_S: Final = 60.0
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Reporter(Protocol):
    """Who is told what happens."""

    def actor_up(self, name: str, after_s: float) -> None: ...
    def actor_ended(self, name: str, how: str, restart_in_s: float) -> None: ...
    def ready(self, in_s: float) -> None: ...
    def start_failed(self, name: str, why: str, log: Sequence[str]) -> None: ...
    def stopping(self) -> None: ...
    def stopped(self) -> None: ...


class Supervisor:
    """Runs one cluster from start to end. The caller holds its lock and has cleaned up what an earlier one left."""

    def __init__(
        self,
        directory: ClusterDirectory,
        specs: Sequence[ActorSpec],
        lock: ClusterLock,
        reporter: Reporter,
        *,
        command_started_s: float | None = None,
        private_fds: Sequence[int] = (),
    ) -> None:
        """`command_started_s` is a wall time, what readiness is measured from; no child keeps `private_fds`."""
        self._directory = directory
        self._specs = specs
        self._lock = lock
        self._reporter = reporter
        self._started_s = time.time() if command_started_s is None else command_started_s
        self._private_fds = tuple(private_fds)
        self._actors: list[Supervised] = []
        self._ready_in_s: float | None = None
        self._failed = False
        self._stop_requests = 0
        self._changed = True
        self._logs_checked_s = 0.0
        self._forked_s = time.monotonic()
        self._wakeup, self._wakeup_writing = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(self._wakeup_writing, False)

    def run(self) -> int:
        """Run the cluster until a signal asks to stop; gives the exit code: 1 when it didn't become ready."""
        with self._signals():
            parent_death.adopt_orphans()
            gc.disable()
            try:
                self._start_all()
                gc.enable()
                while not self._stop_requests and not self._failed:
                    self._turn(TICK_S)
            finally:
                self._stop_all()
        return 1 if self._failed else 0

    # Signals

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(_number: int, _frame: object) -> None:
            self._stop_requests += 1

        before = {number: signal.signal(number, stop) for number in _STOP_SIGNALS}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._wakeup_writing, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)

    # Starting

    def _start_all(self) -> None:
        """Fork each actor as soon as its modules are loaded: the first ones work while the last ones load."""
        for spec in self._specs:
            if self._stop_requests or self._failed:
                return
            try:
                main = spec.load()
            except Exception as error:  # whatever is wrong with its modules or settings, it is this actor's
                self._failed = True
                self._reporter.start_failed(spec.name, f"can't be loaded: {error}", traceback.format_exc().splitlines())
                return
            self._actors.append(actor := Supervised(spec, main))
            gc.freeze()  # what is loaded now lives for ever: a child's collector must not touch, and so copy, its pages
            self._fork(actor)
            self._turn(0.0)

    def _fork(self, actor: Supervised) -> None:
        others = [other.heartbeat_fd for other in self._actors if other.heartbeat_fd >= 0]
        mine = (self._lock.fd, self._wakeup, self._wakeup_writing, *self._private_fds)
        actor.fork(self._directory, (*mine, *others))
        self._changed = True

    # Watching

    def _turn(self, wait_s: float) -> None:
        """Wait for something to happen, at most so long, and see to everything that is due."""
        before_s = time.monotonic()
        wait_s = self._wait_s(before_s, wait_s)
        waited_for = [self._wakeup, *(a.heartbeat_fd for a in self._actors if a.state == "starting")]
        select.select(waited_for, [], [], wait_s)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        now_s = time.monotonic()
        was_suspended = now_s - before_s > wait_s + SUSPENDED_AFTER_S
        for actor in self._actors:
            if actor.has_process:
                self._look_after(actor, now_s, was_suspended)
        self._reap(now_s)
        if not self._stop_requests:
            self._restart_due(now_s)
            self._check_readiness()
        if now_s - self._logs_checked_s >= LOG_CHECK_S:
            self._logs_checked_s = now_s
            for actor in self._actors:
                bound_log(log_file(self._directory, actor.spec.name))
        self._tell()

    def _wait_s(self, now_s: float, wait_s: float) -> float:
        due = [a.restart_at_s - now_s for a in self._actors if a.state == "waiting"]
        return max(0.0, min([wait_s, *due]))

    def _look_after(self, actor: Supervised, now_s: float, was_suspended: bool) -> None:
        if was_suspended:
            actor.last_beat_s = now_s
        if actor.read_beats(now_s):
            if actor.state == "starting":
                actor.state = "running"
                self._changed = True
                if not actor.spec.one_shot:
                    self._reporter.actor_up(actor.spec.name, now_s - actor.forked_s)
        else:
            actor.kill_if_hung(now_s)

    def _reap(self, now_s: float) -> None:
        """Notice every process that has ended, also orphans of an actor's own that came to the supervisor."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for actor in self._actors:
                if actor.process.pid == pid:
                    self._on_end(actor, status, now_s)

    def _on_end(self, actor: Supervised, status: int, now_s: float) -> None:
        if actor.spec.owns_processes:
            self._kill_strays()
        actor.ended(status, now_s)
        self._changed = True
        if self._stop_requests or self._failed or actor.state == "done":
            return
        if self._ready_in_s is None and actor.backoff.ends_in_a_row >= ENDS_DURING_START_MAX:
            self._fail(actor, f"ended {actor.backoff.ends_in_a_row} times ({actor.last_exit})")
            return
        if not actor.spec.one_shot:
            self._reporter.actor_ended(actor.spec.name, actor.last_exit, actor.restart_at_s - now_s)

    def _kill_strays(self) -> None:
        """What a dead actor had started is below the supervisor now (Linux): end it, too."""
        parent_death.kill_descendants({actor.process.pid for actor in self._actors})

    def _restart_due(self, now_s: float) -> None:
        for actor in self._actors:
            if actor.state == "waiting" and actor.restart_at_s <= now_s and not self._failed:
                actor.restarts += 1
                self._fork(actor)

    # Readiness

    def _check_readiness(self) -> None:
        """Ready is: every actor gives signs of life, and those that had something to find out have found it."""
        if self._ready_in_s is not None or self._failed or len(self._actors) < len(self._specs):
            return
        if all(actor.state == ("done" if actor.spec.one_shot else "running") for actor in self._actors):
            self._ready_in_s = time.time() - self._started_s
            self._changed = True
            self._tell()
            self._reporter.ready(self._ready_in_s)
        elif time.monotonic() - self._forked_s > CLUSTER_START_TIMEOUT_S:
            late = next(a for a in self._actors if a.state != ("done" if a.spec.one_shot else "running"))
            self._fail(late, f"not ready within {CLUSTER_START_TIMEOUT_S:g} s")

    def _fail(self, actor: Supervised, why: str) -> None:
        self._failed = True
        log = last_lines(log_file(self._directory, actor.spec.name), 20, actor.log_start_byte)
        self._reporter.start_failed(actor.spec.name, why, log)

    def _tell(self) -> None:
        if self._changed:
            self._changed = False
            actors = tuple(actor.record for actor in self._actors if actor.state != "done")
            me = process_id(os.getpid())
            write_state(
                self._directory,
                ClusterState(self._directory.name, me, self._started_s, self._ready_in_s, actors),
            )

    # Stopping

    def _stop_all(self) -> None:
        """End everything, clients before servers, and leave neither process nor socket."""
        requests_before = self._stop_requests = max(1, self._stop_requests)
        self._reporter.stopping()
        for stage in sorted({actor.spec.stop_stage for actor in self._actors}):
            for actor in self._actors:
                if actor.spec.stop_stage == stage:
                    actor.signal(signal.SIGTERM)
                    actor.signal(signal.SIGCONT)
            self._wait_for_ends(
                STAGE_TIMEOUT_S,
                lambda actor, stage=stage: actor.spec.stop_stage <= stage,  # type: ignore[misc]
                lambda: self._stop_requests > requests_before,
            )
        for actor in self._actors:
            actor.signal(signal.SIGKILL)
        self._wait_for_ends(KILL_TIMEOUT_S, lambda _actor: True, lambda: False)
        if any(actor.spec.owns_processes for actor in self._actors):
            self._kill_strays()
            self._reap(time.monotonic())
        shutil.rmtree(self._directory.run, ignore_errors=True)
        self._directory.state_file.unlink(missing_ok=True)
        self._reporter.stopped()

    def _wait_for_ends(self, timeout_s: float, of: Callable[[Supervised], bool], hurried: Callable[[], bool]) -> None:
        """Until all these actors have ended, or time is over, or somebody asks to stop once more."""
        until_s = time.monotonic() + timeout_s
        while any(actor.has_process and of(actor) for actor in self._actors) and not hurried():
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return
            select.select([self._wakeup], [], [], min(left_s, TICK_S))
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup, 4096)
            self._reap(time.monotonic())
