"""What is asked of an authorizer (``authorizer.Attributes`` of Kubernetes), and how a refusal reads."""

from __future__ import annotations

from typing import NamedTuple

from actors.apimachinery.status import ApiError, format_value, qualified, status_failure
from actors.apimachinery.user import User


class Attributes(NamedTuple):
    """A request, as rules see it: about a resource, or about a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    """Plural; empty when it is about a path."""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    version: str = ""
    path: str = ""
    """The URL's path, of a request that is not about a resource."""

    @property
    def combined(self) -> str:
        """``pods``, ``pods/log``: the resource as rules name it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def named_by_selector(selector: object) -> str:
    """The name that a field selector leaves as the only one; empty when it does not."""
    if isinstance(selector, str) and "metadata.name" in selector:
        for term in selector.split(","):
            field, _, value = term.partition("=")
            if field == "metadata.name":
                return value.removeprefix("=")
    return ""


def refusal(user: User, attributes: Attributes) -> str:
    """What a user can't do, in Kubernetes' words."""
    name = format_value(user.name)
    if not attributes.resource:
        return f"User {name} cannot {attributes.verb} path {format_value(attributes.path)}"
    where = f"in the namespace {format_value(attributes.namespace)}" if attributes.namespace else "at the cluster scope"
    what = f"resource {format_value(attributes.combined)} in API group {format_value(attributes.group)}"
    return f"User {name} cannot {attributes.verb} {what} {where}"


def refused(user: User, attributes: Attributes, reason: str = "") -> ApiError:
    """403, as Kubernetes' authorization filter answers it."""
    message = refusal(user, attributes) + (f": {reason}" if reason else "")
    if not attributes.resource:
        return ApiError(status_failure(403, "Forbidden", f"forbidden: {message}", {}))
    what = qualified(attributes.resource, attributes.group)
    if attributes.name:
        what += f" {format_value(attributes.name)}"
    details = {"kind": attributes.resource}
    if attributes.name:
        details["name"] = attributes.name
    if attributes.group:
        details["group"] = attributes.group
    return ApiError(status_failure(403, "Forbidden", f"{what} is forbidden: {message}", details))
