"""Whether ``spec.successPolicy`` is met: an Indexed Job may succeed before all its indexes have."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from actors.apimachinery.operation import Object
from actors.controllers.job.indexes import parse_indexes
from actors.controllers.job.job_reading import completions_of


def matched_rule(job: Object, succeeded: AbstractSet[int]) -> int | None:
    """The number of the first rule that the succeeded indexes meet."""
    rules = (job["spec"].get("successPolicy") or {}).get("rules") or ()
    if not succeeded:
        return None
    for number, rule in enumerate(rules):
        count = rule.get("succeededCount")
        if rule.get("succeededIndexes") is None:
            if count is not None and len(succeeded) >= count:
                return number
            continue
        wanted = parse_indexes(rule["succeededIndexes"], completions_of(job) or 0)
        there = len(wanted & succeeded)
        if wanted and (there == len(wanted) or (count is not None and there >= count)):
            return number
    return None
