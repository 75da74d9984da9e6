"""Rules of a pod's volumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.label_syntax import check_config_key, check_dns_label
from actors.apimachinery.operation import Object
from actors.apimachinery.quantity import parse_quantity
from actors.apimachinery.validation.field import (
    NOT_NEGATIVE,
    Errors,
    check_enum,
    duplicate,
    forbidden,
    invalid,
    required,
)

_MODE: Final = "must be a number between 0 and 0777 (octal), both inclusive"
_HOST_PATH_TYPES: Final = (
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)


def check_volumes(errors: Errors, path: str, volumes: Sequence[Object]) -> dict[str, Object]:
    """The volumes by name; `path` is that of the list."""
    by_name: dict[str, Object] = {}
    for index, volume in enumerate(volumes):
        here = f"{path}[{index}]"
        name = volume.get("name")
        if not name:
            errors.append(required(f"{here}.name"))
        elif faults := check_dns_label(name):
            for fault in faults:
                errors.append(invalid(f"{here}.name", name, fault))
        elif name in by_name:
            errors.append(duplicate(f"{here}.name", name))
        else:
            by_name[name] = volume
        _check_source(errors, here, volume)
    return by_name


def _check_source(errors: Errors, path: str, volume: Object) -> None:
    kinds = [kind for kind in volume if kind != "name"]
    if not kinds:
        errors.append(required(path, "must specify a volume type"))
    for kind in kinds[1:]:
        errors.append(forbidden(f"{path}.{kind}", "may not specify more than 1 volume type"))
    for kind in kinds[:1]:
        check = _SOURCES.get(kind)
        if check is not None:
            check(errors, f"{path}.{kind}", volume[kind])


def _check_files(errors: Errors, path: str, source: Object) -> None:
    """What secrets and config maps as volumes have in common: a mode, and keys with paths."""
    _check_mode(errors, f"{path}.defaultMode", source.get("defaultMode"))
    for index, item in enumerate(source.get("items") or ()):
        here = f"{path}.items[{index}]"
        key = item.get("key")
        if not key:
            errors.append(required(f"{here}.key"))
        else:
            for fault in check_config_key(key):
                errors.append(invalid(f"{here}.key", key, fault))
        _check_path(errors, f"{here}.path", item.get("path"))
        _check_mode(errors, f"{here}.mode", item.get("mode"))


def _check_mode(errors: Errors, path: str, mode: Any) -> None:
    if isinstance(mode, int) and not 0 <= mode <= 0o777:
        errors.append(invalid(path, mode, _MODE))


def _check_path(errors: Errors, path: str, value: str | None) -> None:
    if not value:
        errors.append(required(path))
    elif value.startswith("/"):
        errors.append(invalid(path, value, "must be a relative path"))
    elif ".." in value.split("/"):
        errors.append(invalid(path, value, "must not contain '..'"))


def _check_secret(errors: Errors, path: str, source: Object) -> None:
    if not source.get("secretName"):
        errors.append(required(f"{path}.secretName"))
    _check_files(errors, path, source)


def _check_config_map(errors: Errors, path: str, source: Object) -> None:
    if not source.get("name"):
        errors.append(required(f"{path}.name"))
    _check_files(errors, path, source)


def _check_claim(errors: Errors, path: str, source: Object) -> None:
    if not source.get("claimName"):
        errors.append(required(f"{path}.claimName"))


def _check_host_path(errors: Errors, path: str, source: Object) -> None:
    value = source.get("path")
    if not value:
        errors.append(required(f"{path}.path"))
    elif ".." in value.split("/"):
        errors.append(invalid(f"{path}.path", value, "must not contain '..'"))
    check_enum(errors, f"{path}.type", source.get("type"), _HOST_PATH_TYPES, needed=False)


def _check_empty_dir(errors: Errors, path: str, source: Object) -> None:
    limit = source.get("sizeLimit")
    if limit is not None and parse_quantity(limit) < 0:
        errors.append(forbidden(f"{path}.sizeLimit", f"SizeLimit field {NOT_NEGATIVE}"))


def _check_downward(errors: Errors, path: str, source: Object) -> None:
    _check_mode(errors, f"{path}.defaultMode", source.get("defaultMode"))
    for index, item in enumerate(source.get("items") or ()):
        here = f"{path}.items[{index}]"
        _check_path(errors, f"{here}.path", item.get("path"))
        if not item.get("fieldRef") and not item.get("resourceFieldRef"):
            errors.append(required(here, "one of fieldRef and resourceFieldRef is required"))


def _check_projected(errors: Errors, path: str, source: Object) -> None:
    _check_mode(errors, f"{path}.defaultMode", source.get("defaultMode"))
    for index, projection in enumerate(source.get("sources") or ()):
        here = f"{path}.sources[{index}]"
        for kind in list(projection)[1:]:
            errors.append(forbidden(f"{here}.{kind}", "may not specify more than 1 volume type"))
        token = projection.get("serviceAccountToken")
        if token is not None:
            if token.get("expirationSeconds", 3600) < 600:
                detail = "may not specify a duration less than 10 minutes"
                errors.append(
                    invalid(f"{here}.serviceAccountToken.expirationSeconds", token["expirationSeconds"], detail)
                )
            _check_path(errors, f"{here}.serviceAccountToken.path", token.get("path"))


_SOURCES: Final[Mapping[str, Callable[[Errors, str, Object], None]]] = {
    "secret": _check_secret,
    "configMap": _check_config_map,
    "persistentVolumeClaim": _check_claim,
    "hostPath": _check_host_path,
    "emptyDir": _check_empty_dir,
    "downwardAPI": _check_downward,
    "projected": _check_projected,
}
