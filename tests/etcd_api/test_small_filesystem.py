"""A real file system that is really full: the store stays up, reads go on, and there is a way out."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest
from etcd_programs import grpc_call, missing, our_etcd

if missing():
    pytest.skip(missing(), allow_module_level=True)

from store.etcd_api import messages
from store.log import LogSizes
from store.sqlite_log import RESERVE_BYTES, SqliteLog

SIZE_BYTES = RESERVE_BYTES + 28 * 1024 * 1024
#: Every kind with PODCHAIN_LONG, else one for each test.
KINDS = ["tmpfs", "ext4"] if os.environ.get("PODCHAIN_LONG") else []
VALUE = b"x" * 200_000


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, timeout=60)


@pytest.fixture
def small_disk(request, tmp_path):
    """A mounted file system of 48 MB, of the kind that the test asks for."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("mounting a file system takes Linux and root; see test_full_disk_points.py for what runs anywhere")
    directory = tmp_path / "disk"
    directory.mkdir()
    try:
        if request.param == "tmpfs":
            run("mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "none", str(directory))
        else:
            image = tmp_path / "image"
            with image.open("wb") as file:
                file.truncate(SIZE_BYTES + 8 * 1024 * 1024)
            run("mkfs.ext4", "-q", "-m", "0", str(image))
            run("mount", "-o", "loop", str(image), str(directory))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a {request.param} cannot be mounted here: {error}")
    try:
        yield directory
    finally:
        run("umount", "-l", str(directory))


def put(server, key, value):
    return grpc_call(server.endpoint, "KV", "Put", messages.PutRequest(key=key, value=value))[:2]


def keys(server):
    request = messages.RangeRequest(key=b"\0", range_end=b"\0", keys_only=True)
    return {kv.key for kv in grpc_call(server.endpoint, "KV", "Range", request)[2].kvs}


def fill(server, prefix):
    written = set()
    for i in range(5000):
        key = b"%s%04d" % (prefix, i)
        code, text = put(server, key, VALUE)
        if code != "OK":
            assert (code, text) == ("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded"), server.log()
            return written
        written.add(key)
    raise AssertionError("the disk never filled up")


def free_bytes(directory):
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


@pytest.mark.parametrize("small_disk", KINDS or ["ext4"], indirect=True)
def test_full_and_back(small_disk):
    server = our_etcd(small_disk, "--quota-backend-bytes", "-1")
    try:
        written = fill(server, b"a")
        assert len(written) > 60
        assert server.process.poll() is None
        assert keys(server) == written
        assert put(server, b"small", b"")[0] == "RESOURCE_EXHAUSTED"
        assert "NOSPACE" in server.ctl("alarm", "list")

        # Killed and started again while the disk is full.
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        server = restarted(server, small_disk)
        assert keys(server) == written
        assert "NOSPACE" in server.ctl("alarm", "list")

        # The way out, as etcd's own manual has it.
        assert server.ctl("del", "a0020", "--from-key").strip() == str(len(written) - 20)
        revision = server.ctl("get", "x", "-w", "fields").split('"Revision" : ')[1].split()[0]
        assert "compacted" in server.ctl("compaction", revision, "--physical")
        assert "Finished" in server.ctl("defrag")
        assert free_bytes(small_disk) > 20 * 1024 * 1024
        assert "NOSPACE" in server.ctl("alarm", "disarm")
        assert server.ctl("alarm", "list") == ""
        again = fill(server, b"b")
        assert len(again) > 40
        assert keys(server) == again | {b"a%04d" % i for i in range(20)}
    finally:
        server.close()
    log = SqliteLog(small_disk / "store.sqlite")
    assert log.load().revision > len(written) + len(again)
    assert log.sizes() > LogSizes(0, 0)
    log.close()


def restarted(server, directory):
    """The killed parent's store ends by itself; then the file is free."""
    deadline_s = time.monotonic() + 20
    while True:
        with contextlib.suppress(RuntimeError):
            return our_etcd(directory, "--quota-backend-bytes", "-1")
        assert time.monotonic() < deadline_s
        time.sleep(0.2)


@pytest.mark.parametrize("small_disk", KINDS or ["tmpfs"], indirect=True)
def test_somebody_else_filled_the_disk_to_the_brim(small_disk):
    """Not even the reserve helps: every write is refused, until there is space again."""
    server = our_etcd(small_disk, "--quota-backend-bytes", "-1")
    try:
        for i in range(10):
            assert put(server, b"k%d" % i, VALUE)[0] == "OK"
        hog = small_disk / "hog"
        with hog.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(64 * 1024))
        refused = [put(server, b"a", VALUE)[0] for _ in range(120)]
        assert "RESOURCE_EXHAUSTED" in refused
        with hog.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:  # what the reserve gave up, too
                file.write(bytes(64 * 1024))
        assert free_bytes(small_disk) < 64 * 1024
        assert {b"k%d" % i for i in range(10)} <= keys(server)
        for i in range(100):  # deletes fit into what the write-ahead log has, or are refused; none is half done
            code, _, _ = grpc_call(
                server.endpoint, "KV", "DeleteRange", messages.DeleteRangeRequest(key=b"k%d" % (i % 9))
            )
            assert code in ("OK", "RESOURCE_EXHAUSTED")
        assert server.process.poll() is None
        assert b"k9" in keys(server)
        hog.unlink()
        assert "NOSPACE" in server.ctl("alarm", "disarm")
        assert put(server, b"b", VALUE)[0] == "OK"
        assert server.ctl("alarm", "list") == ""
    finally:
        server.close()
