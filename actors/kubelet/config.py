"""What a node is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from actors.client.kubelet import own_kubelet
from actors.runtime.address import pod_cidr_of

KUBELET_VERSION: Final = "v1.37.0"


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """One node's configuration. Quantities as Kubernetes writes them."""

    name: str
    index: int = 0
    """Which node this is: decides its addresses."""
    cpu: str = "4"
    memory: str = "8Gi"
    ephemeral_storage: str = "64Gi"
    pods: int = 110
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, Any]] = ()
    extended_resources: Mapping[str, str] = field(default_factory=dict)
    actor: str = ""
    """The actor that answers for this node, where many nodes share one; by default its own."""

    tokens: bool = False
    """Whether pods are given their service accounts' tokens: those that are processes could use them."""

    @property
    def pod_cidr(self) -> str:
        """The range its pods' addresses are from."""
        return pod_cidr_of(self.index)

    @property
    def address(self) -> str:
        """The node's own address, in 172.18.0.0/16 from .0.2 on, as kind gives them."""
        value = self.index + 2
        return f"172.18.{value >> 8 & 255}.{value & 255}"

    @property
    def kubelet_actor(self) -> str:
        """The actor that is this node's kubelet."""
        return self.actor or own_kubelet(self.name)
