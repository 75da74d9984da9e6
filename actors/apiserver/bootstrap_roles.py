"""The roles and bindings that every cluster has: what is in a real one after its first start, and Podchain's own.

One line a rule: verbs, API groups, resources and, if it is about certain objects only, their names. ``core`` is the
group without a name; a rule about URLs has ``url`` in the place of its groups. A role's own line has what it is
aggregated into (``>edit``) or from (``<edit``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.apiserver.bootstrap_controller_roles import CONTROLLER_ROLES

GROUP: Final = "rbac.authorization.k8s.io"
API_VERSION: Final = f"{GROUP}/v1"
AUTO_UPDATE: Final = "rbac.authorization.kubernetes.io/autoupdate"
BOOTSTRAPPING: Final = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AGGREGATE_TO: Final = f"{GROUP}/aggregate-to-"
CONTROLLER_PREFIX: Final = "system:controller:"

_VERBS: Final = {
    "READ": "get,list,watch",
    "WRITE": "create,delete,deletecollection,patch,update",
    "READWRITE": "create,delete,deletecollection,get,list,patch,update,watch",
    "READUPDATE": "get,list,patch,update,watch",
}
#: Lines that many roles have.
_LINES: Final = {"EVENTS": "create,patch,update core,events.k8s.io events"}

CLUSTER_ROLES: Final = """
cluster-admin
    * * *
    * url *
admin <admin
edit <edit >admin
view <view >edit
system:aggregate-to-admin >admin
    create authorization.k8s.io localsubjectaccessreviews
    READWRITE rbac.authorization.k8s.io rolebindings,roles
system:aggregate-to-edit >edit
    READ core pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy
    impersonate core serviceaccounts
    WRITE core pods,pods/attach,pods/exec,pods/portforward,pods/proxy
    create core pods/eviction
    WRITE core configmaps,events,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,secrets,\
serviceaccounts,services,services/proxy
    create core serviceaccounts/token
    WRITE apps daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,\
statefulsets,statefulsets/scale
    WRITE autoscaling horizontalpodautoscalers
    WRITE batch cronjobs,jobs
    WRITE extensions daemonsets,deployments,deployments/rollback,deployments/scale,ingresses,networkpolicies,\
replicasets,replicasets/scale,replicationcontrollers/scale
    WRITE policy poddisruptionbudgets
    WRITE networking.k8s.io ingresses,networkpolicies
    READWRITE coordination.k8s.io leases
    WRITE resource.k8s.io resourceclaims,resourceclaimtemplates
system:aggregate-to-view >view
    READ core configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers,\
replicationcontrollers/scale,serviceaccounts,services,services/status
    READ core bindings,events,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,\
resourcequotas,resourcequotas/status
    READ core namespaces
    READ discovery.k8s.io endpointslices
    READ apps controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,\
replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,statefulsets/status
    READ autoscaling horizontalpodautoscalers,horizontalpodautoscalers/status
    READ batch cronjobs,cronjobs/status,jobs,jobs/status
    READ extensions daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,ingresses,\
ingresses/status,networkpolicies,replicasets,replicasets/scale,replicasets/status,replicationcontrollers/scale
    READ policy poddisruptionbudgets,poddisruptionbudgets/status
    READ networking.k8s.io ingresses,ingresses/status,networkpolicies
    READ resource.k8s.io resourceclaims,resourceclaims/status,resourceclaimtemplates
system:auth-delegator
    create authentication.k8s.io tokenreviews
    create authorization.k8s.io subjectaccessreviews
system:basic-user
    create authorization.k8s.io selfsubjectaccessreviews,selfsubjectrulesreviews
    create authentication.k8s.io selfsubjectreviews
system:certificates.k8s.io:certificatesigningrequests:nodeclient
    create certificates.k8s.io certificatesigningrequests/nodeclient
system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
    create certificates.k8s.io certificatesigningrequests/selfnodeclient
system:certificates.k8s.io:kube-apiserver-client-approver
    approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client
system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
    approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client-kubelet
system:certificates.k8s.io:kubelet-serving-approver
    approve certificates.k8s.io signers kubernetes.io/kubelet-serving
system:certificates.k8s.io:legacy-unknown-approver
    approve certificates.k8s.io signers kubernetes.io/legacy-unknown
system:discovery
    get url /api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/
system:heapster
    READ core events,namespaces,nodes,pods
    READ extensions deployments
system:kube-aggregator
    READ core endpoints,services
system:kube-controller-manager
    EVENTS
    create coordination.k8s.io leases
    get,update coordination.k8s.io leases kube-controller-manager
    create core secrets,serviceaccounts
    delete core secrets
    get core configmaps,namespaces,secrets,serviceaccounts
    update core secrets,serviceaccounts
    create authentication.k8s.io tokenreviews
    create authorization.k8s.io subjectaccessreviews
    list,watch * *
    create core serviceaccounts/token
system:kube-dns
    list,watch core endpoints,services
    list,watch discovery.k8s.io endpointslices
