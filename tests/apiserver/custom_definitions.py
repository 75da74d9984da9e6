"""CustomResourceDefinitions for tests."""

from __future__ import annotations

from typing import Any

GROUP = "stable.example.com"
CRON_SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["cronSpec"],
            "properties": {
                "cronSpec": {"type": "string", "minLength": 1},
                "image": {"type": "string", "default": "busybox"},
                "replicas": {"type": "integer", "minimum": 0, "maximum": 10, "default": 1},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
                    },
                },
            },
        },
        "status": {
            "type": "object",
            "properties": {
                "replicas": {"type": "integer"},
                "labelSelector": {"type": "string"},
                "phase": {"type": "string"},
            },
        },
    },
}


def version(name: str = "v1", *, schema: Any = None, storage: bool = True, **more: Any) -> dict[str, Any]:
    body = {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema or CRON_SCHEMA}}
    return {**body, **more}


def definition(
    plural: str = "crontabs", kind: str = "CronTab", versions: Any = None, scope: str = "Namespaced", **names: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {"plural": plural, "kind": kind, **names},
            "scope": scope,
            "versions": versions or [version()],
        },
    }


def cron_tab(name: str = "nightly", spec: Any = None, api_version: str = "v1", **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{api_version}",
        "kind": "CronTab",
        "metadata": {"name": name, **more.pop("metadata", {})},
        "spec": spec if spec is not None else {"cronSpec": "@daily"},
        **more,
    }
