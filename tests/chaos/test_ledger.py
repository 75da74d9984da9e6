"""What counts as lost: the judge of the soak must not be lenient, nor blame what nobody promised."""

from __future__ import annotations

from actors.chaos.ledger import Ledger

KEY = ("ConfigMap", "m")


def lost(ledger: Ledger, state: str | None) -> bool:
    return bool(ledger.lost(lambda _: state))


def test_what_was_acknowledged_must_be_there() -> None:
    ledger = Ledger()
    ledger.attempt(KEY, "1")
    ledger.succeed(KEY, "1")
    assert not lost(ledger, "1")
    assert lost(ledger, None)
    assert lost(ledger, "0")
    assert ledger.acknowledged == 1


def test_an_acknowledged_delete_must_stay_deleted() -> None:
    ledger = Ledger()
    ledger.attempt(KEY, "1")
    ledger.succeed(KEY, "1")
    ledger.attempt(KEY, None)
    ledger.succeed(KEY, None)
    assert lost(ledger, "1")
    assert not lost(ledger, None)


def test_what_nobody_knows_may_be_either_way_but_nothing_else() -> None:
    ledger = Ledger()
    ledger.attempt(KEY, "1")
    ledger.succeed(KEY, "1")
    for state in ("2", "3"):
        ledger.attempt(KEY, state)
        ledger.doubt()
    assert not lost(ledger, "1")
    assert not lost(ledger, "2")
    assert not lost(ledger, "3")
    assert lost(ledger, None)
    ledger.attempt(KEY, "4")
    ledger.succeed(KEY, "4")
    assert lost(ledger, "2")


def test_what_was_refused_must_not_be_there() -> None:
    ledger = Ledger()
    ledger.attempt(KEY, "1")
    ledger.refuse(KEY, "1")
    assert lost(ledger, "1")
    assert not lost(ledger, None)
