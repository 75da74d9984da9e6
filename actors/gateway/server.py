"""The HTTP side: requests in, answers and streams out. What they mean is in the pure modules beside this one."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from actors.apimachinery.operation import STORED_OBJECTS, Object, Operation, Result
from actors.apimachinery.resources import RESOURCES, ResourceTable
from actors.apimachinery.status import ApiError, bad_request, internal_error, method_not_supported, status_failure
from actors.apimachinery.user import User
from actors.client.client import Client
from actors.client.discovery import Discovery
from actors.client.informer import InformerSet
from actors.gateway import discovery, openapi
from actors.gateway.accept import JSON, Form, answer_form, parse_accept
from actors.gateway.answer import compress, json_answer, refusal
from actors.gateway.authentication import Authenticator, impersonated, impersonation_rights, unauthorized
from actors.gateway.authorization import AccessReviews, attributes_of_path, not_operations
from actors.gateway.container_log import log_chunks, log_question
from actors.gateway.health import PING, checks_of, health_report
from actors.gateway.in_flight import LONG_RUNNING, MUTATING, READING, InFlight
from actors.gateway.managed_fields import spell_out_managers
from actors.gateway.metrics import CONTENT_TYPE as METRICS_TYPE
from actors.gateway.metrics import Metrics
from actors.gateway.port_forward import port_forward
from actors.gateway.remote_command import remote_command
from actors.gateway.request_path import RequestPath, parse_path
from actors.gateway.resource_metrics import GROUP as METRICS_GROUP
from actors.gateway.resource_metrics import RESOURCES as METRICS_RESOURCES
from actors.gateway.resource_metrics import ResourceMetrics
from actors.gateway.shared_stream import StreamHub
from actors.gateway.table import transformed_list, transformed_object
from actors.gateway.token_issuer import PublicKeys, issuer_document
from actors.gateway.translation import is_true, is_watch, operation_of, whole_number
from actors.gateway.watch import Watch, watch_question
from actors.gateway.watch_faults import disturbed
from broker.context import Context, RequestFailed, RequestTimeout

#: A request's body may take this long to arrive.
BODY_TIMEOUT_S: Final = 30.0
#: For health checks and metrics the API server has this long to answer.
HEALTH_TIMEOUT_S: Final = 3.0
#: Subresources that hold their connection.
STREAMED: Final = frozenset({"log", "exec", "attach", "portforward"})
#: Deleting these is answered with the object as it was last, deleting others with a Status.
SHOWN_WHEN_DELETED: Final = frozenset(
    {
        "v1/persistentvolumeclaims",
        "v1/persistentvolumes",
        "v1/pods",
        "v1/podtemplates",
        "v1/resourcequotas",
        "v1/serviceaccounts",
    }
)
_NOT_THERE: Final = "the server could not find the requested resource"


@dataclass(slots=True)
class _Call:
    """What is found out about a request on its way, for the metrics."""

    path: RequestPath | None = None
    kind: str = READING


class GatewayServer:
    """Answers HTTP requests."""

    def __init__(self, ctx: Context, token: str, keys: PublicKeys) -> None:
        self._ctx = ctx
        self._client = Client(ctx)
        self._authenticator = Authenticator(ctx, self._client, token)
        self._access = AccessReviews(self._client)
        self._keys = keys
        self._hub = StreamHub(ctx)
        self._in_flight = InFlight()
        self._metrics = Metrics(self._in_flight)
        self._informers = InformerSet(self._client)
        self._discovery = Discovery(self._informers, RESOURCES.with_added(METRICS_RESOURCES))
        self._resource_metrics = ResourceMetrics(ctx)

    async def start(self) -> None:
        """Begin to follow what custom resources there are; returns when they are known."""
        await self._informers.start()

    # Every request

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request. Errors become Status objects."""
        started_s = self._ctx.monotonic_s()
        call = _Call()
        try:
            response = await self._with_statuses(request, call)
        except asyncio.CancelledError:  # the client has gone
            self._count(request, call, 499, started_s)
            raise
        self._count(request, call, response.status, started_s)
        compress(request, response)
        return response

    def _count(self, request: web.BaseRequest, call: _Call, code: int, started_s: float) -> None:
        duration_s = self._ctx.monotonic_s() - started_s
        self._metrics.answered(
            request.method, call.path, request.query, code, duration_s, long=call.kind == LONG_RUNNING
        )

    async def _with_statuses(self, request: web.BaseRequest, call: _Call) -> web.StreamResponse:
        try:
            _check_texts(request)
            return await self._route(request, call)
        except ApiError as error:
            return refusal(error)
        except RequestTimeout:
            return refusal(ApiError(status_failure(504, "Timeout", "the API server did not answer in time")))
        except RequestFailed as failure:
            return refusal(internal_error(str(failure)))
        except HttpProcessingError as error:
            return refusal(ApiError(status_failure(error.code, "BadRequest", error.message)))
        except web.HTTPException as error:
            reason = "RequestEntityTooLarge" if error.status == 413 else "BadRequest"
            return refusal(ApiError(status_failure(error.status, reason, error.reason)))
        except ConnectionError:
            raise  # the client has gone
        except Exception as error:  # a fault of ours: its client is told so in the form it can read, the log the rest
            traceback.print_exc()
            if request.writer.output_size > 0:  # an answer has begun; the connection ends
                raise
            return refusal(internal_error(f"{type(error).__name__}: {error}"))

    async def _route(self, request: web.BaseRequest, call: _Call) -> web.StreamResponse:
        certificate = request.transport.get_extra_info("peercert") if request.transport else None
        user = await self._authenticator.user_of(certificate, request.headers.get("Authorization", ""))
        path = request.path.rstrip("/") or "/"
        checks = checks_of(path)
        if checks is not None:
            return await self._health(request, path, checks)
        if path == "/version":
            return json_answer(discovery.version_info())
        if user is None:
            raise unauthorized()
        user = await self._impersonating(request, user)
        if not _is_of_resource(path):
            await self._access.check(user, [attributes_of_path(request.method, path)])
        if path == "/metrics":
            return await self._exposition()
        document = issuer_document(path, request.host, self._keys) if request.method in ("GET", "HEAD") else None
        if document is not None:
            return document
        if _may_be_custom(path):
            await self._discovery.definitions.refresh()
        found = self._discovered(request, path)
        if found is not None:
            return found
        target = parse_path(path, self._discovery.table)
        if target is None:
            await self._discovery.definitions.refresh()
            target = parse_path(path, self._discovery.table)
        call.path = target
        if target is None:
            await self._access.check(user, [attributes_of_path(request.method, path)])
            raise ApiError(status_failure(404, "NotFound", _NOT_THERE))
        call.kind = _kind_of(request, target)
        with self._in_flight.admitted(user.name, call.kind):
            return await self._resource(request, target, user)

    async def _impersonating(self, request: web.BaseRequest, user: User) -> User:
        """For whom the request is done. Raises `ApiError` (403) when its sender may not act for them."""
        other = impersonated(request.headers)
        if other is None:
            return user
        await self._access.check(user, impersonation_rights(other, request.headers.getall("Impersonate-Group", [])))
        return other

    # Outside the resources

    async def _health(self, request: web.BaseRequest, path: str, checks: Sequence[str]) -> web.Response:
        results = {name: name == PING or await self._reaches_store() for name in checks}
        code, text = health_report(
            path, results, verbose="verbose" in request.query, excluded=request.query.getall("exclude", [])
        )
        return web.Response(status=code, text=text)

    async def _reaches_store(self) -> bool:
        """Whether the API server answers, with what the store has now."""
        try:
            await self._client.call(
                Operation("list", "v1/namespaces", options={"limit": 1}), timeout_s=HEALTH_TIMEOUT_S
            )
        except (ApiError, RequestTimeout, RequestFailed):
            return False
        return True

    async def _exposition(self) -> web.Response:
        try:
            reply = await self._ctx.request(self._client.target, STORED_OBJECTS, timeout_s=HEALTH_TIMEOUT_S)
            objects: Mapping[str, int] = reply.body
        except (RequestTimeout, RequestFailed):
            objects = {}
        text = self._metrics.exposition(objects)
        return web.Response(body=text, headers={"Content-Type": METRICS_TYPE})

    def _discovered(self, request: web.BaseRequest, path: str) -> web.Response | None:
        """Discovery and OpenAPI; None for other paths."""
        if request.method not in ("GET", "HEAD"):
            return None
        table = self._discovery.table
        if path in ("/api", "/apis"):
            forms = parse_accept(request.headers.get("Accept", ""))
            wants_v2 = any(
                form.transform == "APIGroupDiscoveryList" and form.parameters.get("v") == "v2" for form in forms
            )
            if wants_v2:
                return json_answer(discovery.aggregated(path == "/api", table), content_type=discovery.AGGREGATED_TYPE)
            return json_answer(discovery.api_versions() if path == "/api" else discovery.api_group_list(table))
        if path == "/openapi/v3":
            return json_answer(openapi.index(table))
        if path.startswith("/openapi/v3/"):
            return _openapi(path.removeprefix("/openapi/v3/"), table)
        found: Object | None = None
        parts = path.strip("/").split("/")
        if parts == ["api", "v1"]:
            found = discovery.api_resource_list("v1", table)
        elif parts[0] == "apis" and len(parts) == 2:
            found = discovery.api_group(parts[1], table)
        elif parts[0] == "apis" and len(parts) == 3:
            found = discovery.api_resource_list(f"{parts[1]}/{parts[2]}", table)
        return json_answer(found) if found is not None else None

    # Resources

    async def _resource(self, request: web.BaseRequest, path: RequestPath, user: User) -> web.StreamResponse:
        client = self._client.acting_for(user)
        asked = not_operations(request.method, path, request.query)
        if asked:
            await self._access.check(user, asked, request.query.get("fieldSelector", ""))
        if path.subresource == "log" and request.method == "GET":
            return await self._log(request, path)
        if path.subresource in ("exec", "attach") and request.method in ("GET", "POST"):
            return await remote_command(request, self._ctx, self._client, path)
        if path.subresource == "portforward" and request.method in ("GET", "POST"):
            return await port_forward(request, self._ctx, self._client, path)
        form = answer_form(request.headers.get("Accept", ""))
        if is_watch(request.method, path, request.query):
            return await self._watch(request, path, client)
        if path.resource.group == METRICS_GROUP:
            return await self._usage(request, path, form)
        content = await _body(request)
        content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        operation = operation_of(
            request.method, path, request.query, content, content_type, request.headers.get("User-Agent", "")
        )
        result = await client.call(operation)
        include = request.query.get("includeObject") or "Metadata"
        answer = self._answer(operation, path, result, form, include)
        warnings = [*_deprecation(path), *(result.extra.get("warnings") or ())]
        return json_answer(answer, status=result.code, warnings=warnings)

    def _answer(self, operation: Operation, path: RequestPath, result: Result, form: Any, include: str) -> Object:
        """The body of a successful operation's answer."""
        now_s = self._ctx.wall_s()
        resource = path.resource
        for obj in result.objects:
            spell_out_managers(obj)
        if operation.verb == "list":
            metadata: Object = {"resourceVersion": str(result.revision)}
            if result.extra.get("continue"):
                metadata["continue"] = result.extra["continue"]
            if result.extra.get("remainingItemCount"):
                metadata["remainingItemCount"] = result.extra["remainingItemCount"]
            return transformed_list(resource, result.objects, metadata, form, now_s, include)
        if operation.verb == "deletecollection":
            metadata = {"resourceVersion": str(result.revision)}
            return transformed_list(resource, result.objects, metadata, JSON, now_s, include)
        if not result.objects:
            return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": result.code}
        obj = result.object
        gone = operation.verb == "delete" and not obj["metadata"].get("deletionTimestamp")
        if gone and resource.key not in SHOWN_WHEN_DELETED:
            return _deleted(path, obj)
        if path.subresource in ("scale", "eviction", "binding"):
            return obj
        if path.subresource == "token" or not resource.storable:
            obj["metadata"].pop("resourceVersion", None)
            return obj
        return transformed_object(resource, obj, form, now_s, include)

    async def _usage(self, request: web.BaseRequest, path: RequestPath, form: Form) -> web.Response:
        if request.method not in ("GET", "HEAD"):
            raise method_not_supported(path.resource.plural, METRICS_GROUP, request.method.lower())
        answer = await self._resource_metrics.answer(path, request.query.get("labelSelector", ""))
        now_s, include = self._ctx.wall_s(), request.query.get("includeObject") or "Metadata"
        if path.name:
            return json_answer(transformed_object(path.resource, answer, form, now_s, include))
        return json_answer(transformed_list(path.resource, answer["items"], {}, form, now_s, include))

    async def _watch(self, request: web.BaseRequest, path: RequestPath, client: Client) -> web.StreamResponse:
        form = answer_form(request.headers.get("Accept", ""))
        question = watch_question(path, request.query, form)
        watch = Watch(self._ctx, client, self._hub, question)
        lines = disturbed(self._ctx, question.stream, watch.lines(), lambda: _cut(request))
        return await _stream(request, lines, "application/json", send_headers_first=True)

    async def _log(self, request: web.BaseRequest, path: RequestPath) -> web.StreamResponse:
        query = request.query
        actor, question = await log_question(self._ctx, self._client, path, query)
        limit = whole_number(query, "limitBytes") or 0
        follow = is_true(query.get("follow"))
        chunks = log_chunks(self._ctx, actor, question, follow=follow, limit_bytes=limit)
        return await _stream(request, chunks, "text/plain", send_headers_first=False)


