"""The resources that Kubernetes 1.37 has built in, as data.

One line a resource: ``Kind plural [namespaced] [short=a,b] [cat=all] [sub=status,scale] [verbs=create] [singular=x]``.
Groups stand in the order in which the API server lists them, versions of a group with the preferred one first, so that
the first match of a short name is the one kubectl takes (``events`` is ``v1``, ``hpa`` is ``autoscaling/v2``).
"""

from __future__ import annotations

from typing import Final

CORE_V1: Final = """
Binding bindings namespaced verbs=create
ComponentStatus componentstatuses short=cs verbs=get,list
ConfigMap configmaps namespaced short=cm
Endpoints endpoints namespaced short=ep singular=endpoints
Event events namespaced short=ev
LimitRange limitranges namespaced short=limits
Namespace namespaces short=ns sub=finalize,status verbs=create,delete,get,list,patch,update,watch
Node nodes short=no sub=proxy,status
PersistentVolumeClaim persistentvolumeclaims namespaced short=pvc sub=status
PersistentVolume persistentvolumes short=pv sub=status
Pod pods namespaced short=po cat=all \
sub=attach,binding,ephemeralcontainers,eviction,exec,log,portforward,proxy,resize,status
PodTemplate podtemplates namespaced
ReplicationController replicationcontrollers namespaced short=rc cat=all sub=scale,status
ResourceQuota resourcequotas namespaced short=quota sub=status
Secret secrets namespaced
ServiceAccount serviceaccounts namespaced short=sa sub=token
Service services namespaced short=svc cat=all sub=proxy,status
"""

_ADMISSION_POLICIES: Final = """
MutatingAdmissionPolicy mutatingadmissionpolicies cat=api-extensions
MutatingAdmissionPolicyBinding mutatingadmissionpolicybindings cat=api-extensions
"""

_RESOURCE_CLAIMS: Final = """
DeviceClass deviceclasses
ResourceClaim resourceclaims namespaced sub=status
ResourceClaimTemplate resourceclaimtemplates namespaced
ResourceSlice resourceslices
"""

_TAINT_RULES: Final = "DeviceTaintRule devicetaintrules sub=status"

_PRIORITY_AND_FAIRNESS: Final = """
FlowSchema flowschemas sub=status
PriorityLevelConfiguration prioritylevelconfigurations sub=status
"""

_TRUST: Final = """
ClusterTrustBundle clustertrustbundles
PodCertificateRequest podcertificaterequests namespaced sub=status
"""

