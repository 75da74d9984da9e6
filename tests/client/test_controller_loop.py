"""The loop that all controllers share."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from actors.apimachinery.meta import Key, key_of
from actors.apimachinery.operation import Operation, Result
from actors.client.controller import ControllerLoop, Trigger, View, run_controller
from actors.client.decision import Decision
from actors.testing.cluster_under_test import ClusterUnderTest
from broker.faults import DELIVERED, DROPPED

SECRETS, CONFIGMAPS = "v1/secrets", "v1/configmaps"


class Shadow:
    """Gives every Secret a ConfigMap of its name; remembers whether it saw it at each look."""

    name = "shadow"
    triggers = (Trigger(SECRETS, lambda obj, _: (key_of(obj),)), Trigger(CONFIGMAPS, lambda obj, _: (key_of(obj),)))

    def __init__(self) -> None:
        self.saw: list[bool] = []
        self.refusals = 0

    def reconcile(self, key: Key, view: View, now_s: float) -> Decision:
        if view.get(SECRETS, key) is None:
            return Decision()
        seen = view.get(CONFIGMAPS, key) is not None
        self.saw.append(seen)
        if seen:
            return Decision()
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": key.name, "namespace": key.namespace}}
        return Decision([Operation("create", CONFIGMAPS, key.namespace, key.name, "", body)])


class Deaf:
    """No news of ConfigMaps reach the controller."""

    def fate(self, sender: str, receiver: str, kind: int, subject: str, random: Random) -> Sequence[float]:
        return DROPPED if receiver == "shadow" and subject.startswith(f"watch/{CONFIGMAPS}") else DELIVERED


def secret(colour: str) -> dict[str, object]:
    metadata = {"name": "a", "labels": {"colour": colour}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}


def test_a_controller_sees_what_it_wrote_before_any_news_of_it(podchain: ClusterUnderTest) -> None:
    shadow = Shadow()
    podchain.run_actor("shadow", lambda ctx: run_controller(ctx, shadow))
    podchain.run_for(1)
    podchain.set_faults(Deaf())
    podchain.apply(secret("red"))
    podchain.run_for(0.2)
    podchain.apply(secret("blue"))
    podchain.run_for(0.2)
    assert shadow.saw[0] is False
    assert shadow.saw[1:]
    assert all(shadow.saw[1:])


def test_every_key_is_looked_at_after_a_restart(podchain: ClusterUnderTest) -> None:
    shadow = Shadow()
    podchain.run_actor("shadow", lambda ctx: run_controller(ctx, shadow))
    podchain.run_for(1)
    podchain.crash("shadow", restart_after_s=5)
    podchain.apply(secret("red"))
    podchain.run_for(4)
    assert shadow.saw == []
    podchain.assert_converges(lambda: podchain.get("cm", "a") is not None)


def test_a_refused_write_comes_again_with_backoff(podchain: ClusterUnderTest) -> None:
    class Stubborn(Shadow):
        def reconcile(self, key: Key, view: View, now_s: float) -> Decision:
            self.saw.append(False)
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "Not_A_Name", "namespace": "default"}}
            return Decision([Operation("create", CONFIGMAPS, "default", "Not_A_Name", "", body)])

    stubborn = Stubborn()
    podchain.apply(secret("red"))
    podchain.run_actor("shadow", lambda ctx: run_controller(ctx, stubborn))
    podchain.run_for(10)
    assert 8 <= len(stubborn.saw) <= 14  # 5 ms, doubling: ten seconds hold eleven


def test_what_the_hook_decides_about_failed_writes_is_carried_out(podchain: ClusterUnderTest) -> None:
    class Misnaming(Shadow):
        def reconcile(self, key: Key, view: View, now_s: float) -> Decision:
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "Not_A_Name", "namespace": "default"}}
            return Decision([Operation("create", CONFIGMAPS, "default", "Not_A_Name", "", body)])

    told: list[tuple[Key, list[str], list[int | None]]] = []

    class Telling(ControllerLoop):
        def after_failure(
            self, key: Key, view: View, now_s: float, operations: Sequence[Operation], results: Sequence[Result | None]
        ) -> Decision:
            told.append((key, [op.name for op in operations], [result and result.code for result in results]))
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "told", "namespace": key.namespace}}
            return Decision([Operation("create", CONFIGMAPS, key.namespace, "told", "", body)])

    podchain.apply(secret("red"))
    podchain.run_actor("shadow", lambda ctx: Telling(ctx, Misnaming()).run())
    podchain.run_for(2)
    assert podchain.get("cm", "told") is not None
    assert told[0] == (Key("default", "a"), ["Not_A_Name"], [422])
