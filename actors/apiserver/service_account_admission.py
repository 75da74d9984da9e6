"""The ServiceAccount admission: every pod runs as an account, and is given the account's token to mount."""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.names import generated_name
from actors.apimachinery.operation import Object
from actors.apimachinery.status import forbidden
from actors.apiserver.storage_key import path_of
from actors.apiserver.watch_cache import WatchCache

DEFAULT: Final = "default"
SERVICE_ACCOUNTS: Final = "serviceaccounts"
MIRROR: Final = "kubernetes.io/config.mirror"
MOUNT_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX: Final = "kube-api-access-"
ROOT_CA: Final = "kube-root-ca.crt"
#: An hour and some seconds, by which audits tell these tokens from those that somebody asked for.
TOKEN_EXPIRATION_S: Final = 3607
_MODE: Final = 0o644


def admit_service_account(pod: Object, cache: WatchCache, operation_id: str) -> None:
    """Give a new pod its account, pull secrets and token volume. Raises `ApiError` (403) for an unknown account.

    A namespace's account ``default`` need not be there yet: Kubernetes waits for the controller that makes it, which
    comes to the same.
    """
    metadata, spec = pod["metadata"], pod.setdefault("spec", {})
    if MIRROR in (metadata.get("annotations") or {}):
        return
    name = spec.get("serviceAccountName") or DEFAULT
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    namespace = metadata.get("namespace") or ""
    entry = cache.get(SERVICE_ACCOUNTS, path_of(namespace, name))
    if entry is None and name != DEFAULT:
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise forbidden("pods", "", metadata.get("name") or "", why)
    account: Object = entry.object if entry is not None else {}
    if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [dict(secret) for secret in account["imagePullSecrets"]]
    mounts = spec.get("automountServiceAccountToken")
    if mounts is None:
        mounts = account.get("automountServiceAccountToken")
    if mounts is not False:
        _mount_token(spec, operation_id)


def _mount_token(spec: dict[str, Any], operation_id: str) -> None:
    volumes = spec.get("volumes") or []
    known = next((volume["name"] for volume in volumes if volume.get("name", "").startswith(VOLUME_PREFIX)), None)
    volume_name = known or generated_name(VOLUME_PREFIX, f"{operation_id}/volume")
    mounted = False
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or ():
            mounts = container.get("volumeMounts") or []
            if all(mount.get("mountPath") != MOUNT_PATH for mount in mounts):
                mount = {"mountPath": MOUNT_PATH, "name": volume_name, "readOnly": True}
                container["volumeMounts"] = [*mounts, mount]
                mounted = True
    if mounted and known is None:
        spec["volumes"] = [*volumes, token_volume(volume_name)]


def token_volume(name: str) -> Object:
    """The volume with a pod's token, the cluster's certificate authority and the pod's namespace."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "name": name,
        "projected": {
            "defaultMode": _MODE,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": TOKEN_EXPIRATION_S, "path": "token"}},
                {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": ROOT_CA}},
                {"downwardAPI": {"items": [namespace]}},
            ],
        },
    }
