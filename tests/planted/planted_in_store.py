# ruff: noqa: E501 - the source's own lines are quoted
"""Planted bugs: The store, and the fabric under it."""

from __future__ import annotations

from typing import Final

from planting import Bug

STORE: Final = (
    Bug(
        "revision skips one",
        "store/mvcc.py",
        "            self.revision += 1\n",
        "            self.revision += 2\n",
        "tests/store/test_mvcc.py tests/store/test_store_actor.py",
        always=True,
    ),
    Bug(
        "compare is ignored",
        "store/mvcc.py",
        "        return all(map(self._holds, compares))",
        "        return True",
        "tests/store/test_mvcc.py tests/store/test_store_actor.py",
        always=True,
    ),
    Bug(
        "version does not count",
        "store/mvcc.py",
        "version = previous.version + 1",
        "version = previous.version",
        "tests/store/test_mvcc.py tests/store/test_store_actor.py",
    ),
    Bug(
        "compacted reads are served",
        "store/key_space.py",
        "            raise Compacted\n        if revision > self.revision",
        "            return\n        if revision > self.revision",
        "tests/store/test_mvcc.py tests/store/test_store_actor.py",
    ),
    Bug(
        "lease is lost on restart",
        "store/key_space.py",
        "            self.lessor.grant(lease.id, lease.ttl_s, now_s)\n        for kv",
        "            pass\n        for kv",
        "tests/store/test_mvcc.py tests/store/test_store_actor.py",
    ),
    Bug(
        "acknowledged before it is durable",
        "store/actor.py",
        "            self._log.append(changes, leases)\n",
        "            self._ctx.after_drain(lambda: self._log.append(changes, leases))\n",
        "tests/store/test_mvcc.py tests/store/test_store_actor.py",
    ),
    Bug(
        "changes are not published",
        "store/actor.py",
        "            self._publish(changes, before)\n",
        "            self._publish([], self._mvcc.revision)\n",
        "tests/store/test_mvcc.py tests/store/test_store_actor.py",
    ),
)

DURABILITY: Final = (
    Bug(
        "a cut write-ahead log passes for a short one",
        "store/high_water.py",
        "        if end.revision < mark.revision or end.sequence < mark.sequence:",
        "        if False:",
        "tests/store/test_damaged_files.py",
        always=True,
    ),
    Bug(
        "what stays of a batch goes with it",
        "store/sqlite_format.py",
        "if kv.position not in obsolete]",
        "if not obsolete]",
        "tests/store/test_sqlite_log.py",
    ),
    Bug(
        "what is left of a compaction is forgotten",
        "store/sqlite_format.py",
        "    return positions[at:]",
        "    return []",
        "tests/store/test_sqlite_log.py",
    ),
    Bug(
        "memory is ahead of a full disk",
        "store/actor.py",
        "                mvcc.undo(before)\n",
        "                pass\n",
        "tests/store/test_alarm.py",
        always=True,
    ),
    Bug(
        "an undone deletion loses its lease",
        "store/key_space.py",
        "        if previous.lease in self.lessor:\n            self.lessor.attach(previous.lease, key)\n        if len",
        "        if len",
        "tests/store/test_undo.py",
    ),
    Bug(
        "the alarm is forgotten over a restart",
        "store/actor.py",
        "self._alarm.start(content.nospace)",
        "self._alarm.start(False)",
        "tests/store/test_alarm.py",
    ),
    Bug(
        "deletes need room under the quota",
        "store/alarm.py",
        "        if not cost_bytes:\n            return\n",
        "",
        "tests/store/test_alarm.py",
    ),
    Bug(
        "a snapshot's compaction is left behind",
        "store/etcd_api/restore.py",
        "        if content.compacted_revision > 0:",
        "        if False:",
        "tests/store/test_crash_points.py",
    ),
    Bug(
        "what is younger than the period goes, too",
        "store/retention.py",
        "samples[0][0] <= now_s - period_s:",
        "samples[0][0] <= now_s - period_s / 2:",
        "tests/store/test_retention.py",
    ),
)

FABRIC: Final = (
    Bug(
        "a request is sent once only",
        "broker/fabric.py",
        "        self._send_request(waiting.target, waiting.outgoing)\n        waiting.timer",
        "        if waiting.timer is None:\n            self._send_request(waiting.target, waiting.outgoing)\n        waiting.timer",
        "tests/broker",
        always=True,
    ),
    Bug(
        "repeats are handled again",
        "broker/fabric.py",
        "        if message_id in handled:\n",
        "        if False:\n",
        "tests/broker",
        always=True,
    ),
    Bug(
        "answers are not kept for repeats",
        "broker/kept_answers.py",
        "        self._younger[request_id] = answer\n",
        "        self._younger = {}\n",
        "tests/broker",
    ),
    Bug(
        "the second half of a large batch is forgotten",
        "store/actor.py",
        "            del pending[:half]\n",
        "            del pending[half:], pending[:]\n",
        "tests/store/test_store_actor.py",
    ),
    Bug(
        "what stays of a batch goes with the rest of it",
        "store/sqlite_format.py",
        "if end - at == _array_length(head):",
        "if end - at <= _array_length(head):",
        "tests/store/test_sqlite_log.py",
    ),
    Bug(
        "compaction takes the version that the compacted revision shows",
        "store/key_space.py",
        "            keep_from -= 1  # what",
        "            keep_from -= 0  # what",
        "tests/store/test_mvcc.py",
    ),
    Bug(
        "the log's size is never looked at",
        "store/alarm.py",
        "self._unmeasured_bytes > WATCHFUL_BYTES // 8:",
        "self._unmeasured_bytes < 0:",
        "tests/store/test_alarm.py",
    ),
)
