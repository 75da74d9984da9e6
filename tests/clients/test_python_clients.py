"""The clients that Python programs use: create, watch, patch, exec."""

import asyncio
import json
import time
import warnings
from importlib.metadata import version

import pytest

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "annotations": {"sim.podchain.dev/exec-output": "played\n"}},
    "spec": {"containers": [{"name": "main", "image": "x"}]},
}


@pytest.fixture
def worked(record_property):
    """Notes for the matrix which features of a client were tried."""

    def note(package: str, *features: str) -> None:
        number = ".".join(version(package).split(".")[:2])
        for feature in features:
            record_property("client", f"{package} {number}\t{feature}")

    return note


@pytest.fixture
def space(gateway):
    return gateway.namespace()


def test_the_official_client(gateway, space, worked):
    kubernetes = pytest.importorskip("kubernetes")
    from kubernetes import client, config, stream, watch

    worked("kubernetes", "create", "watch", "patch", "exec", "apply, server-side", "errors", "dynamic client")
    configuration = client.Configuration()
    config.load_kube_config(str(gateway.kubeconfig), client_configuration=configuration)
    with client.ApiClient(configuration) as api:
        core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
        labels = {"a": "b"}
        template = client.V1PodTemplateSpec(
            metadata=client.V1ObjectMeta(labels=labels),
            spec=client.V1PodSpec(containers=[client.V1Container(name="main", image="nginx")]),
        )
        spec = client.V1DeploymentSpec(replicas=2, selector={"matchLabels": labels}, template=template)
        deployment = client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec)
        apps.create_namespaced_deployment(space, deployment)
        watcher = watch.Watch()
        for event in watcher.stream(apps.list_namespaced_deployment, space, timeout_seconds=60):
            if event["object"].status.ready_replicas == 2:
                watcher.stop()
        assert event["object"].status.ready_replicas == 2
        core.create_namespaced_config_map(space, client.V1ConfigMap(metadata={"name": "c"}, data={"a": "b"}))
        assert core.patch_namespaced_config_map("c", space, {"data": {"c": "d"}}).data == {"a": "b", "c": "d"}
        applied = core.patch_namespaced_config_map(
            "c",
            space,
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"e": "f"}},
            field_manager="me",
            _content_type="application/apply-patch+yaml",
        )
        assert applied.data == {"a": "b", "c": "d", "e": "f"}
        core.create_namespaced_pod(space, POD)
        _until_running(lambda: core.read_namespaced_pod("p", space).status.phase)
        connect = core.connect_get_namespaced_pod_exec
        flags = {"stdout": True, "stderr": True, "stdin": False, "tty": False}
        assert stream.stream(connect, "p", space, command=["x"], **flags) == "played\n"
        with pytest.raises(client.ApiException) as refused:
            core.create_namespaced_config_map(space, {"metadata": {"name": "c"}})
        assert (refused.value.status, json.loads(refused.value.body)["reason"]) == (409, "AlreadyExists")
        dynamic = kubernetes.dynamic.DynamicClient(api)
        assert len(dynamic.resources.get(api_version="v1", kind="Node").get().items) == 2


def _until_running(phase) -> None:
    deadline_s = time.monotonic() + 30
    while phase() != "Running":
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_kubernetes_asyncio(gateway, space, worked):
    pytest.importorskip("kubernetes_asyncio")
    from kubernetes_asyncio import client, config, watch
    from kubernetes_asyncio.stream import WsApiClient

    worked("kubernetes_asyncio", "create", "watch", "patch", "exec", "errors")

    async def play() -> None:
        configuration = client.Configuration()
        await config.load_kube_config(str(gateway.kubeconfig), client_configuration=configuration)
        async with client.ApiClient(configuration) as api, WsApiClient(configuration) as sockets:
            core = client.CoreV1Api(api)
            await core.create_namespaced_config_map(space, {"metadata": {"name": "c"}, "data": {"a": "b"}})
            patched = await core.patch_namespaced_config_map("c", space, {"data": {"c": "d"}})
            assert patched.data == {"a": "b", "c": "d"}
            await core.create_namespaced_pod(space, POD)
            async with watch.Watch().stream(core.list_namespaced_pod, space, timeout_seconds=60) as events:
                async for event in events:
                    if event["object"].status.phase == "Running":
                        break
            connect = client.CoreV1Api(sockets).connect_get_namespaced_pod_exec
            flags = {"stdout": True, "stderr": True, "stdin": False, "tty": False}
            assert await connect("p", space, command=["x"], **flags) == "played\n"
            with pytest.raises(client.ApiException) as refused:
                await core.read_namespaced_pod("nope", space)
            assert refused.value.status == 404

    asyncio.run(play())


def test_lightkube(gateway, space, worked):
    pytest.importorskip("lightkube")
    from lightkube import ApiError, Client, KubeConfig
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import ConfigMap

    worked("lightkube", "create", "watch", "patch", "apply, server-side", "errors")
    client = Client(KubeConfig.from_file(gateway.kubeconfig), namespace=space, field_manager="me")
    client.create(ConfigMap(metadata=ObjectMeta(name="c"), data={"a": "b"}))
    assert client.patch(ConfigMap, "c", {"data": {"c": "d"}}).data == {"a": "b", "c": "d"}
    assert client.apply(ConfigMap(metadata=ObjectMeta(name="c"), data={"e": "f"})).data["e"] == "f"
    kind, _ = next(event for event in client.watch(ConfigMap, server_timeout=5) if event[1].metadata.name == "c")
    assert kind == "ADDED"
    client.delete(ConfigMap, "c")
    with pytest.raises(ApiError) as refused:
        client.get(ConfigMap, "c")
    assert refused.value.status.reason == "NotFound"


def test_kr8s(gateway, space, worked):
    kr8s = pytest.importorskip("kr8s")
    from kr8s.objects import ConfigMap, Pod

    worked("kr8s", "create", "watch", "patch", "exec", "errors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it knows no Kubernetes newer than itself
        api = kr8s.api(kubeconfig=str(gateway.kubeconfig))
        made = ConfigMap({"metadata": {"name": "c", "namespace": space}, "data": {"a": "b"}}, api=api)
        made.create()
        made.patch({"data": {"c": "d"}})
        assert made.data == {"a": "b", "c": "d"}
        pod = Pod({**POD, "metadata": {**POD["metadata"], "namespace": space}}, api=api)
        pod.create()
        pod.wait("condition=Ready", timeout=60)
        assert pod.exec(["x"]).stdout == b"played\n"
        for kind, seen in api.watch("pods", namespace=space):
            assert (kind, seen.name) == ("ADDED", "p")
            break
        with pytest.raises(kr8s.NotFoundError):
            Pod.get("nope", namespace=space, api=api)
