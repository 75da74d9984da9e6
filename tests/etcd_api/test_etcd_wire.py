"""The API at the level of messages: what etcdctl does not reach. Where it can be, against a real etcd too."""

import socket
import ssl
import subprocess

import pytest
from etcd_programs import missing, our_etcd, real_etcd

if missing():
    pytest.skip(missing(), allow_module_level=True)

from etcd_client import Client, collect, outcome

from store.etcd_api import messages as m
from store.etcd_api.listen import EtcdApiConfig, InvalidListen


@pytest.fixture
def clients(tmp_path):
    servers = [real_etcd(tmp_path / "real"), our_etcd(tmp_path / "ours")]
    clients = [Client(server) for server in servers]
    yield clients
    for client in clients:
        client.channel.close()
    for server in servers:
        server.close()


@pytest.fixture
def ours(tmp_path):
    server = our_etcd(tmp_path / "ours", "--progress-interval", "0.3")
    client = Client(server)
    yield client
    client.channel.close()
    assert "Traceback" not in server.log()
    server.close()


def nested():
    inner = m.TxnRequest(
        compare=[m.Compare(key=b"a", target="CREATE", result="GREATER", create_revision=0)],
        success=[
            m.RequestOp(request_delete_range=m.DeleteRangeRequest(key=b"b", prev_kv=True)),
            m.RequestOp(request_range=m.RangeRequest(key=b"a", range_end=b"z")),
        ],
    )
    return m.TxnRequest(
        compare=[m.Compare(key=b"a", range_end=b"c", target="VERSION", result="NOT_EQUAL", version=0)],
        success=[
            m.RequestOp(request_range=m.RangeRequest(key=b"a")),
            m.RequestOp(request_txn=inner),
            m.RequestOp(request_put=m.PutRequest(key=b"n", value=b"1", prev_kv=True)),
        ],
        failure=[m.RequestOp(request_delete_range=m.DeleteRangeRequest(key=b"a"))],
    )


def test_answers_are_those_of_etcd(clients):
    """The same requests to both, whole answers compared."""
    put, op = m.PutRequest, m.RequestOp
    requests = [
        ("kv", "Put", put(key=b"a", value=b"1")),
        ("kv", "Put", put(key=b"b", value=b"1", prev_kv=True)),
        ("kv", "Put", put(key=b"b", value=b"2", prev_kv=True)),
        ("kv", "Txn", nested()),
        ("kv", "Txn", nested()),
        ("kv", "Txn", m.TxnRequest()),
        ("kv", "Txn", m.TxnRequest(success=[op()])),
        ("kv", "Txn", m.TxnRequest(success=[op(request_put=put(key=b"x"))] * 129)),
        ("kv", "Txn", m.TxnRequest(success=[op(request_put=put(key=b"x"))] * 2)),
        ("kv", "Txn", m.TxnRequest(success=[op(request_put=put())])),
        ("kv", "Txn", m.TxnRequest(compare=[m.Compare(target="VALUE", value=b"")])),
        ("kv", "Range", m.RangeRequest()),
        ("kv", "Range", m.RangeRequest(key=b"a", range_end=b"\0", min_mod_revision=3, limit=1)),
        ("kv", "Range", m.RangeRequest(key=b"a", range_end=b"\0", max_create_revision=2, count_only=True)),
        ("kv", "Range", m.RangeRequest(key=b"a", limit=-1, revision=-1)),
        ("kv", "Range", m.RangeRequest(key=b"a", revision=99)),
        ("kv", "DeleteRange", m.DeleteRangeRequest(key=b"n", prev_kv=True)),
        ("kv", "DeleteRange", m.DeleteRangeRequest()),
        ("lease", "LeaseGrant", m.LeaseGrantRequest(ID=7, TTL=100)),
        ("lease", "LeaseGrant", m.LeaseGrantRequest(ID=7, TTL=100)),
        ("kv", "Put", put(key=b"leased", lease=7)),
        ("lease", "LeaseTimeToLive", m.LeaseTimeToLiveRequest(ID=8, keys=True)),
        ("lease", "LeaseLeases", m.LeaseLeasesRequest()),
        ("lease", "LeaseRevoke", m.LeaseRevokeRequest(ID=7)),
        ("lease", "LeaseRevoke", m.LeaseRevokeRequest(ID=7)),
        ("kv", "Put", put(key=b"late", lease=7)),
        ("kv", "Compact", m.CompactionRequest(revision=3, physical=True)),
        ("kv", "Compact", m.CompactionRequest(revision=2)),
        ("kv", "Compact", m.CompactionRequest(revision=99)),
        ("kv", "Range", m.RangeRequest(key=b"a", revision=2)),
        ("auth", "AuthStatus", m.AuthStatusRequest()),
        ("auth", "Authenticate", m.AuthenticateRequest(name="root", password="x")),
        ("maintenance", "Alarm", m.AlarmRequest()),
    ]
    for service, method, request in requests:
        real, ours = (outcome(getattr(getattr(client, service), method), request) for client in clients)
        if method == "AuthStatus":
            real.ClearField("header"), ours.ClearField("header"), real.ClearField("authRevision")
        assert ours == real, request


