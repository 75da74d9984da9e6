# ruff: noqa: E501 - a message is one line of the table, however many fields it has
"""Field numbers of Kubernetes' protobuf messages: published facts of its ``generated.proto`` files.

One line a message: its name, then ``number:field[:type]`` with the type left out for strings. Types:

    i integer      b boolean      y bytes (base64 in JSON)      I IntOrString      q Quantity      t Time      u MicroTime
    NAME           another message; ``>NAME`` the message's fields belong to the parent (an embedded message)
    [X]            a list of X    {X} a map from strings to X
    j              a list of strings that is the whole value (``ExtraValue``)

Only what clients create from typed objects is listed; whatever else arrives is refused, never misread.
"""

from __future__ import annotations

from typing import Final

FIELDS: Final = """
ObjectMeta 1:name 2:generateName 3:namespace 4:selfLink 5:uid 6:resourceVersion 7:generation:i 8:creationTimestamp:t 9:deletionTimestamp:t 10:deletionGracePeriodSeconds:i 11:labels:{s} 12:annotations:{s} 13:ownerReferences:[OwnerReference] 14:finalizers:[s] 17:managedFields:[ManagedFieldsEntry]
OwnerReference 1:kind 3:name 4:uid 5:apiVersion 6:controller:b 7:blockOwnerDeletion:b
ManagedFieldsEntry 1:manager 2:operation 3:apiVersion 4:time:t 6:fieldsType 7:fieldsV1:FieldsV1 8:subresource
DeleteOptions 1:gracePeriodSeconds:i 2:preconditions:Preconditions 3:orphanDependents:b 4:propagationPolicy 5:dryRun:[s] 6:ignoreStoreReadErrorWithClusterBreakingPotential:b
Preconditions 1:uid 2:resourceVersion
LabelSelector 1:matchLabels:{s} 2:matchExpressions:[LabelSelectorRequirement]
LabelSelectorRequirement 1:key 2:operator 3:values:[s]
Condition 1:type 2:status 3:observedGeneration:i 4:lastTransitionTime:t 5:reason 6:message
Namespace 1:metadata:ObjectMeta 2:spec:NamespaceSpec 3:status:NamespaceStatus
NamespaceSpec 1:finalizers:[s]
NamespaceStatus 1:phase
ConfigMap 1:metadata:ObjectMeta 2:data:{s} 3:binaryData:{y} 4:immutable:b
Secret 1:metadata:ObjectMeta 2:data:{y} 3:type 4:stringData:{s} 5:immutable:b
ServiceAccount 1:metadata:ObjectMeta 2:secrets:[ObjectReference] 3:imagePullSecrets:[LocalObjectReference] 4:automountServiceAccountToken:b
ObjectReference 1:kind 2:namespace 3:name 4:uid 5:apiVersion 6:resourceVersion 7:fieldPath
LocalObjectReference 1:name
Binding 1:metadata:ObjectMeta 2:target:ObjectReference
Service 1:metadata:ObjectMeta 2:spec:ServiceSpec 3:status:ServiceStatus
ServiceSpec 1:ports:[ServicePort] 2:selector:{s} 3:clusterIP 4:type 5:externalIPs:[s] 7:sessionAffinity 8:loadBalancerIP 9:loadBalancerSourceRanges:[s] 10:externalName 11:externalTrafficPolicy 12:healthCheckNodePort:i 13:publishNotReadyAddresses:b 14:sessionAffinityConfig:SessionAffinityConfig 17:ipFamilyPolicy 18:clusterIPs:[s] 19:ipFamilies:[s] 20:allocateLoadBalancerNodePorts:b 21:loadBalancerClass 22:internalTrafficPolicy 23:trafficDistribution
ServicePort 1:name 2:protocol 3:port:i 4:targetPort:I 5:nodePort:i 6:appProtocol
SessionAffinityConfig 1:clientIP:ClientIPConfig
ClientIPConfig 1:timeoutSeconds:i
ServiceStatus 1:loadBalancer:LoadBalancerStatus 2:conditions:[Condition]
LoadBalancerStatus 1:ingress:[LoadBalancerIngress]
LoadBalancerIngress 1:ip 2:hostname 3:ipMode
ResourceQuota 1:metadata:ObjectMeta 2:spec:ResourceQuotaSpec 3:status:ResourceQuotaStatus
ResourceQuotaSpec 1:hard:{q} 2:scopes:[s] 3:scopeSelector:ScopeSelector
ScopeSelector 1:matchExpressions:[ScopedResourceSelectorRequirement]
ScopedResourceSelectorRequirement 1:scopeName 2:operator 3:values:[s]
ResourceQuotaStatus 1:hard:{q} 2:used:{q}
Event 1:metadata:ObjectMeta 2:involvedObject:ObjectReference 3:reason 4:message 5:source:EventSource 6:firstTimestamp:t 7:lastTimestamp:t 8:count:i 9:type 10:eventTime:u 11:series:EventSeries 12:action 13:related:ObjectReference 14:reportingComponent 15:reportingInstance
EventSource 1:component 2:host
EventSeries 1:count:i 2:lastObservedTime:u
PodTemplateSpec 1:metadata:ObjectMeta 2:spec:PodSpec
Pod 1:metadata:ObjectMeta 2:spec:PodSpec 3:status:PodStatus
PodStatus 1:phase
PodSpec 1:volumes:[Volume] 2:containers:[Container] 3:restartPolicy 4:terminationGracePeriodSeconds:i 5:activeDeadlineSeconds:i 6:dnsPolicy 7:nodeSelector:{s} 8:serviceAccountName 9:serviceAccount 10:nodeName 11:hostNetwork:b 12:hostPID:b 13:hostIPC:b 14:securityContext:PodSecurityContext 15:imagePullSecrets:[LocalObjectReference] 16:hostname 17:subdomain 19:schedulerName 20:initContainers:[Container] 21:automountServiceAccountToken:b 22:tolerations:[Toleration] 24:priorityClassName 25:priority:i 27:shareProcessNamespace:b 29:runtimeClassName 30:enableServiceLinks:b 31:preemptionPolicy 32:overhead:{q} 35:setHostnameAsFQDN:b 37:hostUsers:b
PodSecurityContext 2:runAsUser:i 3:runAsNonRoot:b 4:supplementalGroups:[i] 5:fsGroup:i 6:runAsGroup:i 9:fsGroupChangePolicy
Toleration 1:key 2:operator 3:value 4:effect 5:tolerationSeconds:i
Container 1:name 2:image 3:command:[s] 4:args:[s] 5:workingDir 6:ports:[ContainerPort] 7:env:[EnvVar] 8:resources:ResourceRequirements 9:volumeMounts:[VolumeMount] 13:terminationMessagePath 14:imagePullPolicy 15:securityContext:SecurityContext 16:stdin:b 17:stdinOnce:b 18:tty:b 20:terminationMessagePolicy 24:restartPolicy
ContainerPort 1:name 2:hostPort:i 3:containerPort:i 4:protocol 5:hostIP
EnvVar 1:name 2:value 3:valueFrom:EnvVarSource
EnvVarSource 1:fieldRef:ObjectFieldSelector 3:configMapKeyRef:KeySelector 4:secretKeyRef:KeySelector
ObjectFieldSelector 1:apiVersion 2:fieldPath
KeySelector 1:-:>LocalObjectReference 2:key 3:optional:b
ResourceRequirements 1:limits:{q} 2:requests:{q}
VolumeMount 1:name 2:readOnly:b 3:mountPath 4:subPath 5:mountPropagation 6:subPathExpr 7:recursiveReadOnly
SecurityContext 2:privileged:b 4:runAsUser:i 5:runAsNonRoot:b 6:readOnlyRootFilesystem:b 7:allowPrivilegeEscalation:b 8:runAsGroup:i 9:procMount
Volume 1:name 2:-:>VolumeSource
VolumeSource 1:hostPath:HostPathVolumeSource 2:emptyDir:EmptyDirVolumeSource 6:secret:SecretVolumeSource 10:persistentVolumeClaim:ClaimSource 19:configMap:ConfigMapVolumeSource
HostPathVolumeSource 1:path 2:type
EmptyDirVolumeSource 1:medium 2:sizeLimit:q
SecretVolumeSource 1:secretName 2:items:[KeyToPath] 3:defaultMode:i 4:optional:b
ConfigMapVolumeSource 1:-:>LocalObjectReference 2:items:[KeyToPath] 3:defaultMode:i 4:optional:b
KeyToPath 1:key 2:path 3:mode:i
ClaimSource 1:claimName 2:readOnly:b
Deployment 1:metadata:ObjectMeta 2:spec:DeploymentSpec 3:status:DeploymentStatus
DeploymentSpec 1:replicas:i 2:selector:LabelSelector 3:template:PodTemplateSpec 4:strategy:DeploymentStrategy 5:minReadySeconds:i 6:revisionHistoryLimit:i 7:paused:b 9:progressDeadlineSeconds:i
DeploymentStrategy 1:type 2:rollingUpdate:RollingUpdateDeployment
RollingUpdateDeployment 1:maxUnavailable:I 2:maxSurge:I
DeploymentStatus 1:observedGeneration:i 2:replicas:i 3:updatedReplicas:i 4:availableReplicas:i 5:unavailableReplicas:i 7:readyReplicas:i 8:collisionCount:i
Scale 1:metadata:ObjectMeta 2:spec:ScaleSpec 3:status:ScaleStatus
ScaleSpec 1:replicas:i
ScaleStatus 1:replicas:i 2:selector
HorizontalPodAutoscaler 1:metadata:ObjectMeta 2:spec:AutoscalerSpecV1 3:status:AutoscalerStatusV1
AutoscalerSpecV1 1:scaleTargetRef:CrossVersionObjectReference 2:minReplicas:i 3:maxReplicas:i 4:targetCPUUtilizationPercentage:i
AutoscalerStatusV1 1:observedGeneration:i 2:lastScaleTime:t 3:currentReplicas:i 4:desiredReplicas:i 5:currentCPUUtilizationPercentage:i
CrossVersionObjectReference 1:kind 2:name 3:apiVersion
Job 1:metadata:ObjectMeta 2:spec:JobSpec 3:status:JobStatus
JobSpec 1:parallelism:i 2:completions:i 3:activeDeadlineSeconds:i 4:selector:LabelSelector 5:manualSelector:b 6:template:PodTemplateSpec 7:backoffLimit:i 8:ttlSecondsAfterFinished:i 9:completionMode 10:suspend:b 12:backoffLimitPerIndex:i 13:maxFailedIndexes:i 14:podReplacementPolicy 15:managedBy
JobStatus 2:startTime:t 3:completionTime:t 4:active:i 5:succeeded:i 6:failed:i
CronJob 1:metadata:ObjectMeta 2:spec:CronJobSpec 3:status:CronJobStatus
CronJobSpec 1:schedule 2:startingDeadlineSeconds:i 3:concurrencyPolicy 4:suspend:b 5:jobTemplate:JobTemplateSpec 6:successfulJobsHistoryLimit:i 7:failedJobsHistoryLimit:i 8:timeZone
JobTemplateSpec 1:metadata:ObjectMeta 2:spec:JobSpec
CronJobStatus 1:active:[ObjectReference] 4:lastScheduleTime:t 5:lastSuccessfulTime:t
Role 1:metadata:ObjectMeta 2:rules:[PolicyRule]
ClusterRole 1:metadata:ObjectMeta 2:rules:[PolicyRule] 3:aggregationRule:AggregationRule
AggregationRule 1:clusterRoleSelectors:[LabelSelector]
PolicyRule 1:verbs:[s] 2:apiGroups:[s] 3:resources:[s] 4:resourceNames:[s] 5:nonResourceURLs:[s]
RoleBinding 1:metadata:ObjectMeta 2:subjects:[Subject] 3:roleRef:RoleRef
ClusterRoleBinding 1:metadata:ObjectMeta 2:subjects:[Subject] 3:roleRef:RoleRef
Subject 1:kind 2:apiGroup 3:name 4:namespace
RoleRef 1:apiGroup 2:kind 3:name
PodDisruptionBudget 1:metadata:ObjectMeta 2:spec:DisruptionSpec 3:status:DisruptionStatus
DisruptionSpec 1:minAvailable:I 2:selector:LabelSelector 3:maxUnavailable:I 4:unhealthyPodEvictionPolicy
DisruptionStatus 1:observedGeneration:i 2:disruptedPods:{t} 3:disruptionsAllowed:i 4:currentHealthy:i 5:desiredHealthy:i 6:expectedPods:i 7:conditions:[Condition]
Eviction 1:metadata:ObjectMeta 2:deleteOptions:DeleteOptions
PriorityClass 1:metadata:ObjectMeta 2:value:i 3:globalDefault:b 4:description 5:preemptionPolicy
Ingress 1:metadata:ObjectMeta 2:spec:IngressSpec 3:status:IngressStatus
IngressSpec 1:defaultBackend:IngressBackend 2:tls:[IngressTLS] 3:rules:[IngressRule] 4:ingressClassName
IngressBackend 3:resource:TypedLocalObjectReference 4:service:IngressServiceBackend
TypedLocalObjectReference 1:apiGroup 2:kind 3:name
IngressServiceBackend 1:name 2:port:ServiceBackendPort
ServiceBackendPort 1:name 2:number:i
IngressTLS 1:hosts:[s] 2:secretName
IngressRule 1:host 2:-:>IngressRuleValue
IngressRuleValue 1:http:HTTPIngressRuleValue
HTTPIngressRuleValue 1:paths:[HTTPIngressPath]
HTTPIngressPath 1:path 2:backend:IngressBackend 3:pathType
IngressStatus 1:loadBalancer:LoadBalancerStatus
Lease 1:metadata:ObjectMeta 2:spec:LeaseSpec
LeaseSpec 1:holderIdentity 2:leaseDurationSeconds:i 3:acquireTime:u 4:renewTime:u 5:leaseTransitions:i 6:strategy 7:preferredHolder
SelfSubjectReview 1:metadata:ObjectMeta 2:status:SelfSubjectReviewStatus
SelfSubjectReviewStatus 1:userInfo:UserInfo
UserInfo 1:username 2:uid 3:groups:[s]
SelfSubjectAccessReview 1:metadata:ObjectMeta 2:spec:AccessReviewSpec 3:status:AccessReviewStatus
AccessReviewSpec 1:resourceAttributes:ResourceAttributes 2:nonResourceAttributes:NonResourceAttributes
ResourceAttributes 1:namespace 2:verb 3:group 4:version 5:resource 6:subresource 7:name
NonResourceAttributes 1:path 2:verb
AccessReviewStatus 1:allowed:b 2:reason 3:evaluationError 4:denied:b
SelfSubjectRulesReview 1:metadata:ObjectMeta 2:spec:RulesReviewSpec 3:status:RulesReviewStatus
RulesReviewSpec 1:namespace
RulesReviewStatus 3:incomplete:b 4:evaluationError
"""

#: The kinds that may arrive, by apiVersion.
KINDS: Final = """
v1 Namespace ConfigMap Secret ServiceAccount Service ResourceQuota Event Pod Binding DeleteOptions
meta.k8s.io/v1 DeleteOptions
apps/v1 Deployment
autoscaling/v1 Scale HorizontalPodAutoscaler
batch/v1 Job CronJob
rbac.authorization.k8s.io/v1 Role ClusterRole RoleBinding ClusterRoleBinding
policy/v1 PodDisruptionBudget Eviction DeleteOptions
scheduling.k8s.io/v1 PriorityClass
networking.k8s.io/v1 Ingress
coordination.k8s.io/v1 Lease
authentication.k8s.io/v1 SelfSubjectReview
authorization.k8s.io/v1 SelfSubjectAccessReview SelfSubjectRulesReview
"""
