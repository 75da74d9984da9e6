"""A cluster whose store is full, and ``podchain store``, which leads out of it."""

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
QUOTA_BYTES = 4 * 1024 * 1024


def cli(*arguments, check=True, stdin=""):
    command = [sys.executable, "cli.py", *arguments]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=90, input=stdin)
    assert not check or found.returncode == 0, found.stdout + found.stderr
    return found.stdout + found.stderr


def config_map(name, size):
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "x" * size}})


def test_out_of_a_full_store(tmp_path, monkeypatch):
    monkeypatch.setenv("PODCHAIN_HOME", str(tmp_path / "home"))
    cli("up", "--detach", "--nodes", "1", "--no-gateway", "--quota-backend-bytes", str(QUOTA_BYTES))
    try:
        assert "alarms:             none" in cli("store", "status")
        many = [config_map(f"large-{i}", 500_000) for i in range(12)]
        said = cli("create", "-f", "-", stdin="\n---\n".join(many), check=False)
        assert "etcdserver: mvcc: database space exceeded" in said
        found = json.loads(cli("store", "status", "-o", "json"))
        assert found["alarms"] == ["NOSPACE"]
        assert found["quota_bytes"] == QUOTA_BYTES
        # Reads go on, deletes too; writes don't, however small.
        assert "large-0" in cli("get", "configmaps")
        said = cli("create", "-f", "-", stdin=config_map("small", 1), check=False)
        assert "database space exceeded" in said
        cli("delete", "configmaps", *(f"large-{i}" for i in range(12)), "--ignore-not-found", "--wait=false")
        assert "compacted revision" in cli("store", "compact")
        assert "defragmented" in cli("store", "defrag")
        assert json.loads(cli("store", "status", "-o", "json"))["log_bytes"] < QUOTA_BYTES / 2
        assert cli("store", "disarm").strip() == "NOSPACE disarmed"
        assert cli("store", "disarm").strip() == "there is no alarm"
        cli("create", "-f", "-", stdin=config_map("small", 1))
        assert "compacted" in cli("store", "compact", "--revision", "1", check=False)
    finally:
        cli("down", "--purge", check=False)
    assert "is not running" in cli("store", "status", check=False)
