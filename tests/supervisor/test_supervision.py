"""The supervisor with real processes: whatever ends comes back, whatever hangs is replaced, nothing outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from actors.supervisor.actor_log import log_file
from actors.supervisor.cluster_directory import ClusterDirectory, cluster_directory
from actors.supervisor.cluster_lock import is_locked
from actors.supervisor.state_file import ActorRecord, read_state

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def until(condition: Callable[[], object], timeout_s: float = 10.0) -> float:
    """Wait for a condition; gives how long it took."""
    began_s = time.monotonic()
    while not condition():
        assert time.monotonic() - began_s < timeout_s, "waited in vain"
        time.sleep(0.01)
    return time.monotonic() - began_s


class Cluster:
    """A running dummy cluster."""

    def __init__(self, name: str, actors: tuple[str, ...], home: Path) -> None:
        self.name, self.home = name, home
        command = [sys.executable, str(HERE / "dummy_cluster.py"), name, *actors]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=self.environment
        )

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PODCHAIN_HOME": str(self.home), "PYTHONPATH": str(ROOT)}

    @property
    def directory(self) -> ClusterDirectory:
        return cluster_directory(self.name)

    def actor(self, name: str) -> ActorRecord:
        state = read_state(self.directory)
        assert state is not None
        return next(actor for actor in state.actors if actor.name == name)

    def is_ready(self) -> bool:
        state = read_state(self.directory)
        return state is not None and state.ready_in_s is not None

    def ready(self) -> Cluster:
        until(self.is_ready)
        return self

    def log(self, actor: str) -> str:
        return log_file(self.directory, actor).read_text()

    def replaced(self, before: ActorRecord) -> Callable[[], bool]:
        def check() -> bool:
            now = self.actor(before.name)
            return now.process != before.process and now.state == "running"

        return check

    def end(self) -> str:
        """The rest of its output, after it has ended."""
        output, _ = self.process.communicate(timeout=20)
        return output

    def podchain(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), "--name", self.name, *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=30,
        )

    def left_processes(self) -> list[psutil.Process]:
        """All that has this cluster's environment or, where a title has overwritten that, its title."""
        found = []
        for process in psutil.process_iter():
            try:
                is_ours = process.environ().get("PODCHAIN_HOME") == str(self.home)
                is_ours |= any(part.startswith(f"podchain: {self.name}/") for part in process.cmdline())
                if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found


Start = Callable[..., Cluster]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setenv("PODCHAIN_HOME", str(tmp_path))
    started: list[Cluster] = []

    def start_cluster(*actors: str, name: str = "dummy") -> Cluster:
        started.append(Cluster(f"{name}-{os.getpid()}", actors, tmp_path))
        return started[-1]

    yield start_cluster
    for cluster in started:
        cluster.process.kill()
        cluster.process.communicate()
        for process in _without_me(cluster.left_processes()):
            process.kill()


def test_a_killed_actor_is_back_within_a_second(start: Start) -> None:
    cluster = start("a=idle", "b=idle").ready()
    other = cluster.actor("b")
    for restarts in (1, 2):
        before = cluster.actor("a")
        os.kill(before.process.pid, signal.SIGKILL)
        assert until(cluster.replaced(before)) < 1.0
        assert cluster.actor("a").restarts == restarts
        assert cluster.actor("a").last_exit == "signal 9"
    assert cluster.actor("b") == other


def test_a_stopped_actor_is_noticed_and_replaced(start: Start) -> None:
    cluster = start("a=idle", "b=blocking").ready()
    for name in ("a", "b"):
        before = cluster.actor(name)
        os.kill(before.process.pid, signal.SIGSTOP)
        assert until(cluster.replaced(before), 8.0) < 6.0
        assert cluster.actor(name).last_exit.startswith("hung")


def test_an_actor_that_computes_for_long_is_not_taken_for_hung(start: Start) -> None:
    cluster = start("a=busy").ready()
    until(lambda: "computed" in cluster.log("a"))
    assert cluster.actor("a").restarts == 0


def test_a_suspended_supervisor_does_not_blame_its_actors(start: Start) -> None:
    cluster = start("a=idle").ready()
    before = cluster.actor("a")
    for pid in (cluster.process.pid, before.process.pid):
        os.kill(pid, signal.SIGSTOP)
    time.sleep(4.0)
    for pid in (cluster.process.pid, before.process.pid):
        os.kill(pid, signal.SIGCONT)
    time.sleep(1.5)
    assert cluster.actor("a") == before


def test_a_failure_beside_the_main_coroutine_is_a_crash_with_its_traceback_in_the_log(start: Start) -> None:
    cluster = start("a=crash_beside").ready()
    before = cluster.actor("a")
    until(cluster.replaced(before))
    assert cluster.actor("a").last_exit == "exit code 1"
    assert "RuntimeError: failed beside" in cluster.log("a")


def test_restart_storms_back_off(start: Start) -> None:
    cluster = start("a=storm", "b=idle").ready()
    (cluster.directory.root / "storm").touch()
    time.sleep(3.0)
    # At once, then after 0.1, 0.2, 0.4, 0.8, 1.6 s: without backoff there would be hundreds.
    assert 3 <= cluster.actor("a").restarts <= 6
    assert cluster.actor("b").restarts == 0
    (cluster.directory.root / "storm").unlink()
    until(lambda: cluster.actor("a").state == "running")


