"""The HTTP side: requests in, answers and streams out. What they mean is in the pure modules beside this one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from actors.apimachinery.operation import Object, Operation, Result
from actors.apimachinery.status import ApiError, internal_error, status_failure
from actors.apimachinery.user import User
from actors.client.client import Client
from actors.gateway import discovery, openapi
from actors.gateway.accept import JSON, answer_form, parse_accept
from actors.gateway.access import PUBLIC_PATHS, review_answer, unauthorized, user_of
from actors.gateway.body import decoded_body
from actors.gateway.container_log import log_chunks, log_question
from actors.gateway.port_forward import port_forward
from actors.gateway.remote_command import remote_command
from actors.gateway.request_path import RequestPath, parse_path
from actors.gateway.shared_stream import StreamHub
from actors.gateway.table import transformed_list, transformed_object
from actors.gateway.translation import is_true, is_watch, operation_of, whole_number
from actors.gateway.watch import Watch, watch_question
from actors.gateway.watch_faults import disturbed
from broker.context import Context, RequestFailed, RequestTimeout

#: A request's body may have this many bytes (Kubernetes' limit), and take this long to arrive.
BODY_BYTES_MAX: Final = 3 * 1024 * 1024
BODY_TIMEOUT_S: Final = 30.0
REVIEWS: Final = frozenset({"SelfSubjectReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview"})
_NOT_THERE: Final = "the server could not find the requested resource"


class GatewayServer:
    """Answers HTTP requests."""

    def __init__(self, ctx: Context, token: str) -> None:
        self._ctx = ctx
        self._token = token
        self._client = Client(ctx)
        self._hub = StreamHub(ctx)

    def application(self) -> web.Application:
        """What the HTTP server runs."""
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self._with_statuses])
        app.router.add_route("*", "/{path:.*}", self._route)
        return app

    # Every request

    @web.middleware
    async def _with_statuses(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Errors become Status objects."""
        try:
            return await handler(request)
        except ApiError as error:
            return _failed(error)
        except RequestTimeout:
            return _failed(ApiError(status_failure(504, "Timeout", "the API server did not answer in time")))
        except RequestFailed as failure:
            return _failed(internal_error(str(failure)))
        except HttpProcessingError as error:
            return _failed(ApiError(status_failure(error.code, "BadRequest", error.message)))
        except web.HTTPException as error:
            reason = "RequestEntityTooLarge" if error.status == 413 else "BadRequest"
            return _failed(ApiError(status_failure(error.status, reason, error.reason)))

    async def _route(self, request: web.Request) -> web.StreamResponse:
        certificate = request.transport.get_extra_info("peercert") if request.transport else None
        user = user_of(certificate, request.headers.get("Authorization", ""), self._token)
        path = request.path.rstrip("/") or "/"
        if path in PUBLIC_PATHS:
            return await self._public(path)
        if user is None:
            raise unauthorized()
        found = self._discovered(request, path)
        if found is not None:
            return found
        target = parse_path(path)
        if target is None:
            raise ApiError(status_failure(404, "NotFound", _NOT_THERE))
        return await self._resource(request, target, user)

    # Outside the resources

    async def _public(self, path: str) -> web.Response:
        if path == "/version":
            return _json(discovery.version_info())
        if path == "/readyz":
            try:
                await self._client.call(Operation("list", "v1/namespaces", options={"limit": 1}), timeout_s=3.0)
            except (ApiError, RequestTimeout, RequestFailed):
                return web.Response(status=500, text="[-]apiserver failed\nreadyz check failed\n")
        return web.Response(text="ok")

    def _discovered(self, request: web.Request, path: str) -> web.Response | None:
        """Discovery and OpenAPI; None for other paths."""
        if request.method not in ("GET", "HEAD"):
            return None
        if path in ("/api", "/apis"):
            forms = parse_accept(request.headers.get("Accept", ""))
            wants_v2 = any(
                form.transform == "APIGroupDiscoveryList" and form.parameters.get("v") == "v2" for form in forms
            )
            if wants_v2:
                return _json(discovery.aggregated(path == "/api"), content_type=discovery.AGGREGATED_TYPE)
            return _json(discovery.api_versions() if path == "/api" else discovery.api_group_list())
        if path == "/openapi/v3":
            return _json(openapi.index())
        if path.startswith("/openapi/v3/"):
            return _openapi(path.removeprefix("/openapi/v3/"))
        found: Object | None = None
        parts = path.strip("/").split("/")
        if parts == ["api", "v1"]:
            found = discovery.api_resource_list("v1")
        elif parts[0] == "apis" and len(parts) == 2:
            found = discovery.api_group(parts[1])
        elif parts[0] == "apis" and len(parts) == 3:
            found = discovery.api_resource_list(f"{parts[1]}/{parts[2]}")
        return _json(found) if found is not None else None

    # Resources

    async def _resource(self, request: web.Request, path: RequestPath, user: User) -> web.StreamResponse:
        client = self._client.acting_for(user)
        if path.subresource == "log" and request.method == "GET":
            return await self._log(request, path, client)
        if path.subresource in ("exec", "attach") and request.method in ("GET", "POST"):
            return await remote_command(request, self._ctx, client, path)
        if path.subresource == "portforward" and request.method in ("GET", "POST"):
            return await port_forward(request, self._ctx, client, path)
        form = answer_form(request.headers.get("Accept", ""))
        if is_watch(request.method, path, request.query):
            return await self._watch(request, path, client)
        content = await _body(request)
        content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if request.method == "POST" and path.resource.kind in REVIEWS and not path.name:
            review = review_answer(
                path.resource.kind, decoded_body(content, content_type) or {}, user, self._ctx.wall_s()
            )
            return _json(review, status=201)
        operation = operation_of(request.method, path, request.query, content, content_type)
        result = await client.call(operation)
        include = request.query.get("includeObject") or "Metadata"
        answer = self._answer(operation, path, result, form, include)
        return _json(answer, status=result.code, warnings=result.extra.get("warnings") or ())

    def _answer(self, operation: Operation, path: RequestPath, result: Result, form: Any, include: str) -> Object:
        """The body of a successful operation's answer."""
        now_s = self._ctx.wall_s()
        resource = path.resource
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
        if operation.verb == "delete" and resource.key != "v1/pods" and not obj["metadata"].get("deletionTimestamp"):
            return _deleted(path, obj)
        if path.subresource in ("scale", "eviction", "binding"):
            return obj
        return transformed_object(resource, obj, form, now_s, include)

    async def _watch(self, request: web.Request, path: RequestPath, client: Client) -> web.StreamResponse:
        form = answer_form(request.headers.get("Accept", ""))
        question = watch_question(path, request.query, form)
        watch = Watch(self._ctx, client, self._hub, question)
        lines = disturbed(self._ctx, question.stream, watch.lines(), lambda: _cut(request))
        return await _stream(request, lines, "application/json", send_headers_first=True)

    async def _log(self, request: web.Request, path: RequestPath, client: Client) -> web.StreamResponse:
        query = request.query
        actor, question = await log_question(self._ctx, client, path, query)
        limit = whole_number(query, "limitBytes") or 0
        follow = is_true(query.get("follow"))
        chunks = log_chunks(self._ctx, actor, question, follow=follow, limit_bytes=limit)
        return await _stream(request, chunks, "text/plain", send_headers_first=False)


