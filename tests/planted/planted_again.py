"""Planted bugs: some that the suites found in Podchain itself (docs/bugs.md), put back."""

from __future__ import annotations

from typing import Final

from planting import Bug

FOUND: Final = (
    Bug(
        "a conflict ends a pod's final delete",
        "actors/kubelet/agent.py",
        "                if result.ok or result.code == 404:",
        "                if result.ok or result.code in (404, 409):",
        "tests/simulation/test_found_bugs.py",
    ),
    Bug(
        "the leases of removed nodes stay",
        "actors/controllers/garbage_collector/actor.py",
        '    "coordination.k8s.io/v1/leases",\n    "v1/nodes",\n',
        "",
        "tests/simulation/test_found_bugs.py",
    ),
    Bug(
        "of two equal updates both are told 200",
        "actors/apiserver/write.py",
        "                if note == write.id:",
        "                if True:",
        "tests/apiserver/test_apiserver_same_bytes.py",
    ),
    Bug(
        "a batch is carried out one by one",
        "actors/apiserver/batch.py",
        "        if keys is None:\n            earlier",
        "        if True:\n            earlier",
        "tests/apiserver/test_batch_commits.py",
    ),
    Bug(
        "informers wait for hints alone",
        "actors/client/informer.py",
        "            if now_s >= until_s:\n                self._must_ask = True\n                return",
        "            if now_s >= until_s:\n                asked_s = now_s\n                continue",
        "tests/simulation/test_found_bugs.py",
    ),
)
