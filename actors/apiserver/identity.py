"""Which user an actor is, by its name: a fixed table, as a real cluster's components have certificates and tokens.

Whoever can open the cluster's sockets is this machine's user and could take any name, so this keeps out mistakes, not
attackers: a controller that tries what it has no right to is refused as in a real cluster. Names that are not in the
table are tools of the administrator (the command line, tests, the supervisor's readiness check).
"""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.status import ApiError, bad_request, status_failure
from actors.apimachinery.user import ADMIN, AUTHENTICATED, NODES, USER, User, node_user, service_account_user

KUBE_SYSTEM: Final = "kube-system"
KUBELET_PREFIX: Final = "kubelet-"

#: Actors that serve others and state for whom they ask.
GATEWAY: Final = "gateway"
GATEWAY_USER: Final = User("system:podchain:gateway", (AUTHENTICATED,))

#: The kubelet of many nodes, all of whose names begin so.
HOLLOW_PREFIX: Final = "hollow-"
HOLLOW_NODES_USER: Final = User("system:podchain:hollow-nodes", (NODES, AUTHENTICATED))

#: As in kube-controller-manager, whose controllers share informers, controllers read collections as this user.
CONTROLLER_MANAGER: Final = User("system:kube-controller-manager", (AUTHENTICATED,))

#: Actors that are users of their own.
COMPONENTS: Final = {
    GATEWAY: GATEWAY_USER,
    "scheduler": User("system:kube-scheduler", (AUTHENTICATED,)),
    "tracer": User("system:podchain:tracer", (AUTHENTICATED,)),
    "hollow-nodes": HOLLOW_NODES_USER,
}

#: Actors to the service accounts, of ``kube-system``, that Kubernetes' controllers have.
CONTROLLERS: Final = {
    "deployment-controller": "deployment-controller",
    "replicaset-controller": "replicaset-controller",
    "job-controller": "job-controller",
    "garbage-collector": "generic-garbage-collector",
    "namespace-controller": "namespace-controller",
    "node-lifecycle-controller": "node-controller",
    "certificate-controller": "certificate-controller",
}


#: Service accounts as which an actor does a part of its work, beside its own.
SECOND_ACCOUNTS: Final = {
    "namespace-controller": frozenset({"service-account-controller", "root-ca-cert-publisher"}),
    "job-controller": frozenset({"ttl-after-finished-controller"}),
}


def identity_of(sender: str) -> User:
    """The user that an actor of that name is."""
    component = COMPONENTS.get(sender)
    if component is not None:
        return component
    account = CONTROLLERS.get(sender)
    if account is not None:
        return service_account_user(KUBE_SYSTEM, account)
    if sender.startswith(KUBELET_PREFIX):
        return node_user(sender[len(KUBELET_PREFIX) :])
    if sender.startswith(GATEWAY + "-"):
        return GATEWAY_USER
    return ADMIN


class Identities:
    """Identities of the senders of messages."""

    def __init__(self) -> None:
        self._by_sender: dict[str, User] = {}

    def user_of(self, sender: str, verb: str, options: Any) -> User:
        """For whom a sender asks: itself, or whom it states if it may. Raises `ApiError` (400, 403)."""
        own = self._by_sender.get(sender)
        if own is None:
            own = identity_of(sender)
            if own is not ADMIN:  # of those there is no end
                self._by_sender[sender] = own
        stated = options.get(USER)
        if stated is None:
            return CONTROLLER_MANAGER if verb in ("list", "watch") and sender in CONTROLLERS else own
        try:
            user = User.from_wire(stated)
        except ValueError as error:
            raise bad_request(str(error)) from None
        if own is not GATEWAY_USER and not own.is_master and not _is_second(sender, user):
            message = f'User "{own.name}" cannot act for other users'
            raise ApiError(status_failure(403, "Forbidden", f"forbidden: {message}"))
        return user


def _is_second(sender: str, user: User) -> bool:
    accounts = SECOND_ACCOUNTS.get(sender, ())
    return any(user == service_account_user(KUBE_SYSTEM, account) for account in accounts)