system:kube-scheduler
    EVENTS
    create coordination.k8s.io leases
    get,list,update,watch coordination.k8s.io leases kube-scheduler
    READWRITE coordination.k8s.io leasecandidates
    READ core nodes
    delete,get,list,watch core pods
    create core bindings,pods/binding
    patch,update core pods/status
    READ core replicationcontrollers,services
    READ apps,extensions replicasets
    READ apps statefulsets
    READ policy poddisruptionbudgets
    READ core persistentvolumeclaims,persistentvolumes
    create authentication.k8s.io tokenreviews
    create authorization.k8s.io subjectaccessreviews
    READ storage.k8s.io csinodes
    READ storage.k8s.io volumeattachments
    READ core namespaces
    READ storage.k8s.io csidrivers
    READ storage.k8s.io csistoragecapacities
    READ resource.k8s.io deviceclasses
    READUPDATE resource.k8s.io resourceclaims
    READUPDATE resource.k8s.io resourceclaims/status
    READUPDATE core pods/finalizers
    READ resource.k8s.io resourceslices
system:kubelet-api-admin
    READ core nodes
    proxy core nodes
    * core nodes/log,nodes/metrics,nodes/proxy,nodes/stats
    * core nodes/configz,nodes/healthz,nodes/pods
system:monitoring
    get url /healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/*
system:node
    create authentication.k8s.io tokenreviews
    create authorization.k8s.io localsubjectaccessreviews,subjectaccessreviews
    READ core services
    create,get,list,watch core nodes
    patch,update core nodes/status
    patch,update core nodes
    create,patch,update core events
    READ core pods
    create,delete core pods
    patch,update core pods/status
    create core pods/eviction
    READ core configmaps,secrets
    get core persistentvolumeclaims,persistentvolumes
    get core endpoints
    create,get,list,watch certificates.k8s.io certificatesigningrequests
    create,delete,get,patch,update coordination.k8s.io leases
    get storage.k8s.io volumeattachments
    create core serviceaccounts/token
    get,patch,update core persistentvolumeclaims/status
    READ storage.k8s.io csidrivers
    create,delete,get,patch,update storage.k8s.io csinodes
    READ node.k8s.io runtimeclasses
    get resource.k8s.io resourceclaims
    deletecollection resource.k8s.io resourceslices
    get core serviceaccounts
system:node-bootstrapper
    create,get,list,watch certificates.k8s.io certificatesigningrequests
system:node-problem-detector
    get core nodes
    patch core nodes/status
    EVENTS
system:node-proxier
    list,watch core endpoints,services
    READ core nodes
    EVENTS
    list,watch networking.k8s.io servicecidrs
    list,watch discovery.k8s.io endpointslices
system:persistent-volume-provisioner
    create,delete,get,list,watch core persistentvolumes
    get,list,update,watch core persistentvolumeclaims
    READ storage.k8s.io storageclasses
    watch core events
    EVENTS
system:public-info-viewer
    get url /healthz,/livez,/readyz,/version,/version/
system:service-account-issuer-discovery
    get url /.well-known/openid-configuration,/.well-known/openid-configuration/,/openid/v1/jwks,/openid/v1/jwks/
system:volume-scheduler
    READUPDATE core persistentvolumes
    READ storage.k8s.io storageclasses
    READUPDATE core persistentvolumeclaims
system:podchain:gateway
    watch * *
    list core namespaces
    READ core nodes,pods
    list apiextensions.k8s.io customresourcedefinitions
    create authentication.k8s.io tokenreviews
    create authorization.k8s.io subjectaccessreviews
"""

#: Roles of namespaces, as ``namespace/name``.
ROLES: Final = """
kube-public/system:controller:bootstrap-signer
    READ core configmaps
    update core configmaps cluster-info
    EVENTS
kube-system/extension-apiserver-authentication-reader
    READ core configmaps extension-apiserver-authentication
kube-system/system::leader-locking-kube-controller-manager
    watch core configmaps
    get,update core configmaps kube-controller-manager
kube-system/system::leader-locking-kube-scheduler
    watch core configmaps
    get,update core configmaps kube-scheduler
kube-system/system:controller:bootstrap-signer
    READ core secrets
kube-system/system:controller:cloud-provider
    create,get,list,watch core configmaps
kube-system/system:controller:token-cleaner
    delete,get,list,watch core secrets
    EVENTS
kube-system/system:podchain:deployment-controller-lease
    create coordination.k8s.io leases
    delete,get,patch,update coordination.k8s.io leases deployment-controller
kube-system/system:podchain:job-controller-lease
    create coordination.k8s.io leases
    delete,get,patch,update coordination.k8s.io leases job-controller
kube-system/system:podchain:scheduler-lease
    delete,get,patch,update coordination.k8s.io leases kube-scheduler
"""

#: Role, and whom it is bound to: users, groups (``@``) and service accounts (``namespace/name``).
CLUSTER_BINDINGS: Final = """
cluster-admin @system:masters
system:basic-user @system:authenticated
system:discovery @system:authenticated
system:kube-controller-manager system:kube-controller-manager
system:kube-dns kube-system/kube-dns
system:kube-scheduler system:kube-scheduler
system:monitoring @system:monitoring
system:node
system:node-proxier system:kube-proxy
system:public-info-viewer @system:authenticated @system:unauthenticated
system:service-account-issuer-discovery @system:serviceaccounts
system:volume-scheduler system:kube-scheduler
system:podchain:gateway system:podchain:gateway
"""

#: The same of a namespace's roles: the binding, the role, the subjects.
BINDINGS: Final = """
kube-public/system:controller:bootstrap-signer system:controller:bootstrap-signer kube-system/bootstrap-signer
kube-system/system::extension-apiserver-authentication-reader extension-apiserver-authentication-reader \
system:kube-controller-manager system:kube-scheduler
kube-system/system::leader-locking-kube-controller-manager system::leader-locking-kube-controller-manager \
system:kube-controller-manager kube-system/leader-election-controller
kube-system/system::leader-locking-kube-scheduler system::leader-locking-kube-scheduler system:kube-scheduler \
kube-system/kube-scheduler
kube-system/system:controller:bootstrap-signer system:controller:bootstrap-signer kube-system/bootstrap-signer
kube-system/system:controller:cloud-provider system:controller:cloud-provider kube-system/cloud-provider
kube-system/system:controller:token-cleaner system:controller:token-cleaner kube-system/token-cleaner
kube-system/system:podchain:deployment-controller-lease system:podchain:deployment-controller-lease \
kube-system/deployment-controller
kube-system/system:podchain:job-controller-lease system:podchain:job-controller-lease kube-system/job-controller
kube-system/system:podchain:scheduler-lease system:podchain:scheduler-lease system:kube-scheduler
"""


def built_in_rbac() -> list[tuple[str, Object]]:
    """Every built-in role and binding with its resource; roles first."""
    found = [(f"{API_VERSION}/clusterroles", role) for role in _roles(CLUSTER_ROLES, "ClusterRole")]
    controllers = list(_roles(CONTROLLER_ROLES, "ClusterRole", CONTROLLER_PREFIX))
    found += [(f"{API_VERSION}/clusterroles", role) for role in controllers]
    found += [(f"{API_VERSION}/roles", role) for role in _roles(ROLES, "Role")]
    for line in CLUSTER_BINDINGS.strip().splitlines():
        name, *subjects = line.split()
        found.append((f"{API_VERSION}/clusterrolebindings", _binding("ClusterRoleBinding", name, name, subjects)))
    for role in controllers:
        name = role["metadata"]["name"]
        account = f"kube-system/{name.removeprefix(CONTROLLER_PREFIX)}"
        found.append((f"{API_VERSION}/clusterrolebindings", _binding("ClusterRoleBinding", name, name, [account])))
    for line in BINDINGS.strip().splitlines():
        name, role_name, *subjects = line.split()
        found.append((f"{API_VERSION}/rolebindings", _binding("RoleBinding", name, role_name, subjects)))
    return found


def _metadata(name: str) -> dict[str, Any]:
    namespace, _, own = name.rpartition("/")
    metadata: dict[str, Any] = {"name": own}
    if namespace:
        metadata["namespace"] = namespace
    return {**metadata, "labels": dict(BOOTSTRAPPING), "annotations": {AUTO_UPDATE: "true"}}


def _roles(text: str, kind: str, prefix: str = "") -> Iterator[Object]:
    role: Object = {}
    for line in text.strip().splitlines():
        if line.startswith(" "):
            role["rules"].append(_rule(line.split()))
            continue
        if role:
            yield role
        name, *marks = line.split()
        role = {"apiVersion": API_VERSION, "kind": kind, "metadata": _metadata(prefix + name), "rules": []}
        for mark in marks:
            label = AGGREGATE_TO + mark[1:]
            if mark[0] == ">":
                role["metadata"]["labels"][label] = "true"
            else:
                role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]}
    yield role


def _rule(words: list[str]) -> dict[str, Any]:
    if words[0] in _LINES:
        words = _LINES[words[0]].split()
    verbs = _VERBS.get(words[0], words[0]).split(",")
    if words[1] == "url":
        return {"verbs": verbs, "nonResourceURLs": words[2].split(",")}
    groups = ["" if group == "core" else group for group in words[1].split(",")]
    rule: dict[str, Any] = {"verbs": verbs, "apiGroups": groups, "resources": words[2].split(",")}
    if len(words) > 3:
        rule["resourceNames"] = words[3].split(",")
    return rule


def _binding(kind: str, name: str, role: str, subjects: list[str]) -> Object:
    role_kind = "ClusterRole" if kind == "ClusterRoleBinding" else "Role"
    binding: Object = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": _metadata(name),
        "roleRef": {"apiGroup": GROUP, "kind": role_kind, "name": role},
    }
    if subjects:
        binding["subjects"] = [_subject(subject) for subject in subjects]
    return binding


def _subject(text: str) -> dict[str, str]:
    if text.startswith("@"):
        return {"apiGroup": GROUP, "kind": "Group", "name": text[1:]}
    namespace, _, name = text.partition("/")
    if name:
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"apiGroup": GROUP, "kind": "User", "name": text}
