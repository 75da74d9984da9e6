"""Sets of fields, as ``fieldsV1`` writes them: nested mappings whose keys name fields and list items.

    {"f:spec": {"f:replicas": {}, "f:template": {".": {}, "f:metadata": {}}}}

holds ``.spec.replicas``, ``.spec.template`` and ``.spec.template.metadata``: a node without children belongs to the
set; one with children does if it also has the child ``.``. The outermost mapping stands for the object, which is never
in the set itself. Sets are values: no function changes its arguments, and results share parts with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from actors.apimachinery.managed_fields.path_element import canonical_element

FieldSet = Mapping[str, Any]
Path = tuple[str, ...]

SELF: Final = "."
#: The set of one node, or (outermost) the empty set.
NOTHING: Final[FieldSet] = {}
_LEAF: Final[FieldSet] = {}
DEPTH_MAX: Final = 200


def _is_member(node: FieldSet) -> bool:
    return not node or SELF in node


def _node(children: dict[str, Any], *, member: bool) -> FieldSet | None:
    """A node of the set; None when there is nothing to say."""
    if not children:
        return _LEAF if member else None
    if member:
        children[SELF] = _LEAF
    return children


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in either."""
    if not left or left is right:
        return right
    if not right:
        return left
    result = dict(left)
    for key, theirs in right.items():
        ours = left.get(key)
        result[key] = theirs if ours is None else _union_of_nodes(ours, theirs)
    return result


def _union_of_nodes(left: FieldSet, right: FieldSet) -> FieldSet:
    if not left:
        return right if _is_member(right) else {SELF: _LEAF, **right}
    if not right:
        return left if _is_member(left) else {SELF: _LEAF, **left}
    return union(left, right)


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in the first and not in the second. A path in the second takes nothing below it away."""
    if not left or not right:
        return left
    result: dict[str, Any] = {}
    for key, ours in left.items():
        theirs = right.get(key)
        if theirs is None:
            result[key] = ours
        elif key != SELF:
            children = {k: v for k, v in difference(ours, theirs).items() if k != SELF}
            node = _node(children, member=_is_member(ours) and not _is_member(theirs))
            if node is not None:
                result[key] = node
    return result


def without_subtrees(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in the first, save for the paths of the second and everything below them."""
    if not left or not right:
        return left
    result: dict[str, Any] = {}
    for key, ours in left.items():
        theirs = right.get(key)
        if theirs is None:
            result[key] = ours
        elif not _is_member(theirs):
            children = {k: v for k, v in without_subtrees(ours, theirs).items() if k != SELF}
            node = _node(children, member=_is_member(ours))
            if node is not None:
                result[key] = node
    return result


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in both."""
    result: dict[str, Any] = {}
    for key, ours in left.items():
        theirs = right.get(key)
        if theirs is None or key == SELF:
            continue
        children = dict(intersection(ours, theirs))
        node = _node(children, member=_is_member(ours) and _is_member(theirs))
        if node is not None:
            result[key] = node
    return result


def has(fields: FieldSet, path: Path) -> bool:
    """Whether a path is in the set."""
    node = fields
    for key in path:
        if key not in node or key == SELF:
            return False
        node = node[key]
    return bool(path) and _is_member(node)


def paths(fields: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """Every path of the set: those of one level in order, then what lies below each."""
    keys = sorted(key for key in fields if key != SELF)
    for key in keys:
        if _is_member(fields[key]):
            yield (*prefix, key)
    for key in keys:
        if fields[key]:
            yield from paths(fields[key], (*prefix, key))


def set_of(*several: Path) -> FieldSet:
    """The set of some paths."""
    result: FieldSet = NOTHING
    for path in several:
        node: FieldSet = _LEAF
        for key in reversed(path):
            node = {key: node}
        result = union(result, node)
    return result


def from_wire(content: Any, depth: int = 0) -> FieldSet:
    """A set as a client sent it, its keys made canonical. Raises `ValueError`."""
    if not isinstance(content, dict) or depth > DEPTH_MAX:
        raise ValueError("a set of fields is an object of objects")
    result: dict[str, Any] = {}
    for key, value in content.items():
        node = from_wire(value, depth + 1)
        result[key if key == SELF else canonical_element(key)] = node
    return result
