"""Keeps the built-in roles complete and the aggregated ones up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.meta import key_of
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.status import ApiError
from actors.apiserver.bootstrap_roles import API_VERSION, AUTO_UPDATE, built_in_rbac
from actors.apiserver.rbac import CLUSTER_ROLES
from actors.apiserver.registry import Registry
from actors.apiserver.role_aggregation import aggregated_rules, is_aggregated, outdated
from actors.apiserver.rule_coverage import missing_rules
from actors.apiserver.storage_key import path_of
from actors.apiserver.watch_cache import Change, WatchCache
from actors.apiserver.write import Outcome
from broker.context import Context

#: A role that could not be brought up to date is tried again after this long.
RETRY_S: Final = 1.0
#: ``view`` is part of ``edit``, which is part of ``admin``.
_AGGREGATION_DEPTH: Final = 3


def built_in_objects() -> list[tuple[str, Object]]:
    """The built-in roles and bindings, the aggregated roles with their rules already."""
    found = built_in_rbac()
    roles = [obj for _, obj in found if obj["kind"] == "ClusterRole"]
    for _ in range(_AGGREGATION_DEPTH):
        for role in roles:
            if is_aggregated(role):
                role["rules"] = aggregated_rules(role, roles)
    return found


def completed(existing: Object, wanted: Object) -> Object | None:
    """An existing role or binding with what has gone missing of the built-in one; None when it is complete.

    What an administrator has added stays; who wants to keep a change sets the annotation ``autoupdate`` to false.
    """
    if (existing["metadata"].get("annotations") or {}).get(AUTO_UPDATE) != "true":
        return None
    if wanted["kind"] in ("Role", "ClusterRole"):
        if is_aggregated(wanted):
            same = existing.get("aggregationRule") == wanted["aggregationRule"]
            return None if same else {**existing, "aggregationRule": wanted["aggregationRule"]}
        missing = [rule for rule in wanted["rules"] if missing_rules(existing.get("rules") or [], [rule])]
        return {**existing, "rules": [*(existing.get("rules") or []), *missing]} if missing else None
    known = existing.get("subjects") or []
    subjects = [subject for subject in wanted.get("subjects") or () if not _is_among(subject, known)]
    return {**existing, "subjects": [*known, *subjects]} if subjects else None


def _is_among(subject: Mapping[str, Any], known: list[Any]) -> bool:
    fields = ("kind", "name", "namespace")
    return any(all(subject.get(name) == other.get(name) for name in fields) for other in known)


class RoleReconciliation:
    """The API server's part that writes roles."""

    def __init__(self, ctx: Context, registry: Registry, cache: WatchCache) -> None:
        self._ctx = ctx
        self._registry = registry
        self._cache = cache
        self._due = False

    def reconcile_built_in(self) -> None:
        """See that what is there of the built-in roles and bindings is complete."""
        for resource, wanted in built_in_rbac():
            collection = f"{resource.split('/')[0]}/{resource.rpartition('/')[2]}"
            entry = self._cache.get(collection, path_of(*key_of(wanted)))
            better = completed(entry.object, wanted) if entry is not None else None
            if better is not None:
                self._update(resource, better)
        self._look_soon()

    def on_changes(self, changes: list[Change]) -> None:
        """When a ClusterRole has changed, others may have to."""
        if not self._due and any(change.collection == CLUSTER_ROLES for change in changes):
            self._look_soon()

    def _look_soon(self) -> None:
        if not self._due:
            self._due = True
            self._ctx.after_drain(self._look)

    def _look(self) -> None:
        self._due = False
        roles = [entry.object for entry in self._cache.collection(CLUSTER_ROLES).entries.values()]
        for role in outdated(roles):
            self._update(f"{API_VERSION}/clusterroles", role)

    def _update(self, resource: str, obj: Object) -> None:
        key = key_of(obj)
        operation = Operation("update", resource, key.namespace, key.name, body=obj)

        def done(outcome: Outcome) -> None:
            # A conflict is followed by the change it is with; after other failures nothing would come.
            if outcome.code >= 400 and outcome.code not in (404, 409):
                asyncio.get_running_loop().call_later(RETRY_S, self._look_soon)

        try:
            call = self._registry.resolve(operation, self._ctx.next_id(), self._ctx.wall_s())
            self._registry.begin(call, done)
        except ApiError as error:
            done(Outcome.of_error(error))
