"""The pods a ReplicaSet creates.

Their names are derived, not drawn: a create that is repeated because its answer was lost collides with the first one
instead of making a second pod. They look like generated names (``web-5d4f8c7b9-x7k2p``) and differ from each other by
the slot they fill, and from those of earlier times by the ReplicaSet's revision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from actors.apimachinery.meta import Key, new_controller_reference, uid_of
from actors.apimachinery.names import generated_name
from actors.apimachinery.operation import Object, Operation

PODS: Final = "v1/pods"


def pod_names(replicaset: Object, count: int, is_taken: Callable[[Key], bool]) -> list[str]:
    """Names for `count` new pods, none of them known to be taken."""
    metadata = replicaset["metadata"]
    namespace = metadata.get("namespace", "")
    prefix = f"{metadata['name']}-"
    seed = f"{uid_of(replicaset)}/{metadata.get('resourceVersion', '')}/"
    names: dict[str, None] = {}
    slot = 0
    while len(names) < count:
        name = generated_name(prefix, seed + str(slot))
        slot += 1
        if not is_taken(Key(namespace, name)):
            names[name] = None
    return list(names)


def create_operations(replicaset: Object, count: int, is_taken: Callable[[Key], bool]) -> list[Operation]:
    """Creates of `count` pods. They share the template's spec with the ReplicaSet: it must not be changed."""
    metadata = replicaset["metadata"]
    namespace = metadata.get("namespace", "")
    shared = _metadata_of_template(replicaset)
    spec = replicaset["spec"]["template"].get("spec") or {}
    return [
        Operation(
            "create",
            PODS,
            namespace,
            name,
            "",
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **shared}, "spec": spec},
        )
        for name in pod_names(replicaset, count, is_taken)
    ]


def _metadata_of_template(replicaset: Object) -> dict[str, Any]:
    """What the metadata of all pods has in common."""
    template = replicaset["spec"]["template"].get("metadata") or {}
    metadata: dict[str, Any] = {
        "generateName": f"{replicaset['metadata']['name']}-",
        "namespace": replicaset["metadata"].get("namespace", ""),
    }
    for name in ("labels", "annotations", "finalizers"):
        if template.get(name):
            metadata[name] = template[name]
    metadata["ownerReferences"] = [new_controller_reference(replicaset)]
    return metadata
