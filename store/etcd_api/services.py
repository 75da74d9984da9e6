"""etcd's gRPC services: which methods there are, with what messages. Serves both servers and clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import grpc

from store.etcd_api.messages import CLASSES


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service."""

    service: str
    """Without the package: ``KV``."""
    name: str
    request: Any
    """Message class."""
    response: Any
    client_streams: bool = False
    server_streams: bool = False

    @property
    def path(self) -> str:
        """As gRPC calls it: ``/etcdserverpb.KV/Range``."""
        return f"/etcdserverpb.{self.service}/{self.name}"

    @property
    def kind(self) -> str:
        """``unary_unary``, ``unary_stream``, ``stream_unary`` or ``stream_stream``: as gRPC names it."""
        return f"{'stream' if self.client_streams else 'unary'}_{'stream' if self.server_streams else 'unary'}"


#: Methods by service. The messages are ``NameRequest`` and ``NameResponse``, unless the name of their stem follows a
#: colon; ``>`` marks methods to which the client streams, ``<`` those from which the server does.
_TABLE: Final = {
    "KV": "Range Put DeleteRange Txn Compact:Compaction",
    "Watch": "><Watch",
    "Lease": "LeaseGrant LeaseRevoke ><LeaseKeepAlive LeaseTimeToLive LeaseLeases",
    "Cluster": "MemberAdd MemberRemove MemberUpdate MemberList MemberPromote",
    "Maintenance": "Alarm Status Defragment Hash HashKV <Snapshot MoveLeader Downgrade",
    "Auth": "AuthEnable AuthDisable AuthStatus Authenticate UserAdd:AuthUserAdd UserGrantRole:AuthUserGrantRole"
    " RoleAdd:AuthRoleAdd",
}


def _method(service: str, text: str) -> Method:
    name, _, stem = text.lstrip("><").partition(":")
    stem = stem or name
    return Method(
        service,
        name,
        CLASSES[f"{stem}Request"],
        CLASSES[f"{stem}Response"],
        client_streams=">" in text,
        server_streams="<" in text,
    )


SERVICES: Final[Mapping[str, Mapping[str, Method]]] = {
    service: {method.name: method for method in (_method(service, text) for text in texts.split())}
    for service, texts in _TABLE.items()
}
"""Methods by service and name."""


def service_handler(service: str, behaviours: Mapping[str, Callable[..., Any]]) -> Any:
    """The generic handler for a server: a behaviour for each method that is served. Others are UNIMPLEMENTED."""
    handlers = {}
    for name, behaviour in behaviours.items():
        method = SERVICES[service][name]
        make = getattr(grpc, f"{method.kind}_rpc_method_handler")
        handlers[name] = make(
            behaviour,
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )
    return grpc.method_handlers_generic_handler(f"etcdserverpb.{service}", handlers)


def stub(channel: Any, service: str) -> Any:
    """A client's view of a service over a channel (`grpc` or `grpc.aio`): ``stub(channel, "KV").Range(request)``."""
    return SimpleNamespace(
        **{
            method.name: getattr(channel, method.kind)(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
            for method in SERVICES[service].values()
        }
    )