#: ``group/version`` (core: ``v1``) and its resources.
BUILTIN: Final[tuple[tuple[str, str], ...]] = (
    ("v1", CORE_V1),
    ("apiregistration.k8s.io/v1", "APIService apiservices cat=api-extensions sub=status"),
    (
        "apps/v1",
        """
ControllerRevision controllerrevisions namespaced
DaemonSet daemonsets namespaced short=ds cat=all sub=status
Deployment deployments namespaced short=deploy cat=all sub=scale,status
ReplicaSet replicasets namespaced short=rs cat=all sub=scale,status
StatefulSet statefulsets namespaced short=sts cat=all sub=scale,status
""",
    ),
    ("events.k8s.io/v1", "Event events namespaced short=ev"),
    (
        "authentication.k8s.io/v1",
        """
SelfSubjectReview selfsubjectreviews verbs=create
TokenReview tokenreviews verbs=create
""",
    ),
    (
        "authorization.k8s.io/v1",
        """
LocalSubjectAccessReview localsubjectaccessreviews namespaced verbs=create
SelfSubjectAccessReview selfsubjectaccessreviews verbs=create
SelfSubjectRulesReview selfsubjectrulesreviews verbs=create
SubjectAccessReview subjectaccessreviews verbs=create
""",
    ),
    ("autoscaling/v2", "HorizontalPodAutoscaler horizontalpodautoscalers namespaced short=hpa cat=all sub=status"),
    ("autoscaling/v1", "HorizontalPodAutoscaler horizontalpodautoscalers namespaced short=hpa cat=all sub=status"),
    (
        "batch/v1",
        """
CronJob cronjobs namespaced short=cj cat=all sub=status
Job jobs namespaced cat=all sub=status
""",
    ),
    (
        "certificates.k8s.io/v1",
        f"CertificateSigningRequest certificatesigningrequests short=csr sub=approval,status\n{_TRUST}",
    ),
    ("certificates.k8s.io/v1beta1", _TRUST),
    (
        "networking.k8s.io/v1",
        """
IngressClass ingressclasses
Ingress ingresses namespaced short=ing sub=status
IPAddress ipaddresses short=ip
NetworkPolicy networkpolicies namespaced short=netpol
ServiceCIDR servicecidrs sub=status
""",
    ),
    ("policy/v1", "PodDisruptionBudget poddisruptionbudgets namespaced short=pdb sub=status"),
    (
        "rbac.authorization.k8s.io/v1",
        """
ClusterRoleBinding clusterrolebindings
ClusterRole clusterroles
RoleBinding rolebindings namespaced
Role roles namespaced
""",
    ),
    (
        "storage.k8s.io/v1",
        """
CSIDriver csidrivers
CSINode csinodes
CSIStorageCapacity csistoragecapacities namespaced
StorageClass storageclasses short=sc
VolumeAttachment volumeattachments sub=status
VolumeAttributesClass volumeattributesclasses short=vac
""",
    ),
    (
        "admissionregistration.k8s.io/v1",
        f"""{_ADMISSION_POLICIES}
MutatingWebhookConfiguration mutatingwebhookconfigurations cat=api-extensions
ValidatingAdmissionPolicy validatingadmissionpolicies cat=api-extensions sub=status
ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings cat=api-extensions
ValidatingWebhookConfiguration validatingwebhookconfigurations cat=api-extensions
""",
    ),
    ("admissionregistration.k8s.io/v1beta1", _ADMISSION_POLICIES),
    ("admissionregistration.k8s.io/v1alpha1", _ADMISSION_POLICIES),
    (
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition customresourcedefinitions short=crd,crds cat=api-extensions sub=status",
    ),
    ("scheduling.k8s.io/v1", "PriorityClass priorityclasses short=pc"),
    (
        "scheduling.k8s.io/v1beta1",
        """
PodGroup podgroups namespaced sub=status
Workload workloads namespaced
""",
    ),
    (
        "scheduling.k8s.io/v1alpha3",
        """
CompositePodGroup compositepodgroups namespaced sub=status
PodGroup podgroups namespaced sub=status
Workload workloads namespaced
""",
    ),
    ("coordination.k8s.io/v1", "Lease leases namespaced"),
    ("coordination.k8s.io/v1beta1", "LeaseCandidate leasecandidates namespaced"),
    ("coordination.k8s.io/v1alpha2", "LeaseCandidate leasecandidates namespaced"),
    ("node.k8s.io/v1", "RuntimeClass runtimeclasses"),
    ("discovery.k8s.io/v1", "EndpointSlice endpointslices namespaced"),
    ("flowcontrol.apiserver.k8s.io/v1", _PRIORITY_AND_FAIRNESS),
    ("resource.k8s.io/v1", f"{_RESOURCE_CLAIMS}{_TAINT_RULES}"),
    ("resource.k8s.io/v1beta2", f"{_RESOURCE_CLAIMS}{_TAINT_RULES}"),
    ("resource.k8s.io/v1beta1", _RESOURCE_CLAIMS),
    (
        "resource.k8s.io/v1alpha3",
        f"{_TAINT_RULES}\nResourcePoolStatusRequest resourcepoolstatusrequests sub=status",
    ),
    (
        "lifecycle.k8s.io/v1alpha1",
        """
EvictionRequest evictionrequests namespaced sub=status
Eviction evictions namespaced sub=status
""",
    ),
    ("storagemigration.k8s.io/v1", "StorageVersionMigration storageversionmigrations sub=status"),
    ("storagemigration.k8s.io/v1beta1", "StorageVersionMigration storageversionmigrations sub=status"),
    ("internal.apiserver.k8s.io/v1alpha1", "StorageVersion storageversions sub=status"),
)
