"""Thousands of hostile requests against a live gateway: no 500, no hang, no restart; what was stored is usable.

They are drawn from what the gateway says it serves (discovery, OpenAPI). ``PODCHAIN_LONG=1`` goes on for minutes;
``PODCHAIN_FUZZ_SEED`` starts elsewhere.
"""

import itertools
import json
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from fuzzing import Findings, Fuzzed, discovered, ours, request_of
from hostile_values import NAMESPACE
from real_kubectl import Kubectl, needs_kubectl

from actors.testing.live_cluster import LiveCluster

pytestmark = needs_kubectl
LONG = bool(os.environ.get("PODCHAIN_LONG"))
SECONDS = float(os.environ.get("PODCHAIN_FUZZ_SECONDS", "240" if LONG else "6"))
SEED = int(os.environ.get("PODCHAIN_FUZZ_SEED", str(time.time_ns()) if LONG else "1"))
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
CONNECTIONS = 4
#: So many objects are described by the real kubectl, each of another kind.
DESCRIBED_MAX = 200 if LONG else 6


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = LiveCluster(tmp_path_factory.mktemp("fuzz"), "fuzz-test", 1)
    cluster.up()
    try:
        yield cluster
    finally:
        cluster.down()


def restarts(cluster):
    return {actor["name"]: actor["restarts"] for actor in json.loads(cluster.podchain("ps", "-o", "json"))}


def test_hostile_requests(cluster):
    kubectl = Kubectl(cluster.home, cluster)
    findings = Findings()
    fuzzed = Fuzzed(kubectl, findings)
    before = restarts(cluster)
    assert fuzzed.http("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})[0] == 201
    targets, schemas = discovered(fuzzed)
    assert len(targets) > 60
    numbers, until = itertools.count(), time.monotonic() + SECONDS

    def send(connection):
        while time.monotonic() < until:
            number = next(numbers)
            connection.send(request_of(SEED, number, targets, schemas), f"seed {SEED}, number {number}")
            if random.random() < 0.01:  # a hostile request may delete it
                connection.http("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(send, [Fuzzed(kubectl, findings) for _ in range(CONNECTIONS)]))
    print(f"{findings.sent} requests: {dict(sorted(findings.codes.items()))}")
    print("\n".join(f"{count:6} {what}" for what, count in findings.story.most_common(40)))
    found = try_what_is_stored(fuzzed, findings, kubectl, targets)
    assert not findings.wrong, f"seed {SEED}\n\n" + "\n\n".join(findings.wrong.values())
    ended = {name for name, count in restarts(cluster).items() if count != before[name]}
    assert not ended, f"seed {SEED}\n" + "\n".join(cluster.podchain("actor-logs", name)[-4000:] for name in ended)
    assert findings.codes[200] > findings.sent / 50
    assert findings.codes[201] > findings.sent / 100
    assert found > 20


def try_what_is_stored(fuzzed, findings, kubectl, targets):
    """It can be read, listed as a Table, described and deleted. How many objects there were."""
    wrong, described, found = findings.wrong, 0, 0
    for target in (each for each in targets if "delete" in each.verbs and "list" in each.verbs):
        every = f"{target.root}/{target.plural}"
        code, listed = fuzzed.http("GET", every)
        assert code == 200, (every, listed)
        code, table = fuzzed.http("GET", every, headers=TABLE)
        if (code, table["kind"]) != (200, "Table"):
            wrong[f"table of {target.kind}"] = f"{every}: {code} {table}\n{json.dumps(listed)[:20_000]}"
        objects = [item for item in listed["items"] if ours(item, target)]
        found += len(objects)
        for index, item in enumerate(objects):
            metadata = item["metadata"]
            where = f"{target.root}/namespaces/{metadata['namespace']}" if target.namespaced else target.root
            path = f"{where}/{target.plural}/{quote(metadata['name'], safe='')}"
            code, read = fuzzed.http("GET", path)
            if code == 404:
                continue  # a controller's, and gone meanwhile
            if code != 200:
                wrong.setdefault(f"read {target.kind}", f"{path}: {code} {read}")
            if index == 0 and described < DESCRIBED_MAX:
                described += 1
                plural = (
                    f"{target.plural}.{target.api_version.partition('/')[0]}"
                    if "/" in target.api_version
                    else target.plural
                )
                done = (
                    None
                    if "\x00" in metadata["name"]
                    else kubectl.run("describe", plural, metadata["name"], "-n", metadata.get("namespace", "default"))
                )
                # The smallest request for a certificate is none that kubectl could read.
                if (
                    done is not None
                    and target.kind != "CertificateSigningRequest"
                    and done.returncode
                    and "NotFound" not in done.stderr
                ):
                    wrong.setdefault(f"describe {target.kind}", f"{path}: {done.stderr}\n{json.dumps(read)}")
            delete(fuzzed, wrong, path, target.kind)
    print(f"{found} objects tried, {described} described")
    return found


def delete(fuzzed, wrong, path, kind):
    fuzzed.http("PATCH", path, {"metadata": {"finalizers": None}}, {"Content-Type": "application/merge-patch+json"})
    code, answer = fuzzed.http("DELETE", f"{path}?gracePeriodSeconds=0&propagationPolicy=Background")
    if code not in (200, 202, 404):
        wrong.setdefault(f"delete {kind}", f"{path}: {code} {answer}")
        return
    for attempt in itertools.count():
        code, left = fuzzed.http("GET", path)
        if (
            code == 404
            or kind == "Namespace"
            or left["metadata"].get("uid") != (answer.get("details") or answer.get("metadata", {})).get("uid")
        ):
            return
        if attempt == 50:
            wrong.setdefault(f"stays {kind}", f"{path}: {json.dumps(left)}")
            return
        time.sleep(0.1)
