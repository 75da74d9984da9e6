"""The Maintenance, Cluster and Auth services: of a cluster with one member and no users."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from store import protocol
from store.alarm import NOSPACE
from store.errors import Compacted, FutureRevision
from store.etcd_api import messages, snapshot
from store.etcd_api.answers import RAFT_TERM, Identity
from store.etcd_api.key_hash import hash_of_keys
from store.etcd_api.listen import EtcdApiConfig
from store.etcd_api.refusal import AUTH_NOT_ENABLED, FAILED_PRECONDITION, OUT_OF_RANGE, Refusal
from store.etcd_api.snapshot import read_versions, take_snapshot
from store.etcd_api.store_client import StoreClient

#: The release of etcd whose API this is.
VERSION: Final = "3.5.1"
MEMBER_NAME: Final = "podchain"
SNAPSHOT_CHUNK_BYTES: Final = 32 * 1024
#: A gigabyte takes seconds, but others are served in between.
DEFRAGMENT_TIMEOUT_S: Final = 300.0

#: etcd's numbers of what is done with an alarm, and of alarms.
ALARM_GET, ALARM_ACTIVATE = 0, 1
ALARM_NONE: Final = 0
_ALARMS: Final = {NOSPACE: snapshot.NOSPACE}


class Maintenance:
    """Looks after the store. Methods have their gRPC names."""

    def __init__(self, store: StoreClient, config: EtcdApiConfig) -> None:
        self._store = store
        self._identity = Identity.of(config.name)

    async def Status(self, request: Any) -> Any:
        """Version, sizes, and what is wrong."""
        status = (await self._store.ask(protocol.STATUS)).body
        revision = status["revision"]
        return messages.StatusResponse(
            header=self._identity.header(revision),
            version=VERSION,
            dbSize=status.get("log_bytes", status["bytes"]),  # a store in a real etcd tells the latter only
            dbSizeInUse=status.get("log_bytes_in_use", status["bytes"]),
            leader=self._identity.member_id,
            raftIndex=revision,
            raftAppliedIndex=revision,
            raftTerm=RAFT_TERM,
            errors=[f"memberID:{self._identity.member_id} alarm:{name} " for name in status.get("alarms", ())],
        )

    async def Alarm(self, request: Any) -> Any:
        """Tell which alarms are raised, raise one, or lift one. There is NOSPACE alone."""
        member_id = self._identity.member_id
        if request.action == ALARM_GET:
            body = (await self._store.ask(protocol.STATUS)).body
            names = [name for name in body.get("alarms", ()) if request.alarm in (ALARM_NONE, _ALARMS[name])]
        elif request.alarm == _ALARMS[NOSPACE] and request.memberID in (0, member_id):
            body = (await self._store.ask(protocol.ALARM, {"raised": request.action == ALARM_ACTIVATE})).body
            names = body["alarms"]
        else:  # nobody has it, so that nothing changes
            body, names = (await self._store.ask(protocol.STATUS)).body, []
        alarms = [messages.AlarmMember(memberID=member_id, alarm=name) for name in names]
        return messages.AlarmResponse(header=self._identity.header(body["revision"]), alarms=alarms)

    async def Defragment(self, request: Any) -> Any:
        """Give the file's free pages back to the disk."""
        reply = await self._store.ask(protocol.DEFRAGMENT, timeout_s=DEFRAGMENT_TIMEOUT_S)
        return messages.DefragmentResponse(header=self._identity.header(reply.body["revision"]))

    async def Hash(self, request: Any) -> Any:
        """A hash of what the store shows now."""
        answer = (await self._store.ask(protocol.HASH, {"revision": 0})).body
        return messages.HashResponse(header=self._identity.header(answer["revision"]), hash=answer["hash"])

    async def HashKV(self, request: Any) -> Any:
        """etcd's hash of every version up to a revision."""
        status = (await self._store.ask(protocol.STATUS)).body
        if 0 < request.revision <= status["compacted"]:
            raise Refusal(OUT_OF_RANGE, Compacted.message)
        if request.revision > status["revision"]:
            raise Refusal(OUT_OF_RANGE, FutureRevision.message)
        revision = max(request.revision, 0) or status["revision"]
        versions, last = await read_versions(self._store, revision)
        return messages.HashKVResponse(
            header=self._identity.header(status["revision"]),
            hash=await hash_of_keys(versions, last["compacted"], self._store.pause),
            compact_revision=last["compacted"] or -1,
            hash_revision=revision,
        )

    async def Snapshot(self, request: Any) -> AsyncIterator[Any]:
        """A file that etcd's own tools restore, in pieces."""
        revision, content = await take_snapshot(self._store, self._identity.member_id)
        header = self._identity.header(revision)
        for start in range(0, len(content), SNAPSHOT_CHUNK_BYTES):
            piece = content[start : start + SNAPSHOT_CHUNK_BYTES]
            left = len(content) - start - len(piece)
            yield messages.SnapshotResponse(header=header, remaining_bytes=left, blob=bytes(piece))


class Cluster:
    """Who belongs to the cluster."""

    def __init__(self, store: StoreClient, config: EtcdApiConfig) -> None:
        self._store = store
        self._config = config

    async def MemberList(self, request: Any) -> Any:
        """The one member."""
        identity = Identity.of(self._config.name)
        member = messages.Member(ID=identity.member_id, name=MEMBER_NAME, clientURLs=[self._config.url])
        return messages.MemberListResponse(header=identity.header(0), members=[member])


class Auth:
    """There are no users."""

    def __init__(self, store: StoreClient, config: EtcdApiConfig) -> None:
        self._store = store
        self._identity = Identity.of(config.name)

    async def AuthStatus(self, request: Any) -> Any:
        """Not enabled."""
        return messages.AuthStatusResponse(header=self._identity.header(await self._store.revision()))

    async def Authenticate(self, request: Any) -> Any:
        """Refused as etcd does when authentication is not enabled."""
        raise Refusal(FAILED_PRECONDITION, AUTH_NOT_ENABLED)
