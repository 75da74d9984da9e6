"""Rules of ConfigMaps and Secrets."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.label_syntax import check_config_key
from actors.apimachinery.operation import Object
from actors.apimachinery.validation.field import (
    Errors,
    check_immutable,
    forbidden,
    invalid,
    required,
    too_long,
)

DATA_BYTES_MAX: Final = 1024 * 1024

#: Keys that secrets of these types must have.
_NEEDED_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _check_keys(errors: Errors, path: str, data: Mapping[str, Any]) -> None:
    for key in data:
        for fault in check_config_key(key):
            errors.append(invalid(f"{path}[{key}]", key, fault))


def validate_config_map(obj: Object) -> Errors:
    """A ConfigMap: keys, and the size of everything together."""
    errors: Errors = []
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    _check_keys(errors, "data", data)
    for key in data:
        if key in binary:
            errors.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
    _check_keys(errors, "binaryData", binary)
    size = sum(len(value.encode()) for value in data.values()) + sum(map(_decoded_bytes, binary.values()))
    if size > DATA_BYTES_MAX:
        errors.append(too_long("", DATA_BYTES_MAX))
    return errors


def _decoded_bytes(text: str) -> int:
    return len(text) * 3 // 4 - text[-2:].count("=")


def validate_config_map_update(new: Object, old: Object) -> Errors:
    """An immutable ConfigMap stays as it is, and immutable."""
    return _check_frozen(new, old, ("data", "binaryData"))


def _check_frozen(new: Object, old: Object, fields: tuple[str, ...]) -> Errors:
    errors: Errors = []
    if not old.get("immutable"):
        return errors
    detail = "field is immutable when `immutable` is set"
    if not new.get("immutable"):
        errors.append(forbidden("immutable", detail))
    for field in fields:
        if (new.get(field) or {}) != (old.get(field) or {}):
            errors.append(forbidden(field, detail))
    return errors


def merge_string_data(secret: Object) -> None:
    """``stringData`` is for writing only: its texts go to ``data``, as base64."""
    texts = secret.pop("stringData", None)
    if texts:
        data = secret.setdefault("data", {})
        for key, text in texts.items():
            data[key] = base64.b64encode(text.encode()).decode()


def validate_secret(obj: Object) -> Errors:
    """A Secret: keys, size, and what its type asks for."""
    errors: Errors = []
    data = obj.get("data") or {}
    _check_keys(errors, "data", data)
    if sum(map(_decoded_bytes, data.values())) > DATA_BYTES_MAX:
        errors.append(too_long("data", DATA_BYTES_MAX))
    kind = obj.get("type", "")
    for key in _NEEDED_KEYS.get(kind, ()):
        if key not in data:
            errors.append(required(f"data[{key}]"))
        elif key.startswith(".docker") and not _is_json(data[key]):
            errors.append(invalid(f"data[{key}]", "<secret contents redacted>", "invalid character: it is no JSON"))
    if kind == "kubernetes.io/basic-auth" and "username" not in data and "password" not in data:
        errors.append(required("data[username]"))
        errors.append(required("data[password]"))
    if kind == "kubernetes.io/service-account-token":
        annotations = obj["metadata"].get("annotations") or {}
        if not annotations.get("kubernetes.io/service-account.name"):
            errors.append(required("metadata.annotations[kubernetes.io/service-account.name]"))
    return errors


def _is_json(text: str) -> bool:
    try:
        json.loads(base64.b64decode(text))
    except (ValueError, binascii.Error):
        return False
    return True


def validate_secret_update(new: Object, old: Object) -> Errors:
    """The type stays; an immutable Secret stays as it is, and immutable."""
    errors: Errors = []
    check_immutable(errors, "type", new.get("type"), old.get("type"))
    return errors + _check_frozen(new, old, ("data",))
