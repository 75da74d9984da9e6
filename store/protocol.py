"""The store's interface as messages: what the API server (its only client) may ask, and what the store publishes.

Names follow etcd's v3 API. Keys and values are bytes; the store never looks into a value. A *note* is a short text that
travels with a write into its events (the id of the operation that caused it); it isn't stored in the history's values.

Method TXN carries a batch of transactions, each atomic and with a revision of its own, carried out in order:

    request body    [txn, ...]        blobs: the values of all puts, in order (successes before failures, per txn)
    txn             [compares, success ops, failure ops, note]
    compare         [key, target, operator, operand]   target: "mod" | "create" | "version" | "lease" | "value"
                                                       operator: "=" | "!=" | "<" | ">"
    op              ["put", key, lease id]  |  ["range", key, range_end, limit]  |  ["delete", key, range_end]
    reply body      [[succeeded, revision, [op answer, ...]], ...]   blobs: the values of all key-values, in order
    op answer       ["put"]  |  ["range", [kv, ...], more, count]  |  ["delete", deleted count]
    kv              [key, create_revision, mod_revision, version, lease]

A txn that changes nothing answers with the store's current revision. A reply is sent once everything it acknowledges is
durable. RANGE, for reading at a revision:

    request body    {"key":, "range_end":, "revision": 0 for now, "limit":}
    reply body      [revision, [kv, ...], more, count]   blobs: values. Fails with "Compacted" or "FutureRevision".

WATCH answers what happened since a revision; STATUS the revision, the compacted revision and sizes:

    WATCH request   {"since": R}      reply: a publication's body and blobs: every event later than R, or as many as fit
                                      ("through" then says how far it got); fails with "Compacted".
    STATUS reply    {"revision":, "compacted":, "keys":, "bytes":, "incarnation":, "log_bytes": the database's size,
                    "log_bytes_in_use": without free pages, "quota_bytes":, "alarms": ["NOSPACE"] or []}
    COMPACT request {"revision":}     reply: {"revision": now}

After each group commit, and every PROGRESS_S when idle, the store publishes on LOG_TOPIC:

    body    [prev, [event, ...], through]     with prev, through as in `actors.apimachinery.stream`: no change of the
                                              store lies in (prev, first event) nor in (last event, through]
    event   [type, key, create_revision, mod_revision, version, lease, note, wall_s]   type 0: PUT, 1: DELETE
    blobs   the value of each event, in order (empty for a DELETE)

Events of one revision are never split over two publications.

Further forms, for all of etcd's model. Whoever doesn't use them need not know them:

    compare         [key, target, operator, operand, range_end]     must hold for every key of the range
    op              ["put", key, lease id, {"prev_kv", "ignore_value", "ignore_lease": bools}]
                    ["range", key, range_end, limit, {"revision", "sort_order", "sort_target", "keys_only",
                    "count_only", "min_mod_revision", ...}]         names as in `store.transaction.Range`
                    ["delete", key, range_end, prev_kv]  |  ["txn", compares, success ops, failure ops]
    op answer       ["put", kv or None] with prev_kv  |  ["delete", deleted count, [kv, ...]] with prev_kv
                    ["txn", succeeded, revision, [op answer, ...]]
    txn's answer    [None, revision, [code, message]] when it was refused by the state it met ("LeaseNotFound",
                    "Compacted", "FutureRevision", "NoSpace", or "InvalidArgument" for a missing key with an ignore
                    flag): it changed nothing, the others of its batch are carried out
    RANGE request   also takes the names of a range op's mapping

A TXN request that is malformed anywhere fails whole with "InvalidArgument" and changes nothing. Repeats of a request id
are answered as the first was, without being carried out again, as long as the same store process remembers it.

A TXN whose writes carry no precondition must not be repeated to the store's next incarnation, which doesn't know that
the last one carried it out. Its method is TXN_ONCE, filled in with the incarnation that STATUS told; another one does
not serve it ("MethodNotServed"), and then nobody knows whether it was carried out.

    LEASE_GRANT     {"id": (0: choose one), "ttl_s":}       reply: {"id":, "ttl_s":, "revision":}
    LEASE_REVOKE    {"id":}                                 reply: {"revision":}, its keys are deleted at that revision
    LEASE_KEEPALIVE {"id":}                                 reply: {"ttl_s":, "revision":}
    LEASE_TTL       {"id":}     reply: {"ttl_s": left (whole seconds), "granted_ttl_s":, "keys": [key, ...],
                                       "revision":}
    LEASES          None                                    reply: {"ids": [id, ...], "revision":}
    HASH            {"revision": 0 for now}                 reply: {"hash":, "revision":, "compacted":}
    COMPACT         {"revision":, "physical": True}         replies {"revision":} once the space is free
    ALARM           {"raised": whether NOSPACE shall be}    reply: {"alarms": [those this changed], "revision":}
    DEFRAGMENT      None                                    replies {"revision":} once free pages went back to the disk
    WATCH           {"since":, "prev_kv": True}             the reply's body has a fourth part: for each event the kv
                                                            that was there before it, or None; their values are the
                                                            last blobs
    VERSIONS        {"after": position, "through": revision or 0 for now}
                    reply: {"revision":, "compacted":, "versions": [[position, kv], ...], "more":, "leases":
                    {id: ttl_s}}, blobs: values; every version kept that is later than a position, oldest first, or as
                    many as fit (`position`: `store.key_value.KeyValue.position`). A page asks with the revision of the
                    first; fails with "Compacted" when a compaction has taken away versions that the revision had.

"NoSpace": the space quota is used up or the disk is full, and the NOSPACE alarm is raised until ALARM lifts it. Reads,
deletes, COMPACT, DEFRAGMENT and LEASE_REVOKE go on meanwhile; puts and LEASE_GRANT are refused (`store.alarm`).

A lease that nobody keeps alive expires: its keys are deleted in one transaction, whose events have the note
"lease ID expired" with the lease's id in hexadecimal (`LEASE_EXPIRED_NOTE`).
"""

from __future__ import annotations

from typing import Final

TXN: Final = "txn"
TXN_ONCE: Final = "txn@{}"
RANGE: Final = "range"
WATCH: Final = "watch"
STATUS: Final = "status"
COMPACT: Final = "compact"
LEASE_GRANT: Final = "lease-grant"
LEASE_REVOKE: Final = "lease-revoke"
LEASE_KEEPALIVE: Final = "lease-keepalive"
LEASE_TTL: Final = "lease-ttl"
LEASES: Final = "leases"
HASH: Final = "hash"
ALARM: Final = "alarm"
DEFRAGMENT: Final = "defragment"
VERSIONS: Final = "versions"

LOG_TOPIC: Final = "store/log"
PROGRESS_S: Final = 1.0
#: Filled in with the id: the note of the events that an expired lease causes.
LEASE_EXPIRED_NOTE: Final = "lease {:x} expired"

PUT: Final = 0
DELETE: Final = 1
