"""Snapshots of a real etcd and of ours become Podchain's store, whole; damaged ones are refused."""

import hashlib
import json
import os
import random
import subprocess
import sys
import time

import pytest
from etcd_programs import REPOSITORY, Server, free_port, grpc_call, missing, our_etcd, real_etcd
from hypothesis import given, settings
from hypothesis import strategies as st

if missing():
    pytest.skip(missing(), allow_module_level=True)

from store.etcd_api import messages
from store.etcd_api.bolt_file import bolt_file
from store.etcd_api.bolt_reader import BoltDamaged, BoltReader
from store.etcd_api.restore import SnapshotRefused, read_snapshot, restore
from store.sqlite_log import SqliteLog


def call(server, service, method, request):
    code, text, answer = grpc_call(server.endpoint, service, method, request)
    assert code == "OK", text
    return answer


def fill(server):
    """A long history: versions, generations, large values, transactions, leases, a compaction. Answers the revision."""
    chance = random.Random(3)
    lease = call(server, "Lease", "LeaseGrant", messages.LeaseGrantRequest(ID=77, TTL=1000)).ID
    call(server, "Lease", "LeaseGrant", messages.LeaseGrantRequest(ID=78, TTL=2000))
    for i in range(300):
        key = b"key/%03d" % chance.randrange(120)
        value = chance.randbytes(20_000 if i % 100 == 0 else chance.randrange(200))
        puts = [messages.PutRequest(key=key, value=value), messages.PutRequest(key=key + b"/second", lease=lease)]
        ops = [messages.RequestOp(request_put=put) for put in puts[: 1 + i % 2]]
        answer = call(server, "KV", "Txn", messages.TxnRequest(success=ops))
        if i % 9 == 4:
            answer = call(server, "KV", "DeleteRange", messages.DeleteRangeRequest(key=key, range_end=key + b"0"))
        if i == 200:
            call(server, "KV", "Compact", messages.CompactionRequest(revision=150, physical=True))
    return answer.header.revision


def everything(server, revision):
    answer = call(server, "KV", "Range", messages.RangeRequest(key=b"\0", range_end=b"\0", revision=revision))
    return [kv.SerializeToString() for kv in answer.kvs]


def hash_at(server, revision):
    answer = call(server, "Maintenance", "HashKV", messages.HashKVRequest(revision=revision))
    return answer.hash, answer.compact_revision, answer.header.revision


def check_same(restored, origin, last):
    for revision in (150, 151, 200, 260, last, 0):
        assert everything(restored, revision) == everything(origin, revision), revision
    for revision in (last, 200):
        assert hash_at(restored, revision) == hash_at(origin, revision), revision
    too_old = messages.RangeRequest(key=b"a", revision=149)
    assert grpc_call(restored.endpoint, "KV", "Range", too_old)[0] == "OUT_OF_RANGE"
    for lease_id in (77, 78):
        request = messages.LeaseTimeToLiveRequest(ID=lease_id, keys=True)
        found, wanted = (call(server, "Lease", "LeaseTimeToLive", request) for server in (restored, origin))
        assert (found.grantedTTL, sorted(found.keys)) == (wanted.grantedTTL, sorted(wanted.keys))
    assert restored.ctl("lease", "list") == origin.ctl("lease", "list")
    for server in (restored, origin):
        assert call(server, "KV", "Put", messages.PutRequest(key=b"new")).header.revision == last + 1
    assert hash_at(restored, 0) == hash_at(origin, 0)


@pytest.mark.parametrize("kind", ["real", "ours"])
def test_a_snapshot_becomes_our_store(kind, tmp_path):
    origin = real_etcd(tmp_path / "origin") if kind == "real" else our_etcd(tmp_path / "origin")
    snapshot = tmp_path / "snapshot.db"
    try:
        last = fill(origin)
        assert "Snapshot saved" in origin.ctl("snapshot", "save", str(snapshot))
        restored = our_etcd(tmp_path / "restored", "--restore", str(snapshot))
        try:
            check_same(restored, origin, last)
        finally:
            restored.close()
        again = our_etcd(tmp_path / "restored")  # without the option: it goes on
        assert hash_at(again, 0)[2] == last + 1
        again.close()
    finally:
        origin.close()
    with pytest.raises(SnapshotRefused, match="exists already"):
        restore(snapshot, tmp_path / "restored" / "store.sqlite")
    assert not list((tmp_path / "restored").glob("*restoring*"))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    directory = tmp_path_factory.mktemp("snapshot")
    origin = real_etcd(directory / "origin")
    try:
        fill(origin)
        origin.ctl("snapshot", "save", str(directory / "snapshot.db"))
    finally:
        origin.close()
    return (directory / "snapshot.db").read_bytes()


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
@settings(max_examples=200, deadline=None)
def test_any_flipped_byte_is_refused(snapshot, where, bits):
    damaged = bytearray(snapshot)
    damaged[int(where * len(damaged))] ^= bits
    with pytest.raises(SnapshotRefused, match="checksum"):
        read_snapshot(bytes(damaged))


