"""A live gateway under hostile requests: what it serves, and what every answer must be like."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import random
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hostile_requests import Request, RequestMaker, Target
from hostile_values import NAMESPACE, PREFIX
from real_kubectl import Kubectl

from actors.apimachinery.protobuf.messages import messages
from actors.apimachinery.resources import RESOURCES
from actors.apimachinery.schema import definition_name

#: An answer that takes longer is a hang.
ANSWER_MAX_S: Final = 10.0
OTHER_PATHS: Final = (
    *("/", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/apis/x/y", "/openapi/v3", "/openapi/v3/api/v1"),
    *("/openapi/v3/apis/x", "/openapi/v2", "/version", "/healthz", "/readyz/etcd", "/livez/x", "/metrics", "/x/%ff/y"),
    *("/openid/v1/jwks", "/.well-known/openid-configuration", "/api/v2/x", "/apis/apps/v9/deployments", "//api//v1"),
    *(
        "/api/v1/namespaces/fuzz",
        "/api/v1/namespaces/fuzz/",
        "/api/v1/namespaces/fuzz/pods/a/b/c",
        "/logs",
        "/debug/pprof",
    ),
    *(
        "/apis/metrics.k8s.io/v1beta1/nodes",
        "/apis/metrics.k8s.io/v1beta1/pods?labelSelector=a(",
        "/api/v1/pods?limit=x",
    ),
    *(
        "/apis/metrics.k8s.io/v1beta1/pods?watch=1&timeoutSeconds=1",
        "/apis/metrics.k8s.io/v1beta1/namespaces/fuzz/pods/a",
    ),
)


def smallest_objects() -> Any:
    """The smallest valid object of each kind, of the API server's tests."""
    file = Path(__file__).parent.parent / "apiserver" / "smallest_objects.py"
    spec = importlib.util.spec_from_file_location("smallest_objects_for_fuzzing", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(slots=True)
class Findings:
    """What came of it."""

    codes: Counter[int] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)
    """What was wrong, by its kind, with the request that showed it first."""

    story: Counter[str] = field(default_factory=Counter)
    """How often what was refused, when somebody wants to know whether the requests are any good."""

    @property
    def sent(self) -> int:
        return sum(self.codes.values())


class Fuzzed:
    """A connection to the gateway that judges every answer."""

    def __init__(self, kubectl: Kubectl, findings: Findings) -> None:
        self._kubectl = kubectl
        self._connection: http.client.HTTPSConnection | None = None
        self._findings = findings

    def http(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """An ordinary request; its answer decoded."""
        content = None if body is None else json.dumps(body).encode()
        stated = {"Content-Type": "application/json", **(headers or {})}
        request = Request(method, path, stated, content)
        try:
            code, _, answer = self._send(request)
        except (OSError, http.client.HTTPException):  # an old connection, perhaps, that the server has closed
            self._drop()
            code, _, answer = self._send(request)
        return code, json.loads(answer) if answer else None

    def send(self, request: Request, origin: str) -> None:
        """Send a hostile one, and note what is wrong with the answer."""
        started_s = time.monotonic()
        try:
            code, content_type, content = self._send(request)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            self._note(f"no answer: {type(error).__name__}: {error}", request, origin)
            return
        self._findings.codes[code] += 1
        if os.environ.get("PODCHAIN_FUZZ_STORY") and code >= 400 and request.method != "HEAD":
            self._findings.story[f"{code} {json.loads(content).get('message', '')[:50]}"] += 1
        took_s = time.monotonic() - started_s
        if took_s > ANSWER_MAX_S:
            self._note(f"took {took_s:.0f} s", request, origin)
        if request.method == "HEAD" and (code == 504 or "Impersonate-Group" in request.headers):
            return  # what is allowed of a GET, where it can be read: a version to come, impersonation of nobody
        why = judged(request.method, code, content_type, content)
        if why:
            self._note(why, request, origin)

    def _note(self, why: str, request: Request, origin: str) -> None:
        self._findings.wrong.setdefault(why[:120], f"{why}\n  {origin}\n  {request}")

    def _send(self, request: Request) -> tuple[int, str, bytes]:
        if self._connection is None:
            context = ssl.create_default_context(cafile=str(self._kubectl.ca))
            address = self._kubectl.address
            self._connection = http.client.HTTPSConnection(
                str(address.hostname), address.port, context=context, timeout=ANSWER_MAX_S + 5
            )
        connection = self._connection
        headers = {"Authorization": f"Bearer {self._kubectl.token}", **request.headers}
        connection.putrequest(request.method, request.path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value.encode("latin-1", "replace"))
        if request.body is not None:
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body)
        response = connection.getresponse()
        content = response.read()
        if response.will_close:
            self._drop()
        if response.headers.get("Content-Encoding") == "gzip":
            import gzip

            content = gzip.decompress(content)
        return response.status, response.headers.get("Content-Type", ""), content

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None


