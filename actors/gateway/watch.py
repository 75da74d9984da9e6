"""A watch over HTTP: the events of a stream as a row of JSON objects, until its time is over.

It begins at the revision that was asked for; without one, or with ``sendInitialEvents``, the objects there are come
first as ADDED, in the latter case followed by the bookmark ``k8s.io/initial-events-end``. When the events are no longer
known there is one ERROR with 410, after which clients list again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.request_options import check_list_options
from actors.apimachinery.resource_version import parse_resource_version
from actors.apimachinery.resources import Resource
from actors.apimachinery.selector import FieldSelector, LabelSelector, SelectorError
from actors.apimachinery.status import ApiError, bad_request, expired
from actors.apimachinery.stream import Stream
from actors.client.client import Client
from actors.gateway.accept import Form
from actors.gateway.managed_fields import spell_out_managers
from actors.gateway.request_path import RequestPath
from actors.gateway.shared_stream import Expired, StreamEvent, StreamHub, Watcher, ask_since
from actors.gateway.table import partial_metadata, table_object
from actors.gateway.translation import Query, is_true, read_options, whole_number
from broker.context import Context, RequestError

BOOKMARK_EVERY_S: Final = 60.0
TIMEOUT_MIN_S: Final = 1800.0
INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class WatchQuestion:
    """What a watch asks."""

    resource: Resource
    stream: Stream
    since: str
    initial_events: bool
    """ADDED for what there is, and the bookmark that ends them."""
    bookmarks: bool
    timeout_s: float | None
    form: Form
    include: str


def watch_question(path: RequestPath, query: Query, form: Form) -> WatchQuestion:
    """Reads a request. Raises `ApiError` (400, 422)."""
    since = query.get("resourceVersion") or ""
    parse_resource_version(since)
    field_selector = query.get("fieldSelector") or ""
    if path.name:
        field_selector = f"metadata.name={path.name}"
    try:
        labels = str(LabelSelector.parse(query.get("labelSelector") or ""))
        fields = str(FieldSelector.parse(field_selector, path.resource.key, path.resource.selectable_fields))
    except SelectorError as error:
        raise bad_request(str(error)) from None
    initial = query.get("sendInitialEvents")
    check_list_options(query, watch=True)
    return WatchQuestion(
        path.resource,
        Stream(path.resource.key, path.namespace, labels, fields),
        since,
        is_true(initial),
        is_true(query.get("allowWatchBookmarks")),
        whole_number(query, "timeoutSeconds"),
        form,
        query.get("includeObject") or "Metadata",
    )


class Watch:
    """One watch under way."""

    def __init__(self, ctx: Context, client: Client, hub: StreamHub, question: WatchQuestion) -> None:
        self._ctx = ctx
        self._client = client
        self._hub = hub
        self._question = question
        self._columns_due = True
        self._until_s = ctx.monotonic_s() + (question.timeout_s or TIMEOUT_MIN_S * (1 + ctx.random.random()))
        self._form_name = "|".join([question.form.transform, question.form.parameters.get("v", ""), question.include])

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """The events as JSON, each with its line end; ends when the watch's time is over or it can't go on."""
        question = self._question
        try:
            revision, begin = await self._begin()
        except ApiError as error:
            yield _line("ERROR", error.status)
            return
        except RequestError:
            return
        watcher = self._hub.join(question.stream, revision)
        try:
            if begin:
                yield begin
            try:
                through, lines = await self._catch_up(revision)
                if lines:
                    yield lines
                async for chunk in self._go_on(watcher, through):
                    yield chunk
            except Expired:
                yield _line("ERROR", expired(f"too old resource version: {revision}").status)
            except (RequestError, TimeoutError, ConnectionError):
                return  # the client asks again from where it is
        finally:
            self._hub.leave(watcher)

    async def _begin(self) -> tuple[int, bytes]:
        """Where the watch begins, and what comes before its events."""
        question = self._question
        if question.since not in ("", "0") and not question.initial_events:
            return int(question.since), b""
        options = {
            "labelSelector": question.stream.label_selector,
            "fieldSelector": question.stream.field_selector,
            "resourceVersion": question.since,
        }
        operation = Operation(
            "list", question.stream.resource, question.stream.namespace, options=read_options(options)
        )
        result = await self._client.call(operation)
        for obj in result.objects:
            spell_out_managers(obj)
        lines = [self._encoded("ADDED", obj) for obj in result.objects]
        if question.initial_events and question.bookmarks:
            lines.append(self._bookmark(result.revision, {INITIAL_EVENTS_END: "true"}))
        return result.revision, b"".join(lines)

    async def _catch_up(self, since: int) -> tuple[int, bytes]:
        _, events, through = await ask_since(self._ctx, self._question.stream, since)
        newer = [event for event in events if event.revision > since]
        return max(through, since), b"".join(self._event_line(event) for event in newer)

    async def _go_on(self, watcher: Watcher, through: int) -> AsyncGenerator[bytes, None]:
        bookmark_s = self._ctx.monotonic_s() + BOOKMARK_EVERY_S
        while True:
            events = [event for event in watcher.take() if event.revision > through]
            if events:
                yield b"".join(self._event_line(event) for event in events)
            now_s = self._ctx.monotonic_s()
            if now_s >= self._until_s:
                return
            if now_s >= bookmark_s:
                bookmark_s = now_s + BOOKMARK_EVERY_S
                if self._question.bookmarks:
                    yield self._bookmark(max(watcher.stream.position, through), {})
            await watcher.wait(min(self._until_s, bookmark_s) - now_s)

    def _event_line(self, event: StreamEvent) -> bytes:
        if self._question.form.transform == "Table":
            return self._encoded(event.kind, event.object)  # ages and the first row's columns differ each time
        line = event.forms.get(self._form_name)
        if line is None:
            line = event.forms[self._form_name] = self._encoded(event.kind, event.object)
        return line

    def _encoded(self, kind: str, obj: Object) -> bytes:
        transform = self._question.form.transform
        version = self._question.form.parameters.get("v", "v1")
        if transform == "Table":
            columns, self._columns_due = self._columns_due, False
            metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            obj = table_object(
                self._question.resource,
                [obj],
                metadata,
                self._ctx.wall_s(),
                include=self._question.include,
                version=version,
                with_columns=columns,
            )
        elif transform:
            obj = partial_metadata(obj, version)
        return _line(kind, obj)

    def _bookmark(self, revision: int, annotations: dict[str, str]) -> bytes:
        metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        resource = self._question.resource
        obj: Object = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        transform = self._question.form.transform
        version = self._question.form.parameters.get("v", "v1")
        if transform == "Table":
            obj = table_object(resource, [], metadata, 0.0, version=version, with_columns=False)
            obj["rows"] = [{"cells": [], "object": partial_metadata({"metadata": metadata}, version)}]
        elif transform:
            obj = partial_metadata(obj, version)
        return _line("BOOKMARK", obj)


def _line(kind: str, obj: Object) -> bytes:
    return orjson.dumps({"type": kind, "object": obj}, option=orjson.OPT_APPEND_NEWLINE)
