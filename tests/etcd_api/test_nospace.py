"""The NOSPACE alarm beside a real etcd's: the same codes and texts, and the same way out, by etcdctl."""

import re

import pytest
from etcd_programs import grpc_call, missing, our_etcd, real_etcd

if missing():
    pytest.skip(missing(), allow_module_level=True)

from store.etcd_api import messages

QUOTA_BYTES = 512 * 1024


@pytest.fixture
def both(tmp_path):
    """Both with a small quota; a real etcd's file is of 20 KB at the least, and grows by doubling."""
    real = real_etcd(tmp_path / "real", options=(f"--quota-backend-bytes={QUOTA_BYTES}",))
    ours = our_etcd(tmp_path / "ours", f"--quota-backend-bytes={QUOTA_BYTES}")
    yield real, ours
    real.close()
    ours.close()


def without_ids(text):
    return re.sub(r"memberID:\d+", "memberID", text)


def same(both, *arguments, stdin=""):
    real, ours = (without_ids(server.ctl(*arguments, stdin=stdin)) for server in both)
    assert ours == real, arguments
    return ours


def same_call(both, service, method, request):
    (code, text, _), ours = (grpc_call(server.endpoint, service, method, request) for server in both)
    assert ours[:2] == (code, text)
    return code, text


def fill(server):
    """Puts until there is no more room; how many there was room for."""
    for i in range(200):
        code, text, _ = grpc_call(
            server.endpoint, "KV", "Put", messages.PutRequest(key=b"fill%03d" % i, value=b"x" * 10_000)
        )
        if code != "OK":
            assert (code, text) == ("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded")
            return i
    raise AssertionError("there is no quota")


def test_out_of_space_and_back(both):
    for server in both:
        server.ctl("put", "a", "1")
        server.ctl("lease", "grant", "1000")
        assert 20 < fill(server) < 150  # a real etcd looks at its size ten times a second
    for server in both:  # the same keys from here on
        server.ctl("del", "fill020", "--from-key")
    assert same(both, "alarm", "list") == "memberID alarm:NOSPACE \n"
    assert "RESOURCE_EXHAUSTED" in same_call(both, "KV", "Put", messages.PutRequest(key=b"a", value=b"2"))
    assert "RESOURCE_EXHAUSTED" in same_call(both, "Lease", "LeaseGrant", messages.LeaseGrantRequest(TTL=5))
    put = messages.RequestOp(request_put=messages.PutRequest(key=b"a"))
    assert "RESOURCE_EXHAUSTED" in same_call(both, "KV", "Txn", messages.TxnRequest(success=[put]))
    # A real etcd is still over its quota: 3.5.1 refuses even transactions that write nothing then, later ones don't.
    same(both, "get", "a")
    assert len(same(both, "get", "fill", "--prefix", "--keys-only").split()) == 20
    same(both, "del", "fill001")
    for server in both:
        revision = server.ctl("get", "a", "-w", "fields").split('"Revision" : ')[1].split()[0]
        assert server.ctl("compaction", revision, "--physical") == f"compacted revision {revision}\n"
    for server in both:
        assert "Finished defragmenting" in server.ctl("defrag")
    assert "RESOURCE_EXHAUSTED" in same_call(both, "KV", "Put", messages.PutRequest(key=b"a", value=b"2"))
    only_reads = messages.TxnRequest(success=[messages.RequestOp(request_range=messages.RangeRequest(key=b"a"))])
    assert same_call(both, "KV", "Txn", only_reads) == ("OK", "")
    assert same(both, "alarm", "disarm") == "memberID alarm:NOSPACE \n"
    assert same(both, "alarm", "list") == ""
    assert same(both, "put", "a", "2") == "OK\n"
    assert same(both, "get", "a") == "a\n2\n"


def test_the_alarm_by_message(both):
    """Raised by hand, asked for by kind, lifted by member and kind."""
    for fields in [
        {"action": 0, "alarm": 1},
        {"action": 1, "alarm": 1},
        {"action": 0},
        {"action": 0, "alarm": 1},
        {"action": 0, "alarm": 2},
        {"action": 2, "alarm": 0},
        {"action": 2, "memberID": 77, "alarm": 1},
        {"action": 0},
    ]:
        answers = []
        for server in both:
            code, text, answer = grpc_call(server.endpoint, "Maintenance", "Alarm", messages.AlarmRequest(**fields))
            answers.append((code, text, [alarm.alarm for alarm in answer.alarms] if answer else None))
        assert answers[1] == answers[0], fields
    assert "RESOURCE_EXHAUSTED" in same_call(both, "KV", "Put", messages.PutRequest(key=b"a", value=b"2"))
    assert "unhealthy" in same(both, "endpoint", "health")


def test_defragmentation_gives_pages_back(tmp_path):
    ours = our_etcd(tmp_path / "ours")
    try:
        for i in range(300):
            code, _, _ = grpc_call(
                ours.endpoint, "KV", "Put", messages.PutRequest(key=b"%d" % (i % 3), value=b"x" * 20_000)
            )
            assert code == "OK"
        ours.ctl("compaction", "301", "--physical")
        before = sizes(ours)
        assert before[0] > 5_000_000
        assert before[1] < 200_000
        assert "Finished defragmenting" in ours.ctl("defrag")
        after = sizes(ours)
        assert after[0] == after[1] < 200_000
        assert (tmp_path / "ours" / "store.sqlite").stat().st_size == after[0]
        assert (tmp_path / "ours" / "store.sqlite-wal").stat().st_size == 0
    finally:
        ours.close()


def sizes(server):
    _, _, status = grpc_call(server.endpoint, "Maintenance", "Status", messages.StatusRequest())
    return status.dbSize, status.dbSizeInUse
