"""Three members, real processes: members are killed under load, and everything acknowledged is there."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from etcd_cluster import EtcdCluster
from live_world import eventually
from test_etcd_store_actor import World, creation

from broker.context import RequestTimeout
from store.etcd_backend.refusals import EtcdRefused
from store.protocol import RANGE, STATUS, WATCH


def test_the_leader_is_killed_under_load(socket_directory, tmp_path):
    async def script(world: World, etcd: EtcdCluster) -> None:
        acknowledged: dict[bytes, int] = {}
        going = True

        async def write(writer: int) -> None:
            i = 0
            while going:
                key = b"%d/%d" % (writer, i)
                body, _ = await world.txn(creation(key), values=[key])
                succeeded, revision, answers = body[0]
                acknowledged[key] = revision if succeeded else answers[0][1][0][2]
                i += 1

        writers = [asyncio.ensure_future(write(writer)) for writer in range(8)]
        for _ in range(2):
            before = len(acknowledged)
            await eventually(lambda before=before: len(acknowledged) > before + 100)
            leader = await asyncio.to_thread(etcd.leader)
            await asyncio.to_thread(etcd.kill, leader)
            after = len(acknowledged)
            await eventually(lambda after=after: len(acknowledged) > after + 100)
            await asyncio.to_thread(etcd.start, leader)
            await asyncio.to_thread(etcd.await_health)
        going = False
        await asyncio.gather(*writers)
        await eventually(lambda: len({event[1] for event, _ in world.told()}) == len(acknowledged))
        assert {event[1]: event[3] for event, _ in world.told()} == acknowledged
        stored = await world.ask(RANGE, {"key": b"\0", "range_end": b"\0"})
        assert {kv[0]: kv[2] for kv in stored.body[1]} == acknowledged
        assert dict(zip([kv[0] for kv in stored.body[1]], stored.blobs, strict=True)) == {k: k for k in acknowledged}
        position = None
        for (prev, _events, through), _ in world.publications:
            assert position in (None, prev)
            position = through

    async def main() -> None:
        with EtcdCluster(tmp_path, 3) as etcd:
            world = World(socket_directory, etcd)
            try:
                await world.start()
                await script(world, etcd)
            finally:
                await world.close()

    asyncio.run(main())


def test_without_a_majority_nothing_is_answered_and_then_it_goes_on(socket_directory, tmp_path):
    async def main() -> None:
        with EtcdCluster(tmp_path, 3) as etcd:
            world = World(socket_directory, etcd)
            try:
                await world.start()
                await world.put(b"before")
                etcd.kill(0)
                etcd.kill(1)
                with pytest.raises(RequestTimeout):
                    await world.ask(STATUS, timeout_s=2.0)
                etcd.start(0)
                assert await world.put(b"after") == world.base + 2
                await eventually(lambda: len(world.told()) == 2)
                watched = await world.ask(WATCH, {"since": world.base})
                assert [event[1] for event in watched.body[1]] == [b"before", b"after"]
            finally:
                await world.close()

    asyncio.run(main())


def _openssl(*arguments: str, cwd: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, str]:
    try:
        _openssl("version", cwd=tmp_path)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make certificates with")
    # Files for a test: an authority, and one certificate that it signed for both sides.
    (tmp_path / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    new = ["req", "-newkey", "rsa:2048", "-nodes", "-keyout"]
    _openssl(*new, "ca.key", "-x509", "-days", "2", "-subj", "/CN=authority", "-out", "ca.crt", cwd=tmp_path)
    _openssl(*new, "node.key", "-subj", "/CN=node", "-out", "node.csr", cwd=tmp_path)
    signing = ["x509", "-req", "-in", "node.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
    _openssl(*signing, "-days", "2", "-extfile", "ext", "-out", "node.crt", cwd=tmp_path)
    return {
        "trusted-ca-file": str(tmp_path / "ca.crt"),
        "cert-file": str(tmp_path / "node.crt"),
        "key-file": str(tmp_path / "node.key"),
        "client-cert-auth": "true",
    }


def test_tls_with_client_certificates(socket_directory, tmp_path, certificates):
    async def main() -> None:
        with EtcdCluster(tmp_path, tls=certificates) as etcd:
            world = World(
                socket_directory,
                etcd,
                ca_certificate=Path(certificates["trusted-ca-file"]).read_bytes(),
                certificate=Path(certificates["cert-file"]).read_bytes(),
                key=Path(certificates["key-file"]).read_bytes(),
            )
            try:
                await world.start()
                assert await world.put(b"a") == world.base + 1
                await eventually(lambda: len(world.told()) == 1)
            finally:
                await world.close()

    asyncio.run(main())


def test_user_and_password_with_a_token_that_expires(socket_directory, tmp_path):
    async def main() -> None:
        with EtcdCluster(tmp_path, options={"auth-token-ttl": "1"}) as etcd:
            etcd.ctl("user", "add", "root:secret")
            etcd.ctl("user", "grant-role", "root", "root")
            etcd.ctl("auth", "enable")
            world = World(socket_directory, etcd, user="root", password="secret")
            try:
                await world.start()
                for i in range(3):
                    assert await world.put(b"%d" % i) == world.base + 1 + i
                    await asyncio.sleep(1.6)  # the token's time is over
                await eventually(lambda: len(world.told()) == 3)
            finally:
                await world.close()
            wrong = World(socket_directory, etcd, user="root", password="wrong")
            wrong.spawn("store", lambda ctx: _run(ctx, wrong.config))
            await eventually(lambda: bool(wrong.crashes))
            (crash,) = wrong.crashes
            assert isinstance(crash, EtcdRefused)
            assert "authentication failed" in str(crash)
            wrong.crashes.clear()
            await wrong.close()

    asyncio.run(main())


async def _run(ctx, config):
    from store.etcd_backend.actor import run

    await run(ctx, config)
