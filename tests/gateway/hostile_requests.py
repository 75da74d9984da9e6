"""Hostile requests, drawn from what a server says it serves: near-valid bodies, mutated; odd parameters and headers.

    made = RequestMaker(random.Random(7), targets, schemas, paths).request()

Everything follows from the random numbers, so that a seed is a request.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from hostile_bodies import Twice, as_json, as_yaml, protobuf_body
from hostile_values import (
    ACCEPTS,
    BODY_TYPES,
    METADATA,
    NAMESPACE,
    ODD_TYPES,
    PATCH_TYPES,
    PREFIX,
    PROTOBUF,
    QUERY,
    SCALARS,
    VERBS,
    WHOLES,
    nested,
)


@dataclass(frozen=True, slots=True)
class Target:
    """A resource as discovery describes it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: tuple[str, ...]
    subresources: tuple[str, ...]
    base: Mapping[str, Any]
    """A valid object."""
    message: str = ""
    """Its protobuf message."""

    @property
    def root(self) -> str:
        return f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"


@dataclass(slots=True)
class Request:
    """One request, ready to be sent."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def __str__(self) -> str:
        shown = self.body if self.body is None or len(self.body) < 1500 else self.body[:1500] + b"..."
        return f"{self.method} {self.path[:400]} {self.headers} {shown!r}"


class RequestMaker:
    """Makes requests."""

    def __init__(
        self,
        draw: random.Random,
        targets: Sequence[Target],
        schemas: Mapping[str, Mapping[str, Any]],
        paths: Sequence[str],
    ) -> None:
        self.draw = draw
        self._targets = targets
        self._schemas = schemas
        self._paths = paths

    def request(self) -> Request:
        """The next one."""
        draw = self.draw
        if draw.random() < 0.04:
            return Request(
                draw.choice(("GET", "HEAD", "POST", "PUT")), draw.choice(self._paths) + self._query(), self._headers()
            )
        target = draw.choice(self._targets)
        subresource = draw.choice(target.subresources) if target.subresources and draw.random() < 0.3 else ""
        name = f"{PREFIX}{draw.randrange(4)}" if target.kind not in _OWN_NAMES else str(target.base["metadata"]["name"])
        if draw.random() < 0.03:
            name = draw.choice(("..", "%2e%2e", "a%2fb", "x" * 300, "%ff", "é", "A", "%00", "no-such"))
        verb = draw.choices(*zip(*VERBS.items(), strict=True))[0]
        if verb not in target.verbs and draw.random() < 0.9:
            served = {"apply": "patch"}.get(verb, verb)
            verb = verb if served in target.verbs else "create"
        request = self._of(verb, target, quote(name, safe="%."), subresource)
        request.headers = {**self._headers(), **request.headers}
        if draw.random() < 0.02:
            request.headers["Content-Encoding"] = draw.choice(("gzip", "deflate", "br", "x"))
        return request

    def _of(self, verb: str, target: Target, name: str, subresource: str) -> Request:
        draw = self.draw
        namespace = draw.choice((NAMESPACE,) * 30 + ("no-such", "A", "default"))
        place = target.root + (f"/namespaces/{namespace}" if target.namespaced else "") + f"/{target.plural}"
        one = f"{place}/{name}" + (f"/{subresource}" if subresource else "")
        if verb == "list":
            anywhere = draw.choice((place, place, f"{target.root}/{target.plural}"))
            return Request(draw.choice(("GET", "GET", "GET", "HEAD")), anywhere + self._query())
        if verb == "watch":
            return Request("GET", draw.choice((place, one)) + self._query("watch=1&timeoutSeconds=1"))
        if verb in ("get", "delete"):
            request = Request("GET" if verb == "get" else "DELETE", one + self._query())
            if verb == "delete" and draw.random() < 0.5:
                request.headers, request.body = self._encoded(
                    self._delete_options(), ("application/json", "application/yaml")
                )
            return request
        if verb == "other":
            where = draw.choice((place, one, one + "/x", place + "/"))
            # A whole collection is deleted by its test alone: of ours, nothing else may go.
            request = Request(draw.choice(("OPTIONS", "TRACE", "POST", "PUT", "PATCH", "FOO")), where + self._query())
            request.headers, request.body = self._encoded(self._object(target, name), BODY_TYPES)
            return request
        if verb == "patch":
            return self._patch(target, one)
        if verb == "apply":
            query = draw.choice(("?fieldManager=a", "?fieldManager=b&force=true", "?fieldManager=c", self._query()))
            headers, body = self._encoded(self._object(target, name), ("application/yaml", "application/json"))
            return Request("PATCH", one + query, {**headers, "Content-Type": PATCH_TYPES[3]}, body)
        method, where = ("POST", one if subresource else place) if verb == "create" else ("PUT", one)
        headers, body = self._encoded(self._object(target, name, subresource), BODY_TYPES, target.message, name)
        return Request(method, where + self._query(), headers, body)

    def _query(self, start: str = "") -> str:
        draw = self.draw
        chosen = [start] if start else []
        for _ in range(draw.choice((0, 0, 1, 1, 2, 4))):
            name = draw.choice(list(QUERY))
            if not (start and name in ("watch", "timeoutSeconds")):
                chosen.append(f"{quote(name)}={quote(draw.choice(QUERY[name]))}")
        if any(each.startswith(("watch", "follow")) for each in chosen):
            chosen.append("timeoutSeconds=1")
        return "?" + "&".join(chosen) if chosen else ""

    def _headers(self) -> dict[str, str]:
        draw, headers = self.draw, {}
        if draw.random() < 0.15:
            headers["Accept"] = draw.choice(ACCEPTS)
        if draw.random() < 0.1:
            headers["User-Agent"] = draw.choice(("", "x" * 5000, "\xff", "kubectl/v1", "\t/"))
        if draw.random() < 0.1:
            headers["Accept-Encoding"] = draw.choice(("gzip", "br", "gzip;q=0", "*"))
        if draw.random() < 0.02:
            headers |= draw.choice(
                (
                    {"Impersonate-Group": "x"},
                    {"Impersonate-User": "a", "Impersonate-Extra-%ff": "x"},
                    {"Impersonate-User": "system:serviceaccount:"},
                    {"Impersonate-User": "system:node:"},
                    {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "x"},
                    {"Expect": "100-continue"},
                    {"Expect": "x"},
                )
            )
        return headers

    # Bodies

    def _object(self, target: Target, name: str, subresource: str = "") -> Any:
        draw = self.draw
        obj: Any = copy.deepcopy(dict(target.base))
        if subresource == "scale":
            obj = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {}, "spec": {"replicas": 1}}
        elif subresource == "token":
            obj = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
        elif subresource == "eviction":
            obj = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {}}
        elif subresource == "binding":
            obj = {"apiVersion": "v1", "kind": "Binding", "metadata": {}, "target": {"kind": "Node", "name": "node-1"}}
        obj.setdefault("metadata", {})["name"] = name
        if draw.random() < 0.1:
            return obj
        for _ in range(draw.choice((0, 1, 1, 2, 3))):
            self._add_from_schema(obj, target)
        for _ in range(draw.choice((0, 1, 1, 1, 2, 4))):
            obj = self._mutated(obj)
        return obj

    def _delete_options(self) -> Any:
        options: Any = {"apiVersion": "v1", "kind": "DeleteOptions"}
        for name in ("gracePeriodSeconds", "propagationPolicy", "orphanDependents", "preconditions", "dryRun"):
            if self.draw.random() < 0.4:
                options[name] = self.draw.choice(
                    (
                        0,
                        1,
                        -1,
                        2**70,
                        "x",
                        "Foreground",
                        ["All"],
                        {"uid": "x"},
                        {"resourceVersion": 7},
                        None,
                        True,
                        [[]],
                    )
                )
        return self._mutated(options) if self.draw.random() < 0.3 else options

    def _add_from_schema(self, obj: Any, target: Target) -> None:
        """Fill some field of the object from the schema of its kind."""
        schema = self._schemas.get(f"{target.api_version}/{target.kind}") or {}
        properties = schema.get("properties") or {}
        names = [name for name in properties if name not in ("apiVersion", "kind", "metadata")]
        if names:
            name = self.draw.choice(names)
            made = self._from_schema(properties[name], 0)
            if isinstance(made, dict) and isinstance(obj.get(name), dict):
                obj[name] = {**obj[name], **made} if self.draw.random() < 0.7 else {**made, **obj[name]}
            else:
                obj.setdefault(name, made)

    def _from_schema(self, schema: Mapping[str, Any], depth: int) -> Any:
        draw = self.draw
        for part in (schema, *schema.get("allOf", ())):
            if "$ref" in part:
                return self._from_schema(self._schemas.get(part["$ref"].rpartition("/")[2], {}), depth)
        kind = schema.get("type")
        if kind == "object" or "properties" in schema:
            made = {}
            names = list(schema.get("properties") or ())
            required = schema.get("required") or ()
            if depth < 7:
                for name in {*required, *draw.sample(names, min(len(names), draw.choice((0, 1, 1, 2, 3))))}:
                    made[name] = self._from_schema((schema.get("properties") or {}).get(name, {}), depth + 1)
                if isinstance(schema.get("additionalProperties"), dict):
                    made[draw.choice(("a", "b", "example.com/a", ""))] = self._from_schema(
                        schema["additionalProperties"], depth + 1
                    )
            return made
        if kind == "array":
            return [self._from_schema(schema.get("items", {}), depth + 1) for _ in range(draw.choice((0, 1, 1, 2)))]
        if schema.get("enum"):
            return draw.choice(schema["enum"])
        if draw.random() < 0.15:
            return draw.choice(SCALARS)
        return {
            "integer": lambda: draw.choice((0, 1, 1, 2, 5, 80, -1, 65536)),
            "number": lambda: draw.choice((0, 1.5)),
            "boolean": lambda: draw.random() < 0.5,
            "string": lambda: draw.choice(
                ("a", "b", "1", "1Gi", "a.example.com", "example.com/a", "2026-01-01T00:00:00Z", "YQ==")
            ),
        }.get(str(kind), lambda: draw.choice(({}, "a", 1)))()

    def _mutated(self, root: Any) -> Any:
        """The object with something wrong in one place."""
        draw = self.draw
        if isinstance(root, dict) and draw.random() < 0.3:
            metadata = root.get("metadata")
            if isinstance(metadata, dict):
                name = draw.choice(list(METADATA))
                metadata[name] = copy.deepcopy(draw.choice(METADATA[name]))
                return root
        places = list(_places(root))
        if not places:
            return self._hostile()
        container, key = draw.choice(places)
        change = draw.random()
        if change < 0.15:
            del container[key]
        elif change < 0.3:
            container[key] = [container[key]] if draw.random() < 0.5 else {"a": container[key]}
        elif change < 0.4 and isinstance(container, dict):
            container[draw.choice(("unknown", "", "a.b", "é", "$patch", "$setElementOrder/a", "x" * 300))] = (
                self._hostile()
            )
        elif change < 0.45 and isinstance(container, list):
            container.append(container[key])
        elif change < 0.5:
            container[key] = Twice(container[key], self._hostile())
        else:
            container[key] = self._hostile()
        return root

    def _hostile(self) -> Any:
        draw = self.draw
        chance = draw.random()
        if chance < 0.75:
            return draw.choice(SCALARS)
        if chance < 0.95:
            return copy.deepcopy(draw.choice(WHOLES))
        return nested(draw.choice((50, 95, 105, 300, 600, 1100)))

    def _patch(self, target: Target, path: str) -> Request:
        draw = self.draw
        kind = draw.choice(PATCH_TYPES[:3])
        if kind == PATCH_TYPES[0]:
            body: Any = [self._json_patch_step(target) for _ in range(draw.choice((0, 1, 1, 2, 5)))]
        else:
            whole = self._object(target, draw.choice((path.split("/")[-1], "other")))
            body = whole
            if isinstance(whole, dict):
                body = {key: whole[key] for key in whole if draw.random() < 0.6}
                if draw.random() < 0.3:
                    self._add_directive(body)
        if draw.random() < 0.1:
            body = self._mutated(body)
        headers, content = self._encoded(body, ("application/json",))
        headers["Content-Type"] = kind if draw.random() < 0.97 else draw.choice(ODD_TYPES)
        return Request("PATCH", path + self._query(), headers, content)

    def _add_directive(self, body: Any) -> None:
        """A strategic merge patch's own words, where they may or may not fit."""
        draw = self.draw
        places = [container for container, _ in _places(body) if isinstance(container, dict)] or [body]
        draw.choice(places)[
            draw.choice(("$patch", "$retainKeys", "$deleteFromPrimitiveList/finalizers", "$setElementOrder/containers"))
        ] = draw.choice(("replace", "delete", "merge", "x", None, 7, [], ["a"], [{"name": "a"}], [None], {}))

    def _json_patch_step(self, target: Target) -> Any:
        draw = self.draw
        places = [
            "",
            "/",
            "/metadata",
            "/metadata/labels",
            "/metadata/labels/a",
            "/spec",
            "/status",
            "/spec/-",
            "/metadata/name",
        ]
        places += [f"/metadata/{name}" for name in METADATA] + [
            "/spec/containers/0",
            "/spec/containers/-",
            "/~2",
            "/a/01",
            "x",
        ]
        places += [f"/{name}" for name in target.base]
        step: Any = {"op": draw.choice(("add", "remove", "replace", "move", "copy", "test", "x"))}
        step["path"] = draw.choice(places)
        step["from"] = draw.choice(places)
        step["value"] = draw.choice((self._hostile(), {}, "a"))
        for name in list(step):
            if draw.random() < 0.03:
                step[name] = draw.choice(SCALARS)
            elif draw.random() < 0.03:
                del step[name]
        return step

    def _encoded(
        self, value: Any, types: Sequence[str], message: str = "", name: str = ""
    ) -> tuple[dict[str, str], bytes]:
        """The body and its header."""
        draw = self.draw
        kind = draw.choice((types[0], *types))
        content: bytes
        if kind == PROTOBUF and message:
            content = protobuf_body(draw, message, name)
        elif kind == "application/yaml":
            content = as_yaml(value, draw)
        else:
            content = as_json(value)
        if draw.random() < 0.03 and content:
            at = draw.randrange(len(content))
            content = (
                content[:at]
                + draw.choice((b"", b"\x00", b"\xff", b"{", b'"', b"1e999"))
                + content[at + draw.randrange(2) :]
            )
        if draw.random() < 0.03:
            kind = draw.choice(ODD_TYPES)
        return {"Content-Type": kind}, content


_OWN_NAMES: Final = frozenset({"APIService", "CSIDriver", "CustomResourceDefinition", "IPAddress"})


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key in a value."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting and len(found) < 500:
        container = waiting.pop()
        keys = (
            list(container)
            if isinstance(container, dict)
            else range(len(container))
            if isinstance(container, list)
            else ()
        )
        for key in keys:
            found.append((container, key))
            waiting.append(container[key])
    return found
