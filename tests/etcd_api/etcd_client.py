"""A client of etcd's API at the level of messages, and what of an answer tells servers apart."""

from __future__ import annotations

import queue

import grpc

from store.etcd_api import messages as m
from store.etcd_api.services import SERVICES, stub

#: A server that was killed is found again at once: gRPC by itself would wait longer and longer, up to two minutes.
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]


class Client:
    """A channel to a server and a stub for each service."""

    def __init__(self, server):
        self.server = server
        self.channel = grpc.insecure_channel(server.endpoint, options=_OPTIONS)
        for service in SERVICES:
            setattr(self, service.lower(), stub(self.channel, service))

    def put(self, key, value=b"", **fields):
        return self.kv.Put(m.PutRequest(key=key, value=value, **fields), timeout=10)

    def open_watch(self, timeout_s=30):
        return WatchCall(self, timeout_s)


class WatchCall:
    """A Watch call: requests go in, responses are read one by one."""

    def __init__(self, client, timeout_s):
        self._requests = queue.SimpleQueue()
        self.responses = client.watch.Watch(iter(self._requests.get, None), timeout=timeout_s)

    def create(self, key, **fields):
        self.request(m.WatchRequest(create_request=m.WatchCreateRequest(key=key, **fields)))
        return self

    def request(self, request):
        self._requests.put(request)

    def cancel(self, watch_id):
        self._requests.put(m.WatchRequest(cancel_request=m.WatchCancelRequest(watch_id=watch_id)))

    def progress(self):
        self._requests.put(m.WatchRequest(progress_request=m.WatchProgressRequest()))

    def next(self):
        return next(self.responses)

    def events(self, count):
        """So many events, as pairs of watch id and event, and the responses they came in."""
        found, answers = [], []
        while len(found) < count:
            answer = self.next()
            answers.append(answer)
            found += [(answer.watch_id, event) for event in answer.events]
        return found, answers

    def close(self):
        self.responses.cancel()
        self._requests.put(None)


def without_ids(message):
    """The message without what tells servers apart."""
    copy = type(message).FromString(message.SerializeToString())
    if copy.HasField("header"):
        copy.header.cluster_id = copy.header.member_id = copy.header.raft_term = 0
    if isinstance(copy, m.HashKVResponse):
        copy.ClearField("hash_revision")  # told since etcd 3.5.9; the one compared with is older
    return copy


def outcome(call, request):
    """The answer, or the status."""
    try:
        return without_ids(call(request, timeout=10))
    except grpc.RpcError as error:
        return error.code(), error.details()


def collect(call, controls, events):
    """So many control responses (created, cancelled) in order, and so many events, by watch."""
    told, seen = [], {}
    while len(told) < controls or sum(map(len, seen.values())) < events:
        answer = call.next()
        if answer.created or answer.canceled:
            told.append(without_ids(answer))
        seen.setdefault(answer.watch_id, []).extend(answer.events)
    return told, seen
