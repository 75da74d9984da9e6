"""Rights that are not an operation's: watches, logs, streams into pods, paths that are no resources, impersonation.

Operations are authorised where they are carried out, in the API server. About the rest the gateway asks it
(SubjectAccessReview), before it does anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from actors.apimachinery.attributes import Attributes, named_by_selector, refused
from actors.apimachinery.operation import Operation
from actors.apimachinery.status import ApiError
from actors.apimachinery.user import User
from actors.client.client import Client
from actors.gateway.request_path import RequestPath
from actors.gateway.resource_metrics import GROUP as METRICS_GROUP
from actors.gateway.translation import Query, is_watch

REVIEWS: Final = "authorization.k8s.io/v1/subjectaccessreviews"


class AccessReviews:
    """Asks the API server what users may."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def check(self, user: User, asked: Iterable[Attributes], field_selector: str = "") -> None:
        """Raises `ApiError` (403) unless the user may do all of that."""
        if user.is_master:
            return
        questions = list(asked)
        reviews = [Operation("create", REVIEWS, body=_review(user, each, field_selector)) for each in questions]
        for question, result in zip(questions, await self._client.batch(reviews), strict=True):
            if not result.ok:
                raise ApiError(result.status or {"code": result.code})
            status = result.object["status"]
            if not status["allowed"]:
                raise refused(user, question, status.get("reason") or "")


def _review(user: User, asked: Attributes, field_selector: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"user": user.name, "groups": list(user.groups), "uid": user.uid}
    spec["extra"] = {key: list(values) for key, values in user.extra}
    if asked.resource:
        fields = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
        spec["resourceAttributes"] = {field: getattr(asked, field) for field in fields if getattr(asked, field)}
        if field_selector:
            spec["resourceAttributes"]["fieldSelector"] = {"rawSelector": field_selector}
    else:
        spec["nonResourceAttributes"] = {"verb": asked.verb, "path": asked.path}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


def not_operations(method: str, path: RequestPath, query: Query) -> list[Attributes]:
    """The rights that a request for a resource needs when it becomes no operation of the API server's."""
    resource = path.resource
    verb = "create" if method == "POST" else "get"
    streamed = path.subresource in ("exec", "attach", "portforward")
    if is_watch(method, path, query):
        verb = "watch"
    elif resource.group == METRICS_GROUP:
        verb = verb if path.name else "list"
    elif not streamed and path.subresource != "log":
        return []
    name = path.name or named_by_selector(query.get("fieldSelector", ""))
    asked = Attributes(verb, resource.group, resource.plural, path.subresource, path.namespace, name, resource.version)
    if resource.key == "v1/namespaces" and name:
        asked = asked._replace(namespace=name)
    # A WebSocket begins with a GET, and does what a POST would.
    return [asked, asked._replace(verb="create")] if streamed and verb == "get" else [asked]


def attributes_of_path(method: str, path: str) -> Attributes:
    """A request as rules see it, by its URL alone, whether or not there is anything of that name."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        (version, *rest), group = parts[1:], ""
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, *rest = parts[1:]
    else:
        return Attributes(method.lower(), path=path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in ("status", "finalize"):
            rest = rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(method, "get")
    if not name:
        verb = {"get": "list", "delete": "deletecollection"}.get(verb, verb)
    return Attributes(verb, group, resource, subresource, namespace, name, version)
