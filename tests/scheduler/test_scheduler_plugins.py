"""What each plugin accepts, rejects and prefers, as kube-scheduler does."""

from random import Random

import pytest
from cluster_objects import bound, node, place, pod, reasons

from actors.scheduler.framework import feasible_nodes_wanted
from actors.scheduler.node_info import NodeInfo
from actors.scheduler.plugins import (
    image_locality,
    node_affinity,
    node_ports,
    node_resources,
    node_unschedulable,
    taint_toleration,
)
from actors.scheduler.pod_info import PodInfos, PodTemplate
from actors.scheduler.resources import nonzero_requests, pod_requests
from actors.scheduler.scheduler import Scheduler

ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"


def template(**kwargs) -> PodTemplate:
    return PodInfos().of(pod("p", **kwargs)).template


def info(**kwargs) -> NodeInfo:
    result = NodeInfo("n")
    result.set_node(node("n", **kwargs))
    return result


def cluster(*nodes, pods=()) -> Scheduler:
    scheduler = Scheduler(Random(1))
    for each in nodes:
        scheduler.on_node(each, None, 0)
    for each in pods:
        scheduler.on_pod(each, None, 0)
    return scheduler


# Resources


def container(**requests):
    return {"resources": {"requests": requests}}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [container(cpu="1"), container(cpu="500m")]}, 1500),
        ({"containers": [container(cpu="1")], "initContainers": [container(cpu="3"), container(cpu="2")]}, 3000),
        (
            {
                "containers": [container(cpu="1")],
                "initContainers": [{**container(cpu="200m"), "restartPolicy": "Always"}, container(cpu="2")],
            },
            2200,
        ),
        (
            {
                "containers": [container(cpu="1")],
                "initContainers": [container(cpu="2"), {**container(cpu="1500m"), "restartPolicy": "Always"}],
            },
            2500,
        ),
        ({"containers": [container(cpu="1")], "overhead": {"cpu": "250m"}}, 1250),
        ({"containers": [container(cpu="1")], "resources": {"requests": {"cpu": "3"}}}, 3000),
    ],
)
def test_requests_of_a_pod(spec, cpu):
    assert pod_requests(spec).milli_cpu == cpu


def test_pods_without_requests_count_a_little_in_scores():
    amount = nonzero_requests({"containers": [{}, container(cpu="1")]})
    assert (amount.milli_cpu, amount.memory) == (1100, 2 * 200 * 1024 * 1024)


def test_all_insufficient_resources_are_named():
    wanted = template(requests={"cpu": "5", "memory": "9Gi", "example.com/gpu": "1"})
    rejection = node_resources.rejects(wanted, info(pods="0"))
    assert reasons(rejection) == (
        "Too many pods",
        "Insufficient cpu",
        "Insufficient memory",
        "Insufficient example.com/gpu",
    )
    assert not rejection.resolvable


def test_what_an_empty_node_could_take_is_resolvable():
    full = info()
    full.add_pod(PodInfos().of(pod("other", requests={"cpu": "3"})))
    assert node_resources.rejects(template(requests={"cpu": "2"}), full).resolvable
    assert node_resources.rejects(template(requests={"cpu": "1"}), full) is None
    assert node_resources.rejects(template(), full) is None


def test_least_allocated_and_balanced_scores():
    wanted = template(requests={"cpu": "1", "memory": "4Gi"})
    assert node_resources.least_allocated(wanted, info()) == (75 + 50) // 2
    assert node_resources.balanced_allocation(wanted, info()) == int((1 - 0.125) * 100)
    assert node_resources.balanced_allocation(template(), info()) == 0


# Taints, affinity, ports, images


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"key": "k", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "other"}, False),
        ({"key": "k", "value": "v", "effect": "NoExecute"}, False),
        ({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}, True),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_taints(toleration, tolerated):
    tainted = info(taints=[("k", "v", "NoSchedule")])
    rejection = taint_toleration.rejects(template(tolerations=[toleration]), tainted)
    assert reasons(rejection) == (() if tolerated else ("node(s) had untolerated taint(s)",))


def test_soft_taints_only_count_in_the_score():
    soft = info(taints=[("a", "", "PreferNoSchedule"), ("b", "", "PreferNoSchedule")])
    wanted = template(tolerations=[{"key": "a", "operator": "Exists"}])
    assert taint_toleration.rejects(wanted, soft) is None
    assert taint_toleration.score(wanted, soft) == 1


