"""A deployment's history: its replica sets by revision, and going back to one. Pure but for reading them."""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.meta import is_controlled_by
from actors.apimachinery.operation import Object
from actors.apimachinery.selector import LabelSelector
from actors.kubectl.failure import CommandFailed
from actors.kubectl.last_applied import ANNOTATION as LAST_APPLIED
from actors.kubectl.rollout_status import REVISION
from actors.kubectl.session import Kubectl

CHANGE_CAUSE: Final = "kubernetes.io/change-cause"
POD_TEMPLATE_HASH: Final = "pod-template-hash"
#: Annotations that stay the deployment's own when it goes back to a replica set's template.
KEPT_ANNOTATIONS: Final = frozenset(
    (
        LAST_APPLIED,
        REVISION,
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.daemonset.template.generation",
    )
)


def revision_of_template(replica_set: Object) -> int:
    """Which revision a replica set stands for; 0 when it doesn't say."""
    text = (replica_set["metadata"].get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isdigit() else 0


async def replica_sets_by_revision(kubectl: Kubectl, deployment: Object) -> dict[int, Object]:
    """The deployment's replica sets by revision, oldest first."""
    selector = LabelSelector.from_object((deployment.get("spec") or {}).get("selector"))
    listed = await kubectl.client.list(
        "apps/v1/replicasets", deployment["metadata"]["namespace"], label_selector=str(selector)
    )
    own = [replica_set for replica_set in listed.items if is_controlled_by(replica_set, deployment)]
    by_revision = {revision_of_template(replica_set): replica_set for replica_set in own}
    return {revision: by_revision[revision] for revision in sorted(by_revision) if revision}


def change_cause(obj: Object) -> str:
    """Why a revision was made, if somebody said so."""
    cause: str = (obj["metadata"].get("annotations") or {}).get(CHANGE_CAUSE) or "<none>"
    return cause


def previous_revision(history: dict[int, Object], name: str) -> int:
    """The revision before the newest. Raises `CommandFailed` when there is none."""
    if len(history) < 2:
        raise CommandFailed(f'no rollout history found for deployment "{name}"')
    return sorted(history)[-2]


def template_without_hash(replica_set: Object) -> Object:
    """The replica set's pod template as the deployment had it."""
    template: Object = replica_set["spec"]["template"]
    metadata = template.get("metadata") or {}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != POD_TEMPLATE_HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}


def rollback_patch(deployment: Object, replica_set: Object) -> list[dict[str, Any]]:
    """The JSON patch that brings a deployment back to a replica set's template."""
    own = deployment["metadata"].get("annotations") or {}
    theirs = replica_set["metadata"].get("annotations") or {}
    annotations = {name: value for name, value in own.items() if name in KEPT_ANNOTATIONS}
    annotations.update({name: value for name, value in theirs.items() if name not in KEPT_ANNOTATIONS})
    return [
        {"op": "replace", "path": "/spec/template", "value": template_without_hash(replica_set)},
        {"op": "replace" if own else "add", "path": "/metadata/annotations", "value": annotations},
    ]
