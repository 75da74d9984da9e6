"""What the store is asked without changing it: each answer is a reply's body and blobs, from what is committed."""

from __future__ import annotations

from typing import Any, Final

from broker.context import Context
from store.alarm import SpaceAlarm
from store.errors import Compacted, FutureRevision
from store.log import Log
from store.mvcc import Mvcc
from store.publication import PUBLISHED_EVENTS_MAX
from store.wire import log_body, range_answer, read_integers, read_range

#: An answer to VERSIONS has no more versions.
VERSIONS_MAX: Final = 20_000


class Reads:
    """The methods of `store.protocol` that only look. Each raises a `StoreError` when it is refused."""

    def __init__(self, ctx: Context, mvcc: Mvcc, log: Log, alarm: SpaceAlarm) -> None:
        self._ctx = ctx
        self._mvcc = mvcc
        self._log = log
        self._alarm = alarm

    def range(self, body: Any) -> tuple[Any, list[bytes]]:
        """RANGE: keys with their values, now or at a revision."""
        answer = self._mvcc.range(read_range(body))
        return [answer.revision, *range_answer(answer)], [kv.value for kv in answer.kvs]

    def watch(self, body: Any) -> tuple[Any, list[bytes]]:
        """WATCH: changes later than a revision, up to a border between revisions."""
        (since,) = read_integers(body, "since")
        revision = self._mvcc.revision
        if since > revision:
            raise FutureRevision
        changes = self._mvcc.events_since(since, PUBLISHED_EVENTS_MAX)
        through = changes[-1].mod_revision if changes else revision
        answer, values = log_body(since, changes, through), [kv.value for kv in changes]
        if body.get("prev_kv"):
            previous = [self._mvcc.before(kv) for kv in changes]
            answer.append([kv and kv[:5] for kv in previous])
            values += [kv.value for kv in previous if kv]
        return answer, values

    def status(self, _: Any) -> tuple[Any, list[bytes]]:
        """STATUS: how far the store is, and how large."""
        mvcc = self._mvcc
        sizes = self._log.sizes()
        return {
            "revision": mvcc.revision,
            "compacted": max(mvcc.compacted_revision, 0),
            "keys": len(mvcc),
            "bytes": mvcc.live_bytes,
            "history_bytes": mvcc.history_bytes,
            "log_bytes": sizes.allocated,
            "log_bytes_in_use": sizes.in_use,
            "quota_bytes": self._alarm.quota_bytes,
            "alarms": self._alarm.names,
            "leases": len(mvcc.lessor),
            "incarnation": self._ctx.incarnation,
        }, []

    def hash(self, body: Any) -> tuple[Any, list[bytes]]:
        """HASH: of what a revision shows."""
        (revision,) = read_integers(body, "revision")
        mvcc = self._mvcc
        compacted = max(mvcc.compacted_revision, 0)
        return {"hash": mvcc.hash_at(revision), "revision": mvcc.revision, "compacted": compacted}, []

    def versions(self, body: Any) -> tuple[Any, list[bytes]]:
        """VERSIONS: every version that is kept, in pages."""
        after, through = read_integers(body, "after", "through")
        mvcc = self._mvcc
        revision = through or mvcc.revision
        if revision < mvcc.compacted_revision:
            raise Compacted
        found = mvcc.versions(after, revision)
        page = found[:VERSIONS_MAX]
        return {
            "revision": revision,
            "compacted": max(mvcc.compacted_revision, 0),
            "versions": [[kv.position, kv[:5]] for kv in page],
            "more": len(page) < len(found),
            "leases": {lease_id: mvcc.lessor.get(lease_id).ttl_s for lease_id in mvcc.lessor.ids()},
        }, [kv.value for kv in page]

    def lease_ttl(self, body: Any) -> tuple[Any, list[bytes]]:
        """LEASE_TTL: the time a lease still has, and its keys."""
        (lease_id,) = read_integers(body, "id")
        lease = self._mvcc.lessor.get(lease_id)
        left_s = max(0, int(lease.expires_s - self._ctx.monotonic_s()))
        return {
            "ttl_s": left_s,
            "granted_ttl_s": lease.ttl_s,
            "keys": sorted(lease.keys),
            "revision": self._mvcc.revision,
        }, []

    def leases(self, _: Any) -> tuple[Any, list[bytes]]:
        """LEASES: the ids of all."""
        return {"ids": self._mvcc.lessor.ids(), "revision": self._mvcc.revision}, []
