"""Who asks: an identity (``user.Info`` of Kubernetes), as it travels with operations.

A frontend such as the gateway states whom it asks for in an operation's option ``user`` (and in the field ``user`` of a
watch). The API server takes its word only if it may act for others; everybody else is who their actor's name says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: The option of an operation, and the field of a watch's question, that says for whom it is asked.
USER: Final = "user"

#: Whoever is in this group may everything.
MASTERS: Final = "system:masters"
AUTHENTICATED: Final = "system:authenticated"
UNAUTHENTICATED: Final = "system:unauthenticated"
ANONYMOUS_NAME: Final = "system:anonymous"
NODES: Final = "system:nodes"
NODE_PREFIX: Final = "system:node:"
SERVICE_ACCOUNT_PREFIX: Final = "system:serviceaccount:"
SERVICE_ACCOUNTS: Final = "system:serviceaccounts"

Extra = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class User:
    """An identity."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Extra = ()
    """What else the authenticator knows: keys with their values, in order."""

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def is_master(self) -> bool:
        """Whether it may everything."""
        return MASTERS in self.groups

    def wire(self) -> list[Any]:
        """The form it has in an option."""
        return [self.name, list(self.groups), self.uid, [[key, list(values)] for key, values in self.extra]]

    @staticmethod
    def from_wire(value: Any) -> User:
        """The reverse of `wire`. Raises `ValueError` when it is not well formed."""
        try:
            name, groups, uid, extra = value
            user = User(name, tuple(groups), uid, tuple((key, tuple(values)) for key, values in extra))
        except (TypeError, ValueError) as error:
            raise ValueError("a user is its name, groups, uid and extra") from error
        texts = [user.name, *user.groups, user.uid]
        for key, values in user.extra:
            texts += [key, *values]
        if not user.name or not all(isinstance(text, str) for text in texts):
            raise ValueError("a user's name, groups, uid and extra are strings, and its name is not empty")
        return user

    def info(self) -> dict[str, Any]:
        """As ``UserInfo`` of Kubernetes' reviews."""
        info: dict[str, Any] = {"username": self.name}
        if self.uid:
            info["uid"] = self.uid
        if self.groups:
            info["groups"] = list(self.groups)
        if self.extra:
            info["extra"] = {key: list(values) for key, values in self.extra}
        return info


def extra_of(mapping: Mapping[str, Sequence[str]]) -> Extra:
    """Extra values as a user has them."""
    return tuple((key, tuple(values)) for key, values in sorted(mapping.items()))


def service_account_user(namespace: str, name: str, uid: str = "", extra: Extra = ()) -> User:
    """The identity of a ServiceAccount."""
    groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED)
    return User(f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}", groups, uid, extra)


def node_user(node: str) -> User:
    """The identity of a node's kubelet."""
    return User(NODE_PREFIX + node, (NODES, AUTHENTICATED))


#: The API server's own work, and whoever administers the cluster from this machine.
APISERVER_USER: Final = User("system:apiserver", (MASTERS, AUTHENTICATED))
ADMIN: Final = User("kubernetes-admin", (MASTERS, AUTHENTICATED))
ANONYMOUS: Final = User(ANONYMOUS_NAME, (UNAUTHENTICATED,))
