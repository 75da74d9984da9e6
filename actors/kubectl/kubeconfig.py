"""``kubeconfig``: what kubectl and other Kubernetes clients need to reach the cluster's gateway."""

from __future__ import annotations

import base64
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import click
import yaml

from actors.kubectl.failure import CommandFailed
from actors.kubectl.session import DEFAULT_CLUSTER, fail

WAIT_S: Final = 10.0


def context_name(cluster: str) -> str:
    """``podchain``, or ``podchain-NAME``."""
    return cluster if cluster == DEFAULT_CLUSTER else f"podchain-{cluster}"


def kubeconfig(cluster: str, server: str, ca: bytes, certificate: bytes, key: bytes) -> dict[str, Any]:
    """The configuration of one cluster, with everything in it."""
    name = context_name(cluster)

    def encoded(content: bytes) -> str:
        return base64.b64encode(content).decode()

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": encoded(ca)}}],
        "users": [
            {
                "name": name,
                "user": {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)},
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def merged(existing: dict[str, Any], added: dict[str, Any]) -> dict[str, Any]:
    """`existing` with the entries of `added` in place of those of the same name; its context becomes the current."""
    result = {**added, **existing, "current-context": added["current-context"]}
    for section in ("clusters", "users", "contexts"):
        names = {entry["name"] for entry in added[section]}
        kept = [entry for entry in existing.get(section) or [] if entry.get("name") not in names]
        result[section] = [*kept, *added[section]]
    return result


def without(existing: dict[str, Any], name: str) -> dict[str, Any]:
    """`existing` without the entries of that name."""
    result = dict(existing)
    for section in ("clusters", "users", "contexts"):
        result[section] = [entry for entry in existing.get(section) or [] if entry.get("name") != name]
    if result.get("current-context") == name:
        result["current-context"] = ""
    return result


def default_file() -> Path:
    """The file that kubectl changes: the first of ``KUBECONFIG``, else ``~/.kube/config``."""
    first = next(filter(None, os.environ.get("KUBECONFIG", "").split(os.pathsep)), "")
    return Path(first) if first else Path.home() / ".kube" / "config"


def read_file(path: Path) -> dict[str, Any]:
    """A kubeconfig; empty when there is none. Raises `CommandFailed` for something else."""
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError) as error:
        raise CommandFailed(f"{path}: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise CommandFailed(f"{path} is not a kubeconfig")
    return content


def write_file(path: Path, content: dict[str, Any]) -> None:
    """Write a kubeconfig that only its owner may read, all or nothing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".kubeconfig-")
    with os.fdopen(descriptor, "w") as file:
        file.write(text_of(content))
    try:
        Path(draft).replace(path)
    except OSError as error:
        Path(draft).unlink()
        raise CommandFailed(f"cannot write {path}: {error.strerror}") from error


def text_of(content: dict[str, Any]) -> str:
    """As YAML."""
    text: str = yaml.safe_dump(content, sort_keys=False)
    return text


def cluster_kubeconfig(cluster: str) -> dict[str, Any]:
    """The kubeconfig of a cluster that was started. Raises `CommandFailed` when it has no gateway."""
    from actors.supervisor.cluster_config import InvalidConfig, load_config
    from actors.supervisor.cluster_directory import cluster_directory

    directory = cluster_directory(cluster)
    try:
        port = load_config(directory).gateway_port
    except (OSError, InvalidConfig, ValueError) as error:
        raise CommandFailed(f'cluster "{cluster}" was never started; see podchain up') from error
    if not port:
        raise CommandFailed(f'cluster "{cluster}" has no gateway; install podchain[gateway] and start it again')
    folder = directory.gateway
    _await_file(folder / "token", port)
    return kubeconfig(
        cluster,
        f"https://127.0.0.1:{port}",
        (folder / "ca.crt").read_bytes(),
        (folder / "admin.crt").read_bytes(),
        (folder / "admin.key").read_bytes(),
    )


def remember_merged(cluster: str, path: Path) -> None:
    """Note which files have the cluster's entries, so that they can be taken out when the cluster is deleted."""
    from actors.supervisor.cluster_directory import cluster_directory

    file = cluster_directory(cluster).merged_kubeconfigs
    known = file.read_text().splitlines() if file.exists() else []
    if str(path.absolute()) not in known:
        file.write_text("\n".join([*known, str(path.absolute())]) + "\n")


def forget_merged(cluster: str, merged_into: Path) -> list[str]:
    """Take the cluster's entries out of the files they were merged into; what could not be done, in words."""
    failures: list[str] = []
    if not merged_into.exists():
        return failures
    for line in merged_into.read_text().splitlines():
        path = Path(line)
        try:
            existing = read_file(path)
            if existing and existing != (kept := without(existing, context_name(cluster))):
                write_file(path, kept)
        except (CommandFailed, OSError) as error:
            failures.append(f"{path} still has the cluster's entries: {error}")
    return failures


def _await_file(path: Path, port: int) -> None:
    """Right after a start the gateway may still be at making its certificates and opening its port."""
    import socket
    import time

    until_s = time.monotonic() + WAIT_S
    while time.monotonic() < until_s:
        if path.exists():
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            except OSError:
                pass
            else:
                return
        time.sleep(0.02)
    if not path.exists():
        raise CommandFailed(
            "the gateway has not made its certificates; is the cluster up? See podchain actor-logs gateway"
        )


@click.command("kubeconfig", short_help="Print the kubeconfig of the cluster, or write it to a file")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=None, help="Write it to this file.")
@click.option("--merge", is_flag=True, help="Merge it into the file (default: KUBECONFIG, else ~/.kube/config).")
@click.option("--remove", is_flag=True, help="Take the cluster's entries out of the file again.")
@click.pass_context
def kubeconfig_command(ctx: click.Context, output: Path | None, merge: bool, remove: bool) -> None:
    """Print what kubectl needs to reach the cluster, as a kubeconfig."""
    cluster = (ctx.find_object(dict) or {}).get("name") or DEFAULT_CLUSTER
    path = output or default_file()
    try:
        if remove:
            write_file(path, without(read_file(path), context_name(cluster)))
            return
        content = cluster_kubeconfig(cluster)
        if merge:
            write_file(path, merged(read_file(path), content))
            remember_merged(cluster, path)
        elif output is not None:
            write_file(path, content)
        else:
            sys.stdout.write(text_of(content))
    except CommandFailed as error:
        fail(error)
