"""NodePorts: a port of the host serves one pod, on one address or on all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from actors.scheduler.node_info import ANY_ADDRESS, NodeInfo
from actors.scheduler.plugins.status import Rejection
from actors.scheduler.pod_info import HostPort, PodTemplate

NAME: Final = "NodePorts"
_REJECTION: Final = Rejection(NAME, ("node(s) didn't have free ports for the requested pod ports",))


def conflicts(wanted: Iterable[HostPort], used: Iterable[HostPort]) -> bool:
    """Whether two sets of ports can't be held at once: same protocol and port, and the same or every address."""
    taken = list(used)
    for address, protocol, port in wanted:
        for other_address, other_protocol, other_port in taken:
            if (protocol, port) == (other_protocol, other_port) and (
                address == other_address or ANY_ADDRESS in (address, other_address)
            ):
                return True
    return False


def rejects(template: PodTemplate, node: NodeInfo) -> Rejection | None:
    """The filter."""
    return _REJECTION if template.host_ports and conflicts(template.host_ports, node.ports) else None
