"""The pods a Job creates.

Their names are derived from how many there have been, not drawn: a create that is repeated because its answer was lost,
or by a controller that doesn't know of the first one, collides with it. So pods of one Job are never too many, and an
index never has two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from actors.apimachinery.meta import Key, new_controller_reference, uid_of
from actors.apimachinery.names import GENERATED_LENGTH_MAX, SUFFIX_LENGTH, generated_name
from actors.apimachinery.operation import Object, Operation
from actors.controllers.job.census import Census, indexes_of
from actors.controllers.job.job_reading import (
    COMPLETION_INDEX,
    INDEX_FAILURE_COUNT,
    INDEX_IGNORED_FAILURE_COUNT,
    TRACKING_FINALIZER,
    backoff_limit_per_index_of,
    completion_index,
    completions_of,
    index_failures,
    is_tracked,
    replaces_only_failed,
)
from actors.controllers.job.pod_failure_policy import judge
from actors.controllers.job.tracking import PODS

INDEX_VARIABLE: Final = "JOB_COMPLETION_INDEX"

IsTaken = Callable[[Key], bool]


def create_pods(job: Object, census: Census, count: int, is_taken: IsTaken) -> list[Operation]:
    """Creates of `count` pods of a Job whose completions have no numbers."""
    seed, prefix = uid_of(job), f"{job['metadata']['name']}-"
    spec = job["spec"]["template"].get("spec") or {}
    names: dict[str, None] = {}
    number = _created_so_far(job, census)
    while len(names) < count:
        name = generated_name(prefix, f"{seed}/{number}")
        number += 1
        if not is_taken(Key(job["metadata"].get("namespace", ""), name)):
            names[name] = None
    return [_create(job, name, prefix, {}, {}, spec) for name in names]


def create_indexed_pods(job: Object, census: Census, indexes: Sequence[int], is_taken: IsTaken) -> list[Operation]:
    """Creates of a pod for each of the indexes."""
    spec = _with_index_variable(job["spec"]["template"].get("spec") or {})
    before: dict[int | None, int] = {}
    for pod in census.pods:
        index = completion_index(pod)
        before[index] = before.get(index, 0) + 1
    creates = []
    for index in indexes:
        prefix = _indexed_prefix(job, index)
        attempt = before.get(index, 0)
        while is_taken(Key(job["metadata"].get("namespace", ""), name := _indexed_name(job, prefix, index, attempt))):
            attempt += 1
        annotations = {COMPLETION_INDEX: str(index), **_failure_counts(job, census.waiting.get(index))}
        hostname = f"{job['metadata']['name']}-{index}"
        labels = {COMPLETION_INDEX: str(index)}
        creates.append(_create(job, name, prefix, labels, annotations, {**spec, "hostname": hostname}))
    return creates


def pending_indexes(job: Object, census: Census, count: int) -> list[int]:
    """The first `count` indexes that have neither ended nor a pod."""
    over = census.succeeded_indexes | census.failed_indexes | indexes_of(census.active)
    if replaces_only_failed(job):
        over |= indexes_of(census.terminating)
    pending: list[int] = []
    for index in range(completions_of(job) or 0):
        if len(pending) >= count:
            break
        if index not in over:
            pending.append(index)
    return pending


def _created_so_far(job: Object, census: Census) -> int:
    """How many pods the Job has had: those that are there, and those that were counted and are gone."""
    status = job.get("status") or {}
    counted = int(status.get("succeeded", 0)) + int(status.get("failed", 0))
    noted = census.noted_succeeded | census.noted_failed
    there = sum(not is_tracked(pod) and uid_of(pod) not in noted for pod in census.pods)
    return len(census.pods) + max(0, counted - there)


def _indexed_prefix(job: Object, index: int) -> str:
    tail = f"-{index}-"
    name: str = job["metadata"]["name"]
    return name[: GENERATED_LENGTH_MAX - SUFFIX_LENGTH - len(tail)] + tail


def _indexed_name(job: Object, prefix: str, index: int, attempt: int) -> str:
    return generated_name(prefix, f"{uid_of(job)}/{index}/{attempt}")


def _failure_counts(job: Object, replaced: Object | None) -> dict[str, str]:
    """With limits for each index its failures are counted on its pods, from one to the next."""
    if backoff_limit_per_index_of(job) is None:
        return {}
    counted, ignored = index_failures(replaced) if replaced is not None else (0, 0)
    if replaced is not None:
        counts = judge(job, replaced).counts
        counted, ignored = counted + counts, ignored + (not counts)
    annotations = {INDEX_FAILURE_COUNT: str(counted)}
    if ignored:
        annotations[INDEX_IGNORED_FAILURE_COUNT] = str(ignored)
    return annotations


def _with_index_variable(spec: Object) -> Object:
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{COMPLETION_INDEX}']"}}
    variable = {"name": INDEX_VARIABLE, "valueFrom": source}
    kinds = [kind for kind in ("initContainers", "containers") if spec.get(kind)]
    return {**spec, **{kind: [_with_variable(container, variable) for container in spec[kind]] for kind in kinds}}


def _with_variable(container: Object, variable: Object) -> Object:
    known = container.get("env") or []
    if any(found["name"] == variable["name"] for found in known):
        return container
    return {**container, "env": [*known, variable]}


def _create(
    job: Object, name: str, prefix: str, labels: dict[str, str], annotations: dict[str, str], spec: Object
) -> Operation:
    template = job["spec"]["template"].get("metadata") or {}
    namespace = job["metadata"].get("namespace", "")
    metadata: dict[str, Any] = {"name": name, "generateName": prefix, "namespace": namespace}
    for field, more in (("labels", labels), ("annotations", annotations)):
        if template.get(field) or more:
            metadata[field] = {**(template.get(field) or {}), **more}
    finalizers = [found for found in template.get("finalizers") or () if found != TRACKING_FINALIZER]
    metadata["finalizers"] = [*finalizers, TRACKING_FINALIZER]
    metadata["ownerReferences"] = [new_controller_reference(job)]
    return Operation(
        "create", PODS, namespace, name, "", {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    )
