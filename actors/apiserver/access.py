"""The API server's door: who asks, and whether they may. Looked at once for every operation and every watch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from actors.apimachinery.attributes import refused
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.resources import Resource
from actors.apimachinery.user import User
from actors.apiserver.authorization import Authorizer, attributes_of
from actors.apiserver.bootstrap_roles import API_VERSION as RBAC
from actors.apiserver.call import Call
from actors.apiserver.certificate_requests import CERTIFICATE_REQUESTS, check_certificate_request
from actors.apiserver.identity import Identities
from actors.apiserver.node_authorization import node_identity
from actors.apiserver.role_escalation import check_binding, check_role
from actors.apiserver.watch_cache import Change, WatchCache
from broker.message import MalformedMessage, Request

Check = Callable[[Authorizer, User, Resource, Object, Object | None], None]
#: What may be written depends on who writes it.
_CHECKS: Final[dict[str, Check]] = {
    f"{RBAC}/roles": check_role,
    f"{RBAC}/clusterroles": check_role,
    f"{RBAC}/rolebindings": check_binding,
    f"{RBAC}/clusterrolebindings": check_binding,
    CERTIFICATE_REQUESTS: check_certificate_request,
}


class Access:
    """Identities and their rights."""

    def __init__(self, cache: WatchCache) -> None:
        self._identities = Identities()
        self.authorizer = Authorizer(cache)
        self.on_changes: Callable[[list[Change]], None] = self.authorizer.on_changes
        self.forget = self.authorizer.forget

    def admit(self, sender: str, operation: Operation) -> User:
        """For whom an operation is done. Raises `ApiError` (400, 403) when they may not do it."""
        user = self._identities.user_of(sender, operation.verb, operation.options)
        if user.is_master:
            return user
        if not self.authorizer.may(user, operation):
            decision = self.authorizer.authorize_operation(user, operation)
            if not decision.allowed:
                raise refused(user, attributes_of(operation), decision.reason)
        node = node_identity(user)
        if node is not None:
            self.authorizer.nodes.check_write(node, operation)
        return user

    def check_watch(self, request: Request) -> None:
        """Raises `ApiError` (400, 403) when a watch is not for whom asks."""
        try:
            body = request.body
        except MalformedMessage:
            return  # refused by who reads it
        if not isinstance(body, dict) or not isinstance(body.get("resource"), str):
            return
        user = self._identities.user_of(request.sender, "watch", body)
        fields = str(body.get("fieldSelector") or "")
        namespace = str(body.get("namespace") or "")
        asked = attributes_of(Operation("list", body["resource"], namespace, options={"fieldSelector": fields}))
        asked = asked._replace(verb="watch")
        decision = self.authorizer.authorize(user, asked, fields)
        if not decision.allowed:
            raise refused(user, asked, decision.reason)

    def vet(self, call: Call, new: Object, old: Object | None) -> None:
        """Raises `ApiError` when the call's user may not write just that."""
        if old is None and call.operation.verb == "patch" and not call.user.is_master:
            self._check_may_create(call)
        check = _CHECKS.get(call.resource.key)
        if check is not None:
            check(self.authorizer, call.user, call.resource, new, old)

    def _check_may_create(self, call: Call) -> None:
        """An apply that finds nothing creates, which patching alone does not allow."""
        asked = attributes_of(call.operation)._replace(verb="create")
        decision = self.authorizer.authorize(call.user, asked)
        if not decision.allowed:
            raise refused(call.user, asked, decision.reason)
