"""A child process that writes to a SQLite log as fast as it can and says what is acknowledged, until it is killed.

    python log_writer.py FILE

Each line of its output is a revision that is durable. Revision R puts two keys, with values that follow from R.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from store.mvcc import Mvcc
from store.sqlite_log import SqliteLog
from store.transaction import Put, Txn

KEYS = 40


def value_of(revision: int) -> bytes:
    return str(revision).encode() * (1 + revision % 300)


def write_forever(path: Path) -> None:
    log = SqliteLog(path)
    content = log.load()
    mvcc = Mvcc()
    mvcc.restore(content.changes, content.leases, content.compacted_revision, 0.0)
    os.write(1, f"{mvcc.revision}\n".encode())
    while True:
        before = mvcc.revision
        for _ in range(1 + before % 7):
            revision = mvcc.revision + 1
            value = value_of(revision)
            mvcc.txn(Txn((), (Put(b"first/%d" % (revision % KEYS), value), Put(b"second/%d" % revision, value))))
        log.append(mvcc.events_since(before), ())
        os.write(1, f"{mvcc.revision}\n".encode())
        if mvcc.revision > mvcc.compacted_revision + 60:
            mvcc.compact(mvcc.revision - 30)
        if mvcc.purge_pending:
            log.compact(mvcc.compacted_revision, mvcc.purge(20))


if __name__ == "__main__":
    write_forever(Path(sys.argv[1]))
