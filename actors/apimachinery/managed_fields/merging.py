"""A value with another one laid over it: what the second states counts, what it is silent about stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.apimachinery.managed_fields.field_type import ANYTHING, LIST, MAP, FieldType, form_of
from actors.apimachinery.managed_fields.path_element import item_element, named_items


def merge(live: Any, applied: Any, of: FieldType) -> Any:
    """The merged value. Neither argument is changed; what the second doesn't touch is shared with the first."""
    form = form_of(applied, of)
    if form != form_of(live, of) or form not in (MAP, LIST) or not applied:
        # An empty map or list states nothing, unless there is nothing.
        keeps = live and not applied and form == form_of(live, of) and form in (MAP, LIST)
        return live if keeps else applied
    if form == MAP:
        merged = dict(live)
        for name, value in applied.items():
            child = of.field(name) or ANYTHING
            merged[name] = merge(live[name], value, child) if name in live else value
        return merged
    return _merge_lists(live, applied, of)


def _merge_lists(live: Sequence[Any], applied: Sequence[Any], of: FieldType) -> list[Any]:
    """Items of both. Those that were applied stand in their order, the others near where they stood."""
    element = of.element or ANYTHING
    theirs = named_items(live, of)
    if theirs is None:
        return list(applied)
    wanted = {item_element(item, of): item for item in applied}
    live_steps = [item_element(item, of) for item in live]
    applied_steps = list(wanted)
    shared = iter([step for step in applied_steps if step in theirs])
    next_shared = next(shared, None)

    def take(step: str) -> Any:
        before = theirs.get(step)
        # Items that can't be told apart are replaced by the one that was applied.
        return merge(before[0], wanted[step], element) if before and len(before) == 1 else wanted[step]

    merged: list[Any] = []
    taken: set[str] = set()
    left, right = 0, 0
    while left < len(live_steps) or right < len(applied_steps):
        ours = live_steps[left] if left < len(live_steps) else None
        mine = applied_steps[right] if right < len(applied_steps) else None
        if ours is not None and ours not in wanted:
            merged.append(live[left])
            left += 1
            continue
        if ours is not None and mine is not None and next_shared is not None and ours not in (mine, next_shared):
            left += 1  # it comes in its turn among the applied ones
            continue
        if ours is not None and (ours in taken or ours == mine):
            left += 1
        if mine is not None:
            merged.append(take(mine))
            taken.add(mine)
            right += 1
            if mine == next_shared:
                next_shared = next(shared, None)
    return merged