def test_the_hash_of_the_keys_is_that_of_etcd(clients):
    """It covers every version's key, value, revisions and lease: the whole history is the same, byte by byte."""
    hashes = []
    for client in clients:
        hash_kv = client.maintenance.HashKV
        found = [hash_kv(m.HashKVRequest()).hash]
        client.lease.LeaseGrant(m.LeaseGrantRequest(ID=7, TTL=100))
        for number in range(20):
            client.put(b"k%d" % (number % 3), b"%d" % number * 500, lease=7 * (number % 2))
        client.kv.DeleteRange(m.DeleteRangeRequest(key=b"k", range_end=b"k2"))
        client.kv.Txn(m.TxnRequest(success=[m.RequestOp(request_put=m.PutRequest(key=b"t%d" % n)) for n in range(9)]))
        found += [hash_kv(m.HashKVRequest(revision=revision)).hash for revision in (0, 2, 10, 22)]
        for compacted in (12, 22):
            client.kv.Compact(m.CompactionRequest(revision=compacted, physical=True))
            found += [hash_kv(m.HashKVRequest(revision=revision)).hash for revision in (0, 23)]
            found.append(outcome(hash_kv, m.HashKVRequest(revision=compacted)))
        found.append(outcome(hash_kv, m.HashKVRequest(revision=99)))
        hashes.append(found)
    assert hashes[1] == hashes[0]
    assert len(set(map(str, hashes[0]))) > 6


def test_many_watches_in_one_call(clients):
    """Ids, filters, ranges, the past and the future, refusals: what each watch is told is what etcd tells it."""
    answers = []
    for client in clients:
        for number in range(4):
            client.put(b"k%d" % (number % 2), b"%d" % number)
        client.kv.DeleteRange(m.DeleteRangeRequest(key=b"k0"))
        call = client.open_watch()
        call.create(b"k0", start_revision=2)
        call.create(b"k", range_end=b"l", start_revision=1, prev_kv=True, filters=["NOPUT"])
        call.create(b"k", range_end=b"\0", start_revision=1, prev_kv=True, watch_id=7, filters=["NODELETE"])
        call.create(b"k0", watch_id=7)
        call.create(b"z", range_end=b"a")
        call.create(b"k1", start_revision=9)
        before = collect(call, 6, 3 + 1 + 4)
        for number in range(3):
            client.put(b"k1", b"new %d" % number)
        after = collect(call, 0, 3 + 1)
        answers.append((before, after))
        call.close()
    assert answers[1] == answers[0]


def test_cancelled_watches_are_told_of_nothing_more(clients):
    answers = []
    for client in clients:
        call = client.open_watch().create(b"a").create(b"a", watch_id=5)
        created = collect(call, 2, 0)
        call.cancel(5)
        call.cancel(99)
        cancelled = collect(call, 1, 0)
        client.put(b"a")
        client.put(b"a")
        answers.append((created, cancelled, collect(call, 0, 2)))
        call.close()
    assert answers[1] == answers[0]


def test_below_the_compacted_revision(clients):
    answers = []
    for client in clients:
        for _ in range(5):
            client.put(b"a")
        client.kv.Compact(m.CompactionRequest(revision=4))
        call = client.open_watch().create(b"a", start_revision=3).create(b"a", start_revision=4, watch_id=9)
        told, seen = collect(call, 3, 3)
        answers.append((sorted(told, key=str), seen))
        call.close()
    assert answers[1] == answers[0]


