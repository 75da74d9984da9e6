"""The Deployment controller as an actor.

It holds a lease that fences its writes: how far a rollout may go depends on all ReplicaSets together, so a write that
an earlier incarnation had on its way must not be carried out once this one has looked at them.
"""

from __future__ import annotations

from typing import Final

from actors.client.client import Client
from actors.client.lease import FencedLease
from actors.controllers.deployment.controller import DeploymentController
from actors.controllers.refusals import run_reporting_controller
from broker.context import Context

LEASE_NAMESPACE: Final = "kube-system"
LEASE_NAME: Final = "deployment-controller"


async def run(ctx: Context) -> None:
    """Run until crashed or superseded."""
    lease = FencedLease(Client(ctx), LEASE_NAMESPACE, LEASE_NAME)
    await lease.acquire()
    await run_reporting_controller(ctx, DeploymentController(), lease.fence)
