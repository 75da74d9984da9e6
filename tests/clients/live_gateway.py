"""A live cluster with its gateway, for clients of other makers."""

import itertools
import subprocess
from pathlib import Path

from actors.testing.live_cluster import LiveCluster

COMMAND_TIMEOUT_S = 90
_numbers = itertools.count(1)


class Gateway:
    """A running cluster and its kubeconfig."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self.cluster = LiveCluster(home, "clients-test", 2)
        self.cluster.up(*options)
        self.kubeconfig = home / "kubeconfig"
        self.cluster.podchain("kubeconfig", "--output", str(self.kubeconfig))

    def down(self) -> None:
        self.cluster.down()

    def namespace(self) -> str:
        """A new namespace."""
        name = f"space-{next(_numbers)}"
        self.cluster.podchain("create", "namespace", name)
        return name


class Program:
    """A command-line client, pointed at a gateway and a namespace."""

    def __init__(self, path: Path, gateway: Gateway, namespace: str) -> None:
        self.path = path
        self.namespace = namespace
        self.gateway = gateway
        self._environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(gateway.home),
            "KUBECONFIG": str(gateway.kubeconfig),
            "KUBE_EDITOR": "",
        }

    def run(self, *words: str, stdin: str | None = None, **environment: str) -> subprocess.CompletedProcess:
        """Run it, whatever becomes of it."""
        return subprocess.run(
            [self.path, "--namespace", self.namespace, *words],
            capture_output=True,
            text=True,
            input=stdin,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
            env={**self._environment, **environment},
        )

    def __call__(self, *words: str, stdin: str | None = None, **environment: str) -> str:
        """Run it; gives its output. It must succeed."""
        done = self.run(*words, stdin=stdin, **environment)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *words: str, stdin: str | None = None) -> str:
        """Run what must fail; gives what it says."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode != 0, f"{words}: {done.stdout}"
        return done.stderr
