"""The table of strategies: for each kind what happens to its objects on the way to the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from actors.apimachinery import pod_subresources, strategy_pod
from actors.apimachinery.custom_resources import crd_strategy, crd_validation
from actors.apimachinery.custom_resources.definition import CRDS
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apimachinery.validation import access, cluster, config, jobs, pods, services, storage, workloads
from actors.apimachinery.validation.field import Errors
from actors.apimachinery.validation.required_fields import validate_required

Validate = Callable[[Object], Errors]
ValidateUpdate = Callable[[Object, Object], Errors]
Prepare = Callable[[Object], None]
PrepareUpdate = Callable[[Object, Object, str], None]
ValidateSubresource = Callable[[Object, Object, str], Errors]

#: Kinds whose status is reported by whoever creates them: nodes register with it.
_KEEP_STATUS_ON_CREATE: Final = frozenset({"v1/nodes"})

#: Kinds without a status subresource whose objects still count generations.
_GENERATION_WITHOUT_STATUS: Final = frozenset(
    {
        "discovery.k8s.io/v1/endpointslices",
        "networking.k8s.io/v1/networkpolicies",
        "networking.k8s.io/v1/ingressclasses",
        "admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        "admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        "admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
        "scheduling.k8s.io/v1/priorityclasses",
    }
)
#: Kinds with a status subresource whose objects don't count generations.
_NO_GENERATION: Final = frozenset(
    {
        "v1/namespaces",
        "v1/nodes",
        "v1/persistentvolumes",
        "v1/persistentvolumeclaims",
        "v1/resourcequotas",
        "v1/services",
        "autoscaling/v1/horizontalpodautoscalers",
        "autoscaling/v2/horizontalpodautoscalers",
        "certificates.k8s.io/v1/certificatesigningrequests",
        "resource.k8s.io/v1/resourceclaims",
        "storage.k8s.io/v1/volumeattachments",
    }
)
_NOT_SPEC: Final = frozenset({"metadata", "status", "apiVersion", "kind"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What happens to a kind's objects. Functions change objects in place; None: nothing to do."""

    has_status: bool
    """The status has a subresource of its own: it is dropped on create and kept on plain updates."""
    keeps_status_on_create: bool
    has_generation: bool
    prepare_create: Prepare | None = None
    prepare_update: PrepareUpdate | None = None
    validate: Validate | None = None
    validate_update: ValidateUpdate | None = None
    validate_create: Validate | None = None
    validate_status: Validate | None = None
    validate_subresource: ValidateSubresource | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    validate: Validate | None = None
    validate_update: ValidateUpdate | None = None
    prepare_create: Prepare | None = None
    prepare_update: PrepareUpdate | None = None
    validate_create: Validate | None = None
    validate_status: Validate | None = None
    validate_subresource: ValidateSubresource | None = None


