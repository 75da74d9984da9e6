"""What a URL names: which resource, which object, which part of it (``RequestInfo`` of Kubernetes)."""

from __future__ import annotations

from dataclasses import dataclass

from actors.apimachinery.resources import Resource, ResourceTable


@dataclass(frozen=True, slots=True)
class RequestPath:
    """A path below ``/api/v1`` or ``/apis/GROUP/VERSION``, resolved."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parse_path(path: str, resources: ResourceTable) -> RequestPath | None:
    """What a path names; None when there is nothing of that name."""
    parts = path.strip("/").split("/")
    if any(part in ("", ".", "..") for part in parts):
        return None
    if parts[:2] == ["api", "v1"]:
        api_version, rest = "v1", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        api_version, rest = f"{parts[1]}/{parts[2]}", parts[3:]
    else:
        return None
    namespace = ""
    # /namespaces/NAME and its subresources are the Namespace itself; with more behind, they say where to look.
    if rest[:1] == ["namespaces"] and len(rest) > 2 and not (api_version == "v1" and rest[2] in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3:
        return None
    resource = resources.get(f"{api_version}/{rest[0]}")
    if resource is None or (namespace and not resource.namespaced):
        return None
    name = rest[1] if len(rest) > 1 else ""
    if name and resource.namespaced and not namespace:
        return None
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and not resource.has_subresource(subresource):
        return None
    return RequestPath(resource, namespace, name, subresource)
