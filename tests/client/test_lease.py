"""The fenced lease: taken over at once, renewed, and given up only when it is truly another's."""

from __future__ import annotations

from actors.client.client import Client
from actors.client.lease import RENEW_EVERY_S, FencedLease
from actors.testing.cluster_under_test import ClusterUnderTest
from broker.context import Context

NAME = "test-leader"


def test_a_lease_is_renewed_and_lost_to_a_successor(podchain: ClusterUnderTest) -> None:
    held: list[FencedLease] = []

    async def lead(ctx: Context) -> None:
        lease = FencedLease(Client(ctx), "kube-system", NAME)
        await lease.acquire()
        held.append(lease)
        await ctx.sleep(1e6)

    podchain.run_actor("first", lead)
    podchain.run_for(1)
    before = podchain.get("leases", NAME, "kube-system")
    assert held[0].fence["uid"] == before["metadata"]["uid"]
    podchain.crash("apiserver", restart_after_s=2 * RENEW_EVERY_S)
    podchain.run_for(8 * RENEW_EVERY_S)
    after = podchain.get("leases", NAME, "kube-system")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["renewTime"] > before["spec"]["renewTime"]
    assert not [crash for crash in podchain.simulated.sim.crashes if crash.actor == "first"]

    podchain.run_actor("second", lead)
    podchain.run_for(1)
    taken = podchain.get("leases", NAME, "kube-system")
    assert taken["spec"]["leaseTransitions"] == 1
    assert held[1].fence["uid"] == taken["metadata"]["uid"] != before["metadata"]["uid"]
    podchain.run_for(1.5 * RENEW_EVERY_S)
    lost = [crash for crash in podchain.simulated.sim.crashes if "no longer held" in str(crash.error)]
    assert [crash.actor for crash in lost][:1] == ["first"]
