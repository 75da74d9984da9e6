"""The syntax of names, label keys and label values (``k8s.io/apimachinery/pkg/util/validation``).

Each ``check_*`` gives the faults of a text, in Kubernetes' words; none when it is fine.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

DNS_LABEL_MAX: Final = 63
DNS_SUBDOMAIN_MAX: Final = 253
LABEL_VALUE_MAX: Final = 63
QUALIFIED_NAME_MAX: Final = 63

_LABEL_1123: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_1123: Final = rf"{_LABEL_1123}(\.{_LABEL_1123})*"
_LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE: Final = f"({_QUALIFIED})?"
_CONFIG_KEY: Final = "[-._a-zA-Z0-9]+"
_PATH_SEGMENT_MAY_NOT_CONTAIN: Final = ("/", "%")

_IS_LABEL_1123: Final = re.compile(_LABEL_1123).fullmatch
_IS_SUBDOMAIN_1123: Final = re.compile(_SUBDOMAIN_1123).fullmatch
_IS_LABEL_1035: Final = re.compile(_LABEL_1035).fullmatch
_IS_QUALIFIED: Final = re.compile(_QUALIFIED).fullmatch
_IS_LABEL_VALUE: Final = re.compile(_LABEL_VALUE).fullmatch
_IS_CONFIG_KEY: Final = re.compile(_CONFIG_KEY).fullmatch

#: Names and keys repeat over and over (every pod of a ReplicaSet): what was checked once is remembered.
_remembered = lru_cache(maxsize=8192)


def _too_long(length_max: int) -> str:
    return f"must be no more than {length_max} bytes"


def _regex_fault(rule: str, pattern: str, *examples: str) -> str:
    """Kubernetes' ``RegexError``: the rule, examples, and the expression."""
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{rule} (e.g. {shown}regex used for validation is '{pattern}')"


@_remembered
def check_dns_label(text: str) -> tuple[str, ...]:
    """RFC 1123 label: namespaces, containers, ports, volumes."""
    faults = []
    if len(text) > DNS_LABEL_MAX:
        faults.append(_too_long(DNS_LABEL_MAX))
    if not _IS_LABEL_1123(text):
        rule = (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
            "and must start and end with an alphanumeric character"
        )
        faults.append(_regex_fault(rule, _LABEL_1123, "my-name", "123-abc"))
    return tuple(faults)


@_remembered
def check_dns_subdomain(text: str) -> tuple[str, ...]:
    """RFC 1123 subdomain: what most objects' names must be."""
    faults = []
    if len(text) > DNS_SUBDOMAIN_MAX:
        faults.append(_too_long(DNS_SUBDOMAIN_MAX))
    if not _IS_SUBDOMAIN_1123(text):
        rule = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
        faults.append(_regex_fault(rule, _SUBDOMAIN_1123, "example.com"))
    return tuple(faults)


@_remembered
def check_dns1035_label(text: str) -> tuple[str, ...]:
    """RFC 1035 label: like a DNS label, but it starts with a letter. Services once, still CRD plurals."""
    faults = []
    if len(text) > DNS_LABEL_MAX:
        faults.append(_too_long(DNS_LABEL_MAX))
    if not _IS_LABEL_1035(text):
        rule = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
            "start with an alphabetic character, and end with an alphanumeric character"
        )
        faults.append(_regex_fault(rule, _LABEL_1035, "my-name", "abc-123"))
    return tuple(faults)


@_remembered
def check_path_segment(text: str) -> tuple[str, ...]:
    """What may be one segment of a URL path: RBAC names (``system:node``) and the like."""
    if text in (".", ".."):
        return (f"may not be '{text}'",)
    return tuple(f"may not contain '{part}'" for part in _PATH_SEGMENT_MAY_NOT_CONTAIN if part in text)


@_remembered
def check_qualified_name(text: str) -> tuple[str, ...]:
    """A label or annotation key: ``[prefix/]name``."""
    rule = (
        "must consist of alphanumeric characters, '-', '_' or '.', "
        "and must start and end with an alphanumeric character"
    )
    faults: list[str] = []
    parts = text.split("/")
    if len(parts) > 2:
        fault = _regex_fault("a qualified name " + rule, _QUALIFIED, "MyName", "my.name", "123-abc")
        return (fault + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",)
    if len(parts) == 2:
        if not parts[0]:
            faults.append("prefix part must be non-empty")
        else:
            faults.extend(f"prefix part {fault}" for fault in check_dns_subdomain(parts[0]))
    name = parts[-1]
    if not name:
        faults.append("name part must be non-empty")
    elif len(name) > QUALIFIED_NAME_MAX:
        faults.append("name part " + _too_long(QUALIFIED_NAME_MAX))
    if not _IS_QUALIFIED(name):
        faults.append("name part " + _regex_fault(rule, _QUALIFIED, "MyName", "my.name", "123-abc"))
    return tuple(faults)


@_remembered
def check_label_value(text: str) -> tuple[str, ...]:
    """A label's value: at most 63 characters, empty allowed."""
    faults = []
    if len(text) > LABEL_VALUE_MAX:
        faults.append(_too_long(LABEL_VALUE_MAX))
    if not _IS_LABEL_VALUE(text):
        rule = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
            "and must start and end with an alphanumeric character"
        )
        faults.append(_regex_fault(rule, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return tuple(faults)


@_remembered
def check_config_key(text: str) -> tuple[str, ...]:
    """A key of a ConfigMap's or Secret's data."""
    faults = []
    if len(text) > DNS_SUBDOMAIN_MAX:
        faults.append(_too_long(DNS_SUBDOMAIN_MAX))
    if not _IS_CONFIG_KEY(text):
        rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        faults.append(_regex_fault(rule, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if text == ".":
        faults.append("must not be '.'")
    elif text == "..":
        faults.append("must not be '..'")
    elif text.startswith(".."):
        faults.append("must not start with '..'")
    return tuple(faults)


@_remembered
def check_env_name(text: str) -> tuple[str, ...]:
    """The name of an environment variable, as relaxed since 1.30: printable ASCII without ``=``."""
    if not text:
        return ("environment variable name must be non-empty",)
    if all(" " <= character <= "~" and character != "=" for character in text):
        return ()
    return ("a valid environment variable name must consist only of printable ASCII characters other than '='",)


@_remembered
def check_port_name(text: str) -> tuple[str, ...]:
    """An IANA service name, as container ports have."""
    faults = []
    if len(text) > 15:
        faults.append(_too_long(15))
    if not re.fullmatch(r"[-a-z0-9]+", text):
        faults.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", text):
        faults.append("must contain at least one letter (a-z)")
    if "--" in text:
        faults.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        faults.append("must not begin or end with a hyphen")
    return tuple(faults)
