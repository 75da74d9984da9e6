"""How the store actor of ``up --store etcd`` is told about its etcd: files and the password are read in its process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from actors.supervisor.cluster_config import ClusterConfig
from broker.context import Context

if TYPE_CHECKING:
    from store.etcd_backend.config import EtcdConfig

#: The password of ``--etcd-user``, when no file has it.
PASSWORD_VARIABLE: Final = "PODCHAIN_ETCD_PASSWORD"  # noqa: S105 - a name


def etcd_config(config: ClusterConfig) -> EtcdConfig:
    """Members and credentials. Raises `OSError` for a file that can't be read and `ValueError` for a bad endpoint."""
    from store.etcd_backend.config import EtcdConfig

    password = ""
    if config.etcd_password_file:
        password = Path(config.etcd_password_file).read_text().rstrip("\r\n")
    elif config.etcd_user:
        password = os.environ.get(PASSWORD_VARIABLE, "")
    return EtcdConfig(
        tuple(config.etcd_endpoints),
        ca_certificate=_content(config.etcd_cacert),
        certificate=_content(config.etcd_client_cert),
        key=_content(config.etcd_client_key),
        user=config.etcd_user,
        password=password,
    )


def _content(file: str) -> bytes | None:
    return Path(file).read_bytes() if file else None


async def run(ctx: Context, *arguments: Any) -> None:
    """The store actor. gRPC is loaded here, after the fork, because its threads would not survive one."""
    from store.etcd_backend.actor import run as run_store

    await run_store(ctx, *arguments)
