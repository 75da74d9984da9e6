"""Responses of etcd's Watch as records that the guarantees are checked on."""

from __future__ import annotations

from store.etcd_api import messages as m
from store.key_value import KeyValue
from store.proof.watch_record import Event, Response, Session, WatchRequest
from store.protocol import DELETE


def create_request(request: WatchRequest, start_revision: int):
    """The message that asks for a watch."""
    filters = [name for name, wanted in (("NOPUT", request.no_put), ("NODELETE", request.no_delete)) if wanted]
    create = m.WatchCreateRequest(
        key=request.key,
        range_end=request.range_end,
        start_revision=start_revision,
        prev_kv=request.prev_kv,
        filters=filters,
        fragment=True,
    )
    return m.WatchRequest(create_request=create)


def key_value(message) -> KeyValue:
    return KeyValue(
        message.key,
        message.create_revision,
        message.mod_revision,
        message.version,
        message.lease,
        message.value,
    )


def _event(message) -> Event:
    kv = key_value(message.kv)
    assert kv.is_tombstone == (message.type == DELETE)
    return Event(kv, key_value(message.prev_kv) if message.HasField("prev_kv") else None)


class Recorder:
    """Writes the responses of one Watch call into a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._fragments: list[Event] = []

    def add(self, response) -> bool:
        """Record it; whether the watch goes on."""
        if response.created:
            return not response.canceled
        if response.canceled:
            self._session.responses.append(Response(compact_revision=response.compact_revision))
            return False
        if not response.events:
            self._session.responses.append(Response(progress_revision=response.header.revision))
            return True
        self._fragments += map(_event, response.events)
        if not response.fragment:
            self._session.responses.append(Response(self._fragments))
            self._fragments = []
        return True