def test_the_id_of_a_watch_that_compaction_ended_stays_taken_until_it_is_cancelled(clients):
    """Found by the state machine: ours gave it to the next watch."""
    answers = []
    for client in clients:
        for _ in range(5):
            client.put(b"a")
        client.kv.Compact(m.CompactionRequest(revision=4))
        call = client.open_watch().create(b"a", start_revision=2)
        told = [collect(call, 2, 0)]
        call.create(b"a").create(b"a", watch_id=1)
        told.append(collect(call, 2, 0))
        call.cancel(0)
        call.cancel(0)
        call.create(b"a", watch_id=5)
        told.append(collect(call, 2, 0))
        answers.append(told)
        call.close()
    assert answers[1] == answers[0]


def test_a_revision_is_never_split_but_into_fragments(ours):
    """A transaction of 3 MB is one response, or several marked as pieces of one."""
    puts = [m.RequestOp(request_put=m.PutRequest(key=b"k%02d" % n, value=b"v" * 14_000)) for n in range(100)]
    ours.kv.Txn(m.TxnRequest(success=puts))
    whole = ours.open_watch().create(b"k", range_end=b"l", start_revision=2)
    events, answers = whole.events(100)
    assert [answer.fragment for answer in answers if answer.events] == [False]
    assert [event.kv.key for _, event in events] == [b"k%02d" % n for n in range(100)]
    for _ in range(2):
        ours.kv.Txn(m.TxnRequest(success=puts))
    pieces = ours.open_watch().create(b"k", range_end=b"l", start_revision=2, fragment=True)
    events, answers = pieces.events(300)
    marks = [answer.fragment for answer in answers if answer.events]
    assert marks == [True] * (len(marks) - 1) + [False]
    assert len(marks) > 1
    assert max(answer.ByteSize() for answer in answers) < 2.1 * 1024 * 1024
    whole.close()
    pieces.close()


def test_fragments_are_those_of_etcd(clients):
    """How many events each piece has, at sizes around the limit of 2 MiB."""
    answers = []
    for client in clients:
        for sizes in ([14_000] * 100, [1_000_000, 1_000_000, 97_000, 100], [100, 1_400_000], [700_000] * 2):
            puts = [
                m.RequestOp(request_put=m.PutRequest(key=b"k%02d" % n, value=b"v" * size))
                for n, size in enumerate(sizes)
                if size < 1_400_001
            ]
            for start in range(0, len(puts), 100):
                while sum(len(op.request_put.value) for op in puts[start:]) > 1_450_000:
                    client.kv.Txn(m.TxnRequest(success=puts[start : start + 1]), timeout=10)
                    start += 1
                client.kv.Txn(m.TxnRequest(success=puts[start:]), timeout=10)
        told = []
        for start_revision in range(2, client.put(b"end").header.revision):
            call = client.open_watch().create(b"k", range_end=b"l", start_revision=start_revision, fragment=True)
            pieces = []
            assert call.next().created
            while not pieces or pieces[-1][1]:
                answer = call.next()
                pieces.append((len(answer.events), answer.fragment))
            told.append(pieces)
            call.close()
        answers.append(told)
    assert answers[1] == answers[0]
    assert any(len(pieces) > 1 for pieces in answers[0])


def test_watchers_see_every_change_once_in_order(ours):
    """While changes go on, watches begin in the past and now, with and without previous values."""
    calls = [ours.open_watch().create(b"a", range_end=b"\0", start_revision=2, prev_kv=bool(n % 2)) for n in range(4)]
    values = {}
    for number in range(400):
        ours.put(b"a%d" % (number % 7), b"%d" % number)
        if number == 200:
            calls.append(ours.open_watch().create(b"a", range_end=b"\0", start_revision=2, prev_kv=True))
            calls.append(ours.open_watch().create(b"a", range_end=b"\0", start_revision=100))
    for index, call in enumerate(calls):
        first = 100 if index == 5 else 2
        events = [event for _, event in call.events(402 - first)[0]]
        assert [event.kv.mod_revision for event in events] == list(range(first, 402))
        if index in (1, 3, 4):
            values.clear()
            for event in events:
                assert event.prev_kv.value == values.get(event.kv.key, b"")
                assert event.HasField("prev_kv") == (event.kv.key in values)
                values[event.kv.key] = event.kv.value
        call.close()


