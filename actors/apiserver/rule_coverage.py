"""Whether some rules grant all that others do (``rbac/validation`` of Kubernetes), and how rules read in messages.

Each rule is broken into its smallest parts, one verb on one resource of one group; each part must be granted by one
rule as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.status import format_value

Rule = Mapping[str, Any]

_FIELDS: Final = (
    ("apiGroups", "APIGroups"),
    ("resources", "Resources"),
    ("nonResourceURLs", "NonResourceURLs"),
    ("resourceNames", "ResourceNames"),
    ("verbs", "Verbs"),
)


def missing_rules(owned: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The parts of `wanted` that no rule of `owned` grants."""
    return [part for rule in wanted for part in parts_of(rule) if not any(covers(own, part) for own in owned)]


def parts_of(rule: Rule) -> Iterator[Rule]:
    """A rule, broken down."""
    verbs, names = rule.get("verbs") or (), rule.get("resourceNames") or ()
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in verbs:
                part = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                if not names:
                    yield part
                for name in names:
                    yield {**part, "resourceNames": [name]}
    for url in rule.get("nonResourceURLs") or ():
        for verb in verbs:
            yield {"nonResourceURLs": [url], "verbs": [verb]}


def covers(owner: Rule, part: Rule) -> bool:
    """Whether a rule grants all of a part."""
    if not _has_all(owner.get("verbs") or (), part["verbs"]):
        return False
    urls = part.get("nonResourceURLs")
    if urls:
        return all(_covers_url(owner.get("nonResourceURLs") or (), url) for url in urls)
    owned_names, names = owner.get("resourceNames") or (), part.get("resourceNames") or ()
    if owned_names and not (names and set(names) <= set(owned_names)):
        return False
    if not _has_all(owner.get("apiGroups") or (), part["apiGroups"]):
        return False
    return all(_covers_resource(owner.get("resources") or (), resource) for resource in part["resources"])


def _has_all(owned: Iterable[str], wanted: Iterable[str]) -> bool:
    owned = set(owned)
    return "*" in owned or set(wanted) <= owned


def _covers_resource(owned: Iterable[str], resource: str) -> bool:
    _, _, subresource = resource.partition("/")
    return any(each in ("*", resource) or (subresource and each == f"*/{subresource}") for each in owned)


def _covers_url(owned: Iterable[str], url: str) -> bool:
    return any(each in ("*", url) or (each.endswith("*") and url.startswith(each.rstrip("*"))) for each in owned)


def compacted(rules: Iterable[Rule]) -> list[Rule]:
    """Parts that differ in their verbs only, as one rule each."""
    together: dict[tuple[Any, ...], dict[str, Any]] = {}
    for rule in rules:
        identity = tuple(tuple(rule.get(name) or ()) for name, _ in _FIELDS[:-1])
        known = together.setdefault(identity, {**rule, "verbs": []})
        known["verbs"] += [verb for verb in rule.get("verbs") or () if verb not in known["verbs"]]
    return list(together.values())


def described(rules: Iterable[Rule]) -> list[str]:
    """Rules as Kubernetes writes them, sorted: ``{APIGroups:[""], Resources:["pods"], Verbs:["get"]}``."""
    return sorted({_described(rule) for rule in rules})


def _described(rule: Rule) -> str:
    shown = [f"{title}:{quoted(rule[name])}" for name, title in _FIELDS if rule.get(name)]
    return "{" + ", ".join(shown) + "}"


def quoted(texts: Iterable[str]) -> str:
    """Texts as Go prints a slice of them quoted."""
    return "[" + " ".join(format_value(text) for text in texts) + "]"