def judged(method: str, code: int, content_type: str, content: bytes) -> str:
    """What is wrong with an answer; empty when nothing is."""
    if method == "HEAD":
        return f"code {code}" if code >= 500 else ""
    if code < 400:
        if "json" in content_type:
            for line in content.splitlines():
                try:
                    json.loads(line)
                except ValueError:
                    return f"not JSON: {line[:100]!r}"
        return ""
    try:
        status = json.loads(content)
    except ValueError:
        return f"code {code} without a Status: {content[:300]!r}"
    if not isinstance(status, dict) or (status.get("kind"), status.get("status")) != ("Status", "Failure"):
        return f"code {code} without a Status: {content[:300]!r}"
    if status.get("code") != code or not status.get("message") or "reason" not in status:
        return f"code {code}, an odd Status: {content[:300]!r}"
    told = f"code {code} {status['reason']}: {status['message']}"
    if code == 504 and "Too large resource version" in status["message"]:
        return ""
    if code == 500 and status["message"].startswith("Internal error occurred: requested impersonation"):
        return ""  # Kubernetes' own answer to that
    return told if code >= 500 or code < 400 else ""


def discovered(fuzzed: Fuzzed) -> tuple[list[Target], dict[str, Any]]:
    """What the gateway says it serves, and its schemas: by definition, and by ``apiVersion/kind``."""
    smallest = smallest_objects().smallest
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
    targets: list[Target] = []
    for root in ("/api", "/apis"):
        for group in fuzzed.http("GET", root, headers=accept)[1]["items"]:
            for version in group["versions"]:
                name = group["metadata"].get("name")
                api_version = f"{name}/{version['version']}" if name else version["version"]
                targets += [_target(api_version, row, smallest) for row in version["resources"]]
    schemas: dict[str, Any] = {}
    for item in fuzzed.http("GET", "/openapi/v3")[1]["paths"].values():
        document = fuzzed.http("GET", item["serverRelativeURL"])[1]
        for name, schema in document["components"]["schemas"].items():
            schemas[name] = schema
            for kind in schema.get("x-kubernetes-group-version-kind") or ():
                version = f"{kind['group']}/{kind['version']}" if kind["group"] else kind["version"]
                schemas[f"{version}/{kind['kind']}"] = schema
    return targets, schemas


def _target(api_version: str, row: Mapping[str, Any], smallest: Callable[[Any], dict[str, Any]]) -> Target:
    kind = row["responseKind"]["kind"]
    resource = RESOURCES.get(f"{api_version}/{row['resource']}")
    base = smallest(resource) if resource is not None else {"apiVersion": api_version, "kind": kind, "metadata": {}}
    name = definition_name(api_version, kind)
    return Target(
        api_version,
        kind,
        row["resource"],
        row["scope"] == "Namespaced",
        tuple(row["verbs"]),
        tuple(each["subresource"] for each in row.get("subresources", ())),
        base,
        f"{api_version}/{name}" if name in messages() else "",
    )


def request_of(seed: int, number: int, targets: list[Target], schemas: Mapping[str, Any]) -> Request:
    """The same request for the same numbers."""
    return RequestMaker(random.Random(f"{seed}/{number}"), targets, schemas, OTHER_PATHS).request()


def ours(item: Mapping[str, Any], target: Target) -> bool:
    """Whether a test made that object."""
    metadata = item["metadata"]
    return (
        metadata.get("namespace") == NAMESPACE
        or str(metadata.get("name", "")).startswith(PREFIX)
        or (not target.namespaced and metadata.get("name") == target.base.get("metadata", {}).get("name"))
    )
