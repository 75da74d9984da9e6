"""``/metrics``: what the gateway measures, under the names that Kubernetes' API server has for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from actors.apimachinery.schema import KUBERNETES_VERSION
from actors.gateway.in_flight import LONG_RUNNING, MUTATING, READING, InFlight
from actors.gateway.request_path import RequestPath

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: Seconds, as Kubernetes has them.
_BUCKETS: Final = (
    *(0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60),
)
_TARGET: Final = ("verb", "group", "version", "resource", "subresource", "scope", "component")
_VERBS: Final = {"POST": "POST", "PUT": "PUT", "HEAD": "GET"}


class Metrics:
    """One gateway's."""

    def __init__(self, in_flight: InFlight) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "apiserver_request",
            "Requests by verb, group, version, resource, scope, component and HTTP response code.",
            (*_TARGET, "dry_run", "code"),
            registry=self._registry,
        )
        self._durations = Histogram(
            "apiserver_request_duration_seconds",
            "Seconds that requests took, watches and other long-running ones left out.",
            (*_TARGET, "dry_run"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._state = _State(in_flight)
        self._registry.register(self._state)
        ProcessCollector(registry=self._registry)

    def answered(
        self, method: str, path: RequestPath | None, query: Mapping[str, str], code: int, seconds: float, *, long: bool
    ) -> None:
        """Count a request that was answered."""
        verb = request_verb(method, path, query)
        resource = path.resource if path is not None else None
        target = (
            verb,
            resource.group if resource else "",
            resource.version if resource else "",
            resource.plural if resource else "",
            path.subresource if path is not None else "",
            _scope(path),
            "apiserver",
        )
        dry_run = "All" if query.get("dryRun") else ""
        self._requests.labels(*target, dry_run, str(code)).inc()
        if not long:
            self._durations.labels(*target, dry_run).observe(seconds)

    def exposition(self, objects: Mapping[str, int]) -> bytes:
        """All of it as text. `objects`: how many there are, by collection (``deployments.apps``)."""
        self._state.objects = objects
        return generate_latest(self._registry)


class _State(Collector):
    """What is true at the moment it is asked for."""

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self.objects: Mapping[str, int] = {}

    def collect(self) -> Iterable[Metric]:
        current = GaugeMetricFamily(
            "apiserver_current_inflight_requests", "Requests that are being carried out.", labels=["request_kind"]
        )
        for kind in (READING, MUTATING):
            current.add_metric([kind], self._in_flight.total(kind))
        yield current
        yield GaugeMetricFamily(
            "apiserver_longrunning_requests",
            "Watches, followed logs and streams into pods that are open.",
            value=self._in_flight.total(LONG_RUNNING),
        )
        stored = GaugeMetricFamily("apiserver_storage_objects", "Stored objects.", labels=["resource"])
        for resource, count in self.objects.items():
            stored.add_metric([resource], count)
        yield stored
        build = GaugeMetricFamily(
            "kubernetes_build_info", "Which version this is.", labels=["git_version", "major", "minor", "platform"]
        )
        major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
        build.add_metric([f"{KUBERNETES_VERSION}+podchain", major, minor, "linux/amd64"], 1)
        yield build


def request_verb(method: str, path: RequestPath | None, query: Mapping[str, str]) -> str:
    """The verb as Kubernetes reports it: one of the API's, ``LIST``, ``APPLY`` and ``CONNECT`` among them."""
    if path is not None and path.subresource in ("exec", "attach", "portforward", "proxy"):
        return "CONNECT"
    if method in ("GET", "HEAD"):
        if path is None or path.name:
            return "GET"
        return "WATCH" if query.get("watch", "") in ("1", "true") else "LIST"
    if method == "DELETE":
        return "DELETE" if path is None or path.name else "DELETECOLLECTION"
    if method == "PATCH":
        return "APPLY" if query.get("fieldManager") and query.get("force") else "PATCH"
    return method if method in ("POST", "PUT") else "other"


def _scope(path: RequestPath | None) -> str:
    if path is None:
        return ""
    if path.name:
        return "resource"
    return "namespace" if path.namespace else "cluster"
