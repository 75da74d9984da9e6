"""``pods/log``: what a container wrote, asked of the kubelet of the pod's node."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

from actors.apimachinery.meta import parse_time
from actors.apimachinery.status import ApiError, bad_request, internal_error, not_found
from actors.client.client import Client
from actors.client.kubelet import CONTAINER_LOG, check_has_run
from actors.gateway.container_choice import chosen_container, kubelet_of
from actors.gateway.request_path import RequestPath
from actors.gateway.translation import Query, is_true, whole_number
from broker.context import Context, RequestFailed, RequestTimeout

FOLLOW_POLL_S: Final = 0.1
LOG_TIMEOUT_S: Final = 10.0


async def log_question(ctx: Context, client: Client, path: RequestPath, query: Query) -> tuple[str, dict[str, Any]]:
    """The kubelet's actor and what it is asked. Raises `ApiError`."""
    pod = await client.get("v1/pods", path.name, path.namespace)
    container = chosen_container(pod, query.get("container") or "")
    previous = is_true(query.get("previous"))
    node, actor = await kubelet_of(client, pod)
    if not previous:
        check_has_run(pod, container)
    seconds, since_time = whole_number(query, "sinceSeconds"), query.get("sinceTime")
    since_s: float | None = None
    try:
        if seconds is not None:
            since_s = ctx.wall_s() - seconds
        elif since_time:
            since_s = parse_time(since_time)
    except ValueError:
        raise bad_request(f'parsing time "{since_time}": it is not in RFC 3339') from None
    tail = whole_number(query, "tailLines")
    if tail is not None and tail < 0:
        raise bad_request("tailLines: Invalid value: must be greater than or equal to 0")
    return actor, {
        "node": node,
        "namespace": path.namespace,
        "pod": path.name,
        "container": container,
        "tail_lines": tail,
        "since_s": since_s,
        "previous": previous,
        "timestamps": is_true(query.get("timestamps")),
        "offset": 0,
    }


async def log_chunks(
    ctx: Context, actor: str, question: dict[str, Any], *, follow: bool, limit_bytes: int
) -> AsyncGenerator[bytes, None]:
    """The log, and what comes when following. Raises `ApiError`."""
    written = 0
    while True:
        try:
            reply = await ctx.request(actor, CONTAINER_LOG, question, timeout_s=LOG_TIMEOUT_S)
        except RequestFailed as failure:
            raise _explained(failure, question) from failure
        except RequestTimeout:
            raise internal_error(f"the kubelet of node {question['node']} does not answer") from None
        answer = reply.body
        data = answer["data"].encode()
        if limit_bytes:
            data = data[: limit_bytes - written]
        written += len(data)
        if data:
            yield data
        more = bool(data) and answer["next_offset"] != question["offset"]
        question = {**question, "offset": answer["next_offset"]}
        if (limit_bytes and written >= limit_bytes) or (not more and not (follow and answer["running"])):
            return
        if not more:
            await ctx.sleep(FOLLOW_POLL_S)


def _explained(failure: RequestFailed, question: dict[str, Any]) -> ApiError:
    name, container = question["pod"], question["container"]
    if question["previous"]:
        return bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
    if failure.code == "NotFound":
        return bad_request(failure.message) if failure.message else not_found("pods", "", name)
    return internal_error(failure.message)