def test_cordoned_nodes():
    cordoned = node("n")
    cordoned["spec"]["unschedulable"] = True
    there = NodeInfo("n")
    there.set_node(cordoned)
    assert reasons(node_unschedulable.rejects(template(), there)) == ("node(s) were unschedulable",)
    tolerant = template(tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}])
    assert node_unschedulable.rejects(tolerant, there) is None


def affinity(*terms):
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def expression(key, operator, *values):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("spec", "matches"),
    [
        ({"nodeSelector": {"disk": "ssd"}}, True),
        ({"nodeSelector": {"disk": "hdd"}}, False),
        ({"affinity": affinity(expression("disk", "In", "hdd", "ssd"))}, True),
        ({"affinity": affinity(expression("disk", "NotIn", "ssd"))}, False),
        ({"affinity": affinity(expression("missing", "NotIn", "x"))}, True),
        ({"affinity": affinity(expression("missing", "DoesNotExist"))}, True),
        ({"affinity": affinity(expression("disk", "Exists"))}, True),
        ({"affinity": affinity(expression("cores", "Gt", "7"))}, True),
        ({"affinity": affinity(expression("cores", "Lt", "8"))}, False),
        ({"affinity": affinity(expression("disk", "Gt", "7"))}, False),
        ({"affinity": affinity(expression("disk", "In", "hdd"), expression("disk", "Exists"))}, True),
        ({"affinity": affinity({})}, False),
        ({"affinity": affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]})}, True),
        (
            {"affinity": affinity({"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n"]}]})},
            False,
        ),
        ({"nodeSelector": {"disk": "hdd"}, "affinity": affinity(expression("disk", "Exists"))}, False),
    ],
)
def test_node_affinity(spec, matches):
    there = info(labels={"disk": "ssd", "cores": "8"})
    rejection = node_affinity.rejects(template(**spec), there)
    assert reasons(rejection) == (() if matches else ("node(s) didn't match Pod's node affinity/selector",))


@pytest.mark.parametrize(
    ("wanted", "used", "conflict"),
    [
        ((80, "TCP", ""), (80, "TCP", ""), True),
        ((80, "TCP", ""), (80, "UDP", ""), False),
        ((80, "TCP", "10.0.0.1"), (80, "TCP", "10.0.0.2"), False),
        ((80, "TCP", "10.0.0.1"), (80, "TCP", ""), True),
        ((80, "TCP", ""), (80, "TCP", "10.0.0.1"), True),
        ((80, "TCP", ""), (81, "TCP", ""), False),
    ],
)
def test_host_ports(wanted, used, conflict):
    def with_port(port, protocol, address):
        return pod("p", ports=[{"hostPort": port, "protocol": protocol, "hostIP": address}])

    there = info()
    there.add_pod(PodInfos().of(with_port(*used)))
    assert (node_ports.rejects(PodInfos().of(with_port(*wanted)).template, there) is not None) == conflict


def test_image_locality_counts_large_images_that_are_there():
    mib = 1024 * 1024
    there = info(images=[("nginx:latest", 500 * mib)])
    score = image_locality.score(template(image="nginx"), there, {"nginx:latest": 1}, 1)
    assert score == 100 * (500 - 23) // (1000 - 23)
    assert image_locality.score(template(image="nginx"), there, {"nginx:latest": 1}, 4) < score
    assert image_locality.score(template(image="other"), there, {"nginx:latest": 1}, 1) == 0


# Topology spread


def spread(when="DoNotSchedule", key=ZONE, **more):
    selector = {"matchLabels": {"app": "web"}}
    return [{"topologyKey": key, "maxSkew": 1, "whenUnsatisfiable": when, "labelSelector": selector, **more}]


def web(name, **kwargs):
    return pod(name, labels={"app": "web"}, **kwargs)


def test_hard_spreading_keeps_the_skew():
    nodes = [node("a", labels={ZONE: "1"}), node("b", labels={ZONE: "2"})]
    scheduler = cluster(*nodes, pods=[web("w1", on="a")])
    assert place(scheduler, web("w2", topologySpreadConstraints=spread())) == "b"


def test_hard_spreading_rejects_and_tells_a_missing_label_apart():
    nodes = [node("a", labels={ZONE: "1"}), node("b", labels={ZONE: "2"}, pods="0"), node("c")]
    scheduler = cluster(*nodes, pods=[web("w1", on="a")])
    message = place(scheduler, web("w2", topologySpreadConstraints=spread()))
    assert message.startswith(
        "0/3 nodes are available: 1 Too many pods, 1 node(s) didn't match pod topology spread constraints, "
        "1 node(s) didn't match pod topology spread constraints (missing required label). "
    )


