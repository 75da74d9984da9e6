"""The store as a database file of etcd's, which `etcdutl snapshot restore` turns into an etcd that goes on from there.

Only one page of the store's history is asked for at a time, so that the store serves others in between.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

from store import protocol
from store.etcd_api import messages
from store.etcd_api.answers import Row, key_value
from store.etcd_api.bolt_file import Item, bolt_file
from store.etcd_api.refusal import UNAVAILABLE, Refusal
from store.etcd_api.store_client import StoreClient
from store.key_value import SUB_REVISION_BITS

TRIES_MAX: Final = 5
#: etcd's number of the alarm.
NOSPACE: Final = 1
#: Buckets that etcd expects, beside those that are filled.
_EMPTY_BUCKETS: Final = (b"alarm", b"auth", b"authRoles", b"authUsers", b"cluster", b"members", b"members_removed")

Version = tuple[int, Row, bytes]
"""Position, kv, value."""


async def take_snapshot(store: StoreClient, member_id: int) -> tuple[int, bytearray]:
    """The store's revision and the file that shows it, with the checksum etcd puts behind it. Raises `Refusal`."""
    versions, last = await read_versions(store)
    alarms = (await store.ask(protocol.STATUS)).body.get("alarms", ())
    content = snapshot_file(versions, last["compacted"], last["leases"], member_id if alarms else 0)
    content += hashlib.sha256(content).digest()
    return last["revision"], content


async def read_versions(store: StoreClient, revision: int = 0) -> tuple[list[Version], Any]:
    """Every version kept up to a revision (0: now), and the last page's body. Raises `Refusal`."""
    for _ in range(TRIES_MAX):
        found = await _try_to_read_versions(store, revision)
        if found is not None:
            return found
    raise Refusal(UNAVAILABLE, "etcdserver: compactions came between the pages of the history")


async def _try_to_read_versions(store: StoreClient, revision: int) -> tuple[list[Version], Any] | None:
    """The same, but nothing when a compaction came between two pages."""
    versions: list[Version] = []
    after = 0
    compacted: int | None = None
    while True:
        reply = await store.ask(protocol.VERSIONS, {"after": after, "through": revision})
        page = reply.body
        if compacted not in (None, page["compacted"]):
            return None
        revision, compacted = page["revision"], page["compacted"]
        rows = zip(page["versions"], reply.blobs, strict=True)
        versions += [(position, kv, value) for (position, kv), value in rows]
        if not page["more"]:
            return versions, page
        after = versions[-1][0]


def snapshot_file(
    versions: Sequence[Version], compacted: int, leases: Mapping[int, int], without_space: int = 0
) -> bytearray:
    """The database file: pure. `without_space` is the member whose NOSPACE alarm is raised, if any."""
    meta: list[Item] = [(b"consistent_index", struct.pack(">Q", 1)), (b"term", struct.pack(">Q", 1))]
    if compacted > 0:
        revision_bytes = struct.pack(">qcq", compacted, b"_", 0)
        meta = [(b"consistent_index", meta[0][1]), (b"finishedCompactRev", revision_bytes)]
        meta += [(b"scheduledCompactRev", revision_bytes), (b"term", struct.pack(">Q", 1))]
    buckets: dict[bytes, Sequence[Item]] = dict.fromkeys(_EMPTY_BUCKETS, ())
    buckets[b"meta"] = meta
    if without_space:
        alarm = messages.AlarmMember(memberID=without_space, alarm=NOSPACE)
        buckets[b"alarm"] = [(alarm.SerializeToString(), b"")]
    buckets[b"key"] = [version_item(*version) for version in versions]
    buckets[b"lease"] = sorted(_lease_item(lease_id, ttl_s) for lease_id, ttl_s in leases.items())
    return bolt_file(buckets)


def version_item(position: int, kv: Row, value: bytes) -> Item:
    """An item of the key bucket: a version under its revision; a tombstone is marked and holds its key alone."""
    revision, sub_revision = position >> SUB_REVISION_BITS, position & ((1 << SUB_REVISION_BITS) - 1)
    name = struct.pack(">qcq", revision, b"_", sub_revision)
    if kv[3] == 0:
        return name + b"t", messages.KeyValue(key=kv[0]).SerializeToString()
    return name, key_value(kv, value).SerializeToString()


def _lease_item(lease_id: int, ttl_s: int) -> Item:
    return struct.pack(">q", lease_id), messages.Lease(ID=lease_id, TTL=ttl_s).SerializeToString()
