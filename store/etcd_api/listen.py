"""Where and how the etcd API is served."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


class InvalidListen(ValueError):
    """The address or the certificates make no sense together."""


@dataclass(frozen=True, slots=True)
class EtcdApiConfig:
    """The settings of the `etcd-api` actor."""

    listen: str
    """``host:port``. Other than loopback addresses need a certificate."""
    name: str = "podchain"
    """The cluster's name: its ids are made from it."""
    certificate_file: str = ""
    """PEM. With a key file: TLS."""
    key_file: str = ""
    client_ca_file: str = ""
    """PEM. Clients must show a certificate that this one has signed."""
    progress_interval_s: float = 600.0
    """How often a quiet watch that asked for it is told the revision (etcd's default)."""

    def __post_init__(self) -> None:
        check_listen(self.listen, self.certificate_file, self.key_file, self.client_ca_file)

    @property
    def url(self) -> str:
        """What clients are told to connect to."""
        return f"{'https' if self.certificate_file else 'http'}://{self.listen}"


def check_listen(listen: str, certificate_file: str, key_file: str, client_ca_file: str) -> None:
    """Refuse what must not be served. Raises `InvalidListen`."""
    host, port = split_listen(listen)
    if bool(certificate_file) != bool(key_file):
        raise InvalidListen("etcd API: a certificate and a key go together")
    if client_ca_file and not certificate_file:
        raise InvalidListen("etcd API: a client CA needs a certificate and a key")
    if not certificate_file and not is_loopback(host):
        raise InvalidListen(
            f"etcd API: {host}:{port} is not a loopback address: whoever reaches it could change everything; "
            "give a certificate and a key"
        )


def split_listen(listen: str) -> tuple[str, int]:
    """Host and port. Raises `InvalidListen`."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise InvalidListen(f"etcd API: {listen!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
