"""Faults at the API, where clients in any language feel them: refusals, errors after the commit, old views.

What is in force is plain data (`broker.chaos`); each operation of a request draws its fate, however it came. What a
client meets is what a real API server may do to it:

- ``conflict``: a change is answered 409 as if somebody else had been first
- ``too-many-requests``: 429, to be tried again after a second; nothing is done
- ``error-after-commit``: a write is carried out, and answered 500; a read is answered 500
- ``expired``: a watch, or the continuation of a list, is answered 410
- ``lagging-replica``: a read that says that it may be old (a resourceVersion is given) is answered as of a while ago
- ``watch-reset``: subscribers are told that the server has started, and ask anew for what they know already
- ``missing-bookmarks``: streams carry no progress marks (`watching`)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from actors.apimachinery.status import ApiError, conflict, expired, internal_error, too_many_requests
from actors.apiserver.call import Call
from actors.apiserver.reads import Done
from actors.apiserver.registry import Registry
from actors.apiserver.watch_cache import Change, WatchCache
from actors.apiserver.write import Outcome
from broker.chaos import ANY, Fault, matches
from broker.context import Context
from broker.message import Request

CONFLICT: Final = "conflict"
TOO_MANY_REQUESTS: Final = "too-many-requests"
ERROR_AFTER_COMMIT: Final = "error-after-commit"
EXPIRED: Final = "expired"
LAGGING_REPLICA: Final = "lagging-replica"
WATCH_RESET: Final = "watch-reset"

RETRY_AFTER_S: Final = 1
#: Revisions that a lagging replica may go back to; noted at most so often.
PAST_MAX: Final = 1000
NOTED_EVERY_S: Final = 0.05
_CHANGES: Final = ("update", "patch", "delete")
_WRITES: Final = ("create", *_CHANGES, "deletecollection")
_ERROR: Final = "the write may have been carried out (podchain chaos)"


class ApiFaults:
    """Draws what becomes of operations and watches."""

    def __init__(self, ctx: Context, cache: WatchCache) -> None:
        self._ctx = ctx
        self._cache = cache
        self._past: deque[tuple[float, int]] = deque(maxlen=PAST_MAX)

    def drawn(self, call: Call) -> str:
        """The fault that an operation meets; empty for none."""
        for fault in self._ctx.chaos.faults:
            sender = call.request.sender if call.request is not None else ""
            if not matches(fault.details.get("from", ANY), sender):
                continue
            if _may_meet(fault, call) and self._hits(fault, call.resource.key):
                self._ctx.note_fault(fault.kind, sender, f"{call.operation.verb} {call.resource.key}", call.id)
                return fault.kind
        return ""

    def expires(self, request: Request) -> bool:
        """Whether a watch is answered 410; then it has been."""
        for fault in self._ctx.chaos.of(EXPIRED):
            body = request.body
            resource, since = (body.get("resource"), body.get("since")) if isinstance(body, dict) else (None, None)
            before = fault.details.get("before")
            if before is not None and not (isinstance(since, int) and since < before):
                continue
            if self._hits(fault, str(resource)):
                self._ctx.note_fault(EXPIRED, request.sender, f"watch {resource}", request.id)
                request.fail("Expired", f"too old resource version: {since} (podchain chaos)")
                return True
        return False

    def resets(self, changes: Sequence[Change]) -> bool:
        """Whether subscribers are to ask anew, now that these changes are told."""
        for fault in self._ctx.chaos.of(WATCH_RESET):
            collection = _collection_of(fault.details.get("resource", ""))
            for change in changes:
                if collection in ("", change.collection) and self._ctx.fault_random.random() < fault.details["rate"]:
                    self._ctx.note_fault(WATCH_RESET, self._ctx.name, f"watch {change.collection}")
                    return True
        return False

    def lagging(self, call: Call) -> Call | None:
        """The same read, of an older state; None when none is wanted."""
        lags = (f for f in self._ctx.chaos.of(LAGGING_REPLICA) if _is_about(f, call))
        lag_s = max((f.details["delay_s"] for f in lags), default=None)
        if lag_s is None:
            self._past.clear()
            return None
        now_s = self._ctx.monotonic_s()
        if not self._past or now_s - self._past[-1][0] >= NOTED_EVERY_S:
            self._past.append((now_s, self._cache.revision))
        while len(self._past) > 1 and self._past[1][0] <= now_s - lag_s:
            self._past.popleft()
        operation = call.operation
        version = str(operation.options.get("resourceVersion") or "")
        plain = operation.verb in ("get", "list") and not operation.subresource
        if not plain or not version.isdecimal() or "continue" in operation.options:
            return None
        if operation.options.get("resourceVersionMatch") == "Exact":
            return None
        revision = max(self._past[0][1], int(version))
        if revision >= self._cache.revision:
            return None
        self._ctx.note_fault(LAGGING_REPLICA, call.request.sender if call.request else "", call.resource.key, call.id)
        options = {**operation.options, "resourceVersion": str(revision), "resourceVersionMatch": "Exact"}
        if operation.verb == "get":
            options["fieldSelector"] = f"metadata.name={operation.name}"
        return replace(call, operation=replace(operation, verb="list", name="", options=options))

    def _hits(self, fault: Fault, resource: str) -> bool:
        if fault.details.get("resource") not in (None, resource):
            return False
        return self._ctx.fault_random.random() < float(fault.details["rate"])


def _collection_of(resource: str) -> str:
    """Where the objects of ``v1/pods`` or ``apps/v1/deployments`` are kept: ``pods``, ``apps/deployments``."""
    group, _, plural = resource.rpartition("/")
    group = group.rpartition("/")[0]
    return f"{group}/{plural}" if group else plural


def _is_about(fault: Fault, call: Call) -> bool:
    return fault.details.get("resource") in (None, call.resource.key)


def _may_meet(fault: Fault, call: Call) -> bool:
    """Whether an operation is of those that a fault is about."""
    verb, subresource = call.operation.verb, call.operation.subresource
    if fault.details.get("verb") not in (None, verb):
        return False
    if fault.kind == CONFLICT:
        return verb in _CHANGES or (verb == "create" and bool(subresource))
    if fault.kind == EXPIRED:
        return verb == "list" and bool(call.operation.options.get("continue"))
    return fault.kind in (TOO_MANY_REQUESTS, ERROR_AFTER_COMMIT)


def _refusal(kind: str, call: Call) -> ApiError:
    if kind == CONFLICT:
        return conflict(call.resource.plural, call.resource.group, call.name)
    if kind == EXPIRED:
        return expired("The provided continue parameter is too old. You must start a new list without it.")
    if kind == TOO_MANY_REQUESTS:
        return too_many_requests("the server has received too many requests, please try again later", RETRY_AFTER_S)
    return internal_error(_ERROR)


class DisturbedRegistry(Registry):
    """The registry as clients meet it: with the faults that are in force. The server's own operations meet none."""

    def __init__(self, ctx: Context, faults: ApiFaults, *parts: Any) -> None:
        super().__init__(*parts)
        self._ctx = ctx
        self._faults = faults

    def begin(self, call: Call, done: Done) -> None:
        if call.request is None or not self._ctx.chaos.faults:
            super().begin(call, done)
            return
        kind = self._faults.drawn(call)
        if kind == ERROR_AFTER_COMMIT and call.operation.verb in _WRITES:
            super().begin(call, _answering_500(done))
        elif kind:
            raise _refusal(kind, call)
        else:
            older = self._faults.lagging(call)
            if older is None:
                super().begin(call, done)
            elif call.operation.verb == "list":
                super().begin(older, done)
            else:
                super().begin(older, _the_one_of(call, done))


def _answering_500(done: Callable[[Outcome], None]) -> Done:
    """A success is told as an error; a failure stays what it is."""

    def told(outcome: Outcome) -> None:
        done(outcome if outcome.code >= 400 else Outcome.of_error(internal_error(_ERROR), outcome.revision))

    return told


def _the_one_of(call: Call, done: Callable[[Outcome], None]) -> Done:
    """The answer to a get from that to a list of the one object."""

    def told(outcome: Outcome) -> None:
        if outcome.code == 200 and not outcome.blobs:
            done(Outcome.of_error(call.not_found(), outcome.revision))
        else:
            done(outcome)

    return told
