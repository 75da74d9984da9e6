"""Rules the kubelet goes by: probes' thresholds, back-off, admission, environment, volumes, durations, addresses."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pod_world import pod

from actors.kubelet.admission import admit, matches_node, pod_requests
from actors.kubelet.backoff import BACKOFF_MAX_S, Backoff, format_duration, next_backoff, until_s
from actors.kubelet.config import NodeConfig
from actors.kubelet.environment import ConfigError, expand, resolve_environment
from actors.kubelet.pod_memory import PodDependencies
from actors.kubelet.probe import KINDS, Kind, initial_probe, probed
from actors.kubelet.qos import qos_class
from actors.kubelet.volumes import VolumeError, pod_volumes
from actors.runtime.address import AddressesExhausted, PodAddresses, pod_cidr_of

NODE = NodeConfig("node-1")


@given(
    st.sampled_from(KINDS),
    st.integers(1, 4),
    st.integers(1, 4),
    st.lists(st.booleans(), max_size=30),
    st.integers(1, 9),
)
def test_a_probe_turns_exactly_at_its_thresholds(
    kind: Kind, failures: int, successes: int, outcomes: list[bool], period_s: int
) -> None:
    if kind != "readiness":
        successes = 1  # Kubernetes allows no other
    probe = {"failureThreshold": failures, "successThreshold": successes, "periodSeconds": period_s}
    state = initial_probe(kind, probe, 0, 100.0, 100.0)
    now_s = 100.0
    for index, outcome in enumerate(outcomes):
        before = state
        state = probed(kind, state, probe, outcome, now_s)
        wanted = failures if not outcome else successes
        run = outcomes[: index + 1][-wanted:]
        if len(run) == wanted and all(one == outcome for one in run):
            assert state.result is outcome
        else:
            assert state.result == before.result
        if state.due_s == float("inf"):
            assert kind != "readiness"
            assert state.result == (kind == "startup" and outcome)
            return
        assert state.due_s == now_s + period_s
        now_s = state.due_s


def test_initial_results() -> None:
    probe = {"initialDelaySeconds": 5}
    assert [initial_probe(kind, probe, 0, 10.0, 11.0).result for kind in KINDS] == [None, False, True]
    assert initial_probe("readiness", probe, 0, 10.0, 11.0).due_s == 15.0


@given(st.lists(st.floats(0, 2000), max_size=20))
def test_back_off_doubles_up_to_its_maximum_and_is_forgotten(pauses: list[float]) -> None:
    backoff: Backoff | None = None
    now_s = 0.0
    for pause_s in pauses:
        now_s = until_s(backoff, now_s + pause_s)
        before = backoff
        backoff = next_backoff(backoff, now_s, now_s)
        assert 10.0 <= backoff.delay_s <= BACKOFF_MAX_S
        if before is not None and now_s - before.updated_s <= 600:
            assert backoff.delay_s == min(before.delay_s * 2, 300)
        else:
            assert backoff.delay_s == 10.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(10, "10s"), (80, "1m20s"), (300, "5m0s"), (0, "0s"), (0.35, "350ms"), (1.5, "1.5s"), (3661, "1h1m1s")],
)
def test_durations_as_go_prints_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_requests_count_init_containers_and_sidecars() -> None:
    def container(cpu: str, **more: Any) -> dict[str, Any]:
        return {"name": "c", "resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "containers": [container("100m"), container("200m")],
        "initContainers": [container("50m", restartPolicy="Always"), container("900m")],
    }
    assert pod_requests(spec) == {"cpu": 950}
    assert pod_requests({**spec, "initContainers": spec["initContainers"][:1], "overhead": {"cpu": "5m"}}) == {
        "cpu": 355
    }


def test_admission_refusals() -> None:
    room = {"cpu": 1000, "memory": 2**30, "pods": 2}
    node = {"metadata": {"name": "node-1", "labels": {"disk": "ssd"}}}
    ported = pod(containers=[{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 80}]}])
    assert admit(pod(), node, room, {}, 0, []) is None
    assert admit(pod(), node, room, {}, 2, []) == (
        "OutOfpods",
        "Node didn't have enough resource: pods, requested: 1, used: 2, capacity: 2",
    )
    refusal = admit(pod(nodeSelector={"disk": "hdd"}), node, room, {}, 0, [])
    assert refusal is not None
    assert refusal.reason == "NodeAffinity"
    assert admit(ported, node, room, {}, 0, [("127.0.0.1", "UDP", 80)]) is None
    refusal = admit(ported, node, room, {}, 0, [("127.0.0.1", "TCP", 80)])
    assert refusal is not None
    assert refusal.reason == "NodePorts"


@pytest.mark.parametrize(
    ("operator", "values", "matches"),
    [("In", ["8"], True), ("NotIn", ["8"], False), ("Gt", ["7"], True), ("Lt", ["8"], False), ("Exists", [], True)],
)
def test_node_affinity(operator: str, values: list[str], matches: bool) -> None:
    term = {"matchExpressions": [{"key": "cores", "operator": operator, "values": values}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}, term]}}
    assert matches_node({"affinity": {"nodeAffinity": required}}, {"cores": "8"}, "n") is matches


def dependencies() -> PodDependencies:
    secret = {"data": {"password": base64.b64encode(b"hush").decode()}}
    return PodDependencies(
        {("v1/configmaps", "settings"): {"data": {"A": "1", "b-c": "2"}}, ("v1/secrets", "keys"): secret}, 0.0
    )


def test_environment_from_everywhere() -> None:
    container = {
        "name": "c",
        "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "1500m"}},
        "envFrom": [{"prefix": "S_", "configMapRef": {"name": "settings"}}],
        "env": [
            {"name": "WHO", "value": "world"},
            {"name": "GREETING", "value": "hello $(WHO) $$(WHO) $(NOBODY) $(S_A)"},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}}},
            {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "y", "optional": True}}},
        ],
    }
    assert resolve_environment(pod(), container, NODE, "10.244.0.9", dependencies()) == {
        "S_A": "1",
        "S_b-c": "2",
        "WHO": "world",
        "GREETING": "hello world $(WHO) $(NOBODY) 1",
        "PASSWORD": "hush",
        "IP": "10.244.0.9",
        "NAME": "web-0",
        "CPU": "2",
        "MEM": "64",
    }


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "gone", "key": "a"}}, 'configmap "gone" not found'),
        ({"secretKeyRef": {"name": "gone", "key": "a"}}, 'secret "gone" not found'),
        ({"configMapKeyRef": {"name": "settings", "key": "z"}}, "couldn't find key z in ConfigMap default/settings"),
        ({"secretKeyRef": {"name": "keys", "key": "z"}}, "couldn't find key z in Secret default/keys"),
    ],
)
def test_what_is_missing_is_named(source: dict[str, Any], message: str) -> None:
    container = {"name": "c", "env": [{"name": "V", "valueFrom": source}]}
    with pytest.raises(ConfigError) as caught:
        resolve_environment(pod(), container, NODE, "", dependencies())
    assert str(caught.value) == message


@given(st.text(alphabet="ab$()", max_size=12))
def test_expansion_without_variables_only_halves_dollars(text: str) -> None:
    assert expand(text, {}).replace("$", "") == text.replace("$", "")
    assert expand("$(ab)", {"ab": text}) == text, "what is put in is not expanded again"


def test_volumes() -> None:
    sources = [
        {"configMap": {"name": "settings", "items": [{"key": "A", "path": "deep/a", "mode": 0o400}]}},
        {"secret": {"name": "keys"}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"serviceAccountToken": {"path": "token"}},
    ]
    manifest = pod(volumes=[{"name": "all", "projected": {"sources": sources}}, {"name": "tmp", "emptyDir": {}}])
    assert pod_volumes(manifest, NODE, dependencies()) == {
        "all": {
            "type": "files",
            "files": {"deep/a": [b"1", 0o400], "password": [b"hush", 0o644], "name": [b"web-0", 0o644]},
        },
        "tmp": {"type": "emptyDir", "medium": ""},
    }
    with pytest.raises(VolumeError, match='configmap "gone" not found'):
        pod_volumes(pod(volumes=[{"name": "v", "configMap": {"name": "gone"}}]), NODE, dependencies())
    optional = pod(volumes=[{"name": "v", "configMap": {"name": "gone", "optional": True}}])
    assert pod_volumes(optional, NODE, dependencies()) == {"v": {"type": "files", "files": {}}}


@pytest.mark.parametrize(
    ("resources", "name"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_qos(resources: dict[str, Any], name: str) -> None:
    assert qos_class({"containers": [{"name": "c", "resources": resources}]}) == name


def test_pod_addresses_are_unique_and_come_back() -> None:
    addresses = PodAddresses("10.244.3.0/24")
    given_out = [addresses.allocate() for _ in range(253)]
    assert (given_out[0], given_out[-1]) == ("10.244.3.2", "10.244.3.254")
    assert len(dict.fromkeys(given_out)) == 253
    with pytest.raises(AddressesExhausted):
        addresses.allocate()
    addresses.release("10.244.3.77")
    assert addresses.allocate() == "10.244.3.77"
    assert pod_cidr_of(300) == "10.245.44.0/24"
