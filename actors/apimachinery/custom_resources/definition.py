"""What a stored CustomResourceDefinition says about each of its versions.

A custom resource is a `Resource` (`resources.custom_resources_of`) whose ``custom`` says the rest: its schema, columns,
subresources and selectable fields. All of it follows from the stored CRD alone, so that the API server, the gateway and
every client derive the same table from the same revision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from actors.apimachinery.custom_resources.version_order import version_order
from actors.apimachinery.operation import Object

CRDS: Final = "apiextensions.k8s.io/v1/customresourcedefinitions"
ESTABLISHED: Final = "Established"
NAMES_ACCEPTED: Final = "NamesAccepted"
TERMINATING: Final = "Terminating"

Schema = Mapping[str, Any]
_OBJECT_META: Final = {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
_TEXT: Final = {"type": "string"}


@dataclass(frozen=True)
class ScaleColumns:
    """Where a custom resource has what a Scale shows; paths as tuples of field names."""

    spec_replicas: tuple[str, ...]
    status_replicas: tuple[str, ...]
    label_selector: tuple[str, ...]
    """Empty when it has none."""


class CustomVersion:
    """One version of a custom resource: what its CRD says about it. Made of a stored CRD, never changed."""

    def __init__(self, crd: Object, version: Mapping[str, Any]) -> None:
        self.crd = crd
        self.version = version
        self.compiled_rules: Any = None
        """What `rules` makes of the schema's rules, when they are first needed."""

    @property
    def crd_name(self) -> str:
        """``crontabs.stable.example.com``."""
        name: str = self.crd["metadata"]["name"]
        return name

    @property
    def list_kind(self) -> str:
        names = accepted_names(self.crd)
        return str(names.get("listKind") or f"{names['kind']}List")

    @property
    def is_terminating(self) -> bool:
        """Whether the CRD is being deleted: nothing new is created then."""
        return condition_is_true(self.crd, TERMINATING) or bool(self.crd["metadata"].get("deletionTimestamp"))

    @property
    def deprecation_warning(self) -> str:
        """What clients of a deprecated version are told; empty for others."""
        if not self.version.get("deprecated"):
            return ""
        group, kind = self.crd["spec"]["group"], accepted_names(self.crd)["kind"]
        return self.version.get("deprecationWarning") or f"{group}/{self.version['name']} {kind} is deprecated"

    @cached_property
    def schema(self) -> Schema:
        """The version's schema, as the CRD has it."""
        return (self.version.get("schema") or {}).get("openAPIV3Schema") or {}

    @cached_property
    def complete_schema(self) -> Schema:
        """The schema with what every object has: apiVersion, kind and metadata."""
        properties = {"apiVersion": _TEXT, "kind": _TEXT, **self.schema.get("properties", {}), "metadata": _OBJECT_META}
        return {**self.schema, "properties": properties}

    @property
    def has_status(self) -> bool:
        return "status" in (self.version.get("subresources") or {})

    @cached_property
    def scale(self) -> ScaleColumns | None:
        """The scale subresource, if there is one."""
        scale = (self.version.get("subresources") or {}).get("scale")
        if not scale:
            return None
        return ScaleColumns(
            simple_path(scale.get("specReplicasPath", "")),
            simple_path(scale.get("statusReplicasPath", "")),
            simple_path(scale.get("labelSelectorPath") or ""),
        )

    @property
    def columns(self) -> Sequence[Mapping[str, Any]]:
        """additionalPrinterColumns."""
        return self.version.get("additionalPrinterColumns") or ()

    @cached_property
    def selectable_fields(self) -> tuple[str, ...]:
        """``spec.color``, beyond name and namespace."""
        fields = self.version.get("selectableFields") or ()
        return tuple(".".join(simple_path(field.get("jsonPath", ""))) for field in fields)

    @cached_property
    def storage_version(self) -> str:
        """Name of the version that objects are stored in."""
        versions = self.crd["spec"]["versions"]
        return next((str(version["name"]) for version in versions if version.get("storage")), "")

    @cached_property
    def storage_api_version(self) -> str:
        """What stored objects have as apiVersion."""
        return f"{self.crd['spec']['group']}/{self.storage_version}"

    @cached_property
    def stored_as_shown(self) -> bool:
        """Whether stored objects are, byte for byte, what this version shows.

        That is so while the CRD is as it was created and has one version: then nothing was stored under another
        schema or in another version.
        """
        return len(self.crd["spec"]["versions"]) == 1 and self.crd["metadata"].get("generation", 1) == 1


def simple_path(text: str) -> tuple[str, ...]:
    """``.spec.replicas`` as its names."""
    return tuple(part for part in text.split(".") if part)


def at_path(obj: Any, path: Sequence[str]) -> Any:
    """The value there; None when there is none."""
    for name in path:
        if not isinstance(obj, Mapping):
            return None
        obj = obj.get(name)
    return obj


def accepted_names(crd: Object) -> Mapping[str, Any]:
    """The names it goes by: those accepted, else those wished for."""
    accepted = (crd.get("status") or {}).get("acceptedNames") or {}
    names: Mapping[str, Any] = accepted if accepted.get("plural") and accepted.get("kind") else crd["spec"]["names"]
    return names


def condition_of(crd: Object, name: str) -> Mapping[str, Any] | None:
    """A condition of its status."""
    for condition in (crd.get("status") or {}).get("conditions") or ():
        if condition.get("type") == name:
            found: Mapping[str, Any] = condition
            return found
    return None


def condition_is_true(crd: Object, name: str) -> bool:
    """Whether a condition is there and true."""
    condition = condition_of(crd, name)
    return condition is not None and condition.get("status") == "True"


def served_versions(crd: Object) -> list[Mapping[str, Any]]:
    """The versions that are served, the preferred one first."""
    served = [version for version in crd["spec"]["versions"] if version.get("served")]
    return sorted(served, key=lambda version: version_order(version["name"]))
