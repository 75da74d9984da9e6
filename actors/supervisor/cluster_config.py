"""What a cluster is made of, saved in its directory so that later commands know it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, get_args

from actors.chaos.vocabulary import faults_from_rates
from actors.supervisor.cluster_directory import ClusterDirectory
from actors.supervisor.state_file import replace_file

RuntimeDriver = Literal["sim", "process"]
StoreBackend = Literal["sqlite", "memory", "etcd"]

#: More nodes than this want `hollow_nodes`: each takes two processes.
NODES_MAX: Final = 100
HOLLOW_NODES_MAX: Final = 10_000
PORT_MAX: Final = 65_535
GATEWAYS_MAX: Final = 16


class InvalidConfig(ValueError):
    """A setting has a value that makes no sense; the message names it."""


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """The settings of ``podchain up``."""

    nodes: int = 3
    """Nodes with a kubelet and a container runtime process of their own: ``node-1`` to ``node-N``."""
    hollow_nodes: int = 0
    """Lightweight nodes, all in one more process."""
    runtime: RuntimeDriver = "sim"
    store: StoreBackend = "sqlite"
    faults: Mapping[str, Any] = field(default_factory=dict)
    """Faults in force from the start: kind to rate, as for `actors.chaos.vocabulary.faults_from_rates`."""
    seed: int | None = None
    """What faults are drawn from, in each actor; None: from chance."""

    etcd_listen: str = ""
    """Where etcd's API is served, as ``host:port``; nowhere when empty."""
    etcd_cert: str = ""
    etcd_key: str = ""
    etcd_client_ca: str = ""
    """PEM files for TLS on the etcd API, as for `store.etcd_api.config.EtcdApiConfig`."""

    etcd_endpoints: Sequence[str] = ()
    """Client URLs of the etcd that is the store."""
    etcd_cacert: str = ""
    etcd_client_cert: str = ""
    etcd_client_key: str = ""
    """PEM files for TLS to that etcd."""
    etcd_user: str = ""
    etcd_password_file: str = ""

    quota_backend_bytes: int = 0
    """The store's file may be so large; 0: etcd's default, negative: no limit."""
    auto_compaction_mode: str = "periodic"
    auto_compaction_retention: str = ""
    """History the store keeps, as for `store.retention.read_retention`."""

    gateway_port: int = 0
    """Where Kubernetes' REST API is served over HTTPS, on the loopback interface; nowhere when 0."""
    gateways: int = 1
    """So many processes serve it there."""

    def __post_init__(self) -> None:
        if not 0 <= self.gateway_port <= PORT_MAX:
            raise InvalidConfig(f"gateway port: {self.gateway_port} is not between 0 and {PORT_MAX}")
        if not 1 <= self.gateways <= GATEWAYS_MAX:
            raise InvalidConfig(f"gateways: {self.gateways} is not between 1 and {GATEWAYS_MAX}")
        if not 0 <= self.nodes <= NODES_MAX:
            raise InvalidConfig(f"nodes: {self.nodes} is not between 0 and {NODES_MAX}; see --hollow-nodes")
        if not 0 <= self.hollow_nodes <= HOLLOW_NODES_MAX:
            raise InvalidConfig(f"hollow nodes: {self.hollow_nodes} is not between 0 and {HOLLOW_NODES_MAX}")
        try:
            faults_from_rates(self.faults)
        except ValueError as error:
            raise InvalidConfig(f"faults: {error}") from error
        if self.runtime not in get_args(RuntimeDriver):
            raise InvalidConfig(f"runtime: {self.runtime!r} is not one of {', '.join(get_args(RuntimeDriver))}")
        if self.store not in get_args(StoreBackend):
            raise InvalidConfig(f"store: {self.store!r} is not one of {', '.join(get_args(StoreBackend))}")
        self._check_history()
        self._check_etcd_api()
        self._check_etcd_store()

    def _check_history(self) -> None:
        if self.quota_backend_bytes and self.store == "etcd":
            raise InvalidConfig("quota backend bytes: an etcd that is the store has a quota of its own")
        from store.retention import InvalidRetention, read_retention

        try:
            read_retention(self.auto_compaction_mode, self.auto_compaction_retention)
        except InvalidRetention as error:
            raise InvalidConfig(str(error)) from error

    def _check_etcd_api(self) -> None:
        files = (self.etcd_cert, self.etcd_key, self.etcd_client_ca)
        if not self.etcd_listen:
            if any(files):
                raise InvalidConfig("etcd API: certificates are of no use without an address to listen on")
            return
        if find_spec("grpc") is None or find_spec("google.protobuf") is None:
            raise InvalidConfig("etcd API: grpcio and protobuf are not installed; see the extra: podchain[etcd]")
        for file in filter(None, files):
            if not Path(file).is_file():
                raise InvalidConfig(f"etcd API: there is no file {file}")
        from store.etcd_api.listen import InvalidListen, check_listen

        try:
            check_listen(self.etcd_listen, *files)
        except InvalidListen as error:
            raise InvalidConfig(str(error)) from error

    def _check_etcd_store(self) -> None:
        if self.store != "etcd":
            if self.etcd_endpoints:
                raise InvalidConfig("etcd endpoints: they are for --store etcd")
            return
        if find_spec("grpc") is None or find_spec("google.protobuf") is None:
            raise InvalidConfig("store etcd: grpcio and protobuf are not installed; see the extra: podchain[etcd]")
        from actors.supervisor.etcd_store import etcd_config

        try:
            etcd_config(self)
        except (OSError, ValueError) as error:
            raise InvalidConfig(f"store etcd: {error}") from error

    @property
    def node_names(self) -> list[str]:
        """The nodes that have processes of their own."""
        return [f"node-{number}" for number in range(1, self.nodes + 1)]

    def save(self, directory: ClusterDirectory) -> None:
        """Write it into the cluster's directory."""
        text = json.dumps(dataclasses.asdict(self), indent=2)
        replace_file(config_file(directory), text + "\n")


def config_file(directory: ClusterDirectory) -> Path:
    """Where a cluster's settings are."""
    return directory.root / "cluster.json"


def load_config(directory: ClusterDirectory) -> ClusterConfig:
    """The settings of the cluster's last ``up``. Raises `FileNotFoundError` and `InvalidConfig`."""
    plain = json.loads(config_file(directory).read_text())
    known = {f.name for f in dataclasses.fields(ClusterConfig)}
    settings = {name: value for name, value in plain.items() if name in known}
    settings["etcd_endpoints"] = tuple(settings.get("etcd_endpoints") or ())
    return ClusterConfig(**settings)
