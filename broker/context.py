"""The one door between an actor and the world.

An actor is asyncio code that is given a `Context` and uses nothing else: no sockets, no files, no `time`, no
`random`, no `uuid`. In production the context is ZeroMQ and the operating system (`broker.zeromq`); in simulation
it is an in-memory network with virtual time and one seed (`broker.simulation`).

`asyncio` itself is allowed (tasks, futures, events, `asyncio.sleep`, `loop.call_later`): both worlds run it on their
own event loop, and in simulation that loop's clock is virtual.
"""

from __future__ import annotations

import asyncio
import contextvars
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Final

from broker.chaos import Chaos
from broker.message import NO_CAUSE, Blobs, Body, Cause, Message, Publication, Reply, Request

#: One attempt of a request waits this long before it is sent again (same id, so a repeat is harmless).
ATTEMPT_TIMEOUT_S: Final = 1.0
#: A request gives up after this long unless its caller says otherwise.
REQUEST_TIMEOUT_S: Final = 30.0

RequestHandler = Callable[[Request], None]
PublicationHandler = Callable[[Publication], None]

ACTED_ON: Final[contextvars.ContextVar[Cause | Message]] = contextvars.ContextVar("cause", default=NO_CAUSE)
"""What the running code acts on: for the fabric, others have `Context.acting_on`."""
"""What is acted on: a cause, or the message that is one; most messages are handled without anybody asking."""


class RequestError(Exception):
    """A request did not succeed."""


class RequestTimeout(RequestError):
    """No answer came in time. The request may or may not have been carried out."""


class RequestFailed(RequestError):
    """The serving actor answered with an error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Context(ABC):
    """What an actor may do. One per actor; lives as long as one incarnation of it."""

    name: str
    """The actor's name, unique in the cluster (``scheduler``, ``kubelet-node-1``)."""
    incarnation: str
    """Differs at every start of the same actor."""
    random: Random
    """The only source of chance."""
    chaos: Chaos
    """The faults in force, for the few whose own work it is to let their clients feel them (the API's servers)."""
    fault_random: Random
    """What faults are drawn from; nothing else is."""

    @abstractmethod
    def wall_s(self) -> float:
        """Seconds since the epoch, for timestamps that people read. May jump."""

    @abstractmethod
    def monotonic_s(self) -> float:
        """Seconds on a clock that never jumps, for durations and deadlines."""

    @abstractmethod
    def new_uid(self) -> str:
        """A fresh random UUID (version 4)."""

    async def sleep(self, delay_s: float) -> None:
        """Wait."""
        await asyncio.sleep(delay_s)

    @abstractmethod
    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a coroutine beside the actor's main one. If it raises, the whole actor crashes (and is restarted)."""

    @abstractmethod
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
        """Ask another actor. Sent again with the same id until answered or `timeout_s` is over.

        Raises `RequestTimeout` (the outcome is unknown) or `RequestFailed` (the actor refused).
        """

    @abstractmethod
    def serve(self, method: str, handler: RequestHandler) -> None:
        """Handle requests of a method. The handler is called once a delivered request; it must not block."""

    @abstractmethod
    def publish(self, topic: str, body: Body = None, blobs: Blobs = ()) -> None:
        """Tell every subscriber of a topic. Delivery is not promised."""

    @abstractmethod
    def subscribe(self, topic: str, handler: PublicationHandler) -> None:
        """Have publications of exactly this topic handled. One handler a topic."""

    @abstractmethod
    def unsubscribe(self, topic: str) -> None:
        """Stop handling a topic."""

    @abstractmethod
    def after_drain(self, callback: Callable[[], None]) -> None:
        """Call back once, after every message that is waiting now was handled: the place for group commit."""

    @abstractmethod
    def note_fault(self, kind: str, sender: str, subject: str, message_id: str = "") -> None:
        """Have it counted and told that a fault was injected into something that `sender` sent or asked."""

    def show_view(self, view: object) -> None:  # noqa: B027 - nobody need look
        """Show a cache of the cluster's state to whoever watches over it: the simulation's oracles, nobody else."""

    @abstractmethod
    def next_id(self) -> str:
        """A message id: unique, short, and derived from name and incarnation."""

    @property
    def cause(self) -> Cause:
        """What the running code is acting on. Messages sent now carry it."""
        acted_on = ACTED_ON.get()
        return Cause(acted_on.id, 0, acted_on.received_s) if isinstance(acted_on, Message) else acted_on

    def acting_on(self, cause: Cause) -> ActingOn:
        """Everything sent inside this block carries the given cause."""
        return ActingOn(cause)


class ActingOn:
    """A block of code that acts on a cause or a message. A class, because the fabric enters one for every message."""

    __slots__ = ("_cause", "_token")

    def __init__(self, cause: Cause | Message) -> None:
        self._cause = cause

    def __enter__(self) -> None:
        self._token = ACTED_ON.set(self._cause)

    def __exit__(self, *exception: object) -> None:
        ACTED_ON.reset(self._token)
