"""What a kubelet may ask of a container runtime, and what the runtime says of its pods: CRI's shape, as messages.

The actor ``runtime-<node>`` serves each method of `METHODS` as a request of its own, with a mapping as body, and
`BATCH`, which carries any number of them. Method names and what they do are the Container Runtime Interface's
(`k8s.io/cri-api`). Three things differ, because messages get lost and many pods share one message:

- *Ids are derived*, never invented: a sandbox is named by the pod's uid, a container by uid, name and attempt. So a
  repeated call does nothing the second time and answers the same.
- *Calls return at once.* Pulling an image and stopping a container take time: the call begins it, and how it went
  shows in the pod's state (`PodSandbox`), which is published when it changes. Only `EXEC_SYNC` and `PROBE` wait.
- *State has a version.* Each change of a pod gets the next version of this incarnation of the runtime, so that a
  kubelet that lost a publication sees it at its next relist (`LIST_POD_SANDBOX` with ``since``).

    BATCH body                [[method, params, cause], ...]
    BATCH reply               [[None or [code, message], ...], [pod state, ...], incarnation]   pods the calls name
    LIST_POD_SANDBOX body     {"incarnation": known or "", "since": version}
    LIST_POD_SANDBOX reply    {"incarnation", "version", "pods": [changed since], "uids": [all] or None if unchanged,
                               "images": [[name, bytes], ...], "runtime": name, "runtime_version"}
    topic runtime/<node>      [incarnation, [pod state, ...]]

Parameters, by method (all times in seconds since the epoch, all durations in seconds):

    run_pod_sandbox           uid, namespace, name, attempt, annotations, host_network, host_ip, pod_cidr, volumes
    stop_pod_sandbox          uid                     containers still running are killed
    remove_pod_sandbox        uid
    pull_image                uid, container, image, serial
    create_container          uid, container, attempt, image, command, args, env, working_dir, mounts, termination_path,
                              stop_signal, stdin, stdin_once, tty
    start_container           uid, container, attempt
    stop_container            uid, container, attempt, timeout_s
    remove_container          uid, container, attempt
    container_status          uid, container                       -> container state
    list_containers           {}                                   -> [container state, ...]
    image_status              image                                -> [name, bytes] or None
    list_images               {}                                   -> [[name, bytes], ...]
    exec_sync                 uid, container, command, timeout_s   -> {"exit_code", "stdout", "stderr"}
    probe                     uid, container, kind, probe, timeout_s -> {"ok", "output"}   kind: liveness ...
    read_log                  namespace, pod, container, tail_lines, since_s, previous, offset, timestamps, limit_bytes
                              -> {"data": text, "next_offset", "running"}
    list_container_stats      {}                                   -> see `actors.runtime.usage`

`PROBE` is not part of CRI: a real kubelet opens the probe's connection itself; an actor reaches the world only through
its context, so the driver does. ``offset`` of `READ_LOG` is 0 at first and then the ``next_offset`` answered last:
following a log is asking again. Failures carry one of the codes below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

RUN_POD_SANDBOX: Final = "run_pod_sandbox"
STOP_POD_SANDBOX: Final = "stop_pod_sandbox"
REMOVE_POD_SANDBOX: Final = "remove_pod_sandbox"
LIST_POD_SANDBOX: Final = "list_pod_sandbox"
PULL_IMAGE: Final = "pull_image"
IMAGE_STATUS: Final = "image_status"
LIST_IMAGES: Final = "list_images"
CREATE_CONTAINER: Final = "create_container"
START_CONTAINER: Final = "start_container"
STOP_CONTAINER: Final = "stop_container"
REMOVE_CONTAINER: Final = "remove_container"
LIST_CONTAINERS: Final = "list_containers"
CONTAINER_STATUS: Final = "container_status"
EXEC_SYNC: Final = "exec_sync"
PROBE: Final = "probe"
READ_LOG: Final = "read_log"
BATCH: Final = "batch"

#: Methods that change something and return at once: what a batch may carry.
LIFECYCLE_METHODS: Final = (
    RUN_POD_SANDBOX,
    STOP_POD_SANDBOX,
    REMOVE_POD_SANDBOX,
    PULL_IMAGE,
    CREATE_CONTAINER,
    START_CONTAINER,
    STOP_CONTAINER,
    REMOVE_CONTAINER,
)
#: Methods that only ask.
QUERY_METHODS: Final = (LIST_POD_SANDBOX, LIST_IMAGES, IMAGE_STATUS, LIST_CONTAINERS, CONTAINER_STATUS, READ_LOG)
METHODS: Final = (*LIFECYCLE_METHODS, *QUERY_METHODS, EXEC_SYNC, PROBE)

CREATED: Final = "created"
RUNNING: Final = "running"
EXITED: Final = "exited"

PULLING: Final = "pulling"
PULLED: Final = "pulled"
FAILED: Final = "failed"

NOT_FOUND: Final = "NotFound"
INVALID: Final = "InvalidArgument"
UNAVAILABLE: Final = "Unavailable"
CREATE_ERROR: Final = "CreateContainerError"
RUN_ERROR: Final = "RunContainerError"
SANDBOX_ERROR: Final = "CreatePodSandboxError"

Params = Mapping[str, Any]


class RuntimeRefused(Exception):
    """The runtime did not do what it was asked; `code` is one of this module's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True)
