"""A live cluster with its gateway, for clients of other makers."""

import itertools
from pathlib import Path

from client_program import ClientProgram

from actors.testing.live_cluster import LiveCluster

_numbers = itertools.count(1)


class Gateway:
    """A running cluster and its kubeconfig."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self.cluster = LiveCluster(home, "clients-test", 2)
        self.cluster.up(*options)
        self.kubeconfig = self.cluster.kubeconfig

    def down(self) -> None:
        self.cluster.down()

    def namespace(self) -> str:
        """A new namespace."""
        name = f"space-{next(_numbers)}"
        self.cluster.podchain("create", "namespace", name)
        return name


class Program(ClientProgram):
    """A command-line client, pointed at a gateway and a namespace."""

    def __init__(self, path: Path, gateway: Gateway, namespace: str) -> None:
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(gateway.home),
            "KUBECONFIG": str(gateway.kubeconfig),
            "KUBE_EDITOR": "",
        }
        super().__init__(path, "--namespace", namespace, environment=environment)
        self.namespace = namespace
        self.gateway = gateway
