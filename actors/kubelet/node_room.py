"""What is left of a node for pods: kept as pods are admitted and end."""

from __future__ import annotations

from collections.abc import Iterable

from actors.apimachinery.operation import Object
from actors.apimachinery.quantity import milli_value, whole_value
from actors.kubelet.admission import Amounts, Rejection, admit, host_ports, pod_requests
from actors.kubelet.config import NodeConfig
from actors.kubelet.node_object import capacity_of
from actors.kubelet.pod_worker import PodWorker


class NodeRoom:
    """The sum of what admitted pods that are not over request."""

    def __init__(self, config: NodeConfig) -> None:
        capacity = capacity_of(config)
        self.allocatable = {k: milli_value(v) if k == "cpu" else whole_value(v) for k, v in capacity.items()}
        self.used: Amounts = {}
        self.pods = 0

    def check(self, pod: Object, node: Object | None, others: Iterable[PodWorker]) -> Rejection | None:
        """Why the node doesn't take the pod; None when it does."""
        taken: list[tuple[str, str, int]] = []
        if host_ports(pod["spec"]):
            taken = [port for other in others if other.requests is not None for port in host_ports(other.pod["spec"])]
        return admit(pod, node, self.allocatable, self.used, self.pods, taken)

    def take(self, worker: PodWorker) -> None:
        """Count a pod."""
        worker.requests = pod_requests(worker.pod["spec"])
        self.pods += 1
        for name, amount in worker.requests.items():
            self.used[name] = self.used.get(name, 0) + amount

    def release(self, worker: PodWorker) -> None:
        """Count it no more; harmless when it isn't counted."""
        if worker.requests is None:
            return
        self.pods -= 1
        for name, amount in worker.requests.items():
            self.used[name] -= amount
        worker.requests = None
