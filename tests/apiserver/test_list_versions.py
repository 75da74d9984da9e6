"""resourceVersion and resourceVersionMatch of a list, in every mode; deletecollection's part of a collection."""

from api_cluster import Cluster, config_map

MAPS = "v1/configmaps"


def listed(cluster: Cluster, **options: object) -> tuple[list[str], int]:
    result = cluster.call("list", MAPS, "default", options=options)
    return [obj["metadata"]["name"] for obj in result.objects], result.revision


def test_a_list_is_of_the_version_it_asks_for(cluster: Cluster) -> None:
    first = int(cluster.create(MAPS, config_map("a"), "default")["metadata"]["resourceVersion"])
    second = int(cluster.create(MAPS, config_map("b"), "default")["metadata"]["resourceVersion"])
    exact = {"resourceVersion": str(first), "resourceVersionMatch": "Exact"}
    assert listed(cluster, **exact) == (["a"], first)
    assert listed(cluster) == (["a", "b"], second)
    for match in ({}, {"resourceVersionMatch": "NotOlderThan"}):
        assert listed(cluster, resourceVersion=str(first), **match) == (["a", "b"], second)
        assert listed(cluster, resourceVersion="0", **match)[0] == ["a", "b"]
    # A page of a version is of just that one, if nothing else is said.
    assert listed(cluster, resourceVersion=str(first), limit=10) == (["a"], first)
    assert listed(cluster, resourceVersion=str(first), limit=10, resourceVersionMatch="NotOlderThan")[0] == ["a", "b"]


def test_a_version_that_is_yet_to_come_is_too_large(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a"), "default")
    for options in ({}, {"resourceVersionMatch": "Exact"}):
        error = cluster.refused("list", MAPS, "default", options={"resourceVersion": "100000", **options})
        assert (error.code, error.reason) == (504, "Timeout")
        assert error.message.startswith("Timeout: Too large resource version: 100000, current: ")
        assert error.status["details"] == {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }


def test_options_that_contradict_one_another_are_refused(cluster: Cluster) -> None:
    error = cluster.refused("list", MAPS, "default", options={"resourceVersionMatch": "Exact"})
    assert (error.code, error.reason) == (422, "Invalid")
    error = cluster.refused("list", MAPS, "default", options={"continue": "x", "resourceVersion": "5"})
    assert error.message == "specifying resource version is not allowed when using continue"


def test_deletecollection_goes_by_selector_and_limit(cluster: Cluster) -> None:
    for name in ("a", "b", "c", "d"):
        cluster.create(MAPS, config_map(name, labels={"x": "y"} if name != "a" else {}), "default")
    dry = cluster.call("deletecollection", MAPS, "default", options={"labelSelector": "x=y", "dryRun": ["All"]})
    assert len(dry.objects) == 3
    assert cluster.names(MAPS) == ["a", "b", "c", "d"]
    gone = cluster.call("deletecollection", MAPS, "default", options={"labelSelector": "x=y", "limit": 2})
    assert [obj["metadata"]["name"] for obj in gone.objects] == ["b", "c"]
    assert cluster.names(MAPS) == ["a", "d"]


def test_what_was_stated_twice_is_told(cluster: Cluster) -> None:
    twice = {"strictErrors": ['duplicate field "data.a"']}
    warned = cluster.call(
        "create", MAPS, "default", "a", body=config_map("a"), options={"fieldValidation": "Warn", **twice}
    )
    assert warned.extra["warnings"] == ['duplicate field "data.a"']
    error = cluster.refused("create", MAPS, "default", "b", body={**config_map("b"), "foo": 1}, options=twice)
    assert error.message == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
        'duplicate field "data.a", unknown field "foo"'
    )
    error = cluster.refused("create", MAPS, "default", "b", body=config_map("b"), options=twice)
    assert error.message.endswith('strict decoding error: duplicate field "data.a"')
    ignored = {"fieldValidation": "Ignore", **twice}
    assert not cluster.call("create", MAPS, "default", "b", body=config_map("b"), options=ignored).extra
