"""``up --etcd-listen``: the actor among the others, and what is refused before anything starts."""

import dataclasses
import os
import subprocess
import sys
import time

import pytest
from etcd_programs import REPOSITORY, Server, free_port, missing

from actors.supervisor.actor_table import actor_table
from actors.supervisor.cluster_config import ClusterConfig, InvalidConfig
from actors.supervisor.cluster_directory import cluster_directory

if missing():
    pytest.skip(missing(), allow_module_level=True)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"etcd_listen": "0.0.0.0:2379"}, "not a loopback address"),
        ({"etcd_listen": "nonsense"}, "not HOST:PORT"),
        ({"etcd_cert": "cert.pem"}, "without an address"),
        ({"etcd_listen": "0.0.0.0:2379", "etcd_cert": "/missing", "etcd_key": "/missing"}, "there is no file"),
    ],
)
def test_what_is_refused(settings, reason):
    with pytest.raises(InvalidConfig, match=reason):
        ClusterConfig(**settings)


def test_no_actor_unless_asked():
    directory = cluster_directory("podchain")
    without = ClusterConfig(nodes=1)
    names = [spec.name for spec in actor_table(without, directory)]
    asked = dataclasses.replace(without, etcd_listen="127.0.0.1:2379")
    assert sorted({spec.name for spec in actor_table(asked, directory)} - set(names)) == ["etcd-api"]


def cli(*arguments):
    command = [sys.executable, "cli.py", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True).stdout


def test_etcdctl_reads_a_running_cluster(tmp_path, monkeypatch):
    """And goes on to, after the actor was killed."""
    monkeypatch.setenv("PODCHAIN_HOME", str(tmp_path / "home"))
    port = free_port()
    cli("up", "--detach", "--nodes", "1", "--etcd-listen", f"127.0.0.1:{port}")
    try:
        client = Server(["sleep", "100"], f"127.0.0.1:{port}", tmp_path)
        assert "/registry/nodes/node-1" in client.ctl("get", "/registry/", "--prefix", "--keys-only").split()
        revision = client.ctl("get", "x", "-w", "fields").split('"Revision" : ')[1].split()[0]
        (line,) = [line for line in cli("ps").splitlines() if line.startswith("etcd-api ")]
        os.kill(int(line.split()[1]), 9)
        deadline_s = time.monotonic() + 20
        while "/registry/nodes/node-1" not in (said := client.ctl("get", "/registry/nodes/node-1")):
            assert time.monotonic() < deadline_s, said
            time.sleep(0.2)
        assert int(client.ctl("get", "x", "-w", "fields").split('"Revision" : ')[1].split()[0]) >= int(revision)
        client.close()
    finally:
        cli("down", "--purge")
