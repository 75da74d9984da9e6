"""Tables of configuration, limits and access: config maps, secrets, quotas, accounts, roles."""

from __future__ import annotations

from collections.abc import Sequence

from actors.apimachinery.operation import Object
from actors.apimachinery.tables.definition import Cell, age_of, created, items_of, name_of, of, table


def _config_map(obj: Object, now_s: float) -> Sequence[Cell]:
    keys = len(obj.get("data") or ()) + len(obj.get("binaryData") or ())
    return (name_of(obj), keys, age_of(obj, now_s))


def _secret(obj: Object, now_s: float) -> Sequence[Cell]:
    return (name_of(obj), obj.get("type") or "Opaque", len(obj.get("data") or ()), age_of(obj, now_s))


def _service_account(obj: Object, now_s: float) -> Sequence[Cell]:
    return (name_of(obj), len(obj.get("secrets") or ()), age_of(obj, now_s))


def _quota(obj: Object, now_s: float) -> Sequence[Cell]:
    hard, used = of(obj, "status", "hard") or {}, of(obj, "status", "used") or {}
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(hard):
        shown = f"{name}: {used.get(name, '0')}/{hard[name]}"
        (limits if name.startswith("limits") else requests).append(shown)
    return (name_of(obj), ", ".join(requests), ", ".join(limits), age_of(obj, now_s))


def _created_at(obj: Object, _now_s: float) -> Sequence[Cell]:
    return (name_of(obj), created(obj) or "<unknown>")


def _binding(obj: Object, now_s: float) -> Sequence[Cell]:
    role = obj.get("roleRef") or {}
    subjects = items_of(obj, "subjects")

    def of_kind(kind: str) -> str:
        return ", ".join(
            f"{s.get('namespace', '')}/{s['name']}" if kind == "ServiceAccount" else s["name"]
            for s in subjects
            if s.get("kind") == kind
        )

    shown = f"{role.get('kind', '')}/{role.get('name', '')}"
    return (name_of(obj), shown, age_of(obj, now_s), of_kind("User"), of_kind("Group"), of_kind("ServiceAccount"))


def _webhooks(obj: Object, now_s: float) -> Sequence[Cell]:
    return (name_of(obj), len(obj.get("webhooks") or ()), age_of(obj, now_s))


def _admission_policy(obj: Object, now_s: float) -> Sequence[Cell]:
    spec = obj.get("spec") or {}
    rules = len(spec.get("validations") or spec.get("mutations") or ())
    kind = spec.get("paramKind")
    parameter = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else "<unset>"
    return (name_of(obj), rules, parameter, age_of(obj, now_s))


def _admission_binding(obj: Object, now_s: float) -> Sequence[Cell]:
    reference = of(obj, "spec", "paramRef")
    shown = "<unset>"
    if reference:
        namespace = reference.get("namespace") or "*"
        shown = f"{namespace}/{reference['name']}" if reference.get("name") else f"{namespace}/*"
    return (name_of(obj), of(obj, "spec", "policyName") or "", shown, age_of(obj, now_s))


_ROLE = table("Name|Created At", _created_at)
_BINDING = table("Name|Role|Age|Users*|Groups*|ServiceAccounts*", _binding)
_WEBHOOKS = table("Name|Webhooks|Age", _webhooks)
_POLICY = "admissionregistration.k8s.io/v1"

TABLES = {
    "v1/configmaps": table("Name|Data|Age", _config_map),
    "v1/secrets": table("Name|Type|Data|Age", _secret),
    "v1/serviceaccounts": table("Name|Secrets|Age", _service_account),
    "v1/resourcequotas": table("Name|Request|Limit|Age", _quota),
    "v1/limitranges": _ROLE,
    "rbac.authorization.k8s.io/v1/roles": _ROLE,
    "rbac.authorization.k8s.io/v1/clusterroles": _ROLE,
    "rbac.authorization.k8s.io/v1/rolebindings": _BINDING,
    "rbac.authorization.k8s.io/v1/clusterrolebindings": _BINDING,
    "apiextensions.k8s.io/v1/customresourcedefinitions": _ROLE,
    f"{_POLICY}/mutatingwebhookconfigurations": _WEBHOOKS,
    f"{_POLICY}/validatingwebhookconfigurations": _WEBHOOKS,
    f"{_POLICY}/validatingadmissionpolicies": table("Name|Validations|ParamKind|Age", _admission_policy),
    f"{_POLICY}/mutatingadmissionpolicies": table("Name|Mutations|ParamKind|Age", _admission_policy),
    f"{_POLICY}/validatingadmissionpolicybindings": table("Name|PolicyName|ParamRef|Age", _admission_binding),
    f"{_POLICY}/mutatingadmissionpolicybindings": table("Name|PolicyName|ParamRef|Age", _admission_binding),
}
