"""Custom resources with every controller about, in simulation: owners, namespaces, crashes and lost messages."""

from __future__ import annotations

import pytest

from actors.apimachinery.status import ApiError
from actors.testing.cluster_under_test import ClusterUnderTest

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {size: {type: integer, default: 3}}
"""


def widget(name: str, **metadata):
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name, **metadata}, "spec": {}}


def owner(obj):
    names = {"name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}
    return [{"apiVersion": obj["apiVersion"], "kind": obj["kind"], **names, "blockOwnerDeletion": True}]


def config_map(name: str, **metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def gone(cluster: ClusterUnderTest, resource: str, name: str, namespace: str = "default") -> bool:
    try:
        cluster.get(resource, name, namespace)
    except ApiError as error:
        return error.code == 404
    return False


def test_custom_and_built_in_objects_own_one_another(podchain):
    podchain.apply(DEFINITION)
    (parent,) = podchain.apply(widget("parent"))
    assert parent["spec"] == {"size": 3}
    (child,) = podchain.apply(config_map("child", ownerReferences=owner(parent)))
    podchain.apply(widget("grandchild", ownerReferences=owner(child)))
    podchain.run_for(5)
    assert podchain.get("wd", "grandchild")["metadata"]["name"] == "grandchild"
    podchain.delete("widgets.example.com", "parent")
    podchain.assert_converges(lambda: gone(podchain, "configmaps", "child") and gone(podchain, "widgets", "grandchild"))


def test_pods_of_a_custom_object_are_no_orphans_while_it_lives(podchain):
    podchain.apply(DEFINITION)
    (parent,) = podchain.apply(widget("parent"))
    reference = {**owner(parent)[0], "controller": True}
    spec = {"containers": [{"name": "c", "image": "nginx"}]}
    metadata = {"name": "p", "ownerReferences": [reference]}
    podchain.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    podchain.assert_converges(lambda: podchain.get("pods", "p")["status"].get("phase") == "Running")
    podchain.assert_converges()
    podchain.delete("widgets", "parent")
    podchain.assert_converges(lambda: gone(podchain, "pods", "p"))


def test_a_namespace_takes_its_custom_objects_with_it(podchain):
    podchain.apply(DEFINITION)
    podchain.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lab"}})
    podchain.apply(widget("w"), "lab")
    podchain.delete("namespaces", "lab")
    podchain.assert_converges(lambda: gone(podchain, "namespaces", "lab", ""))
    assert podchain.list("widgets", "") == ()


@pytest.mark.podchain(faults={"drop": 0.1, "delay": 0.1})
def test_what_a_deleted_definitions_objects_owned_is_collected(podchain):
    podchain.apply(DEFINITION)
    (parent,) = podchain.apply(widget("parent"))
    podchain.apply(config_map("child", ownerReferences=owner(parent)))
    podchain.run_for(2)
    podchain.delete("crd", "widgets.example.com")
    podchain.crash("apiserver")
    podchain.assert_converges(lambda: gone(podchain, "crd", "widgets.example.com", ""))
    podchain.assert_converges(lambda: gone(podchain, "configmaps", "child"))
