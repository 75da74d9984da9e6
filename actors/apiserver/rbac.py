"""RBAC: what roles and their bindings grant, evaluated from the watch cache.

A user is granted the rules of every ClusterRoleBinding that names it or one of its groups and, within a namespace, of
that namespace's RoleBindings. Nothing is ever denied by a rule: what no rule grants is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from actors.apimachinery.attributes import Attributes
from actors.apimachinery.user import SERVICE_ACCOUNT_PREFIX, User
from actors.apiserver.watch_cache import WatchCache

GROUP: Final = "rbac.authorization.k8s.io"
ROLES: Final = f"{GROUP}/roles"
CLUSTER_ROLES: Final = f"{GROUP}/clusterroles"
ROLE_BINDINGS: Final = f"{GROUP}/rolebindings"
CLUSTER_ROLE_BINDINGS: Final = f"{GROUP}/clusterrolebindings"
#: Collections whose changes may change what anybody may do.
COLLECTIONS: Final = frozenset({ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS})

Rule = Mapping[str, Any]
Binding = Mapping[str, Any]


def rule_allows(rule: Rule, attributes: Attributes) -> bool:
    """Whether one rule grants what is asked."""
    verbs = rule.get("verbs") or ()
    if "*" not in verbs and attributes.verb not in verbs:
        return False
    if not attributes.resource:
        return any(url_matches(url, attributes.path) for url in rule.get("nonResourceURLs") or ())
    groups = rule.get("apiGroups") or ()
    if "*" not in groups and attributes.group not in groups:
        return False
    names = rule.get("resourceNames") or ()
    return resource_matches(rule.get("resources") or (), attributes) and (not names or attributes.name in names)


def resource_matches(resources: Iterable[str], attributes: Attributes) -> bool:
    """``pods``, ``pods/log``, ``*/scale`` or ``*``; a resource does not stand for its subresources."""
    anywhere = f"*/{attributes.subresource}" if attributes.subresource else "*"
    return any(each in ("*", attributes.combined, anywhere) for each in resources)


def url_matches(pattern: str, path: str) -> bool:
    """A path, or a beginning of paths that ends in a star."""
    if pattern in ("*", path):
        return True
    return pattern.endswith("*") and path.startswith(pattern.rstrip("*"))


def subjects_of(binding: Binding, namespace: str) -> Iterator[tuple[str, str]]:
    """Whom a binding names: ("User", name) and ("Group", name). Service accounts are users by their names."""
    for subject in binding.get("subjects") or ():
        kind, name = subject.get("kind"), subject.get("name") or ""
        if kind == "ServiceAccount":
            home = subject.get("namespace") or namespace
            if home:
                yield "User", f"{SERVICE_ACCOUNT_PREFIX}{home}:{name}"
        elif kind in ("User", "Group"):
            yield kind, name


class Granted:
    """Rules and what kept others from being found."""

    __slots__ = ("errors", "rules")

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.errors: list[str] = []

    @property
    def reason(self) -> str:
        """Why a refusal may be a mistake; empty when all roles were found."""
        if not self.errors:
            return ""
        return "RBAC: " + (self.errors[0] if len(self.errors) == 1 else f"[{', '.join(self.errors)}]")


class Rbac:
    """Who is granted which rules. It indexes the bindings when first asked after a change."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._by_subject: dict[tuple[str, str, str], list[Mapping[str, Any]]] | None = None
        """(namespace or empty, kind of subject, its name) to the role references bound to it."""

    def forget(self) -> None:
        """Roles or bindings have changed."""
        self._by_subject = None

    def granted(self, user: User, namespace: str) -> Granted:
        """The rules that a user has in a namespace; in the whole cluster when it is empty."""
        index = self._index()
        found = Granted()
        for home in ("", namespace) if namespace else ("",):
            seen: list[Mapping[str, Any]] = []
            for subject in (("User", user.name), *(("Group", group) for group in user.groups)):
                for reference in index.get((home, *subject), ()):
                    if reference not in seen:
                        seen.append(reference)
            for reference in seen:
                self._add(found, reference, home)
        return found

    def rules_of_reference(self, reference: Mapping[str, Any], namespace: str) -> list[Rule] | None:
        """The rules of the role that a binding refers to; None when there is none."""
        if reference.get("kind") == "ClusterRole":
            entry = self._cache.get(CLUSTER_ROLES, reference.get("name") or "")
        else:
            entry = self._cache.get(ROLES, f"{namespace}/{reference.get('name') or ''}")
        return list(entry.object.get("rules") or ()) if entry is not None else None

    def _add(self, found: Granted, reference: Mapping[str, Any], namespace: str) -> None:
        rules = self.rules_of_reference(reference, namespace)
        if rules is None:
            kind = str(reference.get("kind") or "").lower()
            found.errors.append(f'{kind}.{GROUP} "{reference.get("name") or ""}" not found')
        else:
            found.rules.extend(rules)

    def _index(self) -> dict[tuple[str, str, str], list[Mapping[str, Any]]]:
        if self._by_subject is not None:
            return self._by_subject
        index: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
        for collection in (CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS):
            for path, entry in self._cache.collection(collection).entries.items():
                namespace = path.partition("/")[0] if collection == ROLE_BINDINGS else ""
                binding = entry.object
                for subject in set(subjects_of(binding, namespace)):
                    index.setdefault((namespace, *subject), []).append(binding.get("roleRef") or {})
        self._by_subject = index
        return index
