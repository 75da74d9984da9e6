"""The watch cache as plain data: however the log arrives, it shows the store's state."""

from __future__ import annotations

import ipaddress

import pytest
from api_cluster import Cluster, config_map
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.operation import Operation, encode_object
from actors.apiserver import admission
from actors.apiserver.entry import Entry
from actors.apiserver.storage_key import parse_store_key, store_key
from actors.apiserver.watch_cache import Gap, WatchCache
from store.protocol import DELETE, PUT


def history(choices: list[int]) -> tuple[list[list], list[bytes]]:
    """Events of revisions 2, 3, ...: each key is put, put again, or deleted."""
    events, blobs = [], []
    alive: dict[int, int] = {}
    for revision, choice in enumerate(choices, start=2):
        key, deletes = choice // 2, choice % 2 and choice // 2 in alive
        name = store_key("configmaps", f"default/m{key}")
        if deletes:
            del alive[key]
            events.append([DELETE, name, 0, revision, 0, 0, "", 0.0])
            blobs.append(b"")
        else:
            created = alive.setdefault(key, revision)
            events.append([PUT, name, created, revision, 1, 0, "", 0.0])
            blobs.append(encode_object(config_map(f"m{key}", {"r": str(revision)})))
    return events, blobs


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)))
)
@settings(max_examples=100)
def test_pieces_of_the_log_in_any_order_and_overlap(choices: list[int], pieces: list[tuple[int, int]]) -> None:
    events, blobs = history(choices)
    cache = WatchCache()
    cache.load(iter([]), 1)
    told = []
    for first, length in [*pieces, (0, len(events))]:
        part = slice(first, min(first + length, len(events)))
        changes = cache.follow(first + 1, events[part], max(part.stop, first) + 1, blobs[part])
        if isinstance(changes, Gap):
            assert changes.since == cache.revision < first + 1
        else:
            told += changes
    assert [change.revision for change in told] == [event[3] for event in events], "each change once, in order"
    assert cache.revision == len(events) + 1
    state: dict[bytes, bytes] = {}
    for event, blob in zip(events, blobs, strict=True):
        if event[0] == PUT:
            state[event[1]] = blob
        else:
            del state[event[1]]
    entries = cache.collection("configmaps").entries
    assert {store_key("configmaps", path): entry.blob for path, entry in entries.items()} == state
    assert cache.collection("configmaps").paths() == sorted(entries)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(1, 20))
@settings(max_examples=50)
def test_the_window_is_whole_above_its_floor(choices: list[int], size: int) -> None:
    events, blobs = history(choices)
    cache = WatchCache(size)
    cache.load(iter([]), 1)
    cache.follow(1, events, len(events) + 1, blobs)
    revisions = [change.revision for change in cache.collection("configmaps").changes_since(cache.floor)]
    assert revisions == list(range(cache.floor + 1, len(events) + 2))
    assert len(revisions) == min(size, len(events))


def test_own_writes_are_known_ahead_of_the_log_but_not_shown() -> None:
    cache = WatchCache()
    cache.load(iter([]), 1)
    key = store_key("configmaps", "default/a")
    cache.remember(key, Entry(b"x", 5, 5))
    assert cache.latest(key, "configmaps", "default/a").revision == 5
    assert cache.get("configmaps", "default/a") is None
    cache.remember(key, Entry(b"old", 3, 3))
    assert cache.latest(key, "configmaps", "default/a").revision == 5
    cache.follow(1, [], 6, [])
    assert not cache.latest(key, "configmaps", "default/a").exists


@pytest.mark.parametrize(
    ("collection", "path"),
    [("pods", "default/a"), ("apps/deployments", "default/a"), ("nodes", "n1"), ("x.io/things", "n1")],
)
def test_keys_are_taken_apart_as_they_were_made(collection: str, path: str) -> None:
    stored = parse_store_key(store_key(collection, path))
    assert stored is not None
    assert (stored.collection, stored.path) == (collection, path)


def test_cluster_ips_run_out_but_never_double(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SERVICE_NETWORK", ipaddress.IPv4Network("10.96.0.0/28"))
    operations = [
        Operation(
            "create",
            "v1/services",
            "default",
            body={
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": f"s{i}"},
                "spec": {"ports": [{"port": 80}]},
            },
        )
        for i in range(15)
    ]
    results = cluster.batch(*operations)
    addresses = [result.object["spec"]["clusterIP"] for result in results if result.ok]
    assert len(addresses) == len(set(addresses)) == 13, "16 without the network's, the broadcast and the server's own"
    assert [result.code for result in results if not result.ok] == [422, 422]
