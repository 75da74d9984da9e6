"""A read-only API over HTTP, for the real kubectl to print the same objects as Podchain's commands do.

It serves objects that were taken from a simulated cluster: discovery, OpenAPI v3, lists with selectors, and tables made
by `actors.apimachinery.tables`. It is a fixture, not the gateway: no watches, no writes, no security.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from actors.apimachinery.resources import RESOURCES, Resource
from actors.apimachinery.schema import definitions_with_descriptions
from actors.apimachinery.selector import FieldSelector, LabelSelector, SelectorError
from actors.apimachinery.status import bad_request, not_found
from actors.apimachinery.tables import table_of
from actors.gateway.managed_fields import spell_out_managers

Objects = Mapping[str, Sequence[dict[str, Any]]]
"""Objects by the resource's key."""


def _prefix(resource: Resource) -> str:
    return f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"


def _published(schema: Any) -> Any:
    """The schema as the API server publishes it: references in allOf, no null among the types."""
    if isinstance(schema, list):
        return [_published(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _published(value) for name, value in schema.items()}
    if isinstance(found.get("type"), list):
        found["type"] = next(name for name in found["type"] if name != "null")
    if isinstance(found.get("$ref"), str):
        reference = found.pop("$ref").replace("#/$defs/", "#/components/schemas/")
        found |= {"allOf": [{"$ref": reference}], "default": {}}
    return found


def _as_served(obj: dict[str, Any]) -> dict[str, Any]:
    served = {**obj, "metadata": dict(obj["metadata"])}
    spell_out_managers(served)
    return served


class ReferenceAPI:
    """Answers of the API, by path."""

    def __init__(self, objects: Objects) -> None:
        self.objects = {key: [_as_served(obj) for obj in several] for key, several in objects.items()}
        self._schemas: dict[str, Any] | None = None

    def answer(self, url: str, accept: str) -> tuple[int, Any]:
        parts = urlsplit(url)
        found = self._discovery(parts.path)
        if found is not None:
            return 200, found
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        try:
            return self._objects(parts.path, query, as_table="as=Table" in accept)
        except SelectorError as error:
            return 400, bad_request(str(error)).status

    def _discovery(self, path: str) -> Any:
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/version":
            return {"major": "1", "minor": "37", "gitVersion": "v1.37.0"}
        if path == "/apis":
            return self._groups()
        if path == "/openapi/v3":
            paths = sorted({_prefix(resource)[1:] for resource in RESOURCES})
            return {"paths": {p: {"serverRelativeURL": f"/openapi/v3/{p}"} for p in paths}}
        if path.startswith("/openapi/v3/"):
            return self._openapi(path.removeprefix("/openapi/v3"))
        members = [resource for resource in RESOURCES if _prefix(resource) == path]
        if not members:
            return None
        listed = [
            {
                "name": resource.plural,
                "singularName": resource.singular,
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": list(resource.verbs),
                "shortNames": list(resource.short_names),
                "categories": list(resource.categories),
            }
            for resource in members
        ]
        return {"kind": "APIResourceList", "groupVersion": members[0].api_version, "resources": listed}

    def _groups(self) -> Any:
        groups: dict[str, list[Any]] = {}
        for resource in RESOURCES:
            version = {"groupVersion": resource.api_version, "version": resource.version}
            if resource.group and version not in groups.setdefault(resource.group, []):
                groups[resource.group].append(version)
        listed = [{"name": name, "versions": vs, "preferredVersion": vs[0]} for name, vs in groups.items()]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}

    def _openapi(self, prefix: str) -> Any:
        if self._schemas is None:
            self._schemas = {name: _published(s) for name, s in definitions_with_descriptions().items()}
            for schema in self._schemas.values():
                for field in ("apiVersion", "kind"):
                    schema.get("properties", {}).get(field, {}).pop("enum", None)
        paths = {}
        for resource in RESOURCES:
            if _prefix(resource) == prefix:
                kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
                operation = {"x-kubernetes-action": "list", "x-kubernetes-group-version-kind": kind, "responses": {}}
                paths[f"{prefix}/{resource.plural}"] = {"get": operation}
        info = {"title": "Kubernetes", "version": "v1.37.0"}
        return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": self._schemas}}

    def _objects(self, path: str, query: dict[str, str], *, as_table: bool) -> tuple[int, Any]:
        resource, namespace, name = _parse(path)
        if resource is None:
            return 404, not_found("", "", path).status
        found = [
            obj
            for obj in self.objects.get(resource.key, ())
            if (not namespace or obj["metadata"].get("namespace") == namespace)
            and (not name or obj["metadata"]["name"] == name)
            and LabelSelector.parse(query.get("labelSelector", "")).matches(obj["metadata"].get("labels"))
            and FieldSelector.parse(query.get("fieldSelector", ""), resource.key).matches(obj)
        ]
        if name and not found:
            return 404, not_found(resource.plural, resource.group, name).status
        if as_table:
            return 200, _table(resource, found)
        if name:
            return 200, found[0]
        body = {"kind": resource.list_kind, "apiVersion": resource.api_version, "items": found}
        return 200, {**body, "metadata": {"resourceVersion": "1"}}


def _parse(path: str) -> tuple[Resource | None, str, str]:
    parts = path.strip("/").split("/")
    api_version = parts[1] if parts[0] == "api" else "/".join(parts[1:3])
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    resource = RESOURCES.get(f"{api_version}/{rest[0]}") if rest else None
    return resource, namespace, rest[1] if len(rest) > 1 else ""


def _table(resource: Resource, objects: Sequence[dict[str, Any]]) -> Any:
    definition, now_s = table_of(resource), time.time()
    columns = [
        {
            "name": column.name,
            "type": "string",
            "format": "name" if column.name == "Name" else "",
            "description": "",
            "priority": column.priority,
        }
        for column in definition.columns
    ]
    rows = [{"cells": list(definition.row(obj, now_s)), "object": obj} for obj in objects]
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": columns, "rows": rows}


@contextmanager
def serve(objects: Objects) -> Iterator[str]:
    """Serve the objects on a loopback port; gives the URL."""
    api = ReferenceAPI(objects)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, body = api.answer(self.path, self.headers.get("Accept", ""))
            content = orjson.dumps(body)
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
