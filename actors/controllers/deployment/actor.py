"""The Deployment controller as an actor."""

from __future__ import annotations

from actors.controllers.deployment.controller import DeploymentController
from actors.controllers.refusals import run_reporting_controller
from broker.context import Context


async def run(ctx: Context) -> None:
    """Run for ever."""
    await run_reporting_controller(ctx, DeploymentController())
