"""Scenarios: schedules that stand in a YAML file.

seed: 7                # optional, as are nodes and minutes; the command's options win
nodes: 3
minutes: 1
manifests: [web.yaml]  # files beside the scenario, or manifests written out; created at the start
operations:
  - {at: 5, do: scale, name: web, replicas: 5}
faults:                # steps; or the name of a profile; or a mapping of rates
  - {at: 6, do: crash, actor: scheduler}
expectations:
  - {kind: Deployment, name: web, path: status.readyReplicas, value: 5}
  - {kind: Deployment, name: old, absent: true}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from actors.apimachinery.meta import Key
from actors.apimachinery.resources import resource_for_kind
from actors.simulation.fault_plan import Step
from actors.simulation.fault_profile import PROFILES, FaultProfile
from actors.simulation.run import EXTRA_CONTROLLERS
from actors.simulation.schedule import Expectation, Schedule
from actors.simulation.user import operation_of

_KNOWN: Final = ("controllers", "seed", "nodes", "minutes", "manifests", "operations", "faults", "expectations")


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a file asks for; `None` where it leaves the choice to the command."""

    operations: tuple[Step, ...] | None = None
    faults: tuple[Step, ...] = ()
    profile: FaultProfile | None = None
    expectations: tuple[Expectation, ...] = ()
    controllers: tuple[str, ...] = ()
    seed: int | None = None
    nodes: int | None = None
    minutes: float | None = None


def read_scenario(path: Path) -> Scenario:
    """Read a file. Raises `ValueError`, naming what is wrong with it."""
    document = read_yaml(path)
    if not isinstance(document, Mapping):
        raise ValueError(f"{path}: a scenario is a mapping")  # noqa: TRY004 - what is wrong is the file
    for name in document:
        if name not in _KNOWN:
            raise ValueError(f"{path}: {name} is unknown; known are {', '.join(_KNOWN)}")
    operations = None
    if "operations" in document or "manifests" in document:
        created = [
            Step(0.0, "create", {"manifest": manifest})
            for entry in document.get("manifests") or ()
            for manifest in _manifests(path.parent, entry)
        ]
        steps = [Step.from_plain(spec) for spec in document.get("operations") or ()]
        if any(step.is_fault for step in steps):
            raise ValueError(f"{path}: faults do not belong among the operations")
        operations = (*created, *sorted(steps, key=lambda step: step.at_s))
        for step in operations:
            if step.kind in ("create", "apply"):
                operation_of(step)  # says when there is no such kind
    faults, profile = read_faults(document.get("faults"))
    minutes = document.get("minutes")
    return Scenario(
        operations,
        faults,
        profile,
        tuple(_expectation(spec) for spec in document.get("expectations") or ()),
        _controllers(document.get("controllers") or ()),
        _optional_int(document, "seed"),
        _optional_int(document, "nodes"),
        None if minutes is None else float(minutes),
    )


def read_yaml(path: Path) -> Any:
    """A file's one document. Raises `ValueError`."""
    try:
        return yaml.safe_load(path.read_text())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {error}") from None


def read_faults(spec: Any) -> tuple[tuple[Step, ...], FaultProfile | None]:
    """Steps, or a profile by its name or its rates. Raises `ValueError`."""
    if spec is None:
        return (), None
    if isinstance(spec, str):
        if spec not in PROFILES:
            raise ValueError(f"faults: there is no profile {spec!r}; there are {', '.join(PROFILES)}")
        return (), PROFILES[spec]
    if isinstance(spec, Mapping):
        return (), FaultProfile.from_plain(spec)
    if not isinstance(spec, list):
        raise ValueError("faults: neither steps, nor a profile's name, nor rates")  # noqa: TRY004 - as above
    steps = tuple(Step.from_plain(entry) for entry in spec)
    if not all(step.is_fault for step in steps):
        raise ValueError("faults: operations do not belong among the faults")
    return steps, None


def scenario_of(schedule: Schedule) -> dict[str, Any]:
    """A schedule as a file's content: read again, it is the same run."""
    return {
        "seed": schedule.seed,
        "nodes": schedule.nodes,
        "minutes": schedule.duration_s / 60,
        "operations": [step.to_plain() for step in schedule.steps if not step.is_fault],
        "faults": [step.to_plain() for step in schedule.steps if step.is_fault],
        **({"controllers": list(schedule.controllers)} if schedule.controllers else {}),
        "expectations": [_expectation_to_plain(e) for e in schedule.expectations],
    }


def _controllers(names: Any) -> tuple[str, ...]:
    if isinstance(names, str) or not all(name in EXTRA_CONTROLLERS for name in names):
        raise ValueError(f"controllers: {names!r}; known are {', '.join(EXTRA_CONTROLLERS)}")
    return tuple(names)


def _optional_int(document: Mapping[str, Any], name: str) -> int | None:
    value = document.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise ValueError(f"{name}: {value!r} is not a whole number")
    return value


def _manifests(folder: Path, entry: Any) -> list[dict[str, Any]]:
    if isinstance(entry, str):
        try:
            documents = list(yaml.safe_load_all((folder / entry).read_text()))
        except (OSError, yaml.YAMLError) as error:
            raise ValueError(f"manifests: {entry}: {error}") from None
    else:
        documents = [entry]
    for document in documents:
        if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
            raise ValueError("manifests: a manifest is a mapping with metadata")  # noqa: TRY004 - as above
    return documents


def _expectation(spec: Any) -> Expectation:
    if not isinstance(spec, Mapping) or not {"kind", "name"} <= set(spec):
        raise ValueError(f"expectations: {spec!r} has no kind and name")
    resource = resource_for_kind(spec.get("apiVersion", ""), spec["kind"]) if "apiVersion" in spec else None
    default = "" if spec["kind"] in ("Node", "Namespace") or (resource and not resource.namespaced) else "default"
    key = Key(spec.get("namespace", default), spec["name"])
    if spec.get("absent"):
        return Expectation(spec["kind"], key)
    if "path" not in spec or "value" not in spec:
        raise ValueError(f"expectations: {spec['kind']} {spec['name']}: path and value, or absent, must be given")
    return Expectation(spec["kind"], key, tuple(str(spec["path"]).split(".")), spec["value"])


def _expectation_to_plain(e: Expectation) -> dict[str, Any]:
    plain: dict[str, Any] = {"kind": e.kind, "namespace": e.key.namespace, "name": e.key.name}
    return {**plain, "path": ".".join(e.path), "value": e.value} if e.path else {**plain, "absent": True}
