"""One live cluster for a module's tests, and clients in namespaces of their own."""

import peers
import pytest
from live_gateway import Gateway, Program


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("clients"))
    try:
        yield gateway
    finally:
        gateway.down()


@pytest.fixture(params=[peers.WHEEL, peers.OLDER], ids=["kubectl", "older-kubectl"])
def kubectl(request, gateway, record_property):
    program = request.param
    if not peers.is_there(program):
        pytest.skip(peers.MISSING[program])
    marker = request.node.get_closest_marker("feature")
    record_property("client", f"kubectl {peers.version_of(program)}\t{marker.args[0]}")
    return Program(program, gateway, gateway.namespace())
