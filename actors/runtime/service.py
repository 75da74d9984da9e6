"""The container runtime behind its calls: idempotent bookkeeping of sandboxes, containers and images over a driver.

A call that was carried out before changes nothing. Ids derive from what is asked for, so repeats meet what they made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

from actors.runtime.address import AddressesExhausted, PodAddresses
from actors.runtime.driver import Driver, DriverHost, LogRead
from actors.runtime.protocol import (
    CREATE_CONTAINER,
    CREATED,
    EXITED,
    FAILED,
    INVALID,
    NOT_FOUND,
    PULL_IMAGE,
    PULLED,
    PULLING,
    REMOVE_CONTAINER,
    REMOVE_POD_SANDBOX,
    RUN_ERROR,
    RUN_POD_SANDBOX,
    RUNNING,
    SANDBOX_ERROR,
    START_CONTAINER,
    STOP_CONTAINER,
    STOP_POD_SANDBOX,
    ContainerState,
    Params,
    PodSandbox,
    PullState,
    RuntimeRefused,
)

#: Attempts of one container that are kept: the present one and the one before, for ``logs --previous``.
ATTEMPTS_KEPT: Final = 2
#: Removed pods whose uid is remembered, so that a delayed repeat of a call doesn't bring one back.
REMOVED_KEPT: Final = 2048
#: The exit code of a container that could not be started, as containerd gives it.
START_ERROR_CODE: Final = 128


class RuntimeService:
    """One node's container runtime. `on_change` is told each pod that changed by itself (not by a call)."""

    def __init__(
        self,
        node: str,
        incarnation: str,
        driver: Driver,
        wall_s: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], Any],
    ) -> None:
        self.node = node
        self.incarnation = incarnation
        self.driver = driver
        self.version = 0
        self.pods: dict[str, PodSandbox] = {}
        self.images: dict[str, int] = {}
        """Images that are present, with their sizes in bytes."""
        self.on_change: Callable[[PodSandbox], None] = lambda pod: None  # noqa: ARG005
        self.on_pull_done: Callable[[PodSandbox, str, PullState], None] = lambda pod, name, pull: None  # noqa: ARG005
        self._wall_s = wall_s
        self._in_call = False
        self._addresses: dict[str, PodAddresses] = {}
        self._removed: dict[str, None] = {}
        self._methods: dict[str, Callable[[Params], None]] = {
            RUN_POD_SANDBOX: self._run_pod_sandbox,
            STOP_POD_SANDBOX: self._stop_pod_sandbox,
            REMOVE_POD_SANDBOX: self._remove_pod_sandbox,
            PULL_IMAGE: self._pull_image,
            CREATE_CONTAINER: self._create_container,
            START_CONTAINER: self._start_container,
            STOP_CONTAINER: self._stop_container,
            REMOVE_CONTAINER: self._remove_container,
        }
        host = DriverHost(node, incarnation, wall_s, call_later, self._exited, self._pulled)
        for pod in driver.open(host):
            self.pods[pod.uid] = pod
            self._changed(pod)
            for attempts in pod.containers.values():
                for container in attempts:
                    self.images.setdefault(container.image, 0)

    # Calls

    def call(self, method: str, params: Params, identifier: str = "") -> None:
        """Carry out a lifecycle call. Raises `RuntimeRefused`; a change it makes isn't told to `on_change`.

        What changes from now on was caused by the call of this identifier.
        """
        do = self._methods.get(method)
        if do is None:
            raise RuntimeRefused(INVALID, f"unknown method {method}")
        self._in_call = True
        try:
            do(params)
        finally:
            self._in_call = False
        pod = self.pods.get(params.get("uid", ""))
        if pod is not None:
            pod.changed_by = identifier

    def changed_since(self, version: int) -> list[PodSandbox]:
        """The pods with a later version."""
        return [pod for pod in self.pods.values() if pod.version > version]

    def pod(self, uid: str) -> PodSandbox:
        """A pod. Raises `RuntimeRefused`."""
        pod = self.pods.get(uid)
        if pod is None:
            raise RuntimeRefused(NOT_FOUND, f"could not find sandbox of pod {uid}")
        return pod

    def container(self, params: Params) -> tuple[PodSandbox, ContainerState]:
        """The container that the parameters name; the newest attempt unless they say which."""
        pod = self.pod(params["uid"])
        name = params["container"]
        attempt = params.get("attempt")
        found = pod.latest(name) if attempt is None else pod.attempt_of(name, attempt)
        if found is None:
            raise RuntimeRefused(NOT_FOUND, f'could not find container "{name}" of pod {pod.namespace}/{pod.name}')
        return pod, found

    def read_log(self, params: Params) -> dict[str, Any]:
        """A container's log; the container is named by namespace, pod name and container name."""
        wanted = (params["namespace"], params["pod"])
        found = [pod for pod in self.pods.values() if (pod.namespace, pod.name) == wanted]
        if not found:
            raise RuntimeRefused(NOT_FOUND, f"no sandbox of pod {wanted[0]}/{wanted[1]}")
        pod = max(found, key=lambda candidate: candidate.created_s)
        attempts = pod.containers.get(params["container"], [])
        position = -2 if params.get("previous") else -1
        if len(attempts) < -position:
            which = "previous terminated container" if params.get("previous") else "container"
            raise RuntimeRefused(NOT_FOUND, f'{which} "{params["container"]}" in pod "{pod.name}" not found')
        container = attempts[position]
        read = LogRead(
            int(params.get("offset") or 0),
            params.get("tail_lines"),
            params.get("since_s"),
            bool(params.get("timestamps")),
            int(params.get("limit_bytes") or 1 << 20),
        )
        running = container.state == RUNNING
        data, offset = self.driver.read_log(pod, container, read)
        return {"data": data, "next_offset": offset, "running": running}

    def list_container_stats(self) -> list[list[Any]]:
        """What the running containers use (see `actors.runtime.usage`)."""
        rows: list[list[Any]] = []
        for pod in self.pods.values():
            used: list[list[Any]] = []
            for container in pod.running():
                usage = self.driver.usage(pod, container)
                used.append([container.name, container.started_s, usage.cpu_s, usage.memory_bytes])
            if used:
                rows.append([pod.uid, pod.namespace, pod.name, used])
        return rows

    def close(self) -> None:
        """End every container."""
        self.driver.close()

    # Sandboxes

    def _run_pod_sandbox(self, params: Params) -> None:
        uid, attempt = params["uid"], params["attempt"]
        pod = self.pods.get(uid)
        if (pod is not None and pod.attempt >= attempt) or uid in self._removed:
            return
        if pod is not None:
            self._stop_pod_sandbox(params)
        ip = params.get("host_ip", "") if params.get("host_network") else self._allocate(params["pod_cidr"])
        new = PodSandbox(uid, params["namespace"], params["name"], sandbox_id(uid, attempt), attempt, ip=ip)
        new.created_s = self._wall_s()
        if pod is not None:
            new.containers, new.pulls = pod.containers, pod.pulls
        try:
            self.driver.run_pod_sandbox(new, params)
        except RuntimeRefused:
            self._release(ip)
            raise
        self.pods[uid] = new
        self._changed(new)

    def _stop_pod_sandbox(self, params: Params) -> None:
        pod = self.pods.get(params["uid"])
        if pod is None or not pod.ready:
            return
        for container in pod.running():
            self.driver.stop_container(pod, container, 0.0)
        self.driver.stop_pod_sandbox(pod)
        pod.ready = False
        self._release(pod.ip)
        self._changed(pod)

    def _remove_pod_sandbox(self, params: Params) -> None:
        pod = self.pods.get(params["uid"])
        if pod is not None:
            self._stop_pod_sandbox(params)
            self.driver.remove_pod_sandbox(pod)
            del self.pods[pod.uid]
            self.version += 1
        self._removed[params["uid"]] = None
        while len(self._removed) > REMOVED_KEPT:
            del self._removed[next(iter(self._removed))]

    def _allocate(self, cidr: str) -> str:
        addresses = self._addresses.get(cidr)
        if addresses is None:
            addresses = self._addresses[cidr] = PodAddresses(cidr)
            for pod in self.pods.values():
                if pod.ready:
                    addresses.take(pod.ip)
        try:
            return addresses.allocate()
        except AddressesExhausted as error:
            raise RuntimeRefused(SANDBOX_ERROR, f"failed to setup network for sandbox: {error}") from error

    def _release(self, ip: str) -> None:
        for addresses in self._addresses.values():
            addresses.release(ip)

    # Images

    def _pull_image(self, params: Params) -> None:
        pod = self.pod(params["uid"])
        name, serial = params["container"], params["serial"]
        known = pod.pulls.get(name)
        if known is not None and known.serial >= serial:
            return
        pull = PullState(serial, params["image"], started_s=self._wall_s())
        pod.pulls[name] = pull
        self._changed(pod)
        self.driver.pull_image(pod, pull, name)

    def _pulled(self, pod: PodSandbox, pull: PullState, size_bytes: int, error: str) -> None:
        if pull.state != PULLING or self.pods.get(pod.uid) is None:
            return
        pull.finished_s = self._wall_s()
        pull.error, pull.size_bytes = error, size_bytes
        pull.state = FAILED if error else PULLED
        if not error:
            self.images[pull.image] = size_bytes
        pod = self.pods[pod.uid]
        self._changed(pod)
        for name, known in pod.pulls.items():
            if known is pull:
                self.on_pull_done(pod, name, pull)

    # Containers

    def _create_container(self, params: Params) -> None:
        pod = self.pod(params["uid"])
        name, attempt = params["container"], params["attempt"]
        latest = pod.latest(name)
        if latest is not None and latest.attempt >= attempt:
            return
        identifier = container_id(pod.uid, name, attempt)
        container = ContainerState(identifier, name, attempt, params["image"], CREATED, self._wall_s())
        self.driver.create_container(pod, container, params)
        attempts = pod.containers.setdefault(name, [])
        attempts.append(container)
        while len(attempts) > ATTEMPTS_KEPT:
            self.driver.remove_container(pod, attempts.pop(0))
        self._changed(pod)

    def _start_container(self, params: Params) -> None:
        pod, container = self.container(params)
        if container.state != CREATED:
            return
        try:
            started_s = self.driver.start_container(pod, container)
        except RuntimeRefused as error:
            now_s = self._wall_s()
            container.state, container.exit_code, container.reason = EXITED, START_ERROR_CODE, "StartError"
            container.message = error.message
            container.finished_s = now_s
            self._changed(pod)
            raise RuntimeRefused(RUN_ERROR, error.message) from error
        if container.state == CREATED:
            container.state = RUNNING
        container.started_s = started_s
        self._changed(pod)

    def _stop_container(self, params: Params) -> None:
        try:
            pod, container = self.container(params)
        except RuntimeRefused:
            return
        if container.state == RUNNING:
            self.driver.stop_container(pod, container, params["timeout_s"])

    def _remove_container(self, params: Params) -> None:
        try:
            pod, container = self.container(params)
        except RuntimeRefused:
            return
        if container.state == RUNNING:
            self.driver.stop_container(pod, container, 0.0)
        self.driver.remove_container(pod, container)
        pod.containers[container.name].remove(container)
        if not pod.containers[container.name]:
            del pod.containers[container.name]
        self._changed(pod)

    def _exited(self, pod: PodSandbox, container: ContainerState, exit_code: int, reason: str, message: str) -> None:
        if container.state == EXITED:
            return
        container.state = EXITED
        container.exit_code = exit_code
        container.reason = reason or ("Completed" if exit_code == 0 else "Error")
        container.message = message
        container.finished_s = self._wall_s()
        self._changed(self.pods.get(pod.uid, pod))

    def _changed(self, pod: PodSandbox) -> None:
        self.version += 1
        pod.version = self.version
        if not self._in_call:
            self.on_change(pod)


def container_id(uid: str, name: str, attempt: int) -> str:
    """64 hexadecimal digits, as container runtimes name containers; the same for the same attempt."""
    return hashlib.sha256(f"{uid}/{name}/{attempt}".encode()).hexdigest()


def sandbox_id(uid: str, attempt: int) -> str:
    """The id of a pod's sandbox."""
    return container_id(uid, "", attempt)
