"""What a kubelet believes of its runtime when that is restarted and late answers come in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from actors.kubelet.runtime_link import RemoteRuntime
from actors.runtime.protocol import BATCH, LIST_POD_SANDBOX, RUN_POD_SANDBOX, Call, PodSandbox
from broker.context import Context
from broker.message import NO_CAUSE, Cause, Request
from broker.simulation import Simulation

POD = PodSandbox("uid-1", "default", "web", "sandbox", version=14)


class Listener:
    """Remembers what it was told last."""

    def __init__(self) -> None:
        self.sandboxes: dict[str, PodSandbox | None] = {}
        self.answers: list[Any] = []

    def calls_answered(self, worker: Any, answers: Sequence[Any]) -> None:
        self.answers.extend(answers)

    def sandbox_changed(self, uid: str, sandbox: PodSandbox | None, cause: Cause) -> None:
        self.sandboxes[uid] = sandbox


class Worker:
    cause = NO_CAUSE
    busy = False
    sandbox = None


class RestartedRuntime:
    """A runtime whose first incarnation answers its last batch late: just before its successor answers a list."""

    def __init__(self) -> None:
        self.incarnation = "first"
        self.late: Request | None = None

    async def run(self, ctx: Context) -> None:
        ctx.serve(BATCH, self.batch)
        ctx.serve(LIST_POD_SANDBOX, self.list)
        await asyncio.Event().wait()

    def batch(self, request: Request) -> None:
        self.late = request

    def list(self, request: Request) -> None:
        if self.late is not None and request.body["incarnation"] == "second":
            self.late.reply([[None], [POD.wire()], "first"])
            self.late = None
        same = request.body["incarnation"] == self.incarnation
        unchanged = same and request.body["since"] == 0
        pods = [POD.wire()] if self.incarnation == "first" else []
        request.reply(
            {
                "incarnation": self.incarnation,
                "version": 14 if pods else 0,
                "pods": pods,
                "uids": None if unchanged else [POD.uid] * len(pods),
                "images": None,
                "runtime": "sim",
                "runtime_version": "1",
            }
        )


def test_a_late_answer_of_a_dead_runtime_brings_no_pod_back() -> None:
    runtime = RestartedRuntime()
    with Simulation(seed=1) as sim:
        sim.spawn_actor("runtime-n", runtime.run)
        sim.run_for(0.01)
        ctx = sim.context("kubelet-n")
        link, listener = RemoteRuntime(ctx, "n"), Listener()
        sim.run(link.start(listener))
        assert listener.sandboxes == {"uid-1": POD}

        async def call() -> None:
            link.execute(Worker(), [Call(RUN_POD_SANDBOX, {"uid": "uid-1"})])  # type: ignore[arg-type]

        sim.run(call())
        runtime.incarnation = "second"
        sim.run_for(5)
        assert runtime.late is None
        assert listener.sandboxes == {"uid-1": None}
        assert [failure[0] for _, failure in listener.answers] == ["Unanswered"]
