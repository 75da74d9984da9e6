"""The objects that ``create`` makes from flags. Pure; byte for byte what kubectl sends."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from actors.apimachinery.label_syntax import check_config_key
from actors.apimachinery.names import generated_name
from actors.apimachinery.operation import Object
from actors.kubectl.failure import CommandFailed


def container_name(image: str) -> str:
    """A container's name from its image: the last part of the path, without tag and digest.

    What isn't allowed in a name is replaced, and then a suffix keeps it apart from the image that is spelled that way.
    """
    name = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    cleaned = name.replace("_", "-").replace(".", "-")
    if cleaned == name:
        return name
    return generated_name(f"{cleaned}-", image)


def new_deployment(
    name: str, images: Sequence[str], *, replicas: int = 1, port: int | None = None, command: Sequence[str] = ()
) -> Object:
    """``create deployment``. Raises `CommandFailed`."""
    if command and len(images) > 1:
        raise CommandFailed("cannot specify multiple --image options and command")
    containers = []
    for index, image in enumerate(images):
        container: Object = {"name": container_name(image), "image": image}
        if command:
            container["command"] = list(command)
        if port is not None and index == 0:
            container["ports"] = [{"containerPort": port}]
        container["resources"] = {}
        containers.append(container)
    labels = {"app": name}
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": dict(labels)},
            "template": {"metadata": {"labels": dict(labels)}, "spec": {"containers": containers}},
            "strategy": {},
        },
        "status": {},
    }


def _pod_template(name: str, image: str, command: Sequence[str], restart_policy: str) -> Object:
    container: Object = {"name": name, "image": image}
    if command:
        container["command"] = list(command)
    container["resources"] = {}
    return {"metadata": {}, "spec": {"containers": [container], "restartPolicy": restart_policy}}


def new_job(name: str, image: str, command: Sequence[str] = ()) -> Object:
    """``create job --image``."""
    return {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "metadata": {"name": name},
        "spec": {"template": _pod_template(name, image, command, "Never")},
        "status": {},
    }


def new_job_from(name: str, cron_job: Object) -> Object:
    """``create job --from=cronjob/NAME``: a run of its template now."""
    template = (cron_job.get("spec") or {}).get("jobTemplate") or {}
    metadata = template.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), "cronjob.kubernetes.io/instantiate": "manual"}
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": cron_job["metadata"]["name"],
        "uid": cron_job["metadata"]["uid"],
        "controller": True,
    }
    made: Object = {"name": name, "annotations": annotations, "ownerReferences": [owner]}
    if metadata.get("labels"):
        made["labels"] = metadata["labels"]
    return {"kind": "Job", "apiVersion": "batch/v1", "metadata": made, "spec": template.get("spec") or {}, "status": {}}


def new_cron_job(
    name: str, image: str, schedule: str, *, restart: str = "OnFailure", command: Sequence[str] = ()
) -> Object:
    """``create cronjob``."""
    template = {"metadata": {"name": name}, "spec": {"template": _pod_template(name, image, command, restart)}}
    return {
        "kind": "CronJob",
        "apiVersion": "batch/v1",
        "metadata": {"name": name},
        "spec": {"schedule": schedule, "jobTemplate": template},
        "status": {},
    }


def new_namespace(name: str) -> Object:
    """``create namespace``."""
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}, "spec": {}, "status": {}}


def new_service_account(name: str) -> Object:
    """``create serviceaccount``."""
    return {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": name}}


def new_config_map(name: str, sources: Sequence[tuple[str, bytes]]) -> Object:
    """``create configmap``: bytes that aren't text become binaryData. Raises `CommandFailed`."""
    made: Object = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}}
    for key, content in _checked(sources, f'Data for ConfigMap "{name}"', "a ConfigMap"):
        try:
            made.setdefault("data", {})[key] = content.decode()
        except UnicodeDecodeError:
            made.setdefault("binaryData", {})[key] = base64.b64encode(content).decode()
    if "data" in made and not made["data"]:
        del made["data"]
    return made


def new_secret(name: str, sources: Sequence[tuple[str, bytes]], *, secret_type: str = "") -> Object:
    """``create secret generic``. Raises `CommandFailed`."""
    made: Object = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": name}}
    data = {
        key: base64.b64encode(content).decode()
        for key, content in _checked(sources, f'Data for Secret "{name}"', "a Secret")
    }
    if data:
        made["data"] = data
    if secret_type:
        made["type"] = secret_type
    return made


def _checked(sources: Sequence[tuple[str, bytes]], where: str, what: str) -> Sequence[tuple[str, bytes]]:
    seen: dict[str, None] = {}
    for key, _ in sources:
        faults = check_config_key(key)
        if faults:
            raise CommandFailed(f'"{key}" is not a valid key name for {what}: {";".join(faults)}')
        if key in seen:
            raise CommandFailed(f'cannot add key "{key}", another key by that name already exists in {where}')
        seen[key] = None
    return sources


def new_service(name: str, service_type: str, ports: Sequence[str], *, cluster_ip: str = "") -> Object:
    """``create service clusterip|nodeport|loadbalancer --tcp=80:8080``. Raises `CommandFailed`."""
    spec: Object = {
        "ports": [_service_port(port) for port in ports],
        "selector": {"app": name},
        "type": service_type,
    }
    if cluster_ip:
        spec["clusterIP"] = cluster_ip
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": spec,
        "status": {"loadBalancer": {}},
    }


def _service_port(text: str) -> Mapping[str, Any]:
    port_text, colon, target_text = text.partition(":")
    try:
        port = int(port_text)
    except ValueError:
        raise CommandFailed(f'invalid port format {text}, expected "PORT" or "PORT:TARGET"') from None
    target: int | str = int(target_text) if target_text.isdigit() else target_text
    name = text.replace(":", "-")
    return {"name": name, "protocol": "TCP", "port": port, "targetPort": target if colon else port}