def test_an_actor_that_cannot_start_fails_the_whole_start_and_is_named(start: Start) -> None:
    cluster = start("good=idle", "bad=crash", "check=once")
    output = cluster.end()
    assert cluster.process.returncode == 1
    assert "bad: ended 3 times (exit code 1)" in output
    assert "RuntimeError: no reason at all" in output
    assert not cluster.directory.run.exists()
    assert not is_locked(cluster.directory)


def test_what_is_meant_to_end_delays_readiness_and_is_not_restarted(start: Start) -> None:
    cluster = start("a=idle", "check=once").ready()
    state = read_state(cluster.directory)
    assert state is not None
    assert [actor.name for actor in state.actors] == ["a"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_leaves_no_process_and_no_file(start: Start, number: signal.Signals) -> None:
    cluster = start("a=idle", "b=blocking", "c=stubborn", "d=parent", "e=deaf").ready()
    pids = [cluster.actor(name).process.pid for name in "abcde"]
    assert len(list(cluster.directory.run.iterdir())) == 1
    os.kill(cluster.process.pid, number)
    output = cluster.end()
    assert cluster.process.returncode == 0
    assert f'Cluster "{cluster.name}" is down' in output
    assert "idle ended" in cluster.log("a")
    assert not any(map(psutil.pid_exists, pids))
    assert _without_me(cluster.left_processes()) == []
    assert not cluster.directory.run.exists()
    assert not cluster.directory.state_file.exists()
    assert not is_locked(cluster.directory)


def test_ctrl_c_reaches_the_supervisor_alone(start: Start) -> None:
    cluster = start("a=idle", "b=blocking").ready()
    for name in "ab":
        pid = cluster.actor(name).process.pid
        assert os.getsid(pid) == pid
        assert os.getpgid(pid) == pid


def test_nothing_outlives_a_killed_supervisor(start: Start) -> None:
    cluster = start("a=idle", "b=blocking", "c=stubborn", "d=parent", "e=deaf").ready()
    until(lambda: len(_without_me(cluster.left_processes())) >= 9)  # six, and at least three that d started
    os.kill(cluster.process.pid, signal.SIGKILL)
    cluster.process.wait()
    assert until(lambda: not _without_me(cluster.left_processes())) < 2.0


def test_what_a_killed_actor_had_started_ends_too(start: Start) -> None:
    cluster = start("a=parent").ready()
    until(lambda: len(_without_me(cluster.left_processes())) >= 5)
    before = cluster.actor("a")
    theirs = {p.pid for p in _without_me(cluster.left_processes())} - {cluster.process.pid}
    os.kill(before.process.pid, signal.SIGKILL)
    until(cluster.replaced(before))
    assert until(lambda: not any(_alive(pid) for pid in theirs)) < 2.0


def test_one_supervisor_a_cluster_and_two_clusters_side_by_side(start: Start) -> None:
    first = start("a=idle").ready()
    second = start("a=idle", name="other").ready()
    third = start("a=idle")
    assert f'cluster "{first.name}" is already running (supervisor pid {first.process.pid})' in third.end()
    assert third.process.returncode == 1
    os.kill(first.process.pid, signal.SIGINT)
    first.end()
    assert second.actor("a").restarts == 0
    assert is_locked(second.directory)


def test_a_lock_and_sockets_left_by_a_killed_supervisor_are_no_hindrance(start: Start) -> None:
    first = start("a=idle").ready()
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    assert first.directory.lock_file.exists()
    assert first.directory.run.exists()
    second = start("a=idle")
    until(lambda: second.is_ready() and second.actor("a").process.is_alive())
    assert len(list(second.directory.run.iterdir())) == 1


def test_down_stops_a_running_cluster_and_purge_deletes_its_data(start: Start) -> None:
    cluster = start("a=idle").ready()
    done = cluster.podchain("down")
    assert (done.returncode, done.stdout) == (0, f'Cluster "{cluster.name}" is down\n'), done
    assert cluster.directory.root.exists()
    assert cluster.process.wait(timeout=5) == 0
    done = cluster.podchain("down", "--purge")
    assert f'Cluster "{cluster.name}" was not running' in done.stdout
    assert not cluster.directory.root.exists()


def test_down_cleans_up_after_a_killed_supervisor(start: Start) -> None:
    cluster = start("a=idle").ready()
    actor = cluster.actor("a")
    os.kill(cluster.process.pid, signal.SIGKILL)
    done = cluster.podchain("down")
    assert done.returncode == 0, done
    assert not actor.process.is_alive()
    assert not cluster.directory.run.exists()
    assert not cluster.directory.state_file.exists()


def test_down_does_not_kill_a_stranger_that_was_given_the_pid(start: Start) -> None:
    cluster = start("a=idle").ready()
    actor = cluster.actor("a")
    os.kill(cluster.process.pid, signal.SIGKILL)
    until(lambda: not actor.process.is_alive())
    stranger = subprocess.Popen(["/bin/sleep", "60"])
    try:
        text = cluster.directory.state_file.read_text()
        cluster.directory.state_file.write_text(text.replace(f'"pid": {actor.process.pid}', f'"pid": {stranger.pid}'))
        assert cluster.podchain("down").returncode == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_titles_say_which_actor_a_process_is(start: Start) -> None:
    cluster = start("a=idle").ready()
    assert psutil.Process(cluster.actor("a").process.pid).cmdline()[0] == f"podchain: {cluster.name}/a"


def _without_me(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if process.pid != os.getpid()]


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
