"""Faults in force as data: one vocabulary with the simulation, checked, kept, changed and ended."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.chaos.policy import heal, put_in_force, read_chaos, write_chaos
from actors.chaos.vocabulary import API_FAULTS, KINDS, check, faults_from_rates, story
from actors.simulation import fault_plan, fault_profile
from actors.supervisor.cluster_config import ClusterConfig, InvalidConfig
from actors.supervisor.cluster_directory import ClusterDirectory
from broker.chaos import NO_CHAOS, Chaos, ChaosFile, Fault

VALUES: dict[str, Any] = {
    "rate": 0.25,
    "delay_s": 1.5,
    "by_s": -30.0,
    "from": "scheduler",
    "to": "apiserver",
    "actor": "store",
    "one_way": True,
    "subject": "operate",
    "resource": "v1/pods",
    "verb": "update",
    "before": 17,
}


def full(kind: str) -> Fault:
    about = KINDS[kind]
    return Fault(kind, {name: VALUES[name] for name in about.required + about.optional})


@pytest.fixture
def directory(tmp_path: Path) -> ClusterDirectory:
    made = ClusterDirectory("test", tmp_path / "root", tmp_path / "run" / "x")
    made.create()
    return made


#: What only the simulation can do: it knows every message, and every view that an actor ever had.
OF_SIMULATION = {"cut", "pause", "restart-onto-old-view"}
#: A schedule names the reader whom these befall; on a running cluster they befall all readers, at a rate.
OF_READERS = {"lagging-replica", "watch-reset"}


def test_what_the_simulation_draws_can_be_put_in_force_under_the_same_name() -> None:
    rates = {name.replace("_", "-") for name in fault_profile.MESSAGE_RATES + fault_profile.API_RATES}
    assert rates - OF_SIMULATION <= set(KINDS)
    assert set(API_FAULTS.values()) <= rates
    lasting = {name for name, kind in fault_plan.KINDS.items() if kind.is_fault and "for_s" in kind.required}
    assert lasting - OF_SIMULATION <= set(KINDS)  # a pause is done to a process, and over when it is woken


@pytest.mark.parametrize("kind", sorted(set(KINDS) & set(fault_plan.KINDS)))
def test_details_are_called_as_in_schedules(kind: str) -> None:
    scheduled, live = fault_plan.KINDS[kind], KINDS[kind]
    reader, rate = ({"actor"}, {"rate"}) if kind in OF_READERS else (set(), set())
    assert set(scheduled.required) - {"for_s"} - reader == set(live.required) - rate
    assert set(scheduled.optional) == set(live.optional) or kind in OF_READERS


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_and_comes_back_as_it_was_written(kind: str, directory: ClusterDirectory) -> None:
    fault = full(kind)
    check(fault)
    assert len(story(fault)) > 15
    write_chaos(directory, Chaos([fault], 7))
    assert read_chaos(directory) == Chaos([fault], 7)


@given(st.dictionaries(st.sampled_from([*VALUES, "nonsense"]), st.one_of(st.floats(), st.text(), st.booleans())))
def test_nonsense_is_refused_or_reads(details: dict[str, Any]) -> None:
    for kind in (*KINDS, "earthquake"):
        fault = Fault(kind, details)
        complaint = complaint_about(fault)
        assert complaint.startswith(kind) if complaint else set(KINDS[kind].required) <= set(details)


def complaint_about(fault: Fault) -> str:
    try:
        check(fault)
    except ValueError as error:
        return str(error)
    return ""


def test_a_fault_takes_the_place_of_one_of_its_scope(directory: ClusterDirectory) -> None:
    put_in_force(directory, Fault("drop", {"rate": 0.1}), 5)
    put_in_force(directory, Fault("drop", {"rate": 0.2, "from": "scheduler"}))
    put_in_force(directory, Fault("drop", {"rate": 0.3}))
    assert [f.details["rate"] for f in read_chaos(directory).faults] == [0.2, 0.3]
    put_in_force(directory, Fault("drop", {"rate": 0.0}))
    assert [f.details["rate"] for f in read_chaos(directory).faults] == [0.2]
    assert read_chaos(directory).seed == 5
    with pytest.raises(ValueError, match="drop: 2 is not a chance"):
        put_in_force(directory, Fault("drop", {"rate": 2}))


def test_healing_ends_all_or_some_kinds(directory: ClusterDirectory) -> None:
    for kind in ("drop", "partition", "disk-full"):
        put_in_force(directory, full(kind))
    assert [f.kind for f in heal(directory, ["partition"])] == ["partition"]
    assert [f.kind for f in heal(directory)] == ["drop", "disk-full"]
    assert read_chaos(directory) == NO_CHAOS
    assert not directory.chaos_file.exists()


def test_a_fault_ends_by_itself(directory: ClusterDirectory) -> None:
    put_in_force(directory, Fault("disk-full", {}, time.time() + 1000))
    file = ChaosFile(directory.chaos_file)
    assert len(file.read(time.time()).faults) == 1
    later = file.read(time.time() + 1001)
    assert later.faults == []
    assert file.read(time.time() + 1002) is later, "an actor sees that nothing changed"


def test_a_reader_sees_every_change_and_survives_rubbish(directory: ClusterDirectory) -> None:
    file = ChaosFile(directory.chaos_file)
    assert file.read(0.0) is NO_CHAOS
    for rate in (0.1, 0.2, 0.3):
        put_in_force(directory, Fault("drop", {"rate": rate}))
        assert [f.details["rate"] for f in file.read(0.0).faults] == [rate]
    directory.chaos_file.write_text("{")
    os.utime(directory.chaos_file, (1, 1))
    assert [f.details["rate"] for f in file.read(0.0).faults] == [0.3]


def test_rates_of_up() -> None:
    drop, conflict = faults_from_rates({"drop": 0.1, "conflict": 0.2, "delay_max_s": 0.2})
    assert drop == Fault("drop", {"rate": 0.1, "delay_s": 0.2})
    assert conflict == Fault("conflict", {"rate": 0.2})
    for wrong in ({"drop": 2}, {"nonsense": 0.1}, {"partition": 0.1}, {"drop": "x"}):
        with pytest.raises(InvalidConfig, match="faults: "):
            ClusterConfig(faults=wrong)
