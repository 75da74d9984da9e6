"""Who a request comes from: a client certificate that TLS has verified, or a bearer token; and whom it acts for.

Tokens are the administrator's, which the gateway knows, or service accounts', which the API server recognises
(TokenReview). What it said holds for a second, so that a client with many requests doesn't double them.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from multidict import MultiMapping

from actors.apimachinery.attributes import Attributes
from actors.apimachinery.operation import Operation
from actors.apimachinery.status import ApiError, internal_error, status_failure
from actors.apimachinery.user import (
    ADMIN,
    ANONYMOUS_NAME,
    AUTHENTICATED,
    SERVICE_ACCOUNT_PREFIX,
    UNAUTHENTICATED,
    User,
    extra_of,
    service_account_user,
)
from actors.client.client import Client
from broker.context import Context

#: A token is looked at anew after this long.
RECOGNISED_S: Final = 1.0
#: So many tokens are remembered.
TOKENS_MAX: Final = 1_000
#: Longer ones are nobody's.
TOKEN_LENGTH_MAX: Final = 16 * 1024

_EXTRA_HEADER: Final = "impersonate-extra-"


def unauthorized() -> ApiError:
    """401."""
    return ApiError(status_failure(401, "Unauthorized", "Unauthorized"))


def certificate_user(certificate: Mapping[str, Any] | None) -> User | None:
    """The user that a verified certificate is for: its common name; its organizations are the groups."""
    subject: list[tuple[str, str]] = [pair for part in (certificate or {}).get("subject", ()) for pair in part]
    names = [value for key, value in subject if key == "commonName"]
    groups = tuple(value for key, value in subject if key == "organizationName")
    return User(names[0], (*groups, AUTHENTICATED)) if names else None


class Authenticator:
    """Tells users from requests."""

    def __init__(self, ctx: Context, client: Client, admin_token: str) -> None:
        self._ctx = ctx
        self._client = client
        self._admin_token = admin_token.encode()
        self._recognised: OrderedDict[str, tuple[float, User]] = OrderedDict()

    async def user_of(self, certificate: Mapping[str, Any] | None, authorization: str) -> User | None:
        """Who it is; None for somebody who shows nothing. Raises `ApiError` (401) for a token that is wrong."""
        user = certificate_user(certificate)
        if user is not None or not authorization:
            return user
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or not token.isascii() or len(token) > TOKEN_LENGTH_MAX:
            raise unauthorized()
        if hmac.compare_digest(token.encode(errors="replace"), self._admin_token):
            return ADMIN
        return await self._token_user(token)

    async def _token_user(self, token: str) -> User:
        now_s = self._ctx.monotonic_s()
        known = self._recognised.get(token)
        if known is not None and known[0] > now_s:
            return known[1]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        result = await self._client.call(Operation("create", "authentication.k8s.io/v1/tokenreviews", body=body))
        status = result.object.get("status") or {}
        if not status.get("authenticated"):
            self._recognised.pop(token, None)
            raise unauthorized()
        info = status["user"]
        user = User(
            info["username"], tuple(info.get("groups") or ()), info.get("uid") or "", extra_of(info.get("extra") or {})
        )
        self._recognised[token] = (now_s + RECOGNISED_S, user)
        if len(self._recognised) > TOKENS_MAX:
            self._recognised.popitem(last=False)
        return user


def impersonated(headers: MultiMapping[str]) -> User | None:
    """For whom a request is to be done by its Impersonate headers; None when it has none. Raises `ApiError` (500)."""
    name, uid = headers.get("Impersonate-User", ""), headers.get("Impersonate-Uid", "")
    groups = headers.getall("Impersonate-Group", [])
    extra: dict[str, list[str]] = {}
    for header, value in headers.items():
        if header.lower().startswith(_EXTRA_HEADER):
            extra.setdefault(unquote(header[len(_EXTRA_HEADER) :]).lower(), []).append(value)
    if not name:
        if groups or extra or uid:
            raise internal_error("requested impersonation of groups, uid or extra without impersonating a user")
        return None
    if not groups and name.startswith(SERVICE_ACCOUNT_PREFIX):
        namespace, _, account = name[len(SERVICE_ACCOUNT_PREFIX) :].partition(":")
        groups = list(service_account_user(namespace, account).groups)
    everybody = UNAUTHENTICATED if name == ANONYMOUS_NAME else AUTHENTICATED
    if not {AUTHENTICATED, UNAUTHENTICATED} & set(groups):
        groups = [*groups, everybody]
    return User(name, tuple(groups), uid, extra_of(extra))


def impersonation_rights(user: User, stated_groups: Iterable[str]) -> list[Attributes]:
    """What somebody must be allowed to act for that user."""
    asked: list[Attributes] = []
    if user.name.startswith(SERVICE_ACCOUNT_PREFIX):
        namespace, _, account = user.name[len(SERVICE_ACCOUNT_PREFIX) :].partition(":")
        asked.append(Attributes("impersonate", "", "serviceaccounts", "", namespace, account, "v1"))
    else:
        asked.append(Attributes("impersonate", "", "users", "", "", user.name, "v1"))
    asked += [Attributes("impersonate", "", "groups", "", "", group, "v1") for group in stated_groups]
    if user.uid:
        asked.append(Attributes("impersonate", "authentication.k8s.io", "uids", "", "", user.uid, "v1"))
    for key, values in user.extra:
        asked += [
            Attributes("impersonate", "authentication.k8s.io", "userextras", key, "", value, "v1") for value in values
        ]
    return asked
