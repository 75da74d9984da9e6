"""For whom an operation is done: by its sender's name, or whom a frontend states."""

import pytest

from actors.apimachinery.operation import Operation
from actors.apimachinery.user import ADMIN, User, node_user, service_account_user
from actors.apiserver.identity import GATEWAY_USER, Identities, identity_of
from actors.supervisor.actor_table import actor_table
from actors.supervisor.cluster_config import ClusterConfig
from actors.supervisor.cluster_directory import ClusterDirectory


def test_actors_are_who_their_names_say():
    assert identity_of("scheduler").name == "system:kube-scheduler"
    assert identity_of("kubelet-node-1") == node_user("node-1")
    assert identity_of("deployment-controller") == service_account_user("kube-system", "deployment-controller")
    assert identity_of("gateway") == identity_of("gateway-2") == GATEWAY_USER
    assert identity_of("cli-17") == ADMIN


def test_only_the_gateway_and_administrators_ask_for_others():
    someone = User("jane", ("devs",), "uid-1", (("scopes", ("a", "b")),))
    stated = {"user": someone.wire()}
    identities = Identities()
    assert identities.user_of("gateway", "get", stated) == someone
    assert identities.user_of("cli-1", "get", stated) == someone
    for sender in ("scheduler", "kubelet-node-1", "deployment-controller"):
        with pytest.raises(Exception, match="cannot act for other users"):
            identities.user_of(sender, "get", stated)


@pytest.mark.parametrize("stated", [1, [], ["", [], "", []], ["a", [1], "", []], ["a", [], "", [["k", [2]]]], {}])
def test_a_user_that_is_not_one_is_refused(cluster, stated):
    refused = cluster.refused("create", "v1/configmaps", "default", "x", options={"user": stated})
    assert refused.code == 400
    assert not cluster.exists("v1/configmaps", "x")


def test_an_operation_is_done_for_the_stated_user(cluster):
    client = cluster.client.acting_for(User("root", ("system:masters",)))
    (result,) = cluster.run(client.batch([Operation("list", "v1/namespaces")]))
    assert result.ok


def test_every_actor_of_a_cluster_is_somebody(tmp_path):
    """A controller that is added to the actors must get an identity, or it would be the administrator."""
    config = ClusterConfig(nodes=1, hollow_nodes=1, gateway_port=1, etcd_listen="127.0.0.1:1")
    table = actor_table(config, ClusterDirectory("c", tmp_path, tmp_path))
    nobody = {spec.name for spec in table if identity_of(spec.name) == ADMIN}
    # These ask the API server nothing; the readiness check is the administrator's.
    assert nobody == {"broker", "store", "apiserver", "etcd-api", "runtime-node-1", "readiness"}
