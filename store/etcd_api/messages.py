"""etcd's v3 messages, as classes made at import from a table of names and field numbers.

The table holds `etcdserverpb`, `mvccpb` and `leasepb`. One line is one message; a field is ``number type name``, with
``*`` before the type when it is repeated and ``name|group`` when it is a member of a oneof. A type that is not a scalar
is a message or an enum of the same table. Classes are attributes of this module: ``messages.RangeRequest(key=b"a")``.
They live in a descriptor pool of their own, so that another etcd client in the same process doesn't collide with them.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FieldType = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    "int64": _FieldType.TYPE_INT64,
    "uint64": _FieldType.TYPE_UINT64,
    "uint32": _FieldType.TYPE_UINT32,
    "bool": _FieldType.TYPE_BOOL,
    "string": _FieldType.TYPE_STRING,
    "bytes": _FieldType.TYPE_BYTES,
}

#: Enums by their full name; a nested one is written ``Message.Enum``. Values are numbered from 0.
_ENUMS: Final[dict[str, dict[str, str]]] = {
    "leasepb": {},
    "mvccpb": {"Event.EventType": "PUT DELETE"},
    "etcdserverpb": {
        "AlarmType": "NONE NOSPACE CORRUPT",
        "RangeRequest.SortOrder": "NONE ASCEND DESCEND",
        "RangeRequest.SortTarget": "KEY VERSION CREATE MOD VALUE",
        "Compare.CompareResult": "EQUAL GREATER LESS NOT_EQUAL",
        "Compare.CompareTarget": "VERSION CREATE MOD VALUE LEASE",
        "WatchCreateRequest.FilterType": "NOPUT NODELETE",
        "AlarmRequest.AlarmAction": "GET ACTIVATE DEACTIVATE",
        "DowngradeRequest.DowngradeAction": "VALIDATE ENABLE CANCEL",
    },
}

_MVCCPB: Final = """
KeyValue: 1 bytes key, 2 int64 create_revision, 3 int64 mod_revision, 4 int64 version, 5 bytes value, 6 int64 lease
Event: 1 Event.EventType type, 2 KeyValue kv, 3 KeyValue prev_kv
"""

#: How etcd keeps a lease in its database.
_LEASEPB: Final = "Lease: 1 int64 ID, 2 int64 TTL, 3 int64 RemainingTTL"

_HEADER: Final = "1 ResponseHeader header"

_ETCDSERVERPB: Final = f"""
ResponseHeader: 1 uint64 cluster_id, 2 uint64 member_id, 3 int64 revision, 4 uint64 raft_term
RangeRequest: 1 bytes key, 2 bytes range_end, 3 int64 limit, 4 int64 revision, 5 RangeRequest.SortOrder sort_order,\
 6 RangeRequest.SortTarget sort_target, 7 bool serializable, 8 bool keys_only, 9 bool count_only,\
 10 int64 min_mod_revision, 11 int64 max_mod_revision, 12 int64 min_create_revision, 13 int64 max_create_revision
RangeResponse: {_HEADER}, 2 *mvccpb.KeyValue kvs, 3 bool more, 4 int64 count
PutRequest: 1 bytes key, 2 bytes value, 3 int64 lease, 4 bool prev_kv, 5 bool ignore_value, 6 bool ignore_lease
PutResponse: {_HEADER}, 2 mvccpb.KeyValue prev_kv
DeleteRangeRequest: 1 bytes key, 2 bytes range_end, 3 bool prev_kv
DeleteRangeResponse: {_HEADER}, 2 int64 deleted, 3 *mvccpb.KeyValue prev_kvs
RequestOp: 1 RangeRequest request_range|request, 2 PutRequest request_put|request,\
 3 DeleteRangeRequest request_delete_range|request, 4 TxnRequest request_txn|request
ResponseOp: 1 RangeResponse response_range|response, 2 PutResponse response_put|response,\
 3 DeleteRangeResponse response_delete_range|response, 4 TxnResponse response_txn|response
Compare: 1 Compare.CompareResult result, 2 Compare.CompareTarget target, 3 bytes key, 4 int64 version|target_union,\
 5 int64 create_revision|target_union, 6 int64 mod_revision|target_union, 7 bytes value|target_union,\
 8 int64 lease|target_union, 64 bytes range_end
TxnRequest: 1 *Compare compare, 2 *RequestOp success, 3 *RequestOp failure
TxnResponse: {_HEADER}, 2 bool succeeded, 3 *ResponseOp responses
CompactionRequest: 1 int64 revision, 2 bool physical
CompactionResponse: {_HEADER}
WatchRequest: 1 WatchCreateRequest create_request|request_union, 2 WatchCancelRequest cancel_request|request_union,\
 3 WatchProgressRequest progress_request|request_union
WatchCreateRequest: 1 bytes key, 2 bytes range_end, 3 int64 start_revision, 4 bool progress_notify,\
 5 *WatchCreateRequest.FilterType filters, 6 bool prev_kv, 7 int64 watch_id, 8 bool fragment
WatchCancelRequest: 1 int64 watch_id
WatchProgressRequest:
WatchResponse: {_HEADER}, 2 int64 watch_id, 3 bool created, 4 bool canceled, 5 int64 compact_revision,\
 6 string cancel_reason, 7 bool fragment, 11 *mvccpb.Event events
