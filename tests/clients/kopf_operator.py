"""An operator in kopf: each Greeting gets a ConfigMap that says it, a status, and is cleaned up after."""

import kopf
from kubernetes import client, config

config.load_kube_config()


@kopf.on.startup()
def settle(settings: kopf.OperatorSettings, **_):
    settings.queueing.error_delays = (0.2,)  # a fault at the API is no reason for a minute's rest
    settings.networking.error_backoffs = (0.1, 0.2, 0.5)
    settings.watching.reconnect_backoff = 0.1


def config_map(name: str, spec: dict) -> dict:
    body = {"metadata": {"name": f"greeting-{name}"}, "data": {"text": f"hello {spec['whom']}"}}
    kopf.adopt(body)
    return body


@kopf.on.create("example.com", "v1", "greetings", backoff=0.5)
@kopf.on.update("example.com", "v1", "greetings", field="spec", backoff=0.5)
def greet(spec, name, namespace, patch, **_):
    body = config_map(name, spec)
    api = client.CoreV1Api()
    try:
        api.create_namespaced_config_map(namespace, body)
    except client.ApiException as refused:
        if refused.status != 409:
            raise
        api.patch_namespaced_config_map(body["metadata"]["name"], namespace, {"data": body["data"]})
    patch.status["greeted"] = spec["whom"]


@kopf.on.delete("example.com", "v1", "greetings", backoff=0.5)
def farewell(name, namespace, **_):
    body = {"metadata": {"name": f"farewell-{name}"}}
    try:
        client.CoreV1Api().create_namespaced_config_map(namespace, body)
    except client.ApiException as refused:
        if refused.status != 409:
            raise


@kopf.timer("example.com", "v1", "greetings", interval=0.5)
def count(status, patch, **_):
    patch.status["ticks"] = (status.get("ticks") or 0) + 1
