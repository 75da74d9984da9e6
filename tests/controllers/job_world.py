"""Jobs in the controllers' world, with a kubelet of a few lines."""

from __future__ import annotations

import copy
from typing import Any

from controller_world import World

from actors.apimachinery.meta import Key, format_time, key_of
from actors.apimachinery.operation import Object
from actors.controllers.job.controller import JobController
from actors.controllers.job.job_reading import COMPLETION_INDEX, JOBS
from actors.controllers.job.tracking import PODS

KEY = Key("default", "work")


def job(name: str = "work", restart: str = "Never", **spec: Any) -> Object:
    """A Job as it is stored: with its defaults, and a selector of its own."""
    labels = {"batch.kubernetes.io/controller-uid": name, "batch.kubernetes.io/job-name": name}
    container = {"name": "main", "image": "busybox"}
    defaults: dict[str, Any] = {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "suspend": False,
        "podReplacementPolicy": "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed",
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": name}},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"restartPolicy": restart, "containers": [container]},
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {**defaults, **spec},
    }


class JobWorld:
    """One Job and its controller."""

    def __init__(self, **spec: Any) -> None:
        self.controller = JobController()
        self.world = World(self.controller)
        self.world.add(job(**spec))

    @property
    def job(self) -> Object:
        found = self.world.get(JOBS, KEY)
        assert found is not None
        return found

    @property
    def status(self) -> Object:
        return self.job.get("status") or {}

    @property
    def pods(self) -> list[Object]:
        """In the order of their indexes, and then of their creation."""
        return sorted(self.world.list(PODS), key=lambda pod: (self.index(pod) or 0, pod["metadata"]["uid"]))

    @property
    def active(self) -> list[Object]:
        return [
            pod
            for pod in self.pods
            if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
            and not pod["metadata"].get("deletionTimestamp")
        ]

    @property
    def conditions(self) -> dict[str, tuple[str, str, str]]:
        return {
            c["type"]: (c["status"], c.get("reason", ""), c.get("message", ""))
            for c in self.status.get("conditions") or ()
        }

    def index(self, pod: Object) -> int | None:
        text = (pod["metadata"].get("annotations") or {}).get(COMPLETION_INDEX)
        return None if text is None else int(text)

    def settle(self, after_s: float = 0.0) -> None:
        """Let time pass, and the controller do what it wants."""
        self.world.now_s += after_s
        self.world.settle(self.controller, KEY)

    def change(self, **spec: Any) -> None:
        self.world.change(JOBS, KEY.name, {"spec": spec})

    def end(self, pod: Object, code: int = 0, **status: Any) -> None:
        """A pod's container ends."""
        state = {"terminated": {"exitCode": code, "finishedAt": format_time(self.world.now_s)}}
        containers = [{"name": "main", "state": state, "restartCount": 0}]
        self.report(pod, "Failed" if code else "Succeeded", containerStatuses=containers, **status)

    def report(self, pod: Object, phase: str, **status: Any) -> None:
        changed = copy.deepcopy(self.world.objects[PODS][key_of(pod)])
        changed["spec"].setdefault("nodeName", "node-1")
        changed["status"] = {"phase": phase, **status}
        self.world._store(PODS, key_of(pod), changed)
