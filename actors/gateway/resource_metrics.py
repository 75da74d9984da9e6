"""``metrics.k8s.io``: what nodes and pods use, asked of the kubelets when somebody asks (``kubectl top``).

In other clusters an aggregated API server (metrics-server) has this; here it is the gateway, which keeps nothing but
the last look at the processor times, for the rates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource, new_resource
from actors.apimachinery.selector import LabelSelector, SelectorError
from actors.apimachinery.status import bad_request, not_found
from actors.client.client import Client
from actors.client.kubelet import NODE_STATS, kubelet_of_node
from actors.gateway.request_path import RequestPath
from actors.runtime.usage import Counter, CpuRates
from broker.context import Context, RequestError

GROUP: Final = "metrics.k8s.io"
STATS_TIMEOUT_S: Final = 2.0
#: What a rate is said to be over, as metrics-server has it by default.
WINDOW: Final = "15s"

RESOURCES: Final[tuple[Resource, ...]] = (
    new_resource(GROUP, "v1beta1", "NodeMetrics", "nodes", namespaced=False, singular="node", verbs=("get", "list")),
    new_resource(GROUP, "v1beta1", "PodMetrics", "pods", namespaced=True, singular="pod", verbs=("get", "list")),
)


class PodUsage:
    """What one pod's containers use: cores and bytes, by container name."""

    __slots__ = ("containers", "name", "namespace", "node", "uid")

    def __init__(self, node: str, row: Sequence[Any]) -> None:
        self.node = node
        self.uid, self.namespace, self.name = row[:3]
        self.containers: dict[str, tuple[float, int]] = {}


class ResourceMetrics:
    """Answers for the group."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._client = Client(ctx)
        self._rates = CpuRates()
        self._found: list[PodUsage] = []
        self._nodes: dict[str, Object] = {}

    async def answer(self, path: RequestPath, label_selector: str) -> Object:
        """The object or list that a path names. Raises `ApiError`."""
        try:
            selector = LabelSelector.parse(label_selector)
        except SelectorError as error:
            raise bad_request(str(error)) from None
        await self._look()
        time = format_time(self._ctx.wall_s())
        resource = path.resource
        if resource.plural == "nodes":
            items = [node_metrics(resource, node, self._found, time) for node in self._nodes.values()]
        else:
            pods = await self._client.list("v1/pods", path.namespace)
            labels = {pod["metadata"]["uid"]: pod["metadata"].get("labels") or {} for pod in pods.items}
            items = [
                pod_metrics(resource, usage, labels[usage.uid], time) for usage in self._found if usage.uid in labels
            ]
        if path.name:
            return _named(items, path)
        chosen = [item for item in items if selector.matches(item["metadata"].get("labels") or {})]
        return {
            "kind": resource.list_kind,
            "apiVersion": resource.api_version,
            "metadata": {},
            "items": sorted(chosen, key=lambda item: (item["metadata"].get("namespace", ""), item["metadata"]["name"])),
        }

    async def _look(self) -> None:
        now_s = self._ctx.wall_s()
        listed = await self._client.list("v1/nodes")
        self._nodes = {node["metadata"]["name"]: node for node in listed.items}
        kubelets = dict.fromkeys(kubelet_of_node(node) for node in listed.items)
        answers = await asyncio.gather(*(self._stats_of(kubelet) for kubelet in kubelets))
        rows = [(node, row) for answer in answers for node, stats in answer if node in self._nodes for row in stats]
        counters = {
            f"{row[0]}/{name}": Counter(start_s, cpu_s) for _, row in rows for name, start_s, cpu_s, _ in row[3]
        }
        self._found = usage_of(rows, self._rates.update(counters, now_s))

    async def _stats_of(self, kubelet: str) -> Any:
        """A kubelet's answer; nothing from one that is down: its node is shown without usage."""
        try:
            return (await self._ctx.request(kubelet, NODE_STATS, timeout_s=STATS_TIMEOUT_S)).body
        except RequestError:
            return []


def usage_of(rows: Iterable[tuple[str, Sequence[Any]]], rates: Mapping[str, float]) -> list[PodUsage]:
    """The pods' usage, from the kubelets' rows and the rates of their counters."""
    found: list[PodUsage] = []
    for node, row in rows:
        usage = PodUsage(node, row)
        for name, _, _, memory_bytes in row[3]:
            usage.containers[name] = (rates[f"{usage.uid}/{name}"], memory_bytes)
        found.append(usage)
    return found


def _quantities(cores: float, memory_bytes: int) -> dict[str, str]:
    return {"cpu": f"{round(cores * 1e9)}n", "memory": f"{memory_bytes // 1024}Ki"}


def pod_metrics(resource: Resource, usage: PodUsage, labels: Mapping[str, str], time: str) -> Object:
    """PodMetrics of one pod."""
    metadata: Object = {"name": usage.name, "namespace": usage.namespace, "creationTimestamp": time}
    if labels:
        metadata["labels"] = dict(labels)
    containers = [{"name": name, "usage": _quantities(*used)} for name, used in usage.containers.items()]
    return {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": metadata,
        "timestamp": time,
        "window": WINDOW,
        "containers": containers,
    }


def node_metrics(resource: Resource, node: Object, pods: Iterable[PodUsage], time: str) -> Object:
    """NodeMetrics of one node: what its pods use together."""
    name = node["metadata"]["name"]
    used = [each for pod in pods if pod.node == name for each in pod.containers.values()]
    metadata: Object = {"name": name, "creationTimestamp": time, "labels": dict(node["metadata"].get("labels") or {})}
    return {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": metadata,
        "timestamp": time,
        "window": WINDOW,
        "usage": _quantities(sum(cores for cores, _ in used), sum(memory for _, memory in used)),
    }


def _named(items: Sequence[Object], path: RequestPath) -> Object:
    for item in items:
        if item["metadata"]["name"] == path.name:
            return item
    raise not_found(path.resource.plural, GROUP, path.name)