def test_min_domains_counts_missing_domains_as_empty():
    scheduler = cluster(node("a", labels={ZONE: "1"}), pods=[web("w1", on="a")])
    assert place(scheduler, web("w2", topologySpreadConstraints=spread())) == "a"
    message = place(scheduler, web("w3", topologySpreadConstraints=spread(minDomains=2)))
    assert "didn't match pod topology spread constraints" in message


def test_tainted_nodes_count_unless_the_policy_honors_taints():
    nodes = [node("a", labels={ZONE: "1"}), node("b", labels={ZONE: "2"}, taints=[("k", "", "NoSchedule")])]
    scheduler = cluster(*nodes, pods=[web("w1", on="a")])
    assert "untolerated taint" in place(scheduler, web("w2", topologySpreadConstraints=spread()))
    honored = spread(nodeTaintsPolicy="Honor")
    assert place(scheduler, web("w3", topologySpreadConstraints=honored)) == "a"


def test_terminating_pods_and_other_namespaces_do_not_count():
    nodes = [node("a", labels={ZONE: "1"}), node("b", labels={ZONE: "2"}, pods="0")]
    leaving = web("w1", on="a")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    scheduler = cluster(*nodes, pods=[leaving, web("w2", on="a", namespace="elsewhere")])
    assert place(scheduler, web("w3", topologySpreadConstraints=spread())) == "a"


def test_soft_spreading_prefers_the_emptier_domain():
    nodes = [node("a", labels={ZONE: "1"}), node("b", labels={ZONE: "1"}), node("c", labels={ZONE: "2"})]
    scheduler = cluster(*nodes, pods=[web("w1", on="a")])
    assert place(scheduler, web("w2", topologySpreadConstraints=spread("ScheduleAnyway"))) == "c"


def test_pods_of_a_controller_are_spread_by_default():
    nodes = [node("big", cpu="64", memory="256Gi"), node("small")]
    scheduler = cluster(*nodes)
    seen = [place(scheduler, pod(f"p{i}", owner="rs", requests={"cpu": "10m", "memory": "10Mi"})) for i in range(4)]
    assert sorted(seen) == ["big", "big", "small", "small"]


# Affinity between pods


def pods_affinity(kind, key=HOST, app="web", required=True, **more):
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}, **more}
    if required:
        return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    weighted = {"weight": 100, "podAffinityTerm": term}
    return {kind: {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]}}


def test_required_affinity_follows_the_pods():
    scheduler = cluster(node("a"), node("b"), node("c"), pods=[web("w1", on="b")])
    assert place(scheduler, pod("p", affinity=pods_affinity("podAffinity"))) == "b"


def test_the_first_of_a_group_may_go_anywhere_if_it_matches_itself():
    scheduler = cluster(node("a"))
    message = place(scheduler, pod("p", affinity=pods_affinity("podAffinity")))
    assert "1 node(s) didn't match pod affinity rules" in message
    assert place(scheduler, web("w", affinity=pods_affinity("podAffinity"))) == "a"


def test_required_anti_affinity_works_both_ways():
    scheduler = cluster(node("a"), node("b"), pods=[web("w1", on="a", affinity=pods_affinity("podAntiAffinity"))])
    assert place(scheduler, web("w2")) == "b"
    message = place(scheduler, web("w3", affinity=pods_affinity("podAntiAffinity")))
    assert message.startswith("0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. ")
    scheduler = cluster(node("a"), pods=[web("w1", on="a", affinity=pods_affinity("podAntiAffinity"))])
    assert "1 node(s) didn't satisfy existing pods anti-affinity rules" in place(scheduler, web("w4"))


def test_preferred_affinity_and_anti_affinity_weigh_in_both_directions():
    near = pods_affinity("podAffinity", required=False)
    apart = pods_affinity("podAntiAffinity", required=False)
    assert place(cluster(node("a"), node("b"), pods=[web("w", on="b")]), pod("p", affinity=near)) == "b"
    assert place(cluster(node("a"), node("b"), pods=[web("w", on="b")]), pod("p", affinity=apart)) == "a"
    assert place(cluster(node("a"), node("b"), pods=[pod("p", on="b", affinity=near)]), web("w")) == "b"
    assert place(cluster(node("a"), node("b"), pods=[pod("p", on="b", affinity=apart)]), web("w")) == "a"


