"""How an etcd cluster is reached."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class EtcdConfig:
    """Members and credentials. Certificates are PEM."""

    endpoints: tuple[str, ...]
    """Client URLs of the members: ``http://127.0.0.1:2379``; ``https`` for TLS, for all or none."""
    ca_certificate: bytes | None = None
    """Whom to trust; None: the authorities this machine trusts."""
    certificate: bytes | None = None
    """Our own certificate, for etcd's --client-cert-auth; goes with `key`."""
    key: bytes | None = field(default=None, repr=False)
    user: str = ""
    """With it and its password every call is authenticated; it must be allowed to read and write every key."""
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.endpoints:
            raise ValueError("there is no etcd endpoint")
        for url in self.endpoints:
            scheme, separator, address = url.partition("://")
            if not separator or scheme not in ("http", "https") or not address:
                raise ValueError(f"{url!r} is not like http://127.0.0.1:2379 or https://127.0.0.1:2379")
        if len({url.partition("://")[0] for url in self.endpoints}) > 1:
            raise ValueError("either every etcd endpoint is http or every one is https")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("an etcd certificate and its key go together")

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.endpoints[0].startswith("https://")

    @property
    def addresses(self) -> list[str]:
        """Host and port of each member, as gRPC names its targets."""
        return [url.partition("://")[2].rstrip("/") for url in self.endpoints]
