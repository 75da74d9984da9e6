"""``logs``: what containers wrote, once or as they write it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from actors.apimachinery.meta import parse_time
from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError, bad_request, not_found
from actors.client.kubelet import CONTAINER_LOG, check_has_run
from actors.kubectl.container_choice import chosen_container, container_names, kubelet_actor, pods_of
from actors.kubectl.failure import CommandFailed
from actors.kubectl.grammar import DurationType, command, selector_option
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import Query, Targets, find_all, parse_targets
from broker.context import RequestFailed, RequestTimeout

FOLLOW_POLL_S: Final = 0.2
LOG_TIMEOUT_S: Final = 10.0
#: With a selector, only so many lines of each container are shown unless asked otherwise.
SELECTOR_TAIL_LINES: Final = 10
#: More than this many streams at once are refused unless asked for.
STREAMS_MAX: Final = 5
USAGE: Final = (
    "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n"
    "POD or TYPE/NAME is a required argument for the logs command\nSee 'podchain logs -h' for help and examples"
)


@dataclass(frozen=True, slots=True)
class LogOptions:
    """The flags of ``logs``."""

    follow: bool = False
    container: str = ""
    tail: int = -1
    since: float = 0.0
    since_time: str = ""
    previous: bool = False
    all_containers: bool = False
    selector: str = ""
    timestamps: bool = False
    prefix: bool = False
    limit_bytes: int = 0
    ignore_errors: bool = False
    max_log_requests: int = STREAMS_MAX

    def tail_lines(self) -> int | None:
        """How many lines from the end; None for all."""
        if self.tail >= 0:
            return self.tail
        return SELECTOR_TAIL_LINES if self.selector and self.tail == -1 and not self.follow else None


@command("logs", short_help="Print the logs for a container in a pod")
@click.argument("args", nargs=-1, metavar="POD | TYPE/NAME [CONTAINER]")
@click.option("-f", "--follow", is_flag=True, help="Go on as the container writes.")
@click.option("-c", "--container", default="", help="The container.")
@click.option("--tail", type=int, default=-1, metavar="LINES", help="Only the last lines.")
@click.option("--since", type=DurationType(), default=0.0, help="Only what is newer than this.")
@click.option("--since-time", default="", metavar="TIME", help="Only what is newer than this time (RFC 3339).")
@click.option("-p", "--previous", is_flag=True, help="The container's previous run.")
@click.option("--all-containers", is_flag=True, help="Every container of the pod.")
@click.option("--all-pods", is_flag=True, help="Every pod of the workload, with prefixes.")
@selector_option
@click.option("--timestamps", is_flag=True, help="Begin each line with its time.")
@click.option("--prefix", is_flag=True, help="Begin each line with its pod and container.")
@click.option("--limit-bytes", type=int, default=0, help="At most so much of each log.")
@click.option("--ignore-errors", is_flag=True, help="Go on when one log can't be read.")
@click.option("--max-log-requests", type=int, default=STREAMS_MAX, help="How many logs may be followed at once.")
@click.pass_context
def logs_command(ctx: click.Context, /, args: tuple[str, ...], all_pods: bool, **flags: Any) -> None:
    """Print the logs of a container."""
    if all_pods:
        flags["prefix"] = True
    options = LogOptions(**flags)
    if bool(args) is bool(options.selector):
        raise CommandFailed("only a selector (-l) or a POD name is allowed" if args else USAGE)
    if len(args) > 2:
        raise CommandFailed(USAGE)
    if options.tail < -1:
        raise CommandFailed("--tail must be greater than or equal to -1")
    if options.since and options.since_time:
        raise CommandFailed("at most one of `sinceTime` or `sinceSeconds` may be specified")
    run_with_client(ctx, lambda kubectl: logs(kubectl, args, options, all_pods=all_pods))


async def logs(kubectl: Kubectl, args: Sequence[str], options: LogOptions, *, all_pods: bool = False) -> int | None:
    """Carry out ``logs``."""
    pods, container = await _pods(kubectl, args, options, all_pods=all_pods)
    streams = [
        _LogStream(kubectl, pod, name, options)
        for pod in pods
        for name in _containers(kubectl, pod, container or options.container, options)
    ]
    if options.follow and len(streams) > options.max_log_requests:
        raise CommandFailed(
            f"you are attempting to follow {len(streams)} log streams, but maximum allowed concurrency is "
            f"{options.max_log_requests}, use --max-log-requests to increase the limit"
        )
    if options.follow and len(streams) > 1:
        await asyncio.gather(*(stream.run() for stream in streams))
    else:
        for stream in streams:
            await stream.run()
    return None


async def _pods(
    kubectl: Kubectl, args: Sequence[str], options: LogOptions, *, all_pods: bool
) -> tuple[list[Object], str]:
    """The pods meant, and the container when it was named as an argument."""
    table = kubectl.resources
    if options.selector:
        found = await find_all(
            kubectl, Targets(collections=(table.resolve("pods"),)), Query(kubectl.namespace, options.selector)
        )
        if not found:
            kubectl.warn(f"No resources found in {kubectl.namespace} namespace.")
        return [each.object for each in found], ""
    target = args[0] if "/" in args[0] else f"pods/{args[0]}"
    ((resource, name),) = parse_targets([target], table).named[:1]
    query = Query(kubectl.namespace)
    found = await find_all(kubectl, Targets(((resource, name),)), query)
    if query.errors:
        raise query.errors[0]
    pods = await pods_of(kubectl, found[0])
    if len(pods) > 1 and not all_pods:
        kubectl.warn(f"Found {len(pods)} pods, using pod/{pods[0]['metadata']['name']}")
        pods = pods[:1]
    return pods, args[1] if len(args) > 1 else ""


def _containers(kubectl: Kubectl, pod: Object, wanted: str, options: LogOptions) -> list[str]:
    if options.all_containers:
        return container_names(pod)
    return [chosen_container(kubectl, pod, wanted, quiet=bool(options.selector))]


class _LogStream:
    """One container's log."""

    def __init__(self, kubectl: Kubectl, pod: Object, container: str, options: LogOptions) -> None:
        self._kubectl = kubectl
        self._ctx = kubectl.client.ctx
        self._pod = pod
        self._container = container
        self._options = options
        self._written_bytes = 0
        self._line_is_open = False
        self._has_begun = False

    async def run(self) -> None:
        """Print what there is, and what comes when following."""
        try:
            await self._run()
        except (ApiError, RequestFailed, RequestTimeout, CommandFailed) as error:
            if not self._options.ignore_errors:
                raise
            self._kubectl.warn(f"error: {error}")

    async def _run(self) -> None:
        actor = await kubelet_actor(self._kubectl, self._pod)
        options = self._options
        if not options.previous:
            check_has_run(self._pod, self._container)
        question = {
            "node": self._pod["spec"]["nodeName"],
            "namespace": self._pod["metadata"]["namespace"],
            "pod": self._pod["metadata"]["name"],
            "container": self._container,
            "tail_lines": options.tail_lines(),
            "since_s": self._since_s(),
            "previous": options.previous,
            "timestamps": options.timestamps,
            "offset": 0,
        }
        while True:
            answer = await self._ask(actor, question)
            if answer is None:
                return
            self._print(answer["data"])
            more = answer["next_offset"] != question["offset"] and bool(answer["data"])
            question = {**question, "offset": answer["next_offset"]}
            if self._is_full() or (not more and not (options.follow and answer["running"])):
                return
            if not more:
                await self._ctx.sleep(FOLLOW_POLL_S)

    def _since_s(self) -> float | None:
        if self._options.since:
            return self._kubectl.now_s() - self._options.since
        if self._options.since_time:
            try:
                return parse_time(self._options.since_time)
            except ValueError as error:
                raise CommandFailed(f"invalid time {self._options.since_time}: {error}") from error
        return None

    async def _ask(self, actor: str, question: dict[str, Any]) -> dict[str, Any] | None:
        """The log from the question's offset; None when the pod being followed is gone with its log."""
        try:
            reply = await self._ctx.request(actor, CONTAINER_LOG, question, timeout_s=LOG_TIMEOUT_S)
        except RequestFailed as failure:
            if self._options.follow and self._has_begun and failure.code == "NotFound":
                return None
            raise self._explained(failure) from failure
        self._has_begun = True
        answer: dict[str, Any] = reply.body
        return answer

    def _explained(self, failure: RequestFailed) -> Exception:
        """The refusal in the words of the API server's log endpoint."""
        name = self._pod["metadata"]["name"]
        if self._options.previous:
            return bad_request(f'previous terminated container "{self._container}" in pod "{name}" not found')
        if failure.code == "NotFound":
            return not_found("pods", "", name) if not failure.message else bad_request(failure.message)
        return failure

    def _is_full(self) -> bool:
        return bool(self._options.limit_bytes) and self._written_bytes >= self._options.limit_bytes

    def _print(self, data: str) -> None:
        if self._options.limit_bytes:
            left = self._options.limit_bytes - self._written_bytes
            data = data.encode()[:left].decode("utf-8", "ignore")
        self._written_bytes += len(data.encode())
        if not data:
            return
        if self._options.prefix:
            name = self._pod["metadata"]["name"]
            mark = f"[pod/{name}/{self._container}] "
            data = "".join(mark + line for line in data.splitlines(keepends=True))
        self._kubectl.out.write(data)
        self._kubectl.flush()