def test_namespaces_of_affinity_terms():
    elsewhere = web("w", on="b", namespace="elsewhere")
    scheduler = cluster(node("a"), node("b"), pods=[elsewhere])
    scheduler.on_namespace({"metadata": {"name": "elsewhere", "labels": {"team": "x"}}}, 0)
    assert "affinity rules" in place(scheduler, pod("p1", affinity=pods_affinity("podAffinity")))
    by_name = pods_affinity("podAffinity", namespaces=["elsewhere"])
    assert place(scheduler, pod("p2", affinity=by_name)) == "b"
    by_label = pods_affinity("podAffinity", namespaceSelector={"matchLabels": {"team": "x"}})
    assert place(scheduler, pod("p3", affinity=by_label)) == "b"
    everywhere = pods_affinity("podAffinity", namespaceSelector={})
    assert place(scheduler, pod("p4", affinity=everywhere)) == "b"


def test_match_label_keys_narrow_a_term_to_the_own_revision():
    old = pod("old", labels={"app": "web", "hash": "1"}, on="a")
    scheduler = cluster(node("a"), pods=[old])
    apart = pods_affinity("podAntiAffinity", matchLabelKeys=["hash"])
    assert place(scheduler, pod("new", labels={"app": "web", "hash": "2"}, affinity=apart)) == "a"


# All together


def test_the_emptier_node_wins():
    scheduler = cluster(node("a"), node("b"), pods=[pod("x", on="a", requests={"cpu": "2", "memory": "4Gi"})])
    assert place(scheduler, pod("p", requests={"cpu": "1", "memory": "2Gi"})) == "b"


def test_ties_are_broken_by_chance_but_the_same_way_for_the_same_seed():
    def names(seed):
        return [place(Scheduler_with_nodes(seed), pod("p")) for _ in range(1)]

    def Scheduler_with_nodes(seed):
        scheduler = Scheduler(Random(seed))
        for i in range(8):
            scheduler.on_node(node(f"n{i}"), None, 0)
        return scheduler

    assert names(5) == names(5)
    assert len({names(seed)[0] for seed in range(30)}) > 3


def test_messages_are_those_of_kube_scheduler():
    nodes = [node("a", taints=[("k", "v", "NoSchedule")]), node("b", cpu="1"), node("c", cpu="1")]
    busy = [pod("x", on="b", requests={"cpu": "1"}), pod("y", on="c", requests={"cpu": "1"})]
    assert place(cluster(*nodes, pods=busy), pod("p", requests={"cpu": "500m"})) == (
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. "
        "no new claims to deallocate, preemption: 0/3 nodes are available: "
        "1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
    )
    assert place(cluster(), pod("p")) == "no nodes available to schedule pods"


def test_affinity_to_named_nodes():
    def named(*names):
        fields = [{"key": "metadata.name", "operator": "In", "values": [name]} for name in names]
        return affinity({"matchFields": fields})

    scheduler = cluster(node("a"), node("b"), node("c", cpu="0"))
    assert place(scheduler, pod("p1", affinity=named("b"))) == "b"
    assert place(scheduler, pod("p2", affinity=named("c"), requests={"cpu": "1"})).startswith(
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
    )
    assert place(scheduler, pod("p3", affinity=named("a", "b"))).startswith(
        "0/3 nodes are available: pod affinity terms conflict. "
    )


def test_how_many_feasible_nodes_are_enough():
    assert [feasible_nodes_wanted(n) for n in (5, 99, 100, 1000, 5000, 10000)] == [5, 99, 100, 420, 500, 500]


def test_only_own_live_unbound_ungated_pods_are_scheduled():
    scheduler = cluster(node("a"))
    leaving = pod("leaving")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    ended = pod("ended")
    ended["status"]["phase"] = "Failed"
    for other in (leaving, ended, pod("other", schedulerName="mine"), bound(pod("bound"), "a")):
        scheduler.on_pod(other, None, 0)
    gated = pod("gated", schedulingGates=[{"name": "wait"}])
    scheduler.on_pod(gated, None, 0)
    assert not scheduler.decide(10, 0)
    scheduler.on_pod(pod("gated"), gated, 1)
    assert [a.info.key.name for a in scheduler.decide(10, 1).assignments] == ["gated"]