class ContainerState:
    """One container: one attempt at running what the pod's spec says under that name."""

    id: str
    name: str
    attempt: int
    image: str
    state: str = CREATED
    """`CREATED`, `RUNNING` or `EXITED`."""
    created_s: float = 0.0
    started_s: float = 0.0
    finished_s: float = 0.0
    exit_code: int = 0
    """128 + signal number for a container ended by a signal."""
    reason: str = ""
    """``Completed``, ``Error``, ``OOMKilled``, ``StartError``, ``ContainerStatusUnknown``."""
    message: str = ""
    """What the container left as its termination message."""

    def wire(self) -> list[Any]:
        """As it travels."""
        return [
            self.id,
            self.name,
            self.attempt,
            self.image,
            self.state,
            self.created_s,
            self.started_s,
            self.finished_s,
            self.exit_code,
            self.reason,
            self.message,
        ]


@dataclass(slots=True)
class PullState:
    """How the fetching of one image for one container goes."""

    serial: int
    """Which of the kubelet's requests for this container this is."""
    image: str
    state: str = PULLING
    """`PULLING`, `PULLED` or `FAILED`."""
    started_s: float = 0.0
    finished_s: float = 0.0
    size_bytes: int = 0
    error: str = ""

    def wire(self) -> list[Any]:
        """As it travels."""
        return [
            self.serial,
            self.image,
            self.state,
            self.started_s,
            self.finished_s,
            self.size_bytes,
            self.error,
        ]


@dataclass(slots=True)
class PodSandbox:
    """Everything a runtime knows of one pod."""

    uid: str
    namespace: str
    name: str
    id: str
    attempt: int = 0
    ready: bool = True
    ip: str = ""
    created_s: float = 0.0
    version: int = 0
    """Of the runtime's incarnation; grows with every change."""
    containers: dict[str, list[ContainerState]] = field(default_factory=dict)
    """By container name; the newest attempt is last. Older ones are kept for logs and for ``lastState``."""
    pulls: dict[str, PullState] = field(default_factory=dict)
    """By container name: the latest."""
    changed_by: str = ""
    """Id of the call that changed it last, or began what changed it (a pull, a run that ended): its cause."""

    def latest(self, name: str) -> ContainerState | None:
        """The newest attempt of a container."""
        attempts = self.containers.get(name)
        return attempts[-1] if attempts else None

    def attempt_of(self, name: str, attempt: int) -> ContainerState | None:
        """One attempt of a container, if it is still known."""
        for container in self.containers.get(name, ()):
            if container.attempt == attempt:
                return container
        return None

    def running(self) -> list[ContainerState]:
        """The containers that run, in the order of their creation."""
        return [found[-1] for found in self.containers.values() if found and found[-1].state == RUNNING]

    def wire(self) -> list[Any]:
        """As it travels."""
        return [
            self.uid,
            self.namespace,
            self.name,
            self.id,
            self.attempt,
            self.ready,
            self.ip,
            self.created_s,
            self.version,
            [[name, [c.wire() for c in attempts]] for name, attempts in self.containers.items()],
            [[name, pull.wire()] for name, pull in self.pulls.items()],
            self.changed_by,
        ]

    @staticmethod
    def from_wire(row: Sequence[Any]) -> PodSandbox:
        """The reverse of `wire`."""
        sandbox = PodSandbox(*row[:9])
        sandbox.containers = {name: [ContainerState(*c) for c in attempts] for name, attempts in row[9]}
        sandbox.pulls = {name: PullState(*pull) for name, pull in row[10]}
        sandbox.changed_by = row[11]
        return sandbox


@dataclass(frozen=True, slots=True)
class Call:
    """One lifecycle call a kubelet wants made."""

    method: str
    params: Params


def runtime_actor(node: str) -> str:
    """The name of the actor that runs a node's containers."""
    return f"runtime-{node}"


def runtime_topic(node: str) -> str:
    """Where it publishes changes of its pods."""
    return f"runtime/{node}"
