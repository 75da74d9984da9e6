"""Podchain's commands print what the real kubectl prints for the same objects, to the byte.

The objects come from a simulated cluster; the real kubectl reads them over HTTP from `reference_api`.
"""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import peers
import pytest
from command_world import CommandWorld, Ran
from reference_api import serve

from actors.apimachinery.resources import RESOURCES
from actors.kubectl.session import Kubectl
from actors.simulation.cluster import SimulatedCluster

MANIFESTS = Path(__file__).with_name("reference_objects.yaml")
#: Commands that need no cluster are compared without one.
OFFLINE = """
create deployment web --image=nginx --dry-run=client -o yaml
create deployment web --image=nginx --image=a/b:2 --replicas=3 --port=80 --dry-run=client -o json
create deployment web --image=nginx --image=redis --dry-run=client -- sleep 1
create deployment web --dry-run=client
create deployment a b --image=nginx --dry-run=client
create deployment web --image=nginx --nope
create namespace n -o yaml --dry-run=client
create job pi --image=perl --dry-run=client -o yaml -- perl -e 1
create cronjob c --image=b --schedule='1 * * * *' --dry-run=client -o yaml -- date
create serviceaccount robot -n other --dry-run=client -o yaml
create configmap c --from-literal=a=1 --from-literal=b='x: y' --from-literal=y=yes --dry-run=client -o yaml
create configmap c --from-literal=nope --dry-run=client
create configmap c --from-literal=a=1 --from-literal=a=2 --dry-run=client
create secret generic s --from-literal=k=v --dry-run=client -o yaml
create service clusterip s --tcp=80:8080 --dry-run=client -o yaml
create deployment web --image=nginx --dry-run=client -o jsonpath='{.spec.template.spec.containers[0].image}'
create
apply
delete
"""
ONLINE = """
get pods
get pods -o wide
get pods -A --show-labels
get pods -L app,pod-template-hash --no-headers
get all
get deploy,rs,svc
get deploy/nope svc/web
get pods crash nope
get pods -l app=nope
get pods -n other
get pods -A -l app=nope
get pods -l a=b=c
get pods --field-selector=foo=bar
get nodes -o wide
get nope
get pod/crash svc
get pod a/b
get
get events -n other
get ns,priorityclass
get cm,secret,ing,quota,lease -A
get deploy web -o yaml
get deploy web -o json
get pods -o yaml
get svc,cm -o json
get pods,svc -o name
get pods --sort-by=.metadata.name -o name
get pods --sort-by='{.spec.containers[0].image}' -o name
get pods nope --ignore-not-found
get pods -o jsonpath='{range .items[*]}{.metadata.name}{"\\t"}{.status.phase}{"\\n"}{end}'
get pods -o jsonpath='{.items[?(@.metadata.name=="crash")].spec.containers[0].image}'
get pods -o jsonpath='{.items[-1:].metadata.name}{.items[0].nope}'
get pods -o jsonpath='{.items[0].metadata.labels}{.items[0].spec}'
get deploy web -o jsonpath='{.metadata.annotations.deployment\\.kubernetes\\.io/revision}'
get deploy web -o jsonpath='{.spec.template.spec.containers[0].ports[?(@.containerPort>100)].containerPort}'
get deploy web -o jsonpath='{.spec.replicas'
get deploy web -o jsonpath-as-json='{.spec.replicas}'
get pods -o custom-columns=NAME:.metadata.name,IMAGES:.spec.containers[*].image,NO:.nope,R:.spec.containers[0].resources
describe pod crash
describe pod big
describe pod nopull
describe pod -l app=web
describe deploy web
describe rs
describe svc web
describe cm conf
describe secret sec
describe ns other
describe node node-1
describe ing ing
describe priorityclass high
describe sa default
describe lease -n kube-node-lease node-1
describe pod nope
rollout history deploy web
rollout history deploy web --revision=1
rollout history deploy web --revision=9
explain deployment
explain pods.spec.containers
explain pod.metadata --recursive
explain svc.spec.nope
explain nope
api-resources
api-resources -o wide --namespaced=false
api-versions
"""


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], tuple[Ran, Ran]]]:
    if not peers.WHEEL.exists() and importlib.util.find_spec("kubectl_cli") is None:
        pytest.skip("the real kubectl is not installed")
    cache = tmp_path_factory.mktemp("kubectl-cache")
    patch = pytest.MonkeyPatch()
    patch.setattr(Kubectl, "now_s", lambda _self: time.time())  # the real kubectl shows ages by the real clock
    patch.setenv("KUBECONFIG", str(cache / "none"))
    with SimulatedCluster(seed=1, nodes=3) as cluster:
        cluster.start()
        world = CommandWorld(cluster)
        populate(world)
        objects = {
            resource.key: cluster.run(cluster.client.list(resource.key)).items
            for resource in RESOURCES
            if resource.storable and "list" in resource.verbs
        }
        with serve(objects) as url:

            def compare(line: str) -> tuple[Ran, Ran]:
                args = shlex.split(line)
                real = subprocess.run(
                    [str(peers.WHEEL), f"--cache-dir={cache}", f"--server={url}", *args], capture_output=True, text=True
                )
                return Ran(real.returncode, real.stdout, real.stderr), world.run(*args)

            yield compare
    patch.undo()


def populate(world: CommandWorld) -> None:
    """Objects with everything in them that a description shows; a rollout behind them."""
    world.ok("apply", "-f", str(MANIFESTS))
    world.ok("rollout", "status", "deployment/web", "--timeout=60s")
    world.ok("set", "image", "deployment/web", "web=nginx:1.26")
    world.ok("rollout", "status", "deployment/web", "--timeout=60s")
    world.cluster.sim.run_for(40)


def neutral(text: str) -> str:
    """Without the tool's own name."""
    return text.replace("podchain", "kubectl")


@pytest.mark.parametrize("line", lines_of(OFFLINE) + lines_of(ONLINE))
def test_same_output(compared: Callable[[str], tuple[Ran, Ran]], line: str):
    real, ours = compared(line)
    assert (neutral(ours.out), neutral(ours.err)) == (neutral(real.out), neutral(real.err))
    assert ours.code == real.code
