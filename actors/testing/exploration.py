"""Every schedule that matters, for a controller under test.

    def scenario(podchain):                       # what a test would do with the fixture
        podchain.run_actor("site-controller", site_controller.run)
        podchain.apply(SITE)
        podchain.assert_converges(lambda: podchain.get("sites", "a")["status"]["ready"])

    def test_whatever_happens():
        explore(scenario)

`explore` runs the scenario without faults, takes from the messages what could go wrong for the actors that it started
with `run_actor`, and runs it again for each, with that one fault:

- each batch of their writes carried out up to the i-th, and then the actor crashes
- each watch event that one of them is told lost, two seconds late, or the last thing it is told before it crashes
- a crash as it is told of an object, and back with a view in which that object is as it was at some time before
  (a replica of the API server that lags)
- each pair of concurrent messages that reach it, the other way round

Schedules that read alike but for names are run once. With `seeds`, as many runs follow with faults of every kind drawn
at random, all over the cluster. The first that fails is shrunk, told, and can be replayed by the command that is
printed.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from actors.apimachinery.meta import Key
from actors.simulation.cluster import CLIENT
from actors.simulation.explore import LATE_S, UNINTERESTING, Candidate, Recorder
from actors.simulation.fate import Fate
from actors.simulation.fault_plan import MESSAGE_KIND_NAMES, Step
from actors.simulation.fault_profile import PROFILES, FaultProfile, draw_steps
from actors.simulation.interception import MessageKey
from actors.simulation.links import WATCH_PREFIX
from actors.simulation.schedule import CONTROL_PLANE
from actors.simulation.shrink import minimal
from actors.testing.cluster_under_test import ClusterUnderTest
from actors.testing.story import Story
from broker.message import KIND_PUBLICATION, unpack

Scenario = Callable[[ClusterUnderTest], object]
Listener = Callable[[float, MessageKey, Sequence[bytes]], None]

#: Kinds of faults that messages suggest, as they are called in schedules (docs/simulation.md).
KINDS: Final = ("cut", "drop", "delay", "crash-receiver", "crash-onto-old-view", "swap")
#: Runs that shrinking one failure may take.
SHRINKING_RUNS_MAX: Final = 60
#: Faults with a time of their own are drawn for so long from the start (virtual seconds).
RANDOM_FAULTS_FOR_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Explored:
    """What was tried, all of it without a failure."""

    generated: int
    """Schedules that the recorded run suggests."""
    distinct: int
    """What is left of them when those that read alike count once."""
    run: int
    """Those of them that were run: all, unless `kinds` or `most` says otherwise."""
    seeds: int = 0
    """Runs with drawn faults."""

    @property
    def pruned(self) -> int:
        """Schedules that are like another."""
        return self.generated - self.distinct

    def __str__(self) -> str:
        tried = f"{self.run} of {self.distinct} schedules run ({self.pruned} more are like one of those)"
        return f"{tried}, and {self.seeds} seeds"


class Counterexample(AssertionError):
    """A schedule under which the scenario fails. Its text tells what happened, and how to see it again."""

    def __init__(self, text: str, steps: Sequence[Step], reason: Exception) -> None:
        super().__init__(text)
        self.steps = tuple(steps)
        """The faults; few, and none can be left out."""
        self.reason = reason
        """What the scenario raised."""


@dataclass(slots=True)
class _Replay:
    """What ``--podchain-replay`` asked for."""

    seed: int
    nodes: int
    steps: tuple[Step, ...]


_asked_for: _Replay | None = None


def replay_only(text: str) -> None:
    """From now on `explore` runs this one schedule (the JSON that a `Counterexample` prints). Empty: explore again.

    Raises `ValueError`.
    """
    global _asked_for
    if not text:
        _asked_for = None
        return
    spec = json.loads(text)
    _asked_for = _Replay(int(spec["seed"]), int(spec["nodes"]), tuple(map(Step.from_plain, spec["steps"])))


def explore(
    scenario: Scenario,
    *,
    nodes: int = 1,
    seed: int = 0,
    kinds: Sequence[str] = KINDS,
    most: int | None = None,
    seeds: int = 0,
    faults: str = "heavy",
) -> Explored:
    """Run a scenario under every fault that its own messages suggest. Raises `Counterexample` when one makes it fail.

    `kinds`: only faults of these. `faults` names the profile (`simulate --faults`) from which those of
    `seeds` are drawn. `most` bounds how many schedules are run; they are then spread evenly. What the scenario raises
    without any fault is raised as it is.
    """
    if _asked_for is not None:
        _Trial(scenario, _asked_for.nodes, _asked_for.seed, _asked_for.steps).check()
        return Explored(1, 1, 1)
    plan = _Plan()
    baseline = _Trial(scenario, nodes, seed)
    baseline.run(plan.observe, plan.concerns)
    if baseline.failure is not None:
        raise baseline.failure
    distinct = plan.chosen()
    steps = [step for step in distinct if step.details["fault"] in kinds]
    if most is not None and len(steps) > most:
        steps = [steps[i * len(steps) // most] for i in range(most)]
    for step in steps:
        _Trial(scenario, nodes, seed, (step,)).check()
    actors = [*CONTROL_PLANE, *baseline.actors * len(CONTROL_PLANE)]
    for drawn in range(seed, seed + seeds):
        random = Random(f"explore/{drawn}")  # noqa: S311 - replay from a seed is the point
        timed = draw_steps(PROFILES[faults], random, actors, RANDOM_FAULTS_FOR_S)
        _Trial(scenario, nodes, drawn, tuple(timed), PROFILES[faults]).check()
    return Explored(plan.generated, len(distinct), len(steps), seeds)


@dataclass(slots=True)
class _Trial:
    """The scenario, once, under given faults."""

    scenario: Scenario
    nodes: int
    seed: int
    steps: tuple[Step, ...] = ()
    profile: FaultProfile = PROFILES["none"]
    failure: Exception | None = None
    actors: tuple[str, ...] = ()

    def run(self, listen: Listener | None = None, meet: Callable[[ClusterUnderTest], None] | None = None) -> None:
        """Carry it out; what was drawn is among the steps then."""
        cluster = ClusterUnderTest(self.seed, self.nodes)
        fate = Fate(cluster.simulated, self.steps, self.profile, self.seed)
        try:
            if meet is not None:
                meet(cluster)
            if listen is not None:
                fate.interception.observer = lambda key, frames: listen(cluster.now_s, key, frames)
            cluster.meet_fate(fate)
            self.scenario(cluster)
        except Exception as error:  # whatever a test fails with
            self.failure = error
        finally:
            self.actors = tuple(cluster.under_test)
            cluster.close()
        self.steps, self.profile = (*self.steps, *fate.interception.drawn), PROFILES["none"]

    def check(self) -> None:
        """Carry it out. Raises `Counterexample` when it fails, shrunk."""
        self.run()
        if self.failure is not None:
            raise _counterexample(_shrunk(self)) from self.failure


def _shrunk(trial: _Trial) -> _Trial:
    """The same with as few steps as it takes to fail like that."""
    best, budget = trial, SHRINKING_RUNS_MAX if len(trial.steps) > 1 else 0

    def still_fails(steps: Sequence[Step]) -> bool:
        nonlocal best, budget
        budget -= 1
        attempt = replace(trial, steps=tuple(steps), failure=None)
        attempt.run()
        if type(attempt.failure) is not type(trial.failure):
            return False
        best = attempt
        return True

    minimal(trial.steps, still_fails, lambda: budget > 0)
    return best


def _counterexample(trial: _Trial) -> Counterexample:
    assert trial.failure is not None
    story = Story(trial.actors, trial.steps)
    again = replace(trial, failure=None)
    again.run(story.observe)
    spec = {"seed": trial.seed, "nodes": trial.nodes, "steps": [step.to_plain() for step in trial.steps]}
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    lines = [
        *(["no fault is needed:"] if not trial.steps else ["it fails when"]),
        *(f"  {step}" for step in trial.steps),
        "with",
        *(f"  {line}" for line in str(trial.failure).splitlines()),
        "what happened:",
        str(story),
        f"replay with: pytest {shlex.quote(test)} --podchain-replay {shlex.quote(json.dumps(spec))}",
    ]
    return Counterexample("\n".join(lines), trial.steps, again.failure or trial.failure)


class _Plan:
    """Collects the schedules while the scenario runs without faults."""

    def __init__(self) -> None:
        self._cluster: ClusterUnderTest | None = None
        self._recorder = Recorder(lambda key: self._is_under_test(key[0]) or self._is_under_test(key[1]))
        self._older_views = _OlderViews()

    def concerns(self, cluster: ClusterUnderTest) -> None:
        """The cluster that is listened to."""
        self._cluster = cluster

    def _is_under_test(self, actor: str) -> bool:
        return self._cluster is not None and actor in self._cluster.under_test and actor != CLIENT

    def observe(self, now_s: float, key: MessageKey, frames: Sequence[bytes]) -> None:
        """A message reaches an actor."""
        self._recorder.observe(now_s, key, frames)
        if key[2] == KIND_PUBLICATION and self._is_under_test(key[1]) and key[3].startswith(WATCH_PREFIX):
            self._recorder.candidates.extend(self._older_views.candidates(key, frames))

    @property
    def generated(self) -> int:
        """Before those that are alike are left out."""
        return len(self._recorder.candidates)

    def chosen(self) -> list[Step]:
        """One of each class."""
        return self._recorder.chosen()


class _OlderViews:
    """Crashes at an event of an object, onto views in which that object is as it was at an earlier event.

    Of each such state of it there are two views: as soon as it was so, and the last before it changed.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, Key], list[tuple[int, tuple[Any, ...]]]] = {}

    def candidates(self, key: MessageKey, frames: Sequence[bytes]) -> list[Candidate]:
        """Those of one publication."""
        sender, receiver, kind, subject, n = key
        _, events, _ = unpack(frames[1])
        where = {"sender": sender, "receiver": receiver, "kind": MESSAGE_KIND_NAMES[kind], "subject": subject, "n": n}
        found: list[Candidate] = []
        if subject.split("|")[0].rpartition("/")[2] in UNINTERESTING:
            return found
        for event, blob in zip(events, frames[2:], strict=True):
            gist = _gist(event, unpack(blob))
            before = self._told.setdefault((receiver, subject, Key(event[2], event[3])), [])
            for number, (revision, earlier) in enumerate(before):
                until = before[number + 1][0] if number + 1 < len(before) else event[1]
                for which, view in (("since", revision), ("until", until - 1)):
                    details = {**where, "fault": "crash-onto-old-view", "for_s": LATE_S, "revision": view}
                    alike = ("older view", receiver, subject, gist, earlier, which)
                    found.append(Candidate(Step(0.0, "message", details), alike))
            before.append((event[1], gist))
        return found


def _gist(event: Sequence[Any], obj: dict[str, Any]) -> tuple[Any, ...]:
    """What an event says of an object, as far as another state of it would be decided upon differently."""
    metadata = obj["metadata"]
    return (
        event[0],
        metadata["name"],
        metadata.get("uid"),
        "deletionTimestamp" in metadata,
        bool(metadata.get("finalizers")),
        bool(obj.get("status")),
    )
