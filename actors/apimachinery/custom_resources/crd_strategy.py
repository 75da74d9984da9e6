"""What happens to a CustomResourceDefinition itself between decoding and storing."""

from __future__ import annotations

from actors.apimachinery.operation import Object


def prepare_definition(crd: Object) -> None:
    """A new one has no names accepted yet; its objects are stored in its storage version."""
    crd["status"] = {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": _storage(crd)}


def prepare_definition_update(new: Object, _old: Object, subresource: str) -> None:
    """A storage version that is new joins those that objects may be stored in."""
    if subresource:
        return
    status = new.get("status") or {}
    stored = status.get("storedVersions") or []
    added = [version for version in _storage(new) if version not in stored]
    if added:
        new["status"] = {**status, "storedVersions": [*stored, *added]}


def _storage(crd: Object) -> list[str]:
    versions = (crd.get("spec") or {}).get("versions") or ()
    return [version["name"] for version in versions if version.get("storage") and version.get("name")]
