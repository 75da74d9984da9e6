"""How a long run of changes is cut into publications: at the borders of revisions only."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from store.key_value import KeyValue, mod_revision_of

#: A publication or an answer to WATCH has no more events, except when one revision alone has more.
PUBLISHED_EVENTS_MAX: Final = 2000


def piece_end(changes: Sequence[KeyValue], start: int, events_max: int) -> int:
    """End of a piece that begins at `start`: at most `events_max` changes, or one whole revision if that has more."""
    end = start + events_max
    if end >= len(changes):
        return len(changes)
    cut_revision = changes[end].mod_revision
    border = bisect_left(changes, cut_revision, lo=start, hi=end, key=mod_revision_of)
    if border > start:
        return border
    return bisect_right(changes, cut_revision, lo=end, key=mod_revision_of)
