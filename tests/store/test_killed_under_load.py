"""kill -9 of the real store process at random instants while clients write: nothing acknowledged is lost or doubled."""

import asyncio
import contextlib
import os
import random
import signal

import pytest

from broker.context import RequestError
from broker.zeromq import Endpoints, ZeroMQContext
from store import compaction, protocol
from store.actor import run
from store.mvcc import Mvcc
from store.retention import HistoryLimits
from store.sqlite_log import SqliteLog
from store.transaction import Range

KILLS = 150 if os.environ.get("PODCHAIN_LONG") else 6
CLIENTS = 12
HISTORY = HistoryLimits(revisions=400)


def endpoints(directory):
    return Endpoints(f"ipc://{directory}/.pub", f"ipc://{directory}/.sub", lambda name: f"ipc://{directory}/{name}")


def start_store(directory) -> int:
    """The store in a process of its own, which compacts all the time."""
    pid = os.fork()
    if pid:
        return pid
    try:
        compaction.COMPACTION_CHECK_S = 0.03
        compaction.PURGE_EVENTS = 50

        async def act():
            ctx = ZeroMQContext("store", endpoints(directory), on_crash=lambda error: os._exit(3))
            await run(ctx, SqliteLog(directory / "log", reserve_bytes=4096), HISTORY)

        asyncio.run(act())
    finally:
        os._exit(2)


class Client:
    """Counts up in one key, and makes a new pair of keys each time: both in one transaction, which may be repeated."""

    def __init__(self, ctx, number: int) -> None:
        self.ctx = ctx
        self.counter = b"counter/%02d" % number
        self.number = number
        self.count = 0
        self.mod = 0
        self.revisions: dict[int, int] = {}
        """The revision that each count was acknowledged with."""
        self.read_at = 0

    async def ask(self, method, body, blobs=()):
        while True:
            try:
                return await self.ctx.request("store", method, body, list(blobs), timeout_s=20, attempt_timeout_s=0.3)
            except RequestError as error:
                assert "Timeout" in type(error).__name__, error  # noqa: PT017 - nothing may be refused

    async def act(self):
        while True:
            count = self.count + 1
            value = b"%d" % count * (1 + count % 50)
            ops = [["put", key, 0] for key in (self.counter, self.pair(count, b"a"), self.pair(count, b"b"))]
            row = [[[self.counter, "mod", "=", self.mod]], ops, [["range", self.counter, b"", 0]], "n"]
            reply = await self.ask(protocol.TXN, [row], [value] * 3)
            succeeded, revision, answers = reply.body[0]
            if not succeeded:  # carried out before a kill, and its answer lost: then the key shows what was asked
                (kv,) = answers[0][1]
                assert kv[3] == count, "a count was lost, or carried out twice"
                assert reply.blobs == [value]
                revision = kv[2]
            self.count, self.mod = count, revision
            self.revisions[count] = revision
            assert revision > self.read_at, "a revision was given twice"
            self.read_at = revision

    def pair(self, count: int, which: bytes) -> bytes:
        return b"pair/%02d/%06d/%s" % (self.number, count, which)


async def kill_in_a_loop(directory) -> list[Client]:
    chance = random.Random(11)
    ctx = ZeroMQContext("client", endpoints(directory), on_crash=lambda error: None)
    clients = [Client(ctx, number) for number in range(CLIENTS)]
    pid = start_store(directory)
    tasks = [asyncio.ensure_future(client.act()) for client in clients]
    try:
        for _ in range(KILLS):
            progress = sum(client.count for client in clients)
            while sum(client.count for client in clients) < progress + 30:  # it is up, and works
                done, _ = await asyncio.wait(tasks, timeout=0.02, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                assert os.waitpid(pid, os.WNOHANG) == (0, 0), "the store ended by itself"
            await asyncio.sleep(chance.uniform(0.0, 0.2))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            pid = start_store(directory)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        ctx.close()
    return clients


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
def test_kill_9_at_random_instants_under_load(tmp_path):
    clients = asyncio.run(kill_in_a_loop(tmp_path))
    log = SqliteLog(tmp_path / "log", reserve_bytes=0)
    content = log.load()
    log.close()
    mvcc = Mvcc()
    mvcc.restore(content.changes, content.leases, content.compacted_revision, 0.0)
    assert mvcc.compacted_revision > 100, "nothing was compacted meanwhile"
    shown = {kv.key: kv for kv in mvcc.range(Range(b"\0", b"\0")).kvs}
    expected_keys = 0
    for client in clients:
        counter = shown[client.counter]
        # What was not acknowledged when it all ended may be there, whole, or not.
        assert counter.version in (client.count, client.count + 1)
        for count in range(1, counter.version + 1):
            a, b = shown[client.pair(count, b"a")], shown[client.pair(count, b"b")]
            assert a.value == b.value == b"%d" % count * (1 + count % 50)
            assert a.mod_revision == b.mod_revision == client.revisions.get(count, a.mod_revision)
            expected_keys += 2
        expected_keys += 1
    assert len(shown) == expected_keys
    # One transaction a revision, none lost and none made up.
    assert mvcc.revision == 1 + sum(shown[client.counter].version for client in clients)
    assert sum(client.count for client in clients) > KILLS * 30
