"""Create: from a client's object to a transaction that puts it where nothing is.

The uid of the new object, and its name when that is generated, follow from the operation's id. So an operation that is
delivered twice finds its own object the second time, knows it by its uid, and answers with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from actors.apimachinery.defaults import admit, apply_defaults
from actors.apimachinery.meta import format_time
from actors.apimachinery.names import generated_name
from actors.apimachinery.operation import Object, encode_object
from actors.apimachinery.status import ApiError, already_exists, bad_request, invalid, method_not_supported
from actors.apimachinery.strategy import prepare_for_create, validate_create
from actors.apiserver.admission import admit_pod_priority, allocate_cluster_ip
from actors.apiserver.call import Call, check_size, derived_uid, object_body
from actors.apiserver.conversion import stored_object
from actors.apiserver.decoding import decoded
from actors.apiserver.entry import Entry
from actors.apiserver.field_managers import record_create, with_text
from actors.apiserver.namespaces import check_namespace, complete_namespace, namespace_target
from actors.apiserver.service_account_admission import admit_service_account
from actors.apiserver.storage_key import collection_of, path_of
from actors.apiserver.watch_cache import WatchCache
from actors.apiserver.write import Answer, Commit, Outcome, Plan, Target

#: So many generated names are tried before giving up.
NAMES_TRIED_MAX: Final = 8


@dataclass(slots=True)
class NewObject:
    """An object ready to be stored."""

    object: Object
    blob: bytes
    uid: str
    generate_name: str
    warnings: list[str]

    @property
    def name(self) -> str:
        name: str = self.object["metadata"]["name"]
        return name


def new_object(
    call: Call,
    cache: WatchCache,
    promised_ips: dict[str, str],
    attempt: int = 0,
    *,
    applied: tuple[Object, str] | None = None,
) -> NewObject:
    """Decode, default, admit and validate what a client wants to create. Raises `ApiError`.

    `applied`: the object and the text of its managers, when it comes of an apply.
    """
    resource = call.resource
    if resource.custom is not None and resource.custom.is_terminating:
        error = method_not_supported(resource.plural, resource.group, "create")
        error.status["message"] = "create not allowed while custom resource definition is terminating"
        raise error
    body = object_body(call, resource.api_version, resource.kind) if applied is None else applied[0]
    obj, warnings = decoded(call, body)
    metadata = obj.get("metadata")
    if metadata is None:
        metadata = obj["metadata"] = {}
    _settle_namespace(call, metadata)
    if call.name and metadata.get("name") and metadata["name"] != call.name:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name ({call.name})")
    prepare = metadata.get("name") or ""
    generate_name = ""
    if not prepare and metadata.get("generateName"):
        generate_name = metadata["generateName"]
        prepare = metadata["name"] = generated_name(generate_name, f"{call.id}/{attempt}")
    metadata["uid"] = own_uid(call, generate_name or prepare)
    metadata["creationTimestamp"] = format_time(call.now_s)
    apply_defaults(resource, obj)
    with_text(obj, record_create(call, body, obj) if applied is None else applied[1])
    prepare_for_create(resource, obj)
    _admit_with_cache(call, obj, cache, promised_ips)
    admit(resource, obj)
    if call.vet is not None:
        call.vet(call, obj, None)
    errors = validate_create(resource, obj)
    if errors:
        raise invalid(resource.kind, resource.group, metadata.get("name") or "", errors)
    obj = stored_object(resource, obj)
    blob = encode_object(obj)
    check_size(blob)
    return NewObject(obj, blob, metadata["uid"], generate_name, warnings)


def own_uid(call: Call, name: str) -> str:
    """The uid of what the operation creates under a name, or from a generateName."""
    return derived_uid(call.id, f"{call.resource.key}\n{call.namespace}\n{name}")


def _settle_namespace(call: Call, metadata: Object) -> None:
    if not call.resource.namespaced:
        metadata.pop("namespace", None)
        return
    if not call.namespace:
        raise bad_request("an empty namespace may not be set during creation")
    if metadata.setdefault("namespace", call.namespace) != call.namespace:
        message = "the namespace of the provided object does not match the namespace sent on the request"
        raise bad_request(message)


def _admit_with_cache(call: Call, obj: Object, cache: WatchCache, promised_ips: dict[str, str]) -> None:
    key = call.resource.key
    if key == "v1/pods":
        admit_pod_priority(obj, cache)
        admit_service_account(obj, cache, call.id)
    elif key == "v1/services":
        path = path_of(call.namespace, obj["metadata"].get("name", ""))
        allocate_cluster_ip(obj, cache, lambda ip: promised_ips.get(ip, path) != path)
        if obj["spec"].get("clusterIP") not in (None, "", "None"):
            promised_ips[obj["spec"]["clusterIP"]] = path
    elif key == "v1/namespaces":
        complete_namespace(obj)


def targets_of(call: Call, new: NewObject) -> tuple[list[Target], list[str]]:
    """The keys that creating looks at: the object's own, and its namespace's, which must not change meanwhile."""
    own = Target.of(collection_of(call.resource), path_of(call.namespace, new.name))
    if not call.resource.namespaced:
        return [own], []
    return [own, namespace_target(call.namespace)], ["mod"]


def plan_create(call: Call, new: NewObject, states: Sequence[Entry]) -> Plan:
    """Put the object where nothing is. Raises `ApiError` (403, 404, 409)."""
    existing = states[0]
    if existing.exists and existing.object["metadata"].get("uid") == new.uid:
        return Answer(Outcome(201, existing.revision, [existing.data], [existing.revision]))
    if call.resource.namespaced:
        check_namespace(call, new.name, states[1])
    if existing.exists:
        raise already_exists(call.resource.plural, call.resource.group, new.name)
    return Commit(new.blob, 201, object=new.object, extra={"warnings": new.warnings} if new.warnings else None)


def may_try_another_name(new: NewObject, error: ApiError, attempt: int) -> bool:
    """Whether a generated name collided and there are others to try."""
    return bool(new.generate_name) and error.reason == "AlreadyExists" and attempt + 1 < NAMES_TRIED_MAX