def _kind_of(request: web.BaseRequest, path: RequestPath) -> str:
    """Which of the limits on concurrent requests a request counts for."""
    if is_watch(request.method, path, request.query) or path.subresource in STREAMED:
        return LONG_RUNNING
    return READING if request.method in ("GET", "HEAD") else MUTATING


async def _body(request: web.BaseRequest) -> bytes:
    """The whole body. Raises `ApiError` (408) when it comes too slowly; aiohttp's 413 when it is too large."""
    if not request.can_read_body:
        return b""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except TimeoutError:
        raise ApiError(status_failure(408, "Timeout", "the body of the request came too slowly")) from None


async def _stream(
    request: web.BaseRequest, chunks: AsyncGenerator[bytes, None], content_type: str, *, send_headers_first: bool
) -> web.StreamResponse:
    """Send chunks as they come. What is raised before the first one becomes a Status.

    A watch's headers go out at once: its first event may be a long time coming.
    """
    response = web.StreamResponse(headers={"Content-Type": content_type, "Cache-Control": "no-cache, private"})
    first: bytes | None = None
    if not send_headers_first:
        first = await anext(chunks, None)
    await response.prepare(request)
    # What ends it early: the client has gone, or the rest of a log can't be had; the status line is out already.
    async with contextlib.aclosing(chunks):
        with contextlib.suppress(ConnectionError, ApiError):
            if first is not None:
                await response.write(first)
            async for chunk in chunks:
                await response.write(chunk)
            await response.write_eof()
    return response


