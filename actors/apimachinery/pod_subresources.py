"""What an update of a pod's ``ephemeralcontainers`` or ``resize`` may change: that alone, as by Kubernetes' strategies.

Everything else in what the client sends is taken from the pod as it is: a copy that is a little old does no harm.
"""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.apimachinery.strategy_pod import prepare_pod_status_update, qos_class
from actors.apimachinery.validation.field import Errors, forbidden

EPHEMERAL: Final = "ephemeralcontainers"
RESIZE: Final = "resize"
#: Amounts of a running container that can change.
_RESIZABLE: Final = ("cpu", "memory")
_KINDS: Final = ("containers", "initContainers")


def prepare_pod_update(new: Object, old: Object, subresource: str) -> None:
    """Keep what this kind of update may not change, in place."""
    if subresource == EPHEMERAL:
        _keep_but(new, old, {"ephemeralContainers": (new.get("spec") or {}).get("ephemeralContainers")})
    elif subresource == RESIZE:
        spec = new.get("spec") or {}
        before = old.get("spec") or {}
        changed = {kind: _resized(before.get(kind), spec.get(kind) or ()) for kind in _KINDS}
        if "resources" in spec:
            changed["resources"] = spec["resources"]
        _keep_but(new, old, changed)
    else:
        prepare_pod_status_update(new, old, subresource)


def _keep_but(new: Object, old: Object, changed: dict[str, Any]) -> None:
    """The old pod but for some fields of its spec; the metadata stays too, save for the version it is checked by."""
    spec = {**(old.get("spec") or {}), **changed}
    new["spec"] = {name: value for name, value in spec.items() if value is not None}
    new["metadata"] = {**old["metadata"]}
    new["metadata"].pop("resourceVersion", None)
    if "status" in old:
        new["status"] = old["status"]
    else:
        new.pop("status", None)


def _resized(before: Any, wanted: Any) -> Any:
    """The containers there are, with the amounts and resize policies that are wanted."""
    if before is None:
        return None
    by_name = {container.get("name"): container for container in wanted}
    result = []
    for container in before:
        other = by_name.get(container.get("name"))
        if other is not None:
            container = {k: v for k, v in container.items() if k not in ("resources", "resizePolicy")}
            container.update({k: other[k] for k in ("resources", "resizePolicy") if k in other})
        result.append(container)
    return result


def validate_pod_subresource(new: Object, old: Object, subresource: str) -> Errors:
    """What is wrong with a change of ephemeral containers or amounts."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    if subresource == EPHEMERAL:
        return _ephemeral_errors(after, before)
    return _resize_errors(after, before) if subresource == RESIZE else []


def _ephemeral_errors(after: Object, before: Object) -> Errors:
    errors: Errors = []
    there = {container.get("name"): container for container in after.get("ephemeralContainers") or ()}
    for container in before.get("ephemeralContainers") or ():
        name = container.get("name")
        if name not in there:
            why = f'existing ephemeral containers "{name}" may not be removed\n'
            errors.append(forbidden("spec.ephemeralContainers", why))
        elif there[name] != container:
            why = f'existing ephemeral containers "{name}" may not be changed\n'
            errors.append(forbidden("spec.ephemeralContainers", why))
    return errors


def _resize_errors(after: Object, before: Object) -> Errors:
    errors: Errors = []
    if qos_class(after) != qos_class(before):
        errors.append(forbidden("spec", "Pod QOS Class may not change as a result of resizing"))
    for kind in _KINDS:
        pairs = zip(before.get(kind) or (), after.get(kind) or (), strict=False)
        for index, (old, new) in enumerate(pairs):
            errors += _amount_errors(f"spec.{kind}[{index}]", new.get("resources") or {}, old.get("resources") or {})
    return errors


def _amount_errors(path: str, after: Object, before: Object) -> Errors:
    errors: Errors = []
    for part in ("requests", "limits"):
        new, old = after.get(part) or {}, before.get(part) or {}
        if any(name in old and name not in new for name in _RESIZABLE):
            errors.append(forbidden(f"{path}.resources.{part}", f"resource {part} cannot be removed"))
        other = {name for name in {*new, *old} - set(_RESIZABLE) if new.get(name) != old.get(name)}
        if other:
            errors.append(forbidden(f"{path}.resources", "only cpu and memory resources are mutable"))
    return errors