async def _body(request: web.Request) -> bytes:
    """The whole body. Raises `ApiError` (408) when it comes too slowly; aiohttp's 413 when it is too large."""
    if not request.can_read_body:
        return b""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except TimeoutError:
        raise ApiError(status_failure(408, "Timeout", "the body of the request came too slowly")) from None


async def _stream(
    request: web.Request, chunks: AsyncGenerator[bytes, None], content_type: str, *, send_headers_first: bool
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


def _cut(request: web.Request) -> None:
    """Break the connection off in the middle of an answer."""
    if request.transport is not None:
        request.transport.abort()


def _json(
    content: Any, *, status: int = 200, content_type: str = "application/json", warnings: Any = ()
) -> web.Response:
    response = web.Response(body=orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE), status=status)
    response.headers["Content-Type"] = content_type
    response.headers["Cache-Control"] = "no-cache, private"
    for warning in warnings:
        text = str(warning).replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        response.headers.add("Warning", f'299 - "{text}"')
    return response


def _failed(error: ApiError) -> web.Response:
    response = _json(error.status, status=error.code)
    retry_s = (error.status.get("details") or {}).get("retryAfterSeconds")
    if retry_s:
        response.headers["Retry-After"] = str(retry_s)
    if error.code in (408, 413):
        response.force_close()
    return response


def _deleted(path: RequestPath, obj: Object) -> Object:
    details: Object = {"name": path.name, "kind": path.resource.plural, "uid": obj["metadata"].get("uid", "")}
    if path.resource.group:
        details["group"] = path.resource.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _openapi(name: str) -> web.Response:
    """One OpenAPI document, by the name that the index has for it."""
    prefix, _, group_version = name.partition("/")
    core = prefix == "api" and group_version == "v1"
    found = openapi.document(group_version) if core or (prefix == "apis" and "/" in group_version) else None
    if found is None:
        raise ApiError(status_failure(404, "NotFound", _NOT_THERE))
    return web.Response(body=found, content_type="application/json")