def _cut(request: web.BaseRequest) -> None:
    """Break the connection off in the middle of an answer."""
    if request.transport is not None:
        request.transport.abort()


def _deleted(path: RequestPath, obj: Object) -> Object:
    details: Object = {"name": path.name, "kind": path.resource.plural, "uid": obj["metadata"].get("uid", "")}
    if path.resource.group:
        details["group"] = path.resource.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _deprecation(path: RequestPath) -> Sequence[str]:
    """What every client of a deprecated version of a custom resource is told."""
    custom = path.resource.custom
    return (custom.deprecation_warning,) if custom is not None and custom.deprecation_warning else ()


def _check_texts(request: web.BaseRequest) -> None:
    """Raises `ApiError` (400) for bytes that are no text: nothing behind this could write them down."""
    for text in (request.path, *request.query.values(), *request.headers.values()):
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise bad_request("the request is not valid UTF-8") from None


def _is_of_resource(path: str) -> bool:
    """Whether a path is below a group's version: then it is not a path that rules could name."""
    parts = path.strip("/").split("/")
    return (parts[0] == "api" and len(parts) > 2) or (parts[0] == "apis" and len(parts) > 3)


def _may_be_custom(path: str) -> bool:
    """Whether a path is of discovery or OpenAPI, whose answer must show definitions that clients know to be there."""
    parts = path.strip("/").split("/")
    return parts[0] == "openapi" or (parts[0] == "apis" and len(parts) <= 3)


def _openapi(name: str, table: ResourceTable) -> web.Response:
    """One OpenAPI document, by the name that the index has for it."""
    prefix, _, group_version = name.partition("/")
    core = prefix == "api" and group_version == "v1"
    found = openapi.document(group_version, table) if core or (prefix == "apis" and "/" in group_version) else None
    if found is None:
        raise ApiError(status_failure(404, "NotFound", _NOT_THERE))
    return web.Response(body=found, content_type="application/json")