_TABLE: Final[Mapping[str, _Row]] = {
    "v1/pods": _Row(
        pods.validate_pod,
        pods.validate_pod_update,
        strategy_pod.prepare_pod,
        pod_subresources.prepare_pod_update,
        pods.validate_pod_create,
        None,
        pod_subresources.validate_pod_subresource,
    ),
    "v1/replicationcontrollers": _Row(workloads.validate_replication_controller),
    "apps/v1/deployments": _Row(workloads.validate_deployment, workloads.validate_selector_update),
    "apps/v1/replicasets": _Row(workloads.validate_replica_set, workloads.validate_selector_update),
    "apps/v1/statefulsets": _Row(workloads.validate_stateful_set, workloads.validate_stateful_set_update),
    "apps/v1/daemonsets": _Row(workloads.validate_daemon_set, workloads.validate_selector_update),
    "apps/v1/controllerrevisions": _Row(
        cluster.validate_controller_revision, cluster.validate_controller_revision_update
    ),
    "batch/v1/jobs": _Row(jobs.validate_job, jobs.validate_job_update, strategy_pod.prepare_job),
    "batch/v1/cronjobs": _Row(jobs.validate_cron_job),
    "v1/services": _Row(services.validate_service, services.validate_service_update, strategy_pod.prepare_service),
    "networking.k8s.io/v1/ingresses": _Row(services.validate_ingress),
    "networking.k8s.io/v1/ingressclasses": _Row(None, services.validate_ingress_class_update),
    "networking.k8s.io/v1/networkpolicies": _Row(services.validate_network_policy),
    "v1/configmaps": _Row(config.validate_config_map, config.validate_config_map_update),
    "v1/secrets": _Row(
        config.validate_secret,
        config.validate_secret_update,
        config.merge_string_data,
        strategy_pod.prepare_secret_update,
    ),
    "v1/namespaces": _Row(None, None, strategy_pod.prepare_namespace, strategy_pod.prepare_namespace_update),
    "v1/nodes": _Row(cluster.validate_node, cluster.validate_node_update),
    "v1/events": _Row(cluster.validate_event),
    "v1/resourcequotas": _Row(cluster.validate_resource_quota),
    "v1/persistentvolumes": _Row(storage.validate_volume, storage.validate_volume_update, strategy_pod.prepare_volume),
    "v1/persistentvolumeclaims": _Row(
        storage.validate_claim, storage.validate_claim_update, strategy_pod.prepare_volume
    ),
    "storage.k8s.io/v1/storageclasses": _Row(storage.validate_storage_class, storage.validate_storage_class_update),
    "coordination.k8s.io/v1/leases": _Row(cluster.validate_lease),
    "policy/v1/poddisruptionbudgets": _Row(cluster.validate_disruption_budget),
    "autoscaling/v1/horizontalpodautoscalers": _Row(cluster.validate_autoscaler),
    "autoscaling/v2/horizontalpodautoscalers": _Row(cluster.validate_autoscaler),
    "scheduling.k8s.io/v1/priorityclasses": _Row(
        cluster.validate_priority_class, cluster.validate_priority_class_update
    ),
    "node.k8s.io/v1/runtimeclasses": _Row(cluster.validate_runtime_class),
    "discovery.k8s.io/v1/endpointslices": _Row(cluster.validate_endpoint_slice),
    "rbac.authorization.k8s.io/v1/roles": _Row(access.validate_role),
    "rbac.authorization.k8s.io/v1/clusterroles": _Row(access.validate_cluster_role),
    "rbac.authorization.k8s.io/v1/rolebindings": _Row(access.validate_role_binding, access.validate_binding_update),
    "rbac.authorization.k8s.io/v1/clusterrolebindings": _Row(
        access.validate_cluster_role_binding, access.validate_binding_update
    ),
    CRDS: _Row(
        crd_validation.validate_definition,
        crd_validation.validate_definition_update,
        crd_strategy.prepare_definition,
        crd_strategy.prepare_definition_update,
        validate_status=crd_validation.validate_stored_versions,
    ),
    # Whatever is in these, the schema says nothing is required of it.
    "v1/endpoints": _Row(),
    "v1/serviceaccounts": _Row(),
    "v1/limitranges": _Row(),
    "v1/podtemplates": _Row(),
    "events.k8s.io/v1/events": _Row(),
}

_CUSTOM: Final = Rules(has_status=False, keeps_status_on_create=False, has_generation=True)
_CUSTOM_WITH_STATUS: Final = Rules(has_status=True, keeps_status_on_create=False, has_generation=True)

_rules: dict[Resource, Rules] = {}


def rules_of(resource: Resource) -> Rules:
    """The rules of a kind; for kinds without any of their own, what the schema calls required."""
    if resource.custom is not None:
        return _CUSTOM_WITH_STATUS if resource.custom.has_status else _CUSTOM
    found = _rules.get(resource)
    if found is None:
        found = _rules[resource] = _make_rules(resource)
    return found


def _make_rules(resource: Resource) -> Rules:
    key = resource.key
    row = _TABLE.get(key)
    if row is None:
        row = _Row(partial(validate_required, resource))
    has_status = resource.has_subresource("status")
    has_generation = (has_status and key not in _NO_GENERATION) or key in _GENERATION_WITHOUT_STATUS
    return Rules(
        has_status,
        key in _KEEP_STATUS_ON_CREATE,
        has_generation,
        row.prepare_create,
        row.prepare_update,
        row.validate,
        row.validate_update,
        row.validate_create,
        row.validate_status,
        row.validate_subresource,
    )


def spec_changed(new: Object, old: Object) -> bool:
    """Whether anything but metadata and status differs: that is what a generation counts."""
    if "spec" in new and "spec" in old:
        after, before = new["spec"], old["spec"]
        return after is not before and after != before
    return {k: v for k, v in new.items() if k not in _NOT_SPEC} != {k: v for k, v in old.items() if k not in _NOT_SPEC}
