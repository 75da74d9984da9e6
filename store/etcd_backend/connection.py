"""gRPC to an etcd cluster: one member at a time, the next when it fails; TLS; tokens. No other file knows gRPC."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import grpc.aio

from broker.context import Context
from store.errors import Compacted
from store.etcd_api import messages
from store.etcd_api.services import stub
from store.etcd_backend.config import EtcdConfig
from store.etcd_backend.refusals import EtcdRefused, EtcdUnreachable, is_token_refused, is_transient, refusal

#: One attempt at one member; etcd itself gives up after 5 s and more.
ATTEMPT_TIMEOUT_S: Final = 3.0
#: A call is given up when no member has answered for so long.
CALL_TIMEOUT_S: Final = 10.0
RETRY_S: Final = 0.05
#: A watch that can't be opened in this time is tried at another member.
WATCH_OPEN_TIMEOUT_S: Final = 3.0
_SERVICES: Final = ("KV", "Watch", "Lease", "Maintenance", "Auth")
_OPTIONS: Final = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),  # to gRPC this is what a connection may take, not a wait
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
]
#: A member cut off from the others ends our watch instead of staying silent.
_REQUIRE_LEADER: Final = ("hasleader", "true")


class _Member:
    """One endpoint, connected when it is first used."""

    def __init__(self, address: str, credentials: Any) -> None:
        self._address = address
        self._credentials = credentials
        self._channel: Any = None
        self._stubs: dict[str, Any] = {}

    def service(self, name: str) -> Any:
        if self._channel is None:
            if self._credentials is None:
                self._channel = grpc.aio.insecure_channel(self._address, options=_OPTIONS)
            else:
                self._channel = grpc.aio.secure_channel(self._address, self._credentials, options=_OPTIONS)
            self._stubs = {service: stub(self._channel, service) for service in _SERVICES}
        return self._stubs[name]

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()


class EtcdConnection:
    """Calls and watches. Create it inside the running event loop."""

    def __init__(self, ctx: Context, config: EtcdConfig) -> None:
        self._ctx = ctx
        self._config = config
        credentials = None
        if config.is_secure:
            credentials = grpc.ssl_channel_credentials(config.ca_certificate, config.key, config.certificate)
        self._members = [_Member(address, credentials) for address in config.addresses]
        self._current = 0
        self._token = ""
        self._authenticating: asyncio.Lock = asyncio.Lock()

    async def close(self) -> None:
        """Let go of every member."""
        for member in self._members:
            await member.close()

    async def call(self, service: str, method: str, request: Any, *, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """Call a unary method, at another member when one fails.

        An attempt that failed may have been carried out all the same. Raises `StoreError` when etcd refused and
        `EtcdUnreachable` when nobody answered.
        """
        deadline_s = self._ctx.monotonic_s() + timeout_s
        while True:
            member = self._members[self._current]
            token = await self._valid_token()
            try:
                return await getattr(member.service(service), method)(
                    request, timeout=ATTEMPT_TIMEOUT_S, metadata=self._metadata(token)
                )
            except grpc.aio.AioRpcError as error:
                self._judge(error, member, token)
                last = error.details()
            if self._ctx.monotonic_s() >= deadline_s:
                raise EtcdUnreachable(f"{service}.{method}: {last}")
            await self._ctx.sleep(RETRY_S)

    def _judge(self, error: Any, member: _Member, token: str) -> None:
        """Prepare another attempt, or raise the refusal that makes it pointless."""
        code, text = error.code().name, error.details() or ""
        if self._config.user and is_token_refused(code, text):
            if self._token == token:
                self._token = ""
        elif is_transient(code, text):
            self.leave(member)
        else:
            raise refusal(code, text) from error

    def leave(self, member: object) -> None:
        """Turn to the next member, unless others did so already."""
        if self._members[self._current] is member:
            self._current = (self._current + 1) % len(self._members)

    # Authentication

    def _metadata(self, token: str) -> list[tuple[str, str]]:
        return [_REQUIRE_LEADER, ("token", token)] if token else [_REQUIRE_LEADER]

    async def _valid_token(self) -> str:
        """The token for the next call; empty without a user."""
        if not self._config.user or self._token:
            return self._token
        async with self._authenticating:
            for _ in range(2 * len(self._members)):
                if self._token:
                    break
                member = self._members[self._current]
                request = messages.AuthenticateRequest(name=self._config.user, password=self._config.password)
                try:
                    reply = await member.service("Auth").Authenticate(request, timeout=ATTEMPT_TIMEOUT_S)
                except grpc.aio.AioRpcError as error:
                    if not is_transient(error.code().name, error.details() or ""):
                        raise EtcdRefused(error.details() or error.code().name) from error
                    self.leave(member)
                    await self._ctx.sleep(RETRY_S)
                else:
                    self._token = reply.token
            return self._token

    # Streams

    async def keep_alive(self, lease_id: int) -> Any:
        """Keep a lease alive once. Raises as `call` does."""
        member = self._members[self._current]
        token = await self._valid_token()
        stream = member.service("Lease").LeaseKeepAlive(metadata=self._metadata(token), timeout=ATTEMPT_TIMEOUT_S)
        try:
            await stream.write(messages.LeaseKeepAliveRequest(ID=lease_id))
            return await stream.read()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            if isinstance(error, grpc.aio.AioRpcError):
                self._judge(error, member, token)
            raise EtcdUnreachable("Lease.LeaseKeepAlive") from error
        finally:
            stream.cancel()

    async def watch(
        self, start_revision: int, *, prev_kv: bool = False, quiet_s: float | None = None
    ) -> AsyncIterator[Any]:
        """Every event from a revision on, as watch responses; None whenever there was none for `quiet_s`.

        The events of a revision are never split. Raises `Compacted` when the revision is gone, `EtcdUnreachable` when
        the member fails, and other `StoreError` when etcd refuses.
        """
        member = self._members[self._current]
        token = await self._valid_token()
        stream = member.service("Watch").Watch(metadata=self._metadata(token))
        reading: asyncio.Task[Any] | None = None
        try:
            create = messages.WatchCreateRequest(
                key=b"\0", range_end=b"\0", start_revision=start_revision, prev_kv=prev_kv
            )
            await asyncio.wait_for(stream.write(messages.WatchRequest(create_request=create)), WATCH_OPEN_TIMEOUT_S)
            created = False
            while True:
                reading = reading or asyncio.ensure_future(stream.read())
                done, _ = await asyncio.wait({reading}, timeout=quiet_s if created else WATCH_OPEN_TIMEOUT_S)
                if not done:
                    if not created:
                        raise EtcdUnreachable("Watch.Watch: no answer")
                    yield None
                    continue
                response, reading = reading.result(), None
                if response is grpc.aio.EOF:
                    raise EtcdUnreachable("Watch.Watch: the stream ended")
                if response.canceled:
                    self._refuse_watch(response, token)
                created = True
                if response.events:
                    yield response
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError) as error:
            if isinstance(error, grpc.aio.AioRpcError):
                self._judge(error, member, token)
            raise EtcdUnreachable(f"Watch.Watch: {error}") from error
        except EtcdUnreachable:
            self.leave(member)
            raise
        finally:
            if reading is not None:
                reading.cancel()
            stream.cancel()
            if reading is not None:
                with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await reading

    def _refuse_watch(self, response: Any, token: str) -> None:
        if response.compact_revision:
            raise CompactedAt(response.compact_revision)
        if self._config.user and "token" in response.cancel_reason and self._token == token:
            self._token = ""
            raise EtcdUnreachable(response.cancel_reason)
        if "leader" in response.cancel_reason:
            raise EtcdUnreachable(response.cancel_reason)
        raise EtcdRefused(response.cancel_reason or "the watch was cancelled")


class CompactedAt(Compacted):
    """A watch's start is compacted away; says up to where."""

    def __init__(self, revision: int) -> None:
        super().__init__()
        self.revision = revision