def test_a_client_that_reads_nothing_loses_nothing(ours):
    """Far more than the queue of a stream holds waits in the store's log until the client reads on."""
    call = ours.open_watch().create(b"slow", start_revision=2).create(b"slow", prev_kv=True)
    assert call.next().created
    assert call.next().created
    for number in range(600):
        ours.put(b"slow", b"%d" % number + b"x" * 20_000)
    events, _ = call.events(1200)
    for watch_id in (0, 1):
        revisions = [event.kv.mod_revision for its, event in events if its == watch_id]
        assert revisions == list(range(2, 602))
    call.close()


def test_progress(ours):
    """A quiet watch that asked for it is told the revision; a request for progress is answered for all watches."""
    call = ours.open_watch().create(b"quiet", progress_notify=True).create(b"quiet")
    collect(call, 2, 0)
    ours.put(b"other")
    answer = call.next()
    assert (answer.watch_id, len(answer.events), answer.header.revision) in [(0, 0, 1), (0, 0, 2)]
    call.progress()
    while answer.watch_id != -1:
        answer = call.next()
    assert answer.header.revision == 2
    call.close()


def test_a_put_is_seen_by_a_watch_that_began_before_and_none_that_began_after(ours):
    for number in range(30):
        ours.put(b"k", b"%d" % number)
        call = ours.open_watch().create(b"k")
        assert call.next().created
        ours.put(b"k", b"after")
        (event,), _ = call.events(1)
        assert event[1].kv.value == b"after"
        call.close()


def test_a_restarted_server_goes_on(tmp_path):
    server = our_etcd(tmp_path / "ours")
    client = Client(server)
    revision = client.put(b"a", b"1").header.revision
    client.channel.close()
    server.close()
    server = our_etcd(tmp_path / "ours", port=int(server.endpoint.rpartition(":")[2]))
    client = Client(server)
    assert client.put(b"a", b"2").header.revision == revision + 1
    events, _ = client.open_watch().create(b"a", start_revision=2, prev_kv=True).events(2)
    assert [event.prev_kv.value for _, event in events] == [b"", b"1"]
    client.channel.close()
    server.close()


def test_tls_with_client_certificates(tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    credentials = ("--cacert", str(cert), "--cert", str(cert), "--key", str(key))
    options = ("--cert", str(cert), "--key", str(key), "--client-ca", str(cert))
    server = our_etcd(tmp_path / "ours", *options, ctl_options=credentials)
    try:
        assert server.ctl("put", "a", "1") == "OK\n"
        assert server.ctl("member", "list").rstrip().endswith(f"https://{server.endpoint}, false")
        server.options = ("--cacert", str(cert), "--command-timeout", "1s")
        assert "Error" in server.ctl("get", "a")
        with pytest.raises(ssl.SSLError):
            ssl.create_default_context().wrap_socket(
                socket.create_connection(("127.0.0.1", int(server.endpoint.rpartition(":")[2]))),
                server_hostname="localhost",
            )
    finally:
        server.close()


@pytest.mark.parametrize(
    ("listen", "files"),
    [
        ("0.0.0.0:2379", ()),
        ("192.0.2.1:2379", ()),
        ("[::]:2379", ()),
        ("example.org:2379", ()),
        ("127.0.0.1", ()),
        ("127.0.0.1:http", ()),
        ("127.0.0.1:0", ()),
        ("127.0.0.1:2379", ("cert",)),
        ("127.0.0.1:2379", ("", "", "ca")),
    ],
)
def test_what_must_not_be_served(listen, files):
    with pytest.raises(InvalidListen):
        EtcdApiConfig(listen, "name", *files)


@pytest.mark.parametrize("listen", ["127.0.0.1:2379", "localhost:1", "[::1]:2379", "127.3.2.1:65535"])
def test_loopback_needs_no_certificate(listen):
    assert EtcdApiConfig(listen).url == f"http://{listen}"
    assert EtcdApiConfig("0.0.0.0:1", "n", "cert", "key").url == "https://0.0.0.0:1"
