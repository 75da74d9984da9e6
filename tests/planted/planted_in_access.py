# ruff: noqa: E501 - the source's own lines are quoted
"""Planted bugs: rights, field managers, custom resources, and the faults themselves."""

from __future__ import annotations

from typing import Final

from planting import Bug

ACCESS: Final = (
    Bug(
        "nobody is asked whether they may",
        "actors/apiserver/access.py",
        "            if not decision.allowed:\n                raise refused(user, attributes_of(operation), decision.reason)",
        "            if False:\n                raise refused(user, attributes_of(operation), decision.reason)",
        "tests/apiserver/test_rbac.py",
        always=True,
    ),
    Bug(
        "watching needs no right",
        "actors/apiserver/access.py",
        "        if not decision.allowed:\n            raise refused(user, asked, decision.reason)",
        "        if False:\n            raise refused(user, asked, decision.reason)",
        "tests/apiserver/test_rbac.py",
    ),
    Bug(
        "rights that were taken away stay",
        "actors/apiserver/authorization.py",
        "        self._allowed.clear()\n        self.rbac.forget()",
        "        self.rbac.forget()",
        "tests/apiserver/test_rbac.py",
    ),
    Bug(
        "a role grants what its writer does not hold",
        "actors/apiserver/role_escalation.py",
        "    if not missing:\n        return\n",
        "    return\n",
        "tests/apiserver/test_rbac.py",
    ),
    Bug(
        "a kubelet writes other nodes' pods",
        "actors/apiserver/access.py",
        "            self.authorizer.nodes.check_write(node, operation)",
        "            pass",
        "tests/apiserver/test_rbac.py",
    ),
)

FIELD_MANAGERS: Final = (
    Bug(
        "a conflict of managers is not told",
        "actors/apimachinery/managed_fields/update.py",
        "    if conflicts and not force:",
        "    if False:",
        "tests/apimachinery/test_managed_fields.py",
        always=True,
    ),
    Bug(
        "who loses a field keeps owning it",
        "actors/apimachinery/managed_fields/update.py",
        "            owned = Owned(difference(owned.fields, lost), owned.api_version, owned.time)\n        if each",
        "            pass\n        if each",
        "tests/apimachinery/test_managed_fields.py",
    ),
)

CUSTOM_RESOURCES: Final = (
    Bug(
        "unknown fields are kept",
        "actors/apimachinery/custom_resources/pruning.py",
        "        else:\n            unknown.append(where)",
        "        else:\n            pruned[name] = item",
        "tests/apiserver/test_custom_resources.py",
    ),
)

CHAOS: Final = (
    Bug(
        "a fault of one actor befalls all",
        "actors/apiserver/faults.py",
        '            if not matches(fault.details.get("from", ANY), sender):\n                continue\n',
        "",
        "tests/apiserver/test_api_faults.py",
    ),
    Bug(
        "a partition lets messages through",
        "broker/faults.py",
        '            if fault.kind == "partition":\n                return DROPPED\n            slow_s += fault.details["delay_s"]',
        '            slow_s += fault.details.get("delay_s", 0.0)',
        "tests/broker/test_chaos_faults.py",
    ),
)
