"""Objects that lack what the schema doesn't insist on: whoever reads them goes on."""

from actors.apimachinery.resources import RESOURCES
from actors.apiserver.certificate_requests import check_certificate_request
from actors.apiserver.role_aggregation import outdated
from actors.controllers.certificate.actor import is_due
from actors.controllers.node_lifecycle.health import (
    evicted_in_s,
    heartbeat,
    ready_status,
    unknown_conditions,
    wanted_taints,
)
from actors.gateway.table import table_object

NODE = {
    "metadata": {"name": "a"},
    "spec": {"taints": [{}, {"key": "a"}]},
    "status": {"conditions": [{}, {"type": "Ready"}, {"status": "True"}]},
}


def test_nodes_with_empty_conditions_and_taints():
    for node in (NODE, {"metadata": {"name": "a"}}):
        ready_status(node)
        heartbeat(node, {})
        assert unknown_conditions(node, 0.0)
        assert wanted_taints(node, 0.0)
    assert evicted_in_s({"spec": {"tolerations": [{}]}}, NODE["spec"]["taints"], 0.0) is None


def test_certificate_requests_with_an_empty_condition():
    request = {"metadata": {"name": "a"}, "spec": {"signerName": "a/b"}, "status": {"conditions": [{}]}}
    assert not is_due(request)
    check_certificate_request(None, None, None, request, {**request, "status": {}})


def test_a_row_that_can_not_be_shown_hides_no_others():
    good = {"metadata": {"name": "good"}, "subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]}
    odd = {"metadata": {"name": "odd"}, "subsets": [{"addresses": [{"hostname": "b"}], "ports": [{}]}]}
    broken = {"metadata": {"name": "broken"}, "subsets": [7]}
    table = table_object(RESOURCES.get("v1/endpoints"), [good, odd, broken], {}, 0.0)
    assert [row["cells"][0] for row in table["rows"]] == ["good", "odd", "broken"]
    assert table["rows"][0]["cells"][1] == "10.0.0.1:80"
    assert {len(row["cells"]) for row in table["rows"]} == {len(table["columnDefinitions"])}


def test_an_aggregated_role_whose_selector_is_none():
    """It ended the API server, at each start anew."""
    odd = [{"matchLabels": {"a": "example.com/a"}}, {"matchExpressions": [{"key": "a", "operator": "x"}]}, {}]
    role = {"metadata": {"name": "a"}, "aggregationRule": {"clusterRoleSelectors": odd[:2]}}
    other = {"metadata": {"name": "b", "labels": {"a": "b"}}, "rules": [{"verbs": ["get"]}]}
    assert outdated([role, other]) == []
    role["aggregationRule"]["clusterRoleSelectors"] = odd
    assert outdated([role, other])[0]["rules"] == other["rules"]
