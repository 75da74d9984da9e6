"""Planted bugs: Controllers."""

from __future__ import annotations

from typing import Final

from planting import Bug

CONTROLLERS: Final = (
    Bug(
        "surge is not limited",
        "actors/controllers/deployment/rolling.py",
        "    if room <= 0:\n        return size\n    return size + min(room, rollout.desired - size)",
        "    return rollout.desired",
        "tests/controllers/test_rollout_laws.py tests/controllers/test_deployment_controller.py",
    ),
    Bug(
        "availability is not kept",
        "actors/controllers/deployment/rolling.py",
        "    min_available = rollout.desired - rollout.max_unavailable",
        "    min_available = 0",
        "tests/controllers/test_rollout_laws.py tests/controllers/test_deployment_controller.py",
    ),
    Bug(
        "one pod too many",
        "actors/controllers/replicaset/controller.py",
        "            surplus = len(census.active) - wanted_replicas(replicaset)",
        "            surplus = len(census.active) - wanted_replicas(replicaset) - 1",
        "tests/controllers/test_replicaset_controller.py",
    ),
    Bug(
        "the selector is ignored",
        "actors/controllers/ownership.py",
        "        matches = selector.matches(labels_of(obj))",
        "        matches = True",
        "tests/controllers/test_replicaset_controller.py",
    ),
    Bug(
        "shares do not add up",
        "actors/controllers/deployment/scaling.py",
        "        sizes[0] = max(0, sizes[0] + to_add - added)",
        "        pass",
        "tests/controllers/test_rollout_laws.py tests/controllers/test_deployment_controller.py",
    ),
    Bug(
        "owners are believed gone",
        "actors/controllers/garbage_collector/collection.py",
        '    if owner is None or uid_of(owner.object) != reference["uid"]:',
        "    if True:",
        "tests/controllers/test_garbage_collection.py",
        always=True,
    ),
    Bug(
        "a dead node stays ready",
        "actors/controllers/node_lifecycle/actor.py",
        "        silent = now_s - self._heard[name][1] > self._grace_period_s",
        "        silent = False",
        "tests/controllers/test_node_health.py",
        always=True,
    ),
    Bug(
        "a dead controller's late writes are taken",
        "actors/controllers/deployment/actor.py",
        "    await run_reporting_controller(ctx, DeploymentController(), lease.fence)",
        "    await run_reporting_controller(ctx, DeploymentController())",
        "tests/controllers/test_deployment_fence.py",
    ),
)
