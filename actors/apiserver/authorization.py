"""Whether a user may do something: masters may everything, nodes what concerns them, others what RBAC grants."""

from __future__ import annotations

from typing import Final, NamedTuple

from actors.apimachinery.attributes import Attributes, named_by_selector
from actors.apimachinery.operation import Operation
from actors.apimachinery.user import User
from actors.apiserver.node_authorization import NodeAuthorizer, node_identity
from actors.apiserver.rbac import COLLECTIONS, Rbac, rule_allows
from actors.apiserver.watch_cache import Change, WatchCache

#: Decisions are remembered for so many users, and so many of each; beyond that they are made anew.
USERS_REMEMBERED_MAX: Final = 1_000
DECISIONS_REMEMBERED_MAX: Final = 10_000

Question = tuple[str, str, str, str]
"""Verb, resource's key, subresource and namespace: what most rules look at."""


class Decision(NamedTuple):
    """An answer."""

    allowed: bool
    reason: str = ""


def attributes_of(operation: Operation) -> Attributes:
    """An operation as rules see it. As in a URL, the name of what is being created is not part of the question."""
    version, _, plural = operation.resource.rpartition("/")
    group, _, version = version.rpartition("/")
    name = operation.name
    if operation.verb == "create" and not operation.subresource:
        name = ""
    elif operation.verb in ("list", "deletecollection"):
        name = named_by_selector(operation.options.get("fieldSelector"))
    return resource_attributes(operation.verb, group, version, plural, operation.subresource, operation.namespace, name)


def resource_attributes(
    verb: str, group: str, version: str, plural: str, subresource: str, namespace: str, name: str
) -> Attributes:
    """A request about a resource. A namespace is in itself: who has rights within it may read it."""
    if plural == "namespaces" and not group and name:
        namespace = name
    return Attributes(verb, group, plural, subresource, namespace, name, version)


class Authorizer:
    """Decides, and remembers what it decided until roles or bindings change."""

    def __init__(self, cache: WatchCache) -> None:
        self.rbac = Rbac(cache)
        self.nodes = NodeAuthorizer(cache)
        self._allowed: dict[User, set[Question]] = {}
        """What each user may whatever the object's name is."""

    def on_changes(self, changes: list[Change]) -> None:
        """Forget what may not be so any more."""
        for change in changes:
            if change.collection in COLLECTIONS:
                self.forget()
                return

    def forget(self) -> None:
        """Decide everything anew."""
        self._allowed.clear()
        self.rbac.forget()

    def may(self, user: User, operation: Operation) -> bool:
        """Whether it is known already that the user may: the hot path. If not, ask `authorize`."""
        if user.is_master:
            return True
        allowed = self._allowed.get(user)
        question = (operation.verb, operation.resource, operation.subresource, operation.namespace)
        return allowed is not None and question in allowed

    def authorize_operation(self, user: User, operation: Operation) -> Decision:
        """The decision about an operation; remembered when it holds for every name."""
        attributes = attributes_of(operation)
        decision = self.authorize(user, attributes, str(operation.options.get("fieldSelector") or ""))
        # What a node may depends on names, selectors and its pods.
        if decision.allowed and self._is_for_any_name(user, attributes):
            if len(self._allowed) >= USERS_REMEMBERED_MAX:
                self._allowed.clear()
            allowed = self._allowed.setdefault(user, set())
            if len(allowed) >= DECISIONS_REMEMBERED_MAX:
                allowed.clear()
            allowed.add((operation.verb, operation.resource, operation.subresource, operation.namespace))
        return decision

    def _is_for_any_name(self, user: User, attributes: Attributes) -> bool:
        if node_identity(user) is not None:
            return attributes.group == "" and attributes.resource in ("pods", "events") and attributes.verb != "list"
        if attributes.resource == "namespaces" and not attributes.group:
            return self.authorize(user, attributes._replace(name="", namespace="")).allowed
        return not attributes.name or self.authorize(user, attributes._replace(name="")).allowed

    def authorize(self, user: User, attributes: Attributes, selector: str = "") -> Decision:
        """The decision about a request; `selector` is its field selector."""
        if user.is_master:
            return Decision(True)
        denial = ""
        node = node_identity(user)
        if node is not None and any(rule_allows(rule, attributes) for rule in self.nodes.rules):
            denial = self.nodes.denial(node, attributes, selector)
            if not denial:
                return Decision(True)
        granted = self.rbac.granted(user, attributes.namespace)
        for rule in granted.rules:
            if rule_allows(rule, attributes):
                return Decision(True)
        return Decision(False, ", ".join(filter(None, (denial, granted.reason))))
