"""The ReplicaSet controller as an actor."""

from __future__ import annotations

from actors.controllers.refusals import run_reporting_controller
from actors.controllers.replicaset.controller import ReplicaSetController
from broker.context import Context


async def run(ctx: Context) -> None:
    """Run for ever."""
    await run_reporting_controller(ctx, ReplicaSetController())
