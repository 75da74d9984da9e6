"""Verbs: what each operation sets going. Planning is in the modules named after the verbs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from actors.apimachinery.meta import Key, format_time
from actors.apimachinery.operation import Object, Operation, encode_object
from actors.apimachinery.request_options import check_write_options
from actors.apimachinery.status import (
    ApiError,
    bad_request,
    method_not_supported,
    not_found,
    status_failure,
)
from actors.apimachinery.user import APISERVER_USER, User
from actors.apiserver.apply import applied_config, plan_apply
from actors.apiserver.binding import plan_binding, read_binding
from actors.apiserver.call import Call, Vet, object_body
from actors.apiserver.conversion import shown_plan
from actors.apiserver.create import NewObject, may_try_another_name, new_object, plan_create, targets_of
from actors.apiserver.delete import delete_options, plan_delete
from actors.apiserver.entry import Entry
from actors.apiserver.eviction import budgets_of, charged, check_eviction, plan_eviction
from actors.apiserver.fence import guard, read_fence
from actors.apiserver.finalize import finalization
from actors.apiserver.gathering import Gathering
from actors.apiserver.listing import list_question
from actors.apiserver.namespaces import namespace_target
from actors.apiserver.reads import Done, Reader
from actors.apiserver.scale import plan_scale, plan_scale_application
from actors.apiserver.served_resources import ServedResources
from actors.apiserver.service_addresses import AddressTaken
from actors.apiserver.storage_key import collection_of, path_of
from actors.apiserver.update import Change, patching, plan_update, replacement
from actors.apiserver.watch_cache import WatchCache
from actors.apiserver.write import Commit, Outcome, Plan, Write, Writer
from broker.message import Request, pack

#: Told of each committed write: the call, its revision, and the path of what was written.
Committed = Callable[[Call, int, str], None]

#: Subresources that are an object's own parts, updated and patched like the object.
_PARTS: Final = frozenset({"", "status", "ephemeralcontainers", "resize", "approval"})
_OPTIONS_KIND: Final = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_SUCCESS: Final = pack({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
_IP_PROMISES_MAX: Final = 1024


class Registry:
    """Begins operations. Each ends with one call of its `done`, at once or later."""

    def __init__(self, resources: ServedResources, cache: WatchCache, writer: Writer, reader: Reader) -> None:
        self._resources = resources
        self._cache = cache
        self._writer = writer
        self._reader = reader
        self._promised_ips: dict[str, str] = {}
        self.on_commit: Committed = _tell_nobody
        self.vet: Vet = _vet_nothing
        self.answers: Mapping[tuple[str, str], Callable[[Call], Outcome]] = {}
        """By resource and subresource: what is posted only to be answered."""

    def resolve(
        self,
        operation: Operation,
        operation_id: str,
        now_s: float,
        request: Request | None = None,
        user: User = APISERVER_USER,
    ) -> Call:
        """Look the resource up. Raises `ApiError` (404, 405)."""
        resource = self._resources.get(operation.resource)
        if resource is None:
            raise ApiError(status_failure(404, "NotFound", "the server could not find the requested resource"))
        subresource = operation.subresource
        if subresource and not resource.has_subresource(subresource):
            raise ApiError(status_failure(404, "NotFound", "the server could not find the requested resource"))
        if not subresource and operation.verb not in resource.verbs:
            raise method_not_supported(resource.plural, resource.group, operation.verb)
        return Call(operation, operation_id, resource, now_s, request, user, self.vet)

    def serves(self, resource: str) -> bool:
        """Whether there is a resource of that key, as far as is known here."""
        return self._resources.get(resource) is not None

    def when_fresh(self, then: Callable[[], None]) -> None:
        """Call back when everything acknowledged up to now is known here, or after a time without an answer.

        Another API server may have established a definition that this one has yet to hear of.
        """
        self._reader.when_readable(None, lambda _: then(), lambda: Outcome(200))

    def knows(self, resource: str, key: Key) -> bool:
        """Whether an object is known to exist."""
        found = self._resources.get(resource)
        return found is not None and self._cache.get(collection_of(found), path_of(*key)) is not None

    def keys_of(self, call: Call) -> tuple[bytes, ...] | None:
        """The keys whose earlier writes in the same batch an operation must wait for; None: all of them."""
        verb = call.operation.verb
        if verb in ("list", "deletecollection") or call.operation.subresource == "eviction":
            return None
        keys = [call.target().key] if call.name else []
        if verb == "create":
            body = call.operation.body
            metadata = body.get("metadata") if isinstance(body, dict) else None
            name = metadata.get("name") if isinstance(metadata, dict) else None
            if not keys:
                # A name that is yet to be generated is nobody else's.
                keys.append(call.target(name).key if isinstance(name, str) else call.id.encode())
            if call.namespace:
                keys.append(namespace_target(call.namespace).key)
        return tuple(keys)

    def begin(self, call: Call, done: Done) -> None:
        """Set an operation going. Raises `ApiError` when it can be refused at once."""
        verb, subresource = call.operation.verb, call.operation.subresource
        if verb in _OPTIONS_KIND:
            check_write_options(_OPTIONS_KIND[verb], call.operation.options)
        if verb not in ("create", "list", "deletecollection") and not call.name:
            raise bad_request("name must be provided")
        if verb == "get" and (subresource in _PARTS or subresource == "scale"):
            self._reader.get(call, done)
        elif verb == "list" and not subresource:
            self._reader.list(call, done)
        elif verb == "create":
            self._create(call, done)
        elif verb in ("update", "patch"):
            self._change(call, done)
        elif verb == "delete" and not subresource:
            self._delete(call, delete_options(call), done)
        elif verb == "deletecollection" and not subresource:
            self._delete_collection(call, done)
        else:
            raise method_not_supported(call.resource.plural, call.resource.group, verb)

    # Create

    def _create(self, call: Call, done: Done) -> None:
        subresource, key = call.operation.subresource, call.resource.key
        if key == "v1/pods" and subresource == "binding":
            self._bind(call, done)
        elif key == "v1/pods" and subresource == "eviction":
            self._evict(call, done)
        elif (key, subresource) in self.answers:
            done(self.answers[key, subresource](call))
        elif subresource or not call.resource.storable:
            raise method_not_supported(call.resource.plural, call.resource.group, "create")
        else:
            self._start(call, self._creation(call, self._prepared(call, 0), 0, done))

    def _prepared(self, call: Call, attempt: int) -> NewObject:
        """The new object. A namespace that doesn't exist is told before anything wrong with the object."""
        try:
            return new_object(call, self._cache, self._promised_ips, attempt)
        except ApiError as error:
            if (
                error.code == 422
                and call.namespace
                and not self._cache.latest(*namespace_target(call.namespace)).exists
            ):
                raise not_found("namespaces", "", call.namespace) from error
            raise
        finally:
            while len(self._promised_ips) > _IP_PROMISES_MAX:
                del self._promised_ips[next(iter(self._promised_ips))]

    def _creation(self, call: Call, new: NewObject, attempt: int, done: Done) -> Write:
        targets, watched_by = targets_of(call, new)

        def another_name(error: ApiError) -> Write | None:
            if isinstance(error, AddressTaken):
                return self._another_address(call, error, attempt, done)
            if not may_try_another_name(new, error, attempt):
                return None
            return self._fenced(call, self._creation(call, self._prepared(call, attempt + 1), attempt + 1, done))

        return Write(
            call.operation,
            call.id,
            targets,
            lambda states: shown_plan(call.resource, plan_create(call, new, states)),
            done,
            watched_by,
            otherwise=another_name,
        )

    def _another_address(self, call: Call, taken: AddressTaken, attempt: int, done: Done) -> Write | None:
        """What to try when another API server's Service has the address: the next one, unless the client stated it."""
        self._promised_ips[taken.address] = ""
        try:
            again = self._prepared(call, attempt)
        except ApiError:
            return None
        if again.object["spec"].get("clusterIP") == taken.address:
            return None
        return self._fenced(call, self._creation(call, again, attempt, done))

    # Everything that changes one object

    def _one(self, call: Call, plan: Callable[[Entry], Plan], done: Done) -> None:
        resource = call.resource
        is_object = call.operation.subresource in _PARTS

        def planned(states: Sequence[Entry]) -> Plan:
            made = plan(states[0])
            return shown_plan(resource, made) if is_object else made

        self._start(call, Write(call.operation, call.id, [call.target()], planned, done))

    def _start(self, call: Call, write: Write) -> None:
        self._writer.start(self._fenced(call, write))

    def _fenced(self, call: Call, write: Write) -> Write:
        """Let the write happen only while its fence's lease stands; and have its commit told."""
        write.dry_run = call.dry_run
        write.committed = lambda revision, path: self.on_commit(call, revision, path)
        fence = call.operation.options.get("fence")
        if fence is None:
            return write
        guard(write, read_fence(fence), call)
        return write

    def _change(self, call: Call, done: Done) -> None:
        """Update or patch of the object or one of its subresources."""
        subresource = call.operation.subresource
        if call.operation.verb == "patch" and call.operation.options.get("patchType") == "apply":
            self._apply(call, done)
        elif call.resource.key == "v1/namespaces" and subresource == "finalize":
            self._one(call, finalization(call), done)
        elif subresource == "scale":
            change = _scale_replacement(call) if call.operation.verb == "update" else patching(call)
            self._one(call, lambda state: plan_scale(call, change, state), done)
        elif subresource in _PARTS:
            change = replacement(call) if call.operation.verb == "update" else patching(call)
            self._one(call, lambda state: plan_update(call, change, state), done)
        else:
            raise method_not_supported(call.resource.plural, call.resource.group, call.operation.verb)

    def _apply(self, call: Call, done: Done) -> None:
        """Server-side apply of the object or one of its subresources."""
        if call.operation.subresource == "scale":
            self._one(call, lambda state: plan_scale_application(call, state), done)
            return
        config = applied_config(call)

        def make(body: Object, managers: str) -> NewObject:
            return new_object(call, self._cache, self._promised_ips, applied=(body, managers))

        targets, watched_by = [call.target()], []
        if call.resource.namespaced:
            targets, watched_by = [*targets, namespace_target(call.namespace)], ["mod"]
        plan = lambda states: shown_plan(call.resource, plan_apply(call, config, make, states))  # noqa: E731

        tried: set[str] = set()

        def write() -> Write:
            return Write(call.operation, call.id, targets, plan, done, watched_by, otherwise=another_address)

        def another_address(error: ApiError) -> Write | None:
            if not isinstance(error, AddressTaken) or error.address in tried:
                return None
            tried.add(error.address)
            self._promised_ips[error.address] = ""
            return self._fenced(call, write())

        self._start(call, write())

    def _bind(self, call: Call, done: Done) -> None:
        binding = read_binding(call)
        self._one(call, lambda state: plan_binding(call, binding, state), done)

    def _delete(self, call: Call, options: Mapping[str, Any], done: Done) -> None:
        self._one(call, lambda state: plan_delete(call, options, state), done)

    # Several objects

    def _delete_collection(self, call: Call, done: Done) -> None:
        """Delete every object of the collection that is selected; those that went meanwhile don't count."""
        options = delete_options(call)
        question = list_question(call)

        def begin(reached: Outcome) -> None:
            if reached.code != 200:
                done(reached)
                return
            collection = self._cache.collection(collection_of(call.resource))
            paths = [
                path
                for path in collection.paths_of(question.filter.namespace)
                if question.filter.selects(collection.entries[path])
            ]
            if question.limit:
                paths = paths[: question.limit]
            gathering = Gathering(len(paths), self._cache.revision, done)
            for index, path in enumerate(paths):
                namespace, _, name = path.rpartition("/")
                one = Operation("delete", call.operation.resource, namespace, name, options=call.operation.options)
                each = replace(call, operation=one)
                self._delete(each, options, lambda outcome, index=index: gathering.add(index, outcome))  # type: ignore[misc]

        self._reader.when_readable(None, begin, lambda: Outcome(200))

    def _evict(self, call: Call, done: Done) -> None:
        """Charge the pod's disruption budget, then delete the pod."""
        body = call.operation.body
        stated = body.get("deleteOptions") if isinstance(body, dict) else None
        metadata = body.get("metadata") if isinstance(body, dict) else None
        if isinstance(metadata, dict) and metadata.get("name", call.name) != call.name:
            raise bad_request("name in URL does not match name in Eviction object")
        given = stated if isinstance(stated, dict) else {}
        options = delete_options(replace(call, operation=Operation("delete", call.operation.resource, body=given)))

        def finish(outcome: Outcome) -> None:
            done(outcome if outcome.code >= 400 else Outcome(201, outcome.revision, [_SUCCESS], [outcome.revision]))

        def remove(outcome: Outcome) -> None:
            if outcome.code >= 400:
                done(outcome)
            else:
                self._one(call, lambda state: plan_eviction(call, options, state), finish)

        def read() -> Outcome:
            entry = self._cache.latest(*call.target())
            if not entry.exists:
                raise call.not_found()
            budget = check_eviction(entry.object, budgets_of(entry.object, self._cache))
            return Outcome(200, extra={"budget": budget, "pod": entry.object})

        def charge(outcome: Outcome) -> None:
            budget = (outcome.extra or {}).get("budget")
            if outcome.code >= 400 or budget is None:
                remove(outcome)
                return
            pod = (outcome.extra or {})["pod"]
            self._charge(call, pod, budget["metadata"]["name"], remove)

        self._reader.when_readable(None, charge, read)

    def _charge(self, call: Call, pod: Object, budget_name: str, done: Done) -> None:
        resource = self._resources.get("policy/v1/poddisruptionbudgets")
        if resource is None:
            raise LookupError("disruption budgets are built in")
        operation = Operation("update", resource.key, call.namespace, budget_name, "status")
        own = replace(call, operation=operation, resource=resource)

        def plan(states: Sequence[Entry]) -> Plan:
            if not states[0].exists:
                raise own.not_found()
            budget = check_eviction(pod, [states[0].object])
            changed = charged(budget or states[0].object, call.name, format_time(call.now_s))
            return Commit(encode_object(changed), object=changed)

        write = Write(operation, call.id, [own.target()], plan, done)
        write.dry_run = call.dry_run
        write.committed = lambda revision, path: self.on_commit(own, revision, path)
        self._writer.start(write)


def _vet_nothing(_call: Call, _new: Object, _old: Object | None) -> None:
    """Until somebody looks at who writes what."""


def _tell_nobody(_call: Call, _revision: int, _path: str) -> None:
    """Until the actor wants to be told of commits."""


def _scale_replacement(call: Call) -> Change:
    body = object_body(call, "autoscaling/v1", "Scale")
    return lambda _: body
