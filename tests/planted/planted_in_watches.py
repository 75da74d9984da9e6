# ruff: noqa: E501 - the source's own lines are quoted
"""Planted bugs: Watches, the work queue, the API server."""

from __future__ import annotations

from typing import Final

from planting import Bug

WATCHES: Final = (
    Bug(
        "a gap is not noticed",
        "actors/client/informer.py",
        "        if prev > self.revision:",
        "        if False:",
        "tests/client/test_informer.py",
        always=True,
    ),
    Bug(
        "old events are applied again",
        "actors/client/informer.py",
        "            if revision > self.revision:\n                cause",
        "            if True:\n                cause",
        "tests/client/test_informer.py",
    ),
    Bug(
        "position is one ahead",
        "actors/client/informer.py",
        "        self.revision = through\n        self._settle",
        "        self.revision = through + 1\n        self._settle",
        "tests/client/test_informer.py",
    ),
    Bug(
        "expired is not listed anew",
        "actors/client/informer.py",
        "                self._must_list = True\n                return",
        "                self._must_ask = False\n                return",
        "tests/client/test_informer.py",
    ),
    Bug(
        "a late answer undoes a deletion",
        "actors/client/informer.py",
        "        if revision <= self.revision or revision <= self._ahead.get(key, 0):\n            return\n        self._ahead[key] = revision\n        with",
        "        self._ahead[key] = revision\n        with",
        "tests/client/test_informer.py",
    ),
    Bug(
        "own writes are not shown",
        "actors/client/controller.py",
        "            informer.observe(result.object)\n",
        "            pass\n",
        "tests/client/test_controller_loop.py",
        always=True,
    ),
)

WORK_QUEUE: Final = (
    Bug(
        "a key that changes during work is dropped",
        "actors/client/work_queue.py",
        "            self._again.setdefault(key, cause)",
        "            pass",
        "tests/client/test_work_queue.py",
        always=True,
    ),
    Bug(
        "failures do not come again",
        "actors/client/work_queue.py",
        "        self._add_later(key, cause, delay_s)\n        return",
        "        return",
        "tests/client/test_work_queue.py",
    ),
)

API_SERVER: Final = (
    Bug(
        "a stale update is accepted",
        "actors/apiserver/write.py",
        '[[target.key, "mod", "=", states[0].revision if states[0].exists else 0]]',
        '[[target.key, "mod", ">", -1]]',
        "tests/apiserver/test_apiserver_writes.py",
    ),
    Bug(
        "a repeated create is refused",
        "actors/apiserver/create.py",
        '    if existing.exists and existing.object["metadata"].get("uid") == new.uid:',
        "    if False:",
        "tests/apiserver/test_apiserver_writes.py",
    ),
    Bug(
        "what stops matching stays",
        "actors/apiserver/streams.py",
        "            return MODIFIED if after else DELETED",
        "            return MODIFIED if after else None",
        "tests/apiserver/test_apiserver_streams.py",
    ),
    Bug(
        "a fence is looked at by nobody",
        "actors/apiserver/fence.py",
        "        if not lease.exists or uid_of(lease.object) != fence.uid:",
        "        if False:",
        "tests/controllers/test_deployment_fence.py tests/scheduler/test_scheduler_with_apiserver.py",
    ),
)
