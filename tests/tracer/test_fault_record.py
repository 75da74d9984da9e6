"""Counting injected faults from reports that may get lost, come twice or come late."""

from __future__ import annotations

from typing import Any

from actors.tracer.faults import INCARNATIONS_MAX, FaultRecord


def report(incarnation: str, counts: dict[str, int], *rows: list[Any]) -> dict[str, Any]:
    return {"incarnation": incarnation, "counts": counts, "rows": list(rows)}


def row(kind: str, message_id: str, at_s: float) -> list[Any]:
    return [kind, "scheduler", "apiserver", "operate", message_id, at_s]


def test_reports_say_all_there_ever_was_so_a_lost_one_and_a_repeated_one_do_not_matter() -> None:
    record = FaultRecord()
    record.take_in("store", report("a", {"drop": 2}))
    record.take_in("store", report("a", {"drop": 5, "delay": 1}))
    record.take_in("store", report("a", {"drop": 5, "delay": 1}))
    assert record.counts == {"drop": 5, "delay": 1}


def test_each_incarnation_begins_anew() -> None:
    record = FaultRecord()
    record.take_in("store", report("a", {"drop": 5}))
    record.take_in("store", report("b", {"drop": 1}))
    record.take_in("apiserver", report("a", {"drop": 1}))
    assert record.counts == {"drop": 7}
    assert record.by_actor == {"store": {"drop": 6}, "apiserver": {"drop": 1}}


def test_it_is_bounded() -> None:
    record = FaultRecord()
    for i in range(INCARNATIONS_MAX + 10):
        record.take_in("store", report(str(i), {"drop": 1}))
    assert record.counts == {"drop": INCARNATIONS_MAX + 10}
    assert len(record._reported) == INCARNATIONS_MAX


def test_faults_are_found_by_message_and_by_time() -> None:
    record = FaultRecord()
    record.take_in("apiserver", report("a", {}, row("drop", "x.1.5", 10.0), row("conflict", "x.1.7#2", 11.0)))
    record.take_in("apiserver", report("a", {}, row("slow", "", 12.0)))
    assert [found[0] for found in record.of({"x.1.5"})] == ["drop"]
    assert [found[0] for found in record.of({"x.1.7"})] == ["conflict"], "operations are parts of a message"
    assert record.of({"x.1.6"}) == []
    assert record.during(10.5, 12.5) == {"conflict": 1, "slow": 1}
    assert [found[0] for found in record.latest(2)] == ["conflict", "slow"]
