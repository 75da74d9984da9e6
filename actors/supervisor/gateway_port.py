"""Which port the gateway gets."""

from __future__ import annotations

import socket
from importlib.util import find_spec

from actors.supervisor.cluster_config import InvalidConfig, load_config
from actors.supervisor.cluster_directory import ClusterDirectory


def gateway_is_installed() -> bool:
    """Whether the libraries of the extra ``gateway`` are there."""
    return find_spec("aiohttp") is not None and find_spec("cryptography") is not None


def chosen_gateway_port(directory: ClusterDirectory, wanted: int) -> int:
    """The port that was asked for; for 0 the one of the last time, or any free one; 0 without the gateway's libraries.

    Chosen before the cluster starts, so that it can be told at once and stays the same over restarts.
    Raises `InvalidConfig` for a port that was asked for but can't be served.
    """
    if not gateway_is_installed():
        if wanted:
            raise InvalidConfig("gateway: aiohttp and cryptography are not installed; see the extra: podchain[gateway]")
        return 0
    if wanted:
        return wanted
    try:
        last = load_config(directory).gateway_port
    except (OSError, ValueError, TypeError):
        last = 0
    return last if last and _bindable(last) else _bindable(0)


def _bindable(port: int) -> int:
    """The port if it is free (0: any that is); 0 when it isn't."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
        bound: int = probe.getsockname()[1]
        return bound
