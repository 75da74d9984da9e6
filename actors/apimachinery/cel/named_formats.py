"""Kubernetes' named formats: ``!format.dns1123Label().validate(self).hasValue()``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from actors.apimachinery.custom_resources.formats import has_format
from actors.apimachinery.label_syntax import (
    check_dns1035_label,
    check_dns_label,
    check_dns_subdomain,
    check_label_value,
    check_qualified_name,
)


def _by_format(name: str) -> Callable[[str], tuple[str, ...]]:
    return lambda text: () if has_format(text, name) else (f"must be of format {name}",)


NAMED_FORMATS: Final[Mapping[str, Callable[[str], tuple[str, ...]]]] = {
    "dns1123Label": check_dns_label,
    "dns1123Subdomain": check_dns_subdomain,
    "dns1035Label": check_dns1035_label,
    "dns1123LabelPrefix": lambda text: check_dns_label(text[:-1] + "a" if text.endswith("-") else text),
    "dns1123SubdomainPrefix": lambda text: check_dns_subdomain(text[:-1] + "a" if text.endswith("-") else text),
    "dns1035LabelPrefix": lambda text: check_dns1035_label(text[:-1] + "a" if text.endswith("-") else text),
    "qualifiedName": check_qualified_name,
    "labelValue": check_label_value,
    "uri": _by_format("uri"),
    "uuid": _by_format("uuid"),
    "byte": _by_format("byte"),
    "date": _by_format("date"),
    "datetime": _by_format("datetime"),
}


def validate_format(chosen: Mapping[str, Any], text: str) -> Any:
    """An optional list of faults: none when the text has the format."""
    from cel import OptionalValue

    check = NAMED_FORMATS.get(chosen["k8sFormat"])
    faults = list(check(text)) if check is not None else []
    return OptionalValue.of(faults) if faults else OptionalValue.none()
