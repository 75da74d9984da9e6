"""A soak: minutes of load and faults on a running cluster, and the verdict on what is left of it.

In the end, once faults and users have stopped: the cluster converges and stays so; every acknowledged write is there;
no invariant was ever broken; every actor runs, once; none has grown.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Final

from actors.apimachinery.meta import Key
from actors.apimachinery.status import ApiError
from actors.chaos.footprint import Footprint, containers, footprint, grown, strays
from actors.chaos.http_user_client import HttpUserClient
from actors.chaos.ledger import Ledger, ObjectKey, State
from actors.chaos.log_reader import LogReader
from actors.chaos.soak_fate import Fate, nothing_left_in_force
from actors.chaos.soak_load import NAMESPACE, Operator, UserClient, Writer, state_of
from actors.chaos.soak_views import ClientViews
from actors.client.client import Client
from actors.gateway.credential_files import CredentialFiles
from actors.simulation.oracles import Oracles, unsettled
from actors.supervisor.cluster_config import ClusterConfig
from actors.supervisor.cluster_directory import ClusterDirectory
from actors.supervisor.session import connect
from actors.supervisor.state_file import read_state
from broker.chaos import FAULTS_TOPIC
from broker.context import Context, RequestError, RequestTimeout
from broker.message import Publication
from store.protocol import STATUS

OPERATORS: Final = 3
WRITERS: Final = 2
HTTP_WRITERS: Final = 2
#: Load without faults, before the first footprint is taken.
WARM_UP_S: Final = 3.0
CONVERGE_WITHIN_S: Final = 120.0
#: What has converged must stay so for this long.
STAYS_S: Final = 2.0
LOOK_EVERY_S: Final = 0.1
GATEWAY_WITHIN_S: Final = 60.0
CLEAN_UP_WITHIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class SoakReport:
    """What a soak did and came to."""

    seed: int
    duration_s: float
    faults: Mapping[str, int]
    """Kills, hangs and faults that set in, by kind."""
    messages: Mapping[str, int]
    """Messages, operations and commits that met a fault, by kind, as far as was told."""
    killed: Mapping[str, int]
    acknowledged: int
    refused: int
    unknown: int
    lost: tuple[str, ...]
    converged_after_s: float
    """From the last fault; negative when it did not."""
    problems: tuple[str, ...]
    memory_bytes: tuple[int, int]
    """Before and after, of all actors."""
    open_fds: tuple[int, int]
    actors: int

    @property
    def ok(self) -> bool:
        return not self.lost and not self.problems and self.converged_after_s >= 0

    def to_plain(self) -> dict[str, Any]:
        """For programs."""
        return {**asdict(self), "ok": self.ok}


@dataclass(slots=True)
class Progress:
    """Where a soak is."""

    phase: str
    elapsed_s: float
    faults: int
    acknowledged: int
    waiting_for: str = ""


class Soak:
    """One soak of a running cluster."""

    def __init__(
        self, directory: ClusterDirectory, config: ClusterConfig, seed: int, duration_s: float, kill_every_s: float
    ) -> None:
        self._directory = directory
        self._seed = seed
        self._duration_s = duration_s
        self._kill_every_s = kill_every_s
        self._config = config
        self._views: ClientViews | None = None
        self._oracles = Oracles()
        self._ledger = Ledger()
        self._met: dict[str, Mapping[str, int]] = {}
        self.progress = Progress("starting", 0.0, 0, 0)

    async def run(self) -> SoakReport:
        """From the first user to the verdict. Raises `RequestError` when the cluster can't be used to begin with."""
        async with (
            connect(self._directory.name) as ctx,
            connect(self._directory.name, meets_faults=True) as users_ctx,
        ):
            ctx.subscribe(FAULTS_TOPIC, self._on_faults)
            await self._gateway_serves(ctx)
            await self._make_namespace(Client(ctx))
            reader = LogReader(ctx, self._oracles)
            await reader.load()
            following = asyncio.create_task(reader.follow())
            fate = Fate(ctx, self._directory, self._seed, own_disk=self._config.store != "etcd")
            with nothing_left_in_force(self._directory):
                report = await self._story(ctx, users_ctx, fate, reader)
            following.cancel()
            if report.ok:
                await self._clean_up(Client(ctx))
            return report

    async def _story(self, ctx: Context, users_ctx: Context, fate: Fate, reader: LogReader) -> SoakReport:
        self._views = views = ClientViews(users_ctx, self._directory, self._config.gateway_port)
        await views.start()
        users = self._start_users(users_ctx)
        started_s = ctx.monotonic_s()
        await self._wait(ctx, "warming up", WARM_UP_S, fate)
        before = footprint(self._directory)
        fates = [
            asyncio.create_task(fate.kill(self._kill_every_s)),
            asyncio.create_task(fate.break_things()),
        ]
        await self._wait(ctx, "breaking", self._duration_s, fate)
        for task in fates:
            task.cancel()
        writable = await fate.relent()
        healed_s = ctx.monotonic_s()
        for user in users:
            user.cancel()
        await asyncio.gather(*fates, *users, return_exceptions=True)
        converged_s = await self._converge(ctx, fate)
        problems = [] if writable else ["the store does not take writes though its disk is not full any more"]
        with contextlib.suppress(RequestError):
            await reader.read()
        if converged_s is None:
            problems += [f"not converged: {problem}" for problem in self._unsettled()[:10]]
        after = footprint(self._directory)
        problems += [f"invariant: {violation}" for violation in self._oracles.violations[:10]]
        problems += [f"stray process: {stray}" for stray in strays(self._directory)]
        views.stop()
        problems += grown(before, after, {"store": await _history_bytes(ctx)})
        duration_s = healed_s - started_s
        return self._report(
            fate, duration_s, -1.0 if converged_s is None else converged_s - healed_s, problems, before, after
        )

    def _report(
        self,
        fate: Fate,
        duration_s: float,
        converged_after_s: float,
        problems: list[str],
        before: Footprint,
        after: Footprint,
    ) -> SoakReport:
        met: Counter[str] = Counter()
        for counts in self._met.values():
            met.update(counts)
        return SoakReport(
            self._seed,
            round(duration_s, 1),
            dict(fate.done.most_common()),
            dict(met.most_common()),
            dict(fate.killed.most_common()),
            self._ledger.acknowledged,
            self._ledger.refused,
            self._ledger.unknown,
            tuple(self._ledger.lost(self._shown)),
            round(converged_after_s, 2),
            tuple(problems),
            (before.memory_bytes, after.memory_bytes),
            (before.open_fds, after.open_fds),
            len(after.fds),
        )

    # Users

    async def _gateway_serves(self, ctx: Context) -> None:
        """Until the gateway can be used; it makes its credentials when the cluster is ready already."""
        until_s = ctx.monotonic_s() + GATEWAY_WITHIN_S
        while self._config.gateway_port and not CredentialFiles(self._directory.gateway).complete:
            if ctx.monotonic_s() > until_s:
                raise RequestTimeout("the gateway has no credentials yet; podchain actor-logs gateway tells more")
            await ctx.sleep(LOOK_EVERY_S)

    def _start_users(self, ctx: Context) -> list[asyncio.Task[None]]:
        tasks = []
        client = Client(ctx)
        kinds: list[tuple[Callable[..., Any], UserClient, str, int]] = [
            (Operator, client, "rollout", OPERATORS),
            (Writer, client, "note", WRITERS),
        ]
        if self._config.gateway_port:
            http_client = HttpUserClient(ctx, self._directory, self._config.gateway_port)
            kinds.append((Writer, http_client, "http-note", HTTP_WRITERS))
        for kind, its_client, name, count in kinds:
            for number in range(count):
                chance = Random(f"{name}/{number}/{self._seed}")  # noqa: S311 - a seed is the point
                user = kind(its_client, self._ledger, chance)
                tasks.append(asyncio.create_task(user.act(f"{name}-{number}")))
        return tasks

    async def _make_namespace(self, client: Client) -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        try:
            await client.create("v1/namespaces", namespace)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            raise ApiError(
                {"code": 409, "message": f"namespace {NAMESPACE} is there already; delete it first"}
            ) from None

    async def _clean_up(self, client: Client) -> None:
        """Take away what the soak has made; what can't be, its namespace shows."""
        self.progress.phase = "cleaning up"
        with contextlib.suppress(ApiError, RequestError, TimeoutError):
            async with asyncio.timeout(CLEAN_UP_WITHIN_S):
                await client.delete("v1/namespaces", NAMESPACE)
                while True:
                    await client.get("v1/namespaces", NAMESPACE)
                    await client.ctx.sleep(LOOK_EVERY_S)

    # Looking

    def _on_faults(self, publication: Publication) -> None:
        report = publication.body
        self._met[f"{publication.message.sender}.{report['incarnation']}"] = report["counts"]

    async def _wait(self, ctx: Context, phase: str, duration_s: float, fate: Fate) -> None:
        started_s = ctx.monotonic_s()
        while (elapsed_s := ctx.monotonic_s() - started_s) < duration_s:
            self.progress = Progress(phase, elapsed_s, sum(fate.done.values()), self._ledger.acknowledged)
            await ctx.sleep(min(LOOK_EVERY_S, duration_s - elapsed_s))

    async def _converge(self, ctx: Context, fate: Fate) -> float | None:
        """When it had converged, and stayed so; None when it does not."""
        started_s = ctx.monotonic_s()
        since_s: float | None = None
        while (now_s := ctx.monotonic_s()) - started_s < CONVERGE_WITHIN_S:
            left = self._unsettled()
            waiting_for = left[0] if left else ""
            faults = sum(fate.done.values())
            self.progress = Progress("converging", now_s - started_s, faults, self._ledger.acknowledged, waiting_for)
            if left:
                since_s = None
            elif since_s is None:
                since_s = now_s
            elif now_s - since_s >= STAYS_S:
                return since_s
            await ctx.sleep(LOOK_EVERY_S)
        return None

    def _unsettled(self) -> list[str]:
        """What is not yet as it should be: of the soak's own objects, nodes and actors."""
        state = read_state(self._directory)
        away = (
            [f"actor {a.name} does not run" for a in state.actors if a.state != "running"] if state else ["no actors"]
        )
        own = [problem for problem in unsettled(self._oracles) if f"{NAMESPACE}/" in problem]
        nodes = [
            f"Node {node['metadata']['name']} is not ready"
            for node in self._oracles.of_kind("Node")
            if not _ready(node)
        ]
        untrue = self._views.untrue(self._oracles) if self._views is not None else []
        return [*away, *nodes, *own, *untrue, *self._wrong_containers()]

    def _wrong_containers(self) -> list[str]:
        """With real processes: as many must run as pods say."""
        if self._config.runtime != "process":
            return []
        pods = [pod for pod in self._oracles.of_kind("Pod") if pod["metadata"].get("namespace") == NAMESPACE]
        running = containers(self._directory)
        if len(running) == len(pods):
            return []
        return [f"{len(running)} container processes run for {len(pods)} pods"]

    def _shown(self, key: ObjectKey) -> State:
        kind, name = key
        return state_of(self._oracles.objects.get(kind, {}).get(Key(NAMESPACE, name)))


async def _history_bytes(ctx: Context) -> int:
    """What the store keeps of the past, within limits of its own (`store.retention`)."""
    try:
        reply = await ctx.request("store", STATUS)
    except RequestError:
        return 0
    return int(reply.body["history_bytes"])


def _ready(node: Mapping[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
