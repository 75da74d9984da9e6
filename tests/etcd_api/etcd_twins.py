"""A real etcd and our store as two servers that are asked the same, and whose whole answers must be the same."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path

import grpc
from etcd_client import Client, without_ids
from etcd_programs import our_etcd, real_etcd

from store.etcd_api import messages as m

#: etcd brings watches that begin in the past up to date every 100 ms.
CATCH_UP_S = 0.16
ANSWER_WAIT_S = 10.0
#: The barrier: a key that no step writes, watched in the same call as all others.
BARRIER = b"\xffbarrier"
BARRIER_WATCH = 1000
#: A watch call lasts as long as an example, of which the longest take minutes; each response comes in ANSWER_WAIT_S.
CALL_S = 900


class Watching:
    """One Watch call on one server; a thread reads its responses."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.call = client.open_watch(CALL_S)
        self._responses: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self.call.create(BARRIER, watch_id=BARRIER_WATCH)
        self.until(lambda response: response.created)

    def _read(self) -> None:
        try:
            for response in map(without_ids, self.call.responses):
                if response.watch_id == BARRIER_WATCH or not response.events or _without_barrier(response):
                    self._responses.put(response)
        except grpc.RpcError as error:
            self._responses.put(error)

    def until(self, is_last) -> list:
        """The responses up to one that satisfies the condition, which is left out if it is the barrier's."""
        found = []
        while True:
            response = self._responses.get(timeout=ANSWER_WAIT_S)
            if isinstance(response, grpc.RpcError):
                raise response
            found.append(response)
            if is_last(response):
                return found

    def up_to_barrier(self) -> dict[int, list]:
        """What each watch was told until the barrier's key was put, in order, but for that key itself."""
        told: dict[int, list] = {}
        for response in self.until(lambda response: response.watch_id == BARRIER_WATCH and response.events):
            if response.watch_id != BARRIER_WATCH:
                told.setdefault(response.watch_id, []).append(response)
        return told

    def close(self) -> None:
        self.call.close()


def _without_barrier(response) -> bool:
    """Take the barrier's key from what another watch is told; whether anything is left.

    Which watch is told first of one change is left to chance in etcd.
    """
    others = [event for event in response.events if event.kv.key != BARRIER]
    del response.events[:]
    response.events.extend(others)
    return bool(others)


class Twins:
    """Both servers, their data in a directory. `ask` is the same question to both."""

    def __init__(self, directory: Path) -> None:
        self._directories = [directory / "real", directory / "ours"]
        self._start = [real_etcd, our_etcd]
        self.servers = [start(where) for start, where in zip(self._start, self._directories, strict=True)]
        self.clients = [Client(server) for server in self.servers]
        self.lease_base = 1000

    def close(self) -> None:
        for client in self.clients:
            client.channel.close()
        for server in self.servers:
            server.close()

    def are_alike(self) -> bool:
        """Whether both are at the same revision with the same history."""
        try:
            real, ours = self.each("maintenance", "HashKV", m.HashKVRequest())
        except AssertionError:
            return False
        return real == ours

    def restart(self) -> None:
        """Kill -9 both and start them again on the same data."""
        for index, server in enumerate(self.servers):
            self.clients[index].channel.close()
            server.process.kill()
            server.process.wait()
            port = int(server.endpoint.rpartition(":")[2])
            server.close()
            self.servers[index] = self._start[index](self._directories[index], port=port)
            self.clients[index] = Client(self.servers[index])
            self._await_ready(self.clients[index])

    @staticmethod
    def _await_ready(client: Client) -> None:
        deadline_s = time.monotonic() + ANSWER_WAIT_S
        while True:
            try:
                client.kv.Range(m.RangeRequest(key=b"a"), timeout=5)
            except grpc.RpcError:
                assert time.monotonic() < deadline_s
                time.sleep(0.05)
            else:
                return

    def each(self, service: str, method: str, request) -> list:
        """Both answers (or the codes and messages of the refusals), real first."""
        answers = []
        for client in self.clients:
            try:
                answers.append(without_ids(getattr(getattr(client, service), method)(request, timeout=ANSWER_WAIT_S)))
            except grpc.RpcError as error:
                answers.append((error.code(), error.details()))
        return answers

    def ask(self, service: str, method: str, request):
        """The answer, which is that of both."""
        real, ours = self.each(service, method, request)
        assert ours == real, f"{method} of {request}: ours {ours}, etcd {real}"
        return ours

    def keep_alive(self, lease_id: int):
        """One keep-alive of a lease."""
        request = m.LeaseKeepAliveRequest(ID=lease_id)
        real, ours = (
            without_ids(next(client.lease.LeaseKeepAlive(iter([request]), timeout=ANSWER_WAIT_S)))
            for client in self.clients
        )
        assert ours == real
        return ours
