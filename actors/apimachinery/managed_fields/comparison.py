"""The fields in which two values differ."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from actors.apimachinery.json_patch import equal
from actors.apimachinery.managed_fields.contents import LEAF, everything_in, with_itself
from actors.apimachinery.managed_fields.field_set import FieldSet, union
from actors.apimachinery.managed_fields.field_type import ANY, ANYTHING, LIST, MAP, FieldType, form_of
from actors.apimachinery.managed_fields.path_element import named_items

_MISSING: Final = object()


class Comparison(NamedTuple):
    """What became of an object's fields."""

    added: FieldSet
    removed: FieldSet
    modified: FieldSet

    @property
    def is_same(self) -> bool:
        return not (self.added or self.removed or self.modified)

    @property
    def set_fields(self) -> FieldSet:
        """The fields that have another value now, or one at all."""
        return union(self.added, self.modified)


class _Found(NamedTuple):
    """A comparison as it is made."""

    added: dict[str, Any]
    removed: dict[str, Any]
    modified: dict[str, Any]

    def put(self, step: str, inner: _Found) -> None:
        for mine, theirs in zip(self, inner, strict=True):
            if theirs:
                mine[step] = theirs


def _nothing() -> _Found:
    return _Found({}, {}, {})


def compare(old: Any, new: Any, of: FieldType) -> Comparison:
    """How two objects differ."""
    result = _nothing()
    _compare_maps(old, new, of, result)
    return Comparison(*result)


def _compare_maps(old: dict[str, Any], new: dict[str, Any], of: FieldType, result: _Found) -> None:
    types, other = of.fields, of.element or ANYTHING
    for name, after in new.items():
        before = old.get(name, _MISSING)
        if before is after:
            continue
        if before is _MISSING:
            before = of.always_there.get(name, _MISSING)
        _compare_at("f:" + name, before, after, types.get(name, other), result)
    for name, before in old.items():
        if name not in new:
            after = of.always_there.get(name, _MISSING)
            _compare_at("f:" + name, before, after, types.get(name, other), result)


def _compare_at(step: str, old: Any, new: Any, of: FieldType, result: _Found) -> None:
    """Compare what stands under one step."""
    if old is _MISSING:
        result.added[step] = with_itself(everything_in(new, of))
        return
    if new is _MISSING:
        result.removed[step] = with_itself(everything_in(old, of))
        return
    # Python takes 1 for true, but comparing so is fast, and where a schema says which of them it is, they don't meet.
    if old == new and (of.kind != ANY or equal(old, new)):
        return
    form = form_of(old, of)
    if form != form_of(new, of) or form not in (MAP, LIST):
        result.modified[step] = LEAF
        return
    inner = _nothing()
    if form == MAP:
        _compare_maps(old, new, of, inner)
    elif not _compare_lists(old, new, of, inner):
        result.modified[step] = LEAF
        return
    result.put(step, inner)


def _compare_lists(old: list[Any], new: list[Any], of: FieldType, result: _Found) -> bool:
    """Compare the items of lists that are sets or maps, whatever their order; False if they can't be told apart."""
    before, after = named_items(old, of), named_items(new, of)
    if before is None or after is None:
        return False
    element = of.element or ANYTHING
    for step, items in after.items():
        others = before.get(step)
        if others is None:
            result.added[step] = with_itself(everything_in(items[0], element)) if len(items) == 1 else LEAF
        elif len(items) == len(others) == 1:
            _compare_at(step, others[0], items[0], element, result)
        elif not equal(items, others):  # items that can't be told apart are one thing
            result.modified[step] = LEAF
    for step, items in before.items():
        if step not in after:
            result.removed[step] = with_itself(everything_in(items[0], element)) if len(items) == 1 else LEAF
    return True
