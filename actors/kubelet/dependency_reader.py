"""Reads the ConfigMaps and Secrets that pods refer to, many pods' in one message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from actors.apimachinery.operation import Object, Operation
from actors.client.client import Client
from actors.kubelet.pod_memory import PodDependencies
from actors.kubelet.pod_spec import SERVICE_ACCOUNT_TOKENS, Dependency
from broker.context import RequestError

Ready = Callable[[PodDependencies], None]
RETRY_S: Final = 0.5


class DependencyReader:
    """Answers each question with what the API server has at that time; it keeps nothing."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ctx = client.ctx
        self._asked: list[tuple[str, Sequence[Dependency], Ready]] = []
        self._running = False

    def read(self, namespace: str, dependencies: Sequence[Dependency], ready: Ready) -> None:
        """Have `ready` called with them, when the API server has answered."""
        self._asked.append((namespace, dependencies, ready))
        if not self._running:
            self._running = True
            self._ctx.after_drain(self._begin)

    def _begin(self) -> None:
        self._ctx.spawn(self._read(), "dependencies")

    async def _read(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            wanted = list(dict.fromkeys((ns, *dependency) for ns, names, _ in asked for dependency in names))
            found: dict[tuple[str, str, str], Object | None] = {}
            try:
                results = await self._client.batch([_question(*each) for each in wanted])
            except RequestError:
                results = []
            if not results or any(result.code >= 500 or result.code == 429 for result in results):
                self._asked = asked + self._asked
                await self._ctx.sleep(RETRY_S)
                continue
            for which, result in zip(wanted, results, strict=True):
                found[which] = result.object if result.ok else None
            for namespace, names, ready in asked:
                objects = {dependency: found[(namespace, *dependency)] for dependency in names}
                ready(PodDependencies(objects, self._ctx.wall_s()))
        self._running = False


def _question(namespace: str, resource: str, name: str) -> Operation:
    if resource != SERVICE_ACCOUNT_TOKENS:
        return Operation("get", resource, namespace, name)
    account, pod, uid, seconds, audience = name.split("\n")
    spec = {
        "expirationSeconds": int(seconds),
        "audiences": [audience] if audience else [],
        "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": uid},
    }
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return Operation("create", "v1/serviceaccounts", namespace, account, "token", body)
