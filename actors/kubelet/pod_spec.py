"""A pod's spec as the kubelet reads it: roles of containers, policies, what it depends on. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from actors.apimachinery.operation import Object
from actors.kubelet.probe import FIELD, KINDS, Kind

Role = Literal["init", "sidecar", "regular", "ephemeral"]
#: Where containers of a role stand in the pod's spec.
_LISTS: Final = {"regular": "containers", "ephemeral": "ephemeralContainers"}
CONFIG_MAPS: Final = "v1/configmaps"
#: A token that is asked for, as a dependency: its name says what is asked (`token_dependency`).
SERVICE_ACCOUNT_TOKENS: Final = "v1/serviceaccounts/token"
TOKEN_EXPIRATION_S: Final = 3600
ACCESS_VOLUME_PREFIX: Final = "kube-api-access-"
SECRETS: Final = "v1/secrets"
DEFAULT_GRACE_S: Final = 30

Dependency = tuple[str, str]
"""Resource and name of an object in the pod's namespace."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container of a pod."""

    name: str
    role: Role
    spec: dict[str, Any]
    image: str
    pull_policy: str
    restart_policy: str
    """Its own, or the pod's."""
    field_path: str
    """As events name it: ``spec.containers{web}``."""
    probes: tuple[tuple[Kind, dict[str, Any]], ...]
    post_start: dict[str, Any] | None
    pre_stop: dict[str, Any] | None

    def probe(self, kind: Kind) -> dict[str, Any] | None:
        """Its probe of that kind."""
        for found, probe in self.probes:
            if found == kind:
                return probe
        return None

    def restarts_after(self, exit_code: int) -> bool:
        """Whether it is to run again after it exited so."""
        if self.role == "ephemeral":
            return False
        if self.role == "sidecar":
            return True
        for rule in self.spec.get("restartPolicyRules") or ():
            codes = rule.get("exitCodes") or {}
            listed = exit_code in (codes.get("values") or ())
            if rule.get("action") == "Restart" and listed == (codes.get("operator") == "In"):
                return True
        if self.restart_policy == "Always":
            return self.role == "regular" or exit_code != 0
        return self.restart_policy == "OnFailure" and exit_code != 0


class PodSpec:
    """What of a pod's spec the kubelet acts on, read once per generation."""

    __slots__ = (
        "dependencies",
        "ephemerals",
        "generation",
        "grace_s",
        "host_network",
        "inits",
        "policy",
        "regulars",
        "tokens",
    )

    def __init__(self, pod: Object, *, tokens: bool = False) -> None:
        spec = pod["spec"]
        self.generation: int = pod["metadata"].get("generation") or 0
        self.policy: str = spec.get("restartPolicy") or "Always"
        grace = spec.get("terminationGracePeriodSeconds")
        self.grace_s: float = DEFAULT_GRACE_S if grace is None else grace
        self.host_network = bool(spec.get("hostNetwork"))
        self.inits = tuple(self._init(c) for c in spec.get("initContainers") or ())
        self.regulars = tuple(_container(c, "regular", self.policy) for c in spec["containers"])
        self.ephemerals = tuple(_container(c, "ephemeral", "Never") for c in spec.get("ephemeralContainers") or ())
        self.tokens = tokens
        self.dependencies = tuple(dict.fromkeys(_dependencies(pod, tokens=tokens)))

    def _init(self, container: dict[str, Any]) -> ContainerSpec:
        sidecar = container.get("restartPolicy") == "Always"
        return _container(container, "sidecar" if sidecar else "init", self.policy)

    @property
    def containers(self) -> tuple[ContainerSpec, ...]:
        """All, in the order in which they start."""
        return self.inits + self.regulars + self.ephemerals

    @property
    def sidecars(self) -> tuple[ContainerSpec, ...]:
        """Init containers that go on running."""
        return tuple(c for c in self.inits if c.role == "sidecar")


def _container(container: dict[str, Any], role: Role, pod_policy: str) -> ContainerSpec:
    lifecycle = container.get("lifecycle") or {}
    list_name = _LISTS.get(role, "initContainers")
    image = container.get("image") or ""
    return ContainerSpec(
        name=container["name"],
        role=role,
        spec=container,
        image=image,
        pull_policy=container.get("imagePullPolicy") or _default_pull_policy(image),
        restart_policy=container.get("restartPolicy") or pod_policy,
        field_path=f"spec.{list_name}{{{container['name']}}}",
        probes=tuple((kind, container[FIELD[kind]]) for kind in KINDS if container.get(FIELD[kind])),
        post_start=lifecycle.get("postStart"),
        pre_stop=lifecycle.get("preStop"),
    )


def _default_pull_policy(image: str) -> str:
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    return "Always" if tag in ("", "latest") and "@" not in image else "IfNotPresent"


def token_dependency(pod: Object, source: Mapping[str, Any]) -> Dependency:
    """The token that a volume's source asks for: whose, for which pod, for how long and for whom to read."""
    metadata = pod["metadata"]
    asked = (
        pod["spec"].get("serviceAccountName") or "default",
        metadata["name"],
        metadata.get("uid") or "",
        str(source.get("expirationSeconds") or TOKEN_EXPIRATION_S),
        source.get("audience") or "",
    )
    return SERVICE_ACCOUNT_TOKENS, "\n".join(asked)


def is_access_volume(volume: Mapping[str, Any]) -> bool:
    """Whether it is the volume with the service account's token that every pod is given."""
    return bool(volume["name"].startswith(ACCESS_VOLUME_PREFIX)) and "projected" in volume


def _dependencies(pod: Object, *, tokens: bool) -> Iterator[Dependency]:
    spec = pod["spec"]
    for container in (
        c for name in ("initContainers", "containers", "ephemeralContainers") for c in spec.get(name) or ()
    ):
        for variable in container.get("env") or ():
            source = variable.get("valueFrom")
            if source:
                yield from _references(source, "configMapKeyRef", "secretKeyRef")
        for source in container.get("envFrom") or ():
            yield from _references(source, "configMapRef", "secretRef")
    for volume in spec.get("volumes") or ():
        if volume.get("configMap"):
            yield CONFIG_MAPS, volume["configMap"]["name"]
        elif volume.get("secret"):
            yield SECRETS, volume["secret"]["secretName"]
        elif volume.get("projected") and (tokens or not is_access_volume(volume)):
            for source in volume["projected"].get("sources") or ():
                yield from _references(source, "configMap", "secret")
                if tokens and source.get("serviceAccountToken"):
                    yield token_dependency(pod, source["serviceAccountToken"])


def _references(source: dict[str, Any], config_map: str, secret: str) -> Iterator[Dependency]:
    if source.get(config_map):
        yield CONFIG_MAPS, source[config_map]["name"]
    if source.get(secret):
        yield SECRETS, source[secret]["name"]