LeaseGrantRequest: 1 int64 TTL, 2 int64 ID
LeaseGrantResponse: {_HEADER}, 2 int64 ID, 3 int64 TTL, 4 string error
LeaseRevokeRequest: 1 int64 ID
LeaseRevokeResponse: {_HEADER}
LeaseKeepAliveRequest: 1 int64 ID
LeaseKeepAliveResponse: {_HEADER}, 2 int64 ID, 3 int64 TTL
LeaseTimeToLiveRequest: 1 int64 ID, 2 bool keys
LeaseTimeToLiveResponse: {_HEADER}, 2 int64 ID, 3 int64 TTL, 4 int64 grantedTTL, 5 *bytes keys
LeaseLeasesRequest:
LeaseStatus: 1 int64 ID
LeaseLeasesResponse: {_HEADER}, 2 *LeaseStatus leases
Member: 1 uint64 ID, 2 string name, 3 *string peerURLs, 4 *string clientURLs, 5 bool isLearner
MemberAddRequest: 1 *string peerURLs, 2 bool isLearner
MemberAddResponse: {_HEADER}, 2 Member member, 3 *Member members
MemberRemoveRequest: 1 uint64 ID
MemberRemoveResponse: {_HEADER}, 2 *Member members
MemberUpdateRequest: 1 uint64 ID, 2 *string peerURLs
MemberUpdateResponse: {_HEADER}, 2 *Member members
MemberListRequest: 1 bool linearizable
MemberListResponse: {_HEADER}, 2 *Member members
MemberPromoteRequest: 1 uint64 ID
MemberPromoteResponse: {_HEADER}, 2 *Member members
AlarmRequest: 1 AlarmRequest.AlarmAction action, 2 uint64 memberID, 3 AlarmType alarm
AlarmMember: 1 uint64 memberID, 2 AlarmType alarm
AlarmResponse: {_HEADER}, 2 *AlarmMember alarms
StatusRequest:
StatusResponse: {_HEADER}, 2 string version, 3 int64 dbSize, 4 uint64 leader, 5 uint64 raftIndex, 6 uint64 raftTerm,\
 7 uint64 raftAppliedIndex, 8 *string errors, 9 int64 dbSizeInUse, 10 bool isLearner, 11 string storageVersion,\
 12 int64 dbSizeQuota
DefragmentRequest:
DefragmentResponse: {_HEADER}
HashRequest:
HashResponse: {_HEADER}, 2 uint32 hash
HashKVRequest: 1 int64 revision
HashKVResponse: {_HEADER}, 2 uint32 hash, 3 int64 compact_revision, 4 int64 hash_revision
SnapshotRequest:
SnapshotResponse: {_HEADER}, 2 uint64 remaining_bytes, 3 bytes blob, 4 string version
MoveLeaderRequest: 1 uint64 targetID
MoveLeaderResponse: {_HEADER}
DowngradeRequest: 1 DowngradeRequest.DowngradeAction action, 2 string version
DowngradeResponse: {_HEADER}, 2 string version
AuthenticateRequest: 1 string name, 2 string password
AuthenticateResponse: {_HEADER}, 2 string token
AuthStatusRequest:
AuthStatusResponse: {_HEADER}, 2 bool enabled, 3 uint64 authRevision
AuthEnableRequest:
AuthEnableResponse: {_HEADER}
AuthDisableRequest:
AuthDisableResponse: {_HEADER}
AuthUserAddRequest: 1 string name, 2 string password, 4 string hashedPassword
AuthUserAddResponse: {_HEADER}
AuthUserGrantRoleRequest: 1 string user, 2 string role
AuthUserGrantRoleResponse: {_HEADER}
AuthRoleAddRequest: 1 string name
AuthRoleAddResponse: {_HEADER}
"""


def _file(package: str, table: str, imports: tuple[str, ...] = ()) -> descriptor_pb2.FileDescriptorProto:
    """The descriptor of one package."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto", package=package, syntax="proto3", dependency=[f"{name}.proto" for name in imports]
    )
    messages: dict[str, Any] = {}
    for line in table.strip().splitlines():
        name, _, fields = line.partition(":")
        messages[name] = message = file.message_type.add(name=name)
        for text in filter(None, fields.split(",")):
            _add_field(message, package, *text.split())
    for full_name, values in _ENUMS[package].items():
        owner, _, name = full_name.rpartition(".")
        enum = messages[owner].enum_type.add(name=name) if owner else file.enum_type.add(name=name)
        for number, value in enumerate(values.split()):
            enum.value.add(name=value, number=number)
    return file


def _add_field(message: Any, package: str, number: str, kind: str, name: str) -> None:
    name, _, group = name.partition("|")
    field = message.field.add(name=name, number=int(number), json_name=name)
    field.label = _FieldType.LABEL_REPEATED if kind.startswith("*") else _FieldType.LABEL_OPTIONAL
    kind = kind.removeprefix("*")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        is_enum = kind in _ENUMS[package]
        field.type = _FieldType.TYPE_ENUM if is_enum else _FieldType.TYPE_MESSAGE
        field.type_name = f".{kind}" if kind.startswith("mvccpb.") else f".{package}.{kind}"
    if group:
        if group not in [oneof.name for oneof in message.oneof_decl]:
            message.oneof_decl.add(name=group)
        field.oneof_index = [oneof.name for oneof in message.oneof_decl].index(group)


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    found: dict[str, Any] = {}
    files = (
        _file("mvccpb", _MVCCPB),
        _file("leasepb", _LEASEPB),
        _file("etcdserverpb", _ETCDSERVERPB, ("mvccpb",)),
    )
    for file in files:
        pool.Add(file)
        for message in file.message_type:
            descriptor = pool.FindMessageTypeByName(f"{file.package}.{message.name}")
            found[message.name] = message_factory.GetMessageClass(descriptor)
    return found


CLASSES: Final = _classes()
"""Every message class by its name without the package."""


def __getattr__(name: str) -> Any:
    try:
        return CLASSES[name]
    except KeyError:
        raise AttributeError(f"etcd's API has no message {name!r} here") from None
