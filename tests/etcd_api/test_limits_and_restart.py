"""Beside a real etcd: the size of requests to the byte, and what a killed server shows when it is back."""

import signal

import pytest
from etcd_programs import grpc_call, missing, our_etcd, real_etcd

if missing():
    pytest.skip(missing(), allow_module_level=True)

from store.etcd_api import messages

#: Around etcd's 1.5 MiB.
LOW_BYTES, HIGH_BYTES = 1_572_700, 1_573_000


@pytest.fixture
def both(tmp_path):
    real, ours = real_etcd(tmp_path / "real"), our_etcd(tmp_path / "ours")
    yield real, ours
    real.close()
    ours.close()


def put(key, value=b"", **fields):
    return messages.PutRequest(key=key, value=value, **fields)


def txn(*requests):
    return messages.TxnRequest(success=[messages.RequestOp(**request) for request in requests])


LARGE = {
    "put": lambda size: ("Put", put(b"k", b"x" * size)),
    "delete": lambda size: ("DeleteRange", messages.DeleteRangeRequest(key=b"x" * size)),
    "transaction": lambda size: ("Txn", txn({"request_put": put(b"k", b"x" * size)})),
}


def largest(server, make):
    low, high = LOW_BYTES, HIGH_BYTES
    while high - low > 1:
        middle = (low + high) // 2
        code, text, _ = grpc_call(server.endpoint, "KV", *make(middle))
        if code == "OK":
            low = middle
        else:
            assert (code, text) == ("INVALID_ARGUMENT", "etcdserver: request is too large")
            high = middle
    return low


@pytest.mark.parametrize("kind", LARGE)
def test_the_largest_request(both, kind):
    real, ours = (largest(server, LARGE[kind]) for server in both)
    assert abs(ours - real) <= 1  # etcd's own part has a random id of 9 or 10 bytes
    assert LOW_BYTES < ours < HIGH_BYTES - 1


def test_what_only_reads_is_not_measured(both):
    reads = txn({"request_range": messages.RangeRequest(key=b"x" * HIGH_BYTES)})
    for server in both:
        assert grpc_call(server.endpoint, "KV", "Txn", reads)[0] == "OK"


@pytest.mark.parametrize("operations", [128, 129])
def test_the_number_of_operations(both, operations):
    many = txn(*({"request_put": put(b"%d" % i)} for i in range(operations)))
    real, ours = (grpc_call(server.endpoint, "KV", "Txn", many)[:2] for server in both)
    assert ours == real
    assert (ours[0] == "OK") == (operations == 128)


def test_the_lease_of_a_put_comes_first(both):
    for fields in [{"ignore_value": True, "lease": 99}, {"lease": 99}, {"ignore_value": True}]:
        alone = [grpc_call(server.endpoint, "KV", "Put", put(b"missing", **fields))[:2] for server in both]
        inside = txn({"request_put": put(b"missing", **fields)})
        nested = [grpc_call(server.endpoint, "KV", "Txn", inside)[:2] for server in both]
        assert alone[0] == alone[1]
        assert nested[0] == nested[1]


def test_a_killed_server_shows_the_same(tmp_path):
    """Revisions, history, compaction, leases and the watch log: after kill -9 of both, in the middle of it all."""
    starts = (real_etcd, our_etcd)
    servers = [start(tmp_path / str(n)) for n, start in enumerate(starts)]
    try:
        for round_ in range(3):
            for command in [
                ("put", "a", str(round_)),
                ("lease", "grant", "300") if round_ == 0 else ("put", "b", "1"),
                ("del", "b"),
                ("put", f"c{round_}", "x"),
                ("compaction", str(3 + 3 * round_)),
                ("put", "a", "after"),
            ]:
                for server in servers:
                    server.ctl(*command)
            for n, server in enumerate(servers):
                port = int(server.endpoint.rpartition(":")[2])
                server.process.send_signal(signal.SIGKILL)
                server.process.wait()
                servers[n] = starts[n](tmp_path / str(n), port=port)
            compare(servers, round_)
    finally:
        for server in servers:
            server.close()


def compare(servers, round_):
    def all_same(service, method, request, what=lambda answer: answer.SerializeToString()):
        found = [grpc_call(server.endpoint, service, method, request) for server in servers]
        assert found[1][:2] == found[0][:2], (method, request)
        if found[0][2] is not None:
            assert what(found[1][2]) == what(found[0][2]), (method, request)

    def kvs(answer):
        return answer.header.revision, answer.count, [kv.SerializeToString() for kv in answer.kvs]

    for revision in range(20):
        all_same("KV", "Range", messages.RangeRequest(key=b"\0", range_end=b"\0", revision=revision), kvs)
        all_same(
            "Maintenance", "HashKV", messages.HashKVRequest(revision=revision), lambda a: (a.hash, a.compact_revision)
        )
    all_same("KV", "Compact", messages.CompactionRequest(revision=3 + 3 * round_))
    all_same("KV", "Compact", messages.CompactionRequest(revision=1000))
    all_same("Lease", "LeaseLeases", messages.LeaseLeasesRequest(), lambda answer: len(answer.leases))
