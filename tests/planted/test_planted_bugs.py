# ruff: noqa: E501 - the source's own lines are quoted
"""The suites bite: each planted bug is applied to a copy of the source, and the tests named beside it must fail.

A bug whose text is no longer in the source fails here too, so the list stays true. A few run always; all of them with
PODCHAIN_LONG=1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONG = bool(os.environ.get("PODCHAIN_LONG"))
BUDGET_S = 180.0
COPIED = ("actors", "broker", "store", "tests", "cli.py", "pyproject.toml", "examples")


@dataclass(frozen=True)
class Bug:
    """A line that is changed, and the tests that must notice."""

    name: str
    file: str
    right: str
    wrong: str
    caught_by: str
    always: bool = False


STORE = "tests/store/test_mvcc.py tests/store/test_store_actor.py"
INFORMER = "tests/client/test_informer.py"
CONVERGENCE = "tests/simulation/test_convergence.py"
APISERVER = "tests/apiserver"
DEPLOYMENT = "tests/controllers"
SCHEDULER = "tests/scheduler"
KUBELET = "tests/kubelet"

BUGS = [
    # The store
    Bug(
        "revision skips one",
        "store/mvcc.py",
        "            self.revision += 1\n",
        "            self.revision += 2\n",
        STORE,
        True,
    ),
    Bug(
        "compare is ignored",
        "store/mvcc.py",
        "        return all(map(self._holds, compares))",
        "        return True",
        STORE,
        True,
    ),
    Bug(
        "version does not count", "store/mvcc.py", "version = previous.version + 1", "version = previous.version", STORE
    ),
    Bug(
        "compacted reads are served",
        "store/key_space.py",
        "            raise Compacted\n        if revision > self.revision",
        "            return\n        if revision > self.revision",
        STORE,
    ),
    Bug(
        "lease is lost on restart",
        "store/key_space.py",
        "            self.lessor.grant(lease.id, lease.ttl_s, now_s)\n        for kv",
        "            pass\n        for kv",
        STORE,
    ),
    Bug(
        "acknowledged before it is durable",
        "store/actor.py",
        "            self._log.append(changes, leases)\n",
        "            self._ctx.after_drain(lambda: self._log.append(changes, leases))\n",
        STORE,
    ),
    Bug(
        "changes are not published",
        "store/actor.py",
        "            self._publish(self._mvcc.events_since(before), before)\n",
        "            self._publish([], self._mvcc.revision)\n",
        STORE,
    ),
    # What the store keeps
    Bug(
        "a cut write-ahead log passes for a short one",
        "store/high_water.py",
        "        if end.revision < mark.revision or end.sequence < mark.sequence:",
        "        if False:",
        "tests/store/test_damaged_files.py",
        True,
    ),
    Bug(
        "memory is ahead of a full disk",
        "store/actor.py",
        "                self._mvcc.undo(before)\n",
        "                pass\n",
        "tests/store/test_alarm.py",
        True,
    ),
    Bug(
        "an undone deletion loses its lease",
        "store/key_space.py",
        "        if previous.lease in self.lessor:\n            self.lessor.attach(previous.lease, key)\n        if len",
        "        if len",
        "tests/store/test_undo.py",
    ),
    Bug(
        "the alarm is forgotten over a restart",
        "store/actor.py",
        "self._alarm.start(content.nospace)",
        "self._alarm.start(False)",
        "tests/store/test_alarm.py",
    ),
    Bug(
        "deletes need room under the quota",
        "store/alarm.py",
        "        if not cost_bytes:\n            return\n",
        "",
        "tests/store/test_alarm.py",
    ),
    Bug(
        "a snapshot's compaction is left behind",
        "store/etcd_api/restore.py",
        "        if content.compacted_revision > 0:",
        "        if False:",
        "tests/store/test_crash_points.py",
    ),
    Bug(
        "what is younger than the period goes, too",
        "store/retention.py",
        "samples[0][0] <= now_s - period_s:",
        "samples[0][0] <= now_s - period_s / 2:",
        "tests/store/test_retention.py",
    ),
    # The fabric
    Bug(
        "a request is sent once only",
        "broker/fabric.py",
        "        self._send_request(waiting.target, waiting.frames)\n        waiting.timer",
        "        if waiting.timer is None:\n            self._send_request(waiting.target, waiting.frames)\n        waiting.timer",
        "tests/broker",
        True,
    ),
    Bug(
        "repeats are handled again",
        "broker/fabric.py",
        "        if known is not None:\n            if isinstance(known, _Served):",
        "        if False:\n            if isinstance(known, _Served):",
        "tests/broker",
        True,
    ),
    # Watches
    Bug(
        "a gap is not noticed",
        "actors/client/informer.py",
        "        if prev > self.revision:",
        "        if False:",
        INFORMER,
        True,
    ),
    Bug(
        "old events are applied again",
        "actors/client/informer.py",
        "            if revision > self.revision:\n                cause",
        "            if True:\n                cause",
        INFORMER,
    ),
    Bug(
        "position is one ahead",
        "actors/client/informer.py",
        "        self.revision = through\n        self._settle",
        "        self.revision = through + 1\n        self._settle",
        INFORMER,
    ),
    Bug(
        "expired is not listed anew",
        "actors/client/informer.py",
        "                self._must_list = True\n                return",
        "                self._must_ask = False\n                return",
        INFORMER,
    ),
    Bug(
        "a late answer undoes a deletion",
        "actors/client/informer.py",
        "        if revision <= self.revision or revision <= self._ahead.get(key, 0):\n            return\n        self._ahead[key] = revision\n        with",
        "        self._ahead[key] = revision\n        with",
        INFORMER,
    ),
    Bug(
        "own writes are not shown",
        "actors/client/controller.py",
        "            informer.observe(result.object)\n",
        "            pass\n",
        "tests/client/test_controller_loop.py",
        True,
    ),
    # The work queue
    Bug(
        "a key that changes during work is dropped",
        "actors/client/work_queue.py",
        "            self._again.setdefault(key, cause)",
        "            pass",
        "tests/client/test_work_queue.py",
        True,
    ),
    Bug(
        "failures do not come again",
        "actors/client/work_queue.py",
        "        self._add_later(key, cause, delay_s)\n        return",
        "        return",
        "tests/client/test_work_queue.py",
    ),
    # The API server
    Bug(
        "a stale update is accepted",
        "actors/apiserver/write.py",
        '[[target.key, "mod", "=", states[0].revision if states[0].exists else 0]]',
        '[[target.key, "mod", ">", -1]]',
        APISERVER,
    ),
    Bug(
        "a repeated create is refused",
        "actors/apiserver/create.py",
        '    if existing.exists and existing.object["metadata"].get("uid") == new.uid:',
        "    if False:",
        APISERVER,
    ),
    Bug(
        "what stops matching stays",
        "actors/apiserver/streams.py",
        "            return MODIFIED if after else DELETED",
        "            return MODIFIED if after else None",
        APISERVER,
    ),
    # Controllers
    Bug(
        "surge is not limited",
        "actors/controllers/deployment/rolling.py",
        "    if room <= 0:\n        return size\n    return size + min(room, rollout.desired - size)",
        "    return rollout.desired",
        DEPLOYMENT,
    ),
    Bug(
        "availability is not kept",
        "actors/controllers/deployment/rolling.py",
        "    min_available = rollout.desired - rollout.max_unavailable",
        "    min_available = 0",
        DEPLOYMENT,
    ),
    Bug(
        "one pod too many",
        "actors/controllers/replicaset/controller.py",
        "            surplus = len(census.active) - wanted_replicas(replicaset)",
        "            surplus = len(census.active) - wanted_replicas(replicaset) - 1",
        DEPLOYMENT,
    ),
    Bug(
        "the selector is ignored",
        "actors/controllers/ownership.py",
        "        matches = selector.matches(labels_of(obj))",
        "        matches = True",
        DEPLOYMENT,
    ),
    Bug(
        "shares do not add up",
        "actors/controllers/deployment/scaling.py",
        "        sizes[0] = max(0, sizes[0] + to_add - added)",
        "        pass",
        DEPLOYMENT,
    ),
    Bug(
        "owners are believed gone",
        "actors/controllers/garbage_collector/collection.py",
        '    if owner is None or uid_of(owner.object) != reference["uid"]:',
        "    if True:",
        "tests/controllers/test_garbage_collection.py",
        True,
    ),
    Bug(
        "a dead node stays ready",
        "actors/controllers/node_lifecycle/actor.py",
        "        silent = now_s - self._heard[name][1] > self._grace_period_s",
        "        silent = False",
        DEPLOYMENT,
        True,
    ),
    # The scheduler
    Bug(
        "bound pods are not counted",
        "actors/scheduler/scheduler.py",
        "                self.snapshot.assume(info, placement.node_name)\n",
        "",
        SCHEDULER,
    ),
    Bug(
        "bindings are not fenced",
        "actors/scheduler/pod_status.py",
        'binding", body, {"fence": fence}, assignment',
        'binding", body, {}, assignment',
        SCHEDULER,
    ),
    Bug(
        "waiting keeps others from running",
        "actors/scheduler/actor.py",
        "            self._wake.clear()\n            while",
        "            while",
        "tests/scheduler/test_many_rounds.py",
    ),
    Bug(
        "a refused binding is forgotten",
        "actors/scheduler/scheduler.py",
        "            self.queue.failed(assignment.queued, now_s)",
        "            pass",
        SCHEDULER,
    ),
    # The kubelet
    Bug(
        "a restarted runtime is believed",
        "actors/kubelet/runtime_link.py",
        '            return [(UNANSWERED, "the container runtime was restarted")] * calls',
        "            self._meet(incarnation)",
        "tests/kubelet/test_runtime_link.py",
        True,
    ),
    Bug(
        "a stop is told once only",
        "actors/kubelet/pod_stop.py",
        "        if now_s < again_s:",
        "        if True:",
        KUBELET,
    ),
    Bug(
        "the end is not reported",
        "actors/kubelet/agent.py",
        "        if stopped and is_being_deleted(pod):",
        "        if False:",
        KUBELET,
    ),
    # The supervisor
    Bug(
        "a hung actor is left alone",
        "actors/supervisor/supervised.py",
        "        if silent_s >= limit_s:",
        "        if False:",
        "tests/supervisor/test_supervision.py",
    ),
]


def _bugs() -> list[object]:
    return [
        pytest.param(
            bug,
            id=bug.name.replace(" ", "-"),
            marks=[] if LONG or bug.always else pytest.mark.skip(reason="one of the many; PODCHAIN_LONG=1 plants all"),
        )
        for bug in BUGS
    ]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_the_place_of_the_bug_is_there(bug: Bug) -> None:
    assert (ROOT / bug.file).read_text().count(bug.right) >= 1


@pytest.mark.parametrize("bug", _bugs())
def test_the_bug_is_caught(bug: Bug, tmp_path: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "planted"))
        else:
            shutil.copy(source, tmp_path / name)
    file = tmp_path / bug.file
    file.write_text(file.read_text().replace(bug.right, bug.wrong))
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PODCHAIN_NO_SHRINKING": "1",
    }
    environment.pop("PODCHAIN_LONG", None)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *bug.caught_by.split()]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=BUDGET_S)
    assert done.returncode == 1, f"not caught: {bug.name}\n{done.stdout[-2000:]}{done.stderr[-500:]}"
