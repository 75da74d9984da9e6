"""The real kubectl, pointed at a live cluster through its gateway."""

import http.client
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import peers
import pytest
import yaml
from client_program import ClientProgram

from actors.testing.live_cluster import LiveCluster

needs_kubectl = pytest.mark.skipif(not peers.is_there(peers.WHEEL), reason=peers.MISSING[peers.WHEEL])


class Kubectl(ClientProgram):
    """kubectl as the cluster's administrator, and what it takes to speak to the gateway without it."""

    def __init__(self, home: Path, cluster: LiveCluster, program: Path = peers.WHEEL) -> None:
        self.home = home
        self.file = cluster.kubeconfig
        self.cache = home / "cache"
        where = ("--kubeconfig", str(self.file), "--cache-dir", str(self.cache))
        super().__init__(program, *where, environment=os.environ)
        self.config = yaml.safe_load(self.file.read_text())
        self.address = urlsplit(self.config["clusters"][0]["cluster"]["server"])
        self.server = self.config["clusters"][0]["cluster"]["server"]
        self.ca = next(home.glob("*/gateway/ca.crt"))
        self.token = next(home.glob("*/gateway/token")).read_text()

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
