"""The store's processes are killed -9 under load: what clients saw is linearizable, watches kept every guarantee.

Clients and watchers speak etcd's API, go on after each crash, and write down what they asked and were told.
"""

import os
import random
import signal
import threading
import time

import psutil
import pytest
from etcd_programs import free_port, missing, our_etcd

if missing():
    pytest.skip(missing(), allow_module_level=True)

import grpc
from etcd_client import Client
from watch_recording import Recorder, create_request

from store.etcd_api import messages as m
from store.proof.linearizability import Operation, Outcome, Transaction, not_linearizable, revisions_out_of_order
from store.proof.watch_guarantees import violations
from store.proof.watch_record import Session, WatchRecord, WatchRequest
from store.sqlite_log import SqliteLog

KILLS = 25 if os.environ.get("PODCHAIN_LONG") else 3
CLIENTS = 4
SINGLE = (b"a", b"b")
PAIR = (b"p1", b"p2")
REQUESTS = (WatchRequest(prev_kv=True), WatchRequest(b"p1", b"p3"), WatchRequest(b"a", b"b", no_delete=True))
#: No test waits longer for anything.
PATIENCE_S = 30.0


class Server:
    """The store behind the etcd API: two processes."""

    def __init__(self, directory):
        self._directory = directory
        self.port = free_port()
        self._server = our_etcd(directory, port=self.port)

    def kill(self, which):
        """Kill -9 the API's process, whose end ends the store's, or the store's itself."""
        api = psutil.Process(self._server.process.pid)
        (store,) = api.children()
        os.kill(store.pid if which == "store" else api.pid, signal.SIGKILL)
        psutil.wait_procs([store, api], timeout=PATIENCE_S)
        self._server.close()
        self._server = our_etcd(self._directory, port=self.port)

    def connect(self):
        return Client(self._server)

    def close(self):
        self._server.close()


class Load:
    """Clients and watchers in threads."""

    def __init__(self, server):
        self._server = server
        self.over = threading.Event()
        self.history = []
        self.records = [WatchRecord(request, []) for request in REQUESTS]
        self.failures = []
        self.last_revision = 0
        self._threads = [threading.Thread(target=self._guarded, args=(self._ask, n)) for n in range(CLIENTS)]
        self._watching = [threading.Thread(target=self._guarded, args=(self._watch, r)) for r in self.records]
        for thread in self._threads + self._watching:
            thread.start()

    def _guarded(self, run, argument):
        try:
            run(argument)
        except BaseException as error:
            self.failures.append(error)

    def finish(self):
        """End the load, then wait until every watcher was told of the last change."""
        self.over.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        client = self._server.connect()
        last = [m.RequestOp(request_put=m.PutRequest(key=key)) for key in (b"a", b"p1")]  # each watcher wants one
        self.last_revision = client.kv.Txn(m.TxnRequest(success=last), timeout=5).header.revision
        time.sleep(0.2)
        client.kv.Txn(m.TxnRequest(success=last), timeout=5)
        for thread in self._watching:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        client.channel.close()
        assert self.failures == []

    def _connected(self):
        client = self._server.connect()
        grpc.channel_ready_future(client.channel).result(PATIENCE_S)
        return client

    def _ask(self, number):
        chance = random.Random(number)
        seen = {}
        client = self._connected()
        count = 0
        while not self.over.is_set():
            count += 1
            keys = PAIR if chance.random() < 0.4 else (chance.choice(SINGLE),)
            asked = self._choose(chance, keys, b"%d.%d" % (number, count), seen)
            invoked_s = time.monotonic()
            try:
                outcome = answer_to(client, asked)
            except grpc.RpcError:
                self.history.append(Operation(f"client {number}", asked, invoked_s))
                client.channel.close()
                client = self._connected()
                continue
            self.history.append(Operation(f"client {number}", asked, invoked_s, time.monotonic(), outcome))
            seen.update({key: found and found[0] for key, found in zip(asked.reads, outcome.found, strict=False)})
            if outcome.succeeded:
                seen.update(asked.writes)
            time.sleep(chance.random() * 0.02)
        client.channel.close()

    @staticmethod
    def _choose(chance, keys, value, seen):
        kind = chance.random()
        if kind < 0.3:
            return Transaction(reads=keys)
        if kind < 0.65:
            written = None if chance.random() < 0.2 else value
            return Transaction((), tuple((key, written) for key in keys))
        return Transaction(tuple((key, seen.get(key)) for key in keys), tuple((key, value) for key in keys), keys)

    def _watch(self, record):
        record.sessions.append(Session(2))
        while True:
            client = self._connected()
            try:
                if self._session(client, record):
                    return
            except grpc.RpcError:
                record.resume()
            finally:
                client.channel.close()

    def _session(self, client, record):
        """Whether everything was told."""
        session = record.sessions[-1]
        recorder = Recorder(session)
        call = client.open_watch()
        call.request(create_request(record.request, session.start_revision))
        try:
            for response in call.responses:
                recorder.add(response)
                if not response.events:
                    continue
                if self.last_revision and session.next_revision > self.last_revision:
                    return True
            raise AssertionError("a watch ended by itself")
        finally:
            call.close()


def answer_to(client, asked):
    """One operation as a transaction of etcd's API."""
    op = m.RequestOp
    reads = [op(request_range=m.RangeRequest(key=key)) for key in asked.reads]
    writes = [
        op(request_delete_range=m.DeleteRangeRequest(key=key))
        if value is None
        else op(request_put=m.PutRequest(key=key, value=value))
        for key, value in asked.writes
    ]
    compares = [
        m.Compare(key=key, target="CREATE", create_revision=0)
        if value is None
        else m.Compare(key=key, target="VALUE", value=value)
        for key, value in asked.compares
    ]
    request = m.TxnRequest(compare=compares, success=writes or reads, failure=reads if writes else [])
    answer = client.kv.Txn(request, timeout=5)
    found = tuple(
        (response.response_range.kvs[0].value, response.response_range.kvs[0].mod_revision)
        if response.response_range.kvs
        else None
        for response in answer.responses
        if response.HasField("response_range")
    )
    return Outcome(answer.succeeded, answer.header.revision, found)


def test_histories_of_processes_that_are_killed(tmp_path):
    server = Server(tmp_path / "ours")
    try:
        load = Load(server)
        chance = random.Random()
        for number in range(KILLS):
            time.sleep(0.3 + chance.random())
            server.kill("store" if number % 2 else "api")
        time.sleep(0.5)
        load.finish()
    finally:
        server.close()
    log = SqliteLog(tmp_path / "ours" / "store.sqlite")
    history = log.load().changes
    log.close()
    for record in load.records:
        record.through = load.last_revision
    assert violations(load.records, history) == []
    assert not_linearizable(load.history) == []
    assert revisions_out_of_order(load.history) == []
    stored = {(kv.mod_revision, kv.key): kv.value for kv in history}
    acknowledged = [op for op in load.history if op.outcome and op.outcome.succeeded]
    for op in acknowledged:
        for key, value in op.asked.writes:
            assert value is None or stored[op.outcome.revision, key] == value
    assert {revision for revision, _ in stored} == set(range(2, load.last_revision + 2))
    assert len(acknowledged) > 50 * KILLS
    assert all(len(record.sessions) > 1 for record in load.records)
