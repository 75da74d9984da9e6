"""Pod templates: whether two mean the same, and the hash that names a template's ReplicaSet (``pod-template-hash``).

The hash need not equal Kubernetes' own, which hashes Go's rendering of the struct; like it, it is written in the
alphabet of generated names, which has no vowels and no look-alikes. Templates that mean the same hash alike.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.quantity import QuantityError, canonical_quantity

POD_TEMPLATE_HASH: Final = "pod-template-hash"
#: Alphabet of generated names (``k8s.io/apimachinery/pkg/util/rand``).
SAFE_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"

#: Fields that are maps: empty means the same as absent. (An empty struct such as ``emptyDir: {}`` does say something.)
_MAPS: Final = frozenset(
    {"labels", "annotations", "nodeSelector", "matchLabels", "limits", "requests", "metadata", "resources", "overhead"}
)
_QUANTITIES: Final = frozenset({"limits", "requests", "overhead"})

Template = Mapping[str, Any]


def safe_encode(text: str) -> str:
    """Each character replaced by one of the safe alphabet (``rand.SafeEncodeString``)."""
    return "".join(SAFE_ALPHABET[ord(character) % len(SAFE_ALPHABET)] for character in text)


def _number_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def pod_template_hash(template: Template, collision_count: int | None = None) -> str:
    """The template's hash; `collision_count` makes it another one after a collision (``ComputeHash``)."""
    text = json.dumps(_canonical(_without_hash(template)), sort_keys=True, separators=(",", ":"))
    if collision_count is not None:
        text += f"#{collision_count}"
    return safe_encode(str(_number_of(text)))


def same_template(left: Template, right: Template) -> bool:
    """Whether two pod templates mean the same, their hash labels left aside (``EqualIgnoreHash``)."""
    if left.get("spec") != right.get("spec"):
        return bool(_canonical(_without_hash(left)) == _canonical(_without_hash(right)))
    left, right = _without_hash(left), _without_hash(right)
    return left == right or bool(_canonical(left) == _canonical(right))


def _without_hash(template: Template) -> Template:
    metadata = template.get("metadata") or {}
    labels = metadata.get("labels") or {}
    if POD_TEMPLATE_HASH not in labels:
        return template
    kept = {name: value for name, value in labels.items() if name != POD_TEMPLATE_HASH}
    return {**template, "metadata": {**metadata, "labels": kept}}


def _canonical(value: Any, name: str = "") -> Any:
    """One form for all values that mean the same: without absent and empty fields, quantities normalised."""
    if isinstance(value, Mapping):
        if name in _QUANTITIES:
            return {key: _quantity(amount) for key, amount in value.items()}
        fields = {key: _canonical(item, key) for key, item in value.items()}
        return {key: item for key, item in fields.items() if not _is_absent(key, item)}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value


def _is_absent(name: str, value: Any) -> bool:
    return value is None or value == [] or (value == {} and name in _MAPS)


def _quantity(value: Any) -> Any:
    try:
        return canonical_quantity(value)
    except QuantityError:
        return value
