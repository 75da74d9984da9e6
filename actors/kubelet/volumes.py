"""A pod's volumes, as the runtime is told of them: directories, and files with their content. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.kubelet.config import NodeConfig
from actors.kubelet.environment import ConfigError, field_value, resource_value
from actors.kubelet.pod_memory import PodDependencies
from actors.kubelet.pod_spec import CONFIG_MAPS, SECRETS, is_access_volume, token_dependency
from actors.kubelet.secret_data import decoded, secret_bytes

DEFAULT_MODE: Final = 0o644
Files = dict[str, list[Any]]
"""Path within the volume, to [content, mode]."""


class VolumeError(Exception):
    """A volume can't be set up."""

    def __init__(self, volume: str, message: str) -> None:
        super().__init__(f"{volume}: {message}")
        self.volume = volume
        self.message = message


def pod_volumes(pod: Object, node: NodeConfig, dependencies: PodDependencies | None) -> dict[str, dict[str, Any]]:
    """What each volume is. Raises `VolumeError`.

    ``{"type": "files", "files": {path: [content, mode]}}``, ``{"type": "emptyDir", "medium"}``,
    ``{"type": "hostPath", "path", "path_type"}``, ``{"type": "claim", "claim"}``.
    """
    return {volume["name"]: _volume(pod, volume, node, dependencies) for volume in pod["spec"].get("volumes") or ()}


def _volume(pod: Object, volume: Mapping[str, Any], node: NodeConfig, known: PodDependencies | None) -> dict[str, Any]:
    if volume.get("hostPath"):
        host = volume["hostPath"]
        return {"type": "hostPath", "path": host["path"], "path_type": host.get("type") or ""}
    if volume.get("persistentVolumeClaim"):
        return {"type": "claim", "claim": volume["persistentVolumeClaim"]["claimName"]}
    if is_access_volume(volume) and not node.tokens:
        return {"type": "files", "files": {}}
    try:
        if volume.get("projected") is not None:
            projected = volume["projected"]
            mode = _mode(projected.get("defaultMode"))
            files: Files = {}
            for source in projected.get("sources") or ():
                files.update(_projected(pod, source, mode, node, known))
            return {"type": "files", "files": files}
        for kind in ("configMap", "secret", "downwardAPI"):
            if volume.get(kind) is not None:
                source = volume[kind]
                mode = _mode(source.get("defaultMode"))
                return {"type": "files", "files": _projected(pod, {kind: source}, mode, node, known)}
    except ConfigError as error:
        raise VolumeError(volume["name"], str(error)) from error
    return {"type": "emptyDir", "medium": (volume.get("emptyDir") or {}).get("medium") or ""}


def _mode(mode: int | None) -> int:
    return DEFAULT_MODE if mode is None else mode


def _projected(
    pod: Object, source: Mapping[str, Any], mode: int, node: NodeConfig, known: PodDependencies | None
) -> Files:
    """One source's files. Raises `ConfigError`."""
    if source.get("configMap") is not None:
        what = source["configMap"]
        obj = _referred(CONFIG_MAPS, what["name"], what, known)
        content = {key: text.encode() for key, text in (obj.get("data") or {}).items()}
        content.update({key: decoded(text) for key, text in (obj.get("binaryData") or {}).items()})
        return _selected(content, what, mode)
    if source.get("secret") is not None:
        what = source["secret"]
        obj = _referred(SECRETS, what.get("secretName") or what.get("name", ""), what, known)
        return _selected(secret_bytes(obj), what, mode)
    if source.get("downwardAPI") is not None:
        files: Files = {}
        for item in source["downwardAPI"].get("items") or ():
            if item.get("fieldRef"):
                text = field_value(pod, item["fieldRef"]["fieldPath"], node, "")
            else:
                text = resource_value(pod, {}, item["resourceFieldRef"], node)
            files[item["path"]] = [text.encode(), _mode(item["mode"]) if "mode" in item else mode]
        return files
    if source.get("serviceAccountToken") is not None:
        what = source["serviceAccountToken"]
        request = known.objects.get(token_dependency(pod, what)) if known is not None else None
        if request is not None:
            return {what["path"]: [request["status"]["token"].encode(), mode]}
        if node.tokens:
            raise ConfigError("failed to fetch token: it was refused")
    return {}


def _referred(resource: str, name: str, what: Mapping[str, Any], known: PodDependencies | None) -> Mapping[str, Any]:
    obj = known.objects.get((resource, name)) if known is not None else None
    if obj is None:
        if what.get("optional"):
            return {}
        kind = "configmap" if resource == CONFIG_MAPS else "secret"
        raise ConfigError(f'{kind} "{name}" not found')
    return obj


def _selected(content: Mapping[str, bytes], what: Mapping[str, Any], mode: int) -> Files:
    items: Sequence[Mapping[str, Any]] | None = what.get("items")
    if not items:
        return {key: [content[key], mode] for key in sorted(content)}
    files: Files = {}
    for item in items:
        if item["key"] not in content:
            if what.get("optional"):
                continue
            raise ConfigError(f"references non-existent config key: {item['key']}")
        files[item["path"]] = [content[item["key"]], _mode(item["mode"]) if "mode" in item else mode]
    return files