@given(st.floats(0, 1, exclude_max=True))
@settings(max_examples=100, deadline=None)
def test_a_cut_snapshot_is_refused(snapshot, where):
    with pytest.raises(SnapshotRefused, match=r"damaged|checksum"):
        read_snapshot(snapshot[: int(where * len(snapshot))])


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255), st.integers(1, 64), st.booleans())
@settings(max_examples=1500 if os.environ.get("PODCHAIN_LONG") else 60, deadline=None)
def test_without_the_checksum_damage_ends_in_a_refusal_at_worst(snapshot, where, bits, length, cut):
    """What is in a value nobody can tell then, but nothing else than a refusal comes of it, and nothing hangs."""
    damaged = bytearray(snapshot[:-32])
    place = int(where * len(damaged))
    if cut:
        del damaged[place:]
    else:
        damaged[place : place + length] = bytes(byte ^ bits for byte in damaged[place : place + length])
    try:
        read_snapshot(bytes(damaged), skip_hash_check=True)
    except SnapshotRefused as refusal:
        assert str(refusal)  # noqa: PT017


def test_a_copied_database_needs_the_check_skipped(snapshot, tmp_path):
    copied = snapshot[:-32]
    with pytest.raises(SnapshotRefused, match="no checksum"):
        read_snapshot(copied)
    assert read_snapshot(copied, skip_hash_check=True) == read_snapshot(snapshot)


def test_something_else_is_refused(tmp_path):
    for content, why in [(b"", "checksum"), (b"x" * 4096, "checksum"), (bytes(65536), "checksum")]:
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(SnapshotRefused, match=why):
            restore(tmp_path / "file", tmp_path / "store.sqlite")
        with pytest.raises(SnapshotRefused, match=r"no database of etcd's|file"):
            restore(tmp_path / "file", tmp_path / "store.sqlite", skip_hash_check=True)
    other = bytes(bolt_file({b"key": [], b"meta": []}))
    with pytest.raises(SnapshotRefused, match="no bucket 'lease'"):
        read_snapshot(other + hashlib.sha256(other).digest())
    assert not (tmp_path / "store.sqlite").exists()


names = st.binary(min_size=1, max_size=40)


@given(st.dictionaries(names, st.dictionaries(names, st.binary(max_size=3000), max_size=60), max_size=4))
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read(buckets):
    wanted = {name: sorted(items.items()) for name, items in buckets.items()}
    reader = BoltReader(bytes(bolt_file(wanted)))
    assert {name: list(reader.items(name)) for name in wanted} == wanted
    assert list(reader.items(b"there is no such bucket, its name is too long")) == []


def test_a_tree_without_an_end_is_refused():
    content = bolt_file({b"key": [(b"%05d" % i, b"x" * 100) for i in range(500)]})
    pages = range(3, len(content) // 4096)
    root = next(page for page in pages if content[page * 4096 + 8] == 1 and content[page * 4096 + 10] > 1)
    content[root * 4096 + 16 + 8 : root * 4096 + 16 + 16] = root.to_bytes(8, "little")
    with pytest.raises(BoltDamaged, match="twice"):
        list(BoltReader(bytes(content)).items(b"key"))


def test_nospace_goes_along(tmp_path):
    ours = our_etcd(tmp_path / "ours")
    try:
        call(ours, "Maintenance", "Alarm", messages.AlarmRequest(action=1, alarm=1))
        ours.ctl("snapshot", "save", str(tmp_path / "snapshot.db"))
    finally:
        ours.close()
    assert restore(tmp_path / "snapshot.db", tmp_path / "store.sqlite").nospace
    log = SqliteLog(tmp_path / "store.sqlite", reserve_bytes=0)
    assert log.load().nospace
    log.close()


def cli(*arguments, check=True):
    command = [sys.executable, "cli.py", *arguments]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert not check or found.returncode == 0, found.stderr
    return found.stdout + found.stderr


def test_a_cluster_goes_on_from_a_snapshot(tmp_path, monkeypatch):
    monkeypatch.setenv("PODCHAIN_HOME", str(tmp_path / "home"))
    port, snapshot = free_port(), str(tmp_path / "snapshot.db")
    up = ("up", "--detach", "--nodes", "1", "--no-gateway", "--etcd-listen", f"127.0.0.1:{port}")
    cli(*up)
    try:
        cli("create", "configmap", "kept", "--from-literal=a=1")
        client = Server(["sleep", "100"], f"127.0.0.1:{port}", tmp_path)
        client.ctl("snapshot", "save", snapshot)
        cli("create", "configmap", "later", "--from-literal=a=1")
        cli("down")
        assert "exists already" in cli(*up, "--restore", snapshot, check=False)
        assert "it is for --store sqlite" in cli(*up, "--restore", snapshot, "--store", "memory", check=False)
        cli(*up, "--restore", snapshot, "--fresh")
        shown = json.loads(cli("get", "configmaps", "-o", "json"))["items"]
        assert {item["metadata"]["name"] for item in shown} & {"kept", "later"} == {"kept"}
        deadline_s = time.monotonic() + 20
        while "Ready" not in cli("get", "nodes"):
            assert time.monotonic() < deadline_s
            time.sleep(0.2)
        client.close()
    finally:
        cli("down", "--purge", check=False)
