"""The Job controller as an actor.

It holds a lease that fences its writes, and begins with a view that is newer than the lease. So it knows of all that
its predecessors did, and they do nothing more: no pod is counted twice, none is created beside one that isn't seen yet.
"""

from __future__ import annotations

from typing import Final

from actors.client.client import Client
from actors.client.lease import FencedLease
from actors.controllers.job.controller import JobController
from actors.controllers.refusals import run_reporting_controller
from broker.context import Context

LEASE_NAMESPACE: Final = "kube-system"
LEASE_NAME: Final = "job-controller"


async def run(ctx: Context) -> None:
    """Run until crashed or superseded."""
    lease = FencedLease(Client(ctx), LEASE_NAMESPACE, LEASE_NAME)
    await lease.acquire()
    await run_reporting_controller(ctx, JobController(), lease.fence, since=lease.revision)
