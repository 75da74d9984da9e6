"""Request/reply and publish/subscribe as every world has them; a transport only encodes and moves messages.

*Requests* carry an id and are sent again, with the same id, until they are answered or their time is over: at intervals
of an attempt's timeout, and at once when the target says that it has (re)started. A serving actor therefore sees a
request at least once: while it is being handled, repeats only update where the answer goes; once answered, a small
answer is kept for a while and sent again. What slips through (a restart in between) is made harmless by preconditions
and ids in the request itself.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from broker.chaos import EXEMPT_PREFIX, FAULTS_TOPIC, NO_CHAOS, Chaos
from broker.context import (
    ACTED_ON,
    ATTEMPT_TIMEOUT_S,
    REQUEST_TIMEOUT_S,
    ActingOn,
    Context,
    PublicationHandler,
    RequestFailed,
    RequestHandler,
    RequestTimeout,
)
from broker.faults import CORRUPTED, ChaosFaults, FaultPolicy
from broker.kept_answers import KeptAnswers
from broker.message import (
    KIND_FAILURE,
    KIND_PUBLICATION,
    KIND_REPLY,
    KIND_REQUEST,
    VERSION,
    Blobs,
    Body,
    MalformedMessage,
    Message,
    Outgoing,
    Publication,
    Reply,
    Request,
    pack,
    parse,
)

#: On this topic an actor that serves requests tells its name when it starts, so that waiting requests are sent again.
HELLO_TOPIC: Final = "fabric/hello"
#: When after its start an actor says so; repeated because subscriptions take a moment to arrive.
HELLO_AFTER_S: Final = (0.0, 0.05, 0.2, 1.0)

#: Each further attempt waits this much longer than the one before, up to the maximum.
ATTEMPT_BACKOFF: Final = 1.5
ATTEMPT_TIMEOUT_MAX_S: Final = 5.0
#: Injected faults are told together, so often; of more than so many at once only the number is told.
FAULTS_TOLD_EVERY_S: Final = 0.5
FAULTS_TOLD_MAX: Final = 200

Route = Any
"""Where an answer goes: whatever the transport needs to know."""


@dataclass(slots=True)
class _Waiting:
    """A request that has no answer yet."""

    future: asyncio.Future[Reply]
    target: str
    outgoing: Outgoing
    deadline_s: float
    attempt_timeout_s: float
    timer: asyncio.TimerHandle | None = None


class _Served(Request):
    """A request that was delivered to a handler and has no answer yet."""

    __slots__ = ("_fabric", "route")

    def __init__(self, fabric: FabricContext, message: Message, route: Route) -> None:
        self.message = message
        self.answered = False
        self.route = route
        self._fabric = fabric

    def _answer(self, kind: int, raw_body: bytes, blobs: Blobs) -> None:
        if self.answered:
            raise RuntimeError(f"request {self.id} ({self.method}) is answered already")
        self.answered = True
        fabric = self._fabric
        if fabric.closed:
            return
        message = self.message
        message_id = message.id
        contents = [raw_body]
        size = len(raw_body)
        if blobs:
            contents += blobs
            size += sum(map(len, blobs))
        outgoing = (VERSION, kind, message_id, message.subject, fabric.name, message.cause), contents
        fabric._send_answer(self.route, outgoing, size)
        fabric._answers.keep(message_id, outgoing, size)
        fabric._handled.pop(message_id, None)


class FabricContext(Context):
    """A context over some transport. Subclasses move messages and supply clocks."""

    def __init__(
        self,
        name: str,
        random: Random,
        loop: asyncio.AbstractEventLoop,
        on_crash: Callable[[BaseException], None],
        faults: FaultPolicy | None = None,
    ) -> None:
        self.name = name
        self.random = random
        self.incarnation = f"{random.getrandbits(24):06x}"
        self.faults = faults
        self._loop = loop
        self._on_crash = on_crash
        self.chaos = NO_CHAOS
        self.fault_random = Random(random.getrandbits(64))  # noqa: S311 - faults need a seed, not secrecy
        self._chaos_faults: ChaosFaults | None = None
        self._skew_s = 0.0
        self._faults_counted: Counter[str] = Counter()
        self._faults_to_tell: list[list[Any]] = []
        self._telling_faults = False
        self._id_prefix = f"{name}.{self.incarnation}."
        self._id_count = 0
        self._waiting: dict[str, _Waiting] = {}
        self._handled: dict[str, _Served] = {}
        """Requests that have no answer yet."""
        self._answers = KeptAnswers()
        self._methods: dict[str, RequestHandler] = {}
        self._topics: dict[str, PublicationHandler] = {}
        self._after_drain: list[Callable[[], None]] = []
        self._drain_scheduled = False
        self._tasks: dict[asyncio.Task[None], None] = {}  # a dict, to end them in a fixed order
        self.closed = False

    # What a transport does.

    @abstractmethod
    def _send_request(self, target: str, outgoing: Outgoing) -> None:
        """Send a request to a named actor, or lose it; never block."""

    @abstractmethod
    def _send_answer(self, route: Route, outgoing: Outgoing, size: int) -> None:
        """Send an answer of about so many bytes back along the route its request came by, or lose it."""

    @abstractmethod
    def _send_publication(self, topic: str, outgoing: Outgoing) -> None:
        """Send to all subscribers, or lose it."""

    @abstractmethod
    def _open_server(self) -> None:
        """Start to accept requests. Called once, before the first."""

    @abstractmethod
    def _set_subscribed(self, topic: str, subscribed: bool) -> None:
        """Begin or cease to receive a topic."""

    # What an actor sees.

    def next_id(self) -> str:
        self._id_count += 1
        return f"{self._id_prefix}{self._id_count}"

    def new_uid(self) -> str:
        bits = self.random.getrandbits(128)
        bits = bits & ~(0xF << 76) | (4 << 76)
        bits = bits & ~(0x3 << 62) | (2 << 62)
        digits = f"{bits:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._loop.create_task(work, name=f"{self.name}/{name}")
        self._tasks[task] = None
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None and not self.closed:
            self._on_crash(error)

    async def request(
        self,
        target: str,
        method: str,
        body: Body = None,
        blobs: Blobs = (),
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        attempt_timeout_s: float = ATTEMPT_TIMEOUT_S,
        request_id: str | None = None,
    ) -> Reply:
        request_id = request_id or self.next_id()
        header = VERSION, KIND_REQUEST, request_id, method, self.name, self.cause
        future: asyncio.Future[Reply] = self._loop.create_future()
        if HELLO_TOPIC not in self._topics:
            self.subscribe(HELLO_TOPIC, self._on_hello)
        outgoing = header, [pack(body), *blobs]
        waiting = _Waiting(future, target, outgoing, self._loop.time() + timeout_s, attempt_timeout_s)
        self._waiting[request_id] = waiting
        try:
            self._attempt(request_id, waiting)
            return await future
        except RequestTimeout:
            raise RequestTimeout(f"{target} did not answer {method} within {timeout_s:g} s") from None
        finally:
            del self._waiting[request_id]
            if waiting.timer is not None:
                waiting.timer.cancel()

    def _attempt(self, request_id: str, waiting: _Waiting) -> None:
        """Send the request (again), and see to it that it is looked at later."""
        if waiting.future.done():
            return
        left_s = waiting.deadline_s - self._loop.time()
        if left_s <= 0:
            waiting.future.set_exception(RequestTimeout())
            return
        self._send_request(waiting.target, waiting.outgoing)
        waiting.timer = self._loop.call_later(
            min(waiting.attempt_timeout_s, left_s), self._attempt, request_id, waiting
        )
        waiting.attempt_timeout_s = min(waiting.attempt_timeout_s * ATTEMPT_BACKOFF, ATTEMPT_TIMEOUT_MAX_S)

    def _on_hello(self, publication: Publication) -> None:
        started = publication.body
        for waiting in list(self._waiting.values()):
            if waiting.target == started and not waiting.future.done():
                self._send_request(waiting.target, waiting.outgoing)

    def serve(self, method: str, handler: RequestHandler) -> None:
        if not self._methods:
            self._open_server()
            for after_s in HELLO_AFTER_S:
                self._loop.call_later(after_s, self._say_hello)
        self._methods[method] = handler

    def _say_hello(self) -> None:
        if not self.closed:
            self.publish(HELLO_TOPIC, self.name)

    def publish(self, topic: str, body: Body = None, blobs: Blobs = ()) -> None:
        header = VERSION, KIND_PUBLICATION, self.next_id(), topic, self.name, self.cause
        self._send_publication(topic, (header, [pack(body), *blobs]))

    def subscribe(self, topic: str, handler: PublicationHandler) -> None:
        new = topic not in self._topics
        self._topics[topic] = handler
        if new:
            self._set_subscribed(topic, True)

    def unsubscribe(self, topic: str) -> None:
        if self._topics.pop(topic, None) is not None:
            self._set_subscribed(topic, False)

    def after_drain(self, callback: Callable[[], None]) -> None:
        self._after_drain.append(callback)
        if not self._drain_scheduled:
            self._drain_scheduled = True
            self._loop.call_soon(self._drained)

    def _drained(self) -> None:
        self._drain_scheduled = False
        callbacks, self._after_drain = self._after_drain, []
        for callback in callbacks:
            if self.closed:
                return
            self._guarded(callback)

    # Faults: a middleware of the fabric, which actors don't know of.

    def set_chaos(self, chaos: Chaos) -> None:
        """From now on these faults are in force, in place of all before."""
        if chaos.seed is not None and chaos.seed != self.chaos.seed:
            self.fault_random = Random(f"{chaos.seed}/{self.name}")  # noqa: S311 - as above
        self.chaos = chaos
        self._skew_s = chaos.skew_s(self.name)
        faults = ChaosFaults(chaos)
        self.faults = self._chaos_faults = None if faults.is_empty else faults

    def note_fault(self, kind: str, sender: str, subject: str, message_id: str = "") -> None:
        self._faults_counted[kind] += 1
        if len(self._faults_to_tell) < FAULTS_TOLD_MAX:
            self._faults_to_tell.append([kind, sender, self.name, subject, message_id, self.wall_s()])
        if not self._telling_faults:
            self._telling_faults = True
            self._loop.call_later(FAULTS_TOLD_EVERY_S, self._tell_faults)

    def _tell_faults(self) -> None:
        """All counts of this incarnation, so that a lost report costs nothing; and the latest faults one by one."""
        self._telling_faults = False
        if not self.closed:
            rows, self._faults_to_tell = self._faults_to_tell, []
            report = {"incarnation": self.incarnation, "counts": dict(self._faults_counted), "rows": rows}
            self.publish(FAULTS_TOPIC, report)

    def _befall(self, message: Message, route: Route) -> None:
        """Let the faults decide what becomes of a message."""
        assert self.faults is not None
        fate = self.faults.fate(message.sender, self.name, message.kind, message.subject, self.fault_random)
        if self._chaos_faults is not None and self._chaos_faults.last:
            self.note_fault(self._chaos_faults.last, message.sender, message.subject, message.id)
        if fate is CORRUPTED:
            # It can't be read now, and that is noticed as with any other such.
            header, *others = message.frames()
            FabricContext._receive(self, [header[:-1], *others], route)
            return
        for delay_s in fate:
            if delay_s > 0:
                self._loop.call_later(delay_s, self._dispatch, message, route)
            else:
                self._dispatch(message, route)

    # What a transport calls.

    def _receive(self, frames: Sequence[bytes], route: Route) -> None:
        """Handle one message that came in. Malformed ones are dropped: whoever sent them gets no answer."""
        if self.closed:
            return
        try:
            message = parse(frames, self.wall_s())
        except MalformedMessage as error:
            print(f"dropped a malformed message: {error}", file=sys.stderr)  # noqa: T201 - the actor's log
            return
        self._take_in(message, route)

    def _take_in_all(self, messages: Sequence[Message], route: Route) -> None:
        """Handle messages that were read together."""
        for message in messages:
            if self.faults is None and message.kind == KIND_REQUEST and not self.closed:
                self._on_request(message, route)
            else:
                self._take_in(message, route)

    def _take_in(self, message: Message, route: Route) -> None:
        """Handle one message that was read, unless a fault is in its way."""
        if self.faults is None or message.subject.startswith(EXEMPT_PREFIX):
            self._dispatch(message, route)
        else:
            self._befall(message, route)

    def _dispatch(self, message: Message, route: Route) -> None:
        if self.closed:
            return
        if message.kind == KIND_REQUEST:
            self._on_request(message, route)
        elif message.kind == KIND_PUBLICATION:
            handler = self._topics.get(message.subject)
            if handler is not None:
                publication = Publication(message)
                with ActingOn(message):
                    self._guarded(lambda: handler(publication))
        else:
            self._on_answer(message)

    def _guarded(self, call: Callable[[], None]) -> None:
        """Run a callback of the actor; an exception crashes the actor."""
        try:
            call()
        except Exception as error:  # the supervisor decides what to do about any of them
            self._on_crash(error)

    def _on_answer(self, message: Message) -> None:
        waiting = self._waiting.get(message.id)
        if waiting is None or waiting.future.done():
            return
        try:
            body = message.body
            failure = RequestFailed(*body) if message.kind == KIND_FAILURE else None
        except (MalformedMessage, TypeError) as error:
            print(f"dropped a malformed answer: {error}", file=sys.stderr)  # noqa: T201 - the actor's log
            return
        if failure is not None:
            waiting.future.set_exception(failure)
        elif message.kind == KIND_REPLY:
            waiting.future.set_result(Reply(body, message.blobs, message.id, message.received_s))

    def _on_request(self, message: Message, route: Route) -> None:
        if route is None:  # somebody published a request, or sent it for an answer
            return
        message_id = message.id
        handled = self._handled
        if message_id in handled:
            handled[message_id].route = route
            return
        answer = self._answers.get(message_id)
        if answer is not None:
            self._send_answer(route, answer, sum(map(len, answer[1])))
            return
        request = _Served(self, message, route)
        handler = self._methods.get(message.subject)
        if handler is None:
            request.fail("MethodNotServed", f"{self.name} does not serve {message.subject}")
            return
        handled[message_id] = request
        acting = ACTED_ON.set(message)  # ActingOn without its object
        try:
            handler(request)
        except Exception as error:  # one bad request must not take the actor down; its sender and the log get it
            traceback.print_exc()
            if not request.answered:
                request.fail("InternalError", f"{type(error).__name__}: {error}")
        finally:
            ACTED_ON.reset(acting)

    def close(self) -> None:
        """End this incarnation: cancel its tasks, send and receive nothing any more."""
        self.closed = True
        for task in list(self._tasks):
            task.cancel()
        for waiting in self._waiting.values():
            if waiting.timer is not None:
                waiting.timer.cancel()
