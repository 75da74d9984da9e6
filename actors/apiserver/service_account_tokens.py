"""Tokens of service accounts: issued by ``serviceaccounts/token``, and recognised again.

A token is good while its time lasts, its service account is the same one (by uid), and so is what it is bound to: a
pod, a secret or a node.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.json_web_token import MalformedToken, TokenKey, signed, verified
from actors.apimachinery.meta import format_time, parse_time
from actors.apimachinery.operation import Object, encode_object
from actors.apimachinery.resources import new_resource
from actors.apimachinery.status import (
    FieldError,
    bad_request,
    conflict,
    forbidden,
    invalid,
    not_found,
    service_unavailable,
)
from actors.apimachinery.user import SERVICE_ACCOUNT_PREFIX, User, extra_of, service_account_user
from actors.apimachinery.validator import decode
from actors.apiserver.call import Call, derived_uid, object_body
from actors.apiserver.node_authorization import node_identity
from actors.apiserver.service_account_admission import TOKEN_EXPIRATION_S
from actors.apiserver.storage_key import path_of
from actors.apiserver.watch_cache import WatchCache
from actors.apiserver.write import Outcome

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
EXPIRATION_DEFAULT_S: Final = 3600
EXPIRATION_MIN_S: Final = 600
EXPIRATION_MAX_S: Final = 1 << 32
#: What a pod's volume asks for lasts longer than it is told, for clients that never read the file again.
EXTENDED_S: Final = 365 * 24 * 3600
#: Signatures of so many tokens are known to be right.
VERIFIED_MAX: Final = 1_000
#: A pod that is being deleted keeps its tokens for so long beyond its grace period.
DELETED_LEEWAY_S: Final = 60.0

_REQUEST: Final = new_resource(
    "authentication.k8s.io", "v1", "TokenRequest", "tokenrequests", namespaced=True, verbs=("create",)
)
_BINDABLE: Final = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}
_PRIVATE: Final = "kubernetes.io"
_EXTRA: Final = "authentication.kubernetes.io"


class InvalidToken(Exception):
    """Nobody is known by that token."""


class ServiceAccountTokens:
    """Issues and recognises tokens."""

    def __init__(self, cache: WatchCache, key: TokenKey | None) -> None:
        self._cache = cache
        self._key = key
        self._verified: OrderedDict[str, dict[str, Any]] = OrderedDict()

    # Issuing

    def create(self, call: Call) -> Outcome:
        """``serviceaccounts/token``: answers the TokenRequest with its token. Raises `ApiError`."""
        body = object_body(call, _REQUEST.api_version, _REQUEST.kind)
        request, warnings = decode(_REQUEST, body, call.field_validation)
        if self._key is None or not self._key.available():
            raise service_unavailable("the cluster has no key to sign service account tokens with")
        entry = self._cache.get("serviceaccounts", path_of(call.namespace, call.name))
        if entry is None:
            raise call.not_found()
        spec = request.setdefault("spec", {})
        seconds = self._expiration(spec)
        audiences = spec["audiences"] = list(spec.get("audiences") or [ISSUER])
        account = entry.object
        issued_s = int(call.now_s)
        private = {
            "namespace": call.namespace,
            "serviceaccount": {"name": call.name, "uid": account["metadata"]["uid"]},
            **self._bound(call, spec.get("boundObjectRef")),
        }
        lasts_s = seconds
        if seconds == TOKEN_EXPIRATION_S and audiences == [ISSUER]:
            private["warnafter"], lasts_s = issued_s + seconds, EXTENDED_S
        claims = {
            "aud": audiences,
            "exp": issued_s + lasts_s,
            "iat": issued_s,
            "iss": ISSUER,
            "jti": derived_uid(call.id, "token"),
            _PRIVATE: private,
            "nbf": issued_s,
            "sub": f"{SERVICE_ACCOUNT_PREFIX}{call.namespace}:{call.name}",
        }
        metadata = {
            "name": call.name,
            "namespace": call.namespace,
            "creationTimestamp": format_time(call.now_s),
        }
        token = "" if call.dry_run else signed(claims, self._key)
        status = {"token": token, "expirationTimestamp": format_time(issued_s + seconds)}
        answer = {**request, "metadata": metadata, "status": status}
        extra = {"warnings": warnings} if warnings else None
        return Outcome(201, 0, [encode_object(answer)], [0], None, extra)

    def _expiration(self, spec: dict[str, Any]) -> int:
        seconds = spec.setdefault("expirationSeconds", EXPIRATION_DEFAULT_S)
        why = ""
        if seconds < EXPIRATION_MIN_S:
            why = "may not specify a duration less than 10 minutes"
        elif seconds > EXPIRATION_MAX_S:
            why = "may not specify a duration larger than 2^32 seconds"
        if why:
            error = FieldError("FieldValueInvalid", "spec.expirationSeconds", why, seconds)
            raise invalid("TokenRequest", "authentication.k8s.io", "", [error])
        return int(seconds)

    def _bound(self, call: Call, reference: Mapping[str, Any] | None) -> dict[str, Any]:
        """The claims about what the token is bound to. Raises `ApiError`."""
        node = node_identity(call.user)
        if node is not None and (not reference or reference.get("kind") != "Pod"):
            raise forbidden("serviceaccounts", "", call.name, f"node '{node.name}' requested token not bound to a pod")
        if not reference:
            return {}
        kind, name, uid = (reference.get(field) or "" for field in ("kind", "name", "uid"))
        plural = _BINDABLE.get(kind)
        if plural is None or (reference.get("apiVersion") or "v1") != "v1":
            group_version_kind = f"{reference.get('apiVersion') or ''}, Kind={kind}"
            raise bad_request(f"cannot bind token for serviceaccount to object of type {group_version_kind}")
        namespace = "" if kind == "Node" else call.namespace
        entry = self._cache.get(plural, path_of(namespace, name))
        if entry is None:
            raise not_found(plural, "", name)
        obj = entry.object
        if uid and uid != obj["metadata"]["uid"]:
            why = f"the UID in the bound object reference ({uid}) does not match the UID in record. The object might "
            raise conflict(plural, "", name, why + "have been deleted and then recreated")
        claims = {kind.lower(): {"name": name, "uid": obj["metadata"]["uid"]}}
        if kind == "Pod":
            claims |= self._node_of(call, obj)
        return claims

    def _node_of(self, call: Call, pod: Object) -> dict[str, Any]:
        spec = pod.get("spec") or {}
        if spec.get("serviceAccountName") != call.name:
            message = f'cannot bind token for serviceaccount "{call.name}" to pod running with different serviceaccount'
            raise bad_request(f"{message} name.")
        node_name = spec.get("nodeName") or ""
        identity = node_identity(call.user)
        if identity is not None and not identity.is_own(node_name):
            why = f"node '{identity.name}' requested token bound to a pod scheduled on a different node"
            raise forbidden("serviceaccounts", "", call.name, why)
        node = self._cache.get("nodes", node_name) if node_name else None
        if node is None:
            return {"node": {"name": node_name}} if node_name else {}
        return {"node": {"name": node_name, "uid": node.object["metadata"]["uid"]}}

    # Recognising

    def user_of(self, token: str, audiences: Sequence[str], now_s: float) -> tuple[User, list[str]]:
        """Whose token it is, and for which of the audiences it is meant. Raises `InvalidToken`."""
        claims = self._claims(token)
        try:
            return self._identity(claims, now_s), _meant_for(claims, audiences or [ISSUER])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidToken("the token's claims are not a service account's") from error

    def _claims(self, token: str) -> dict[str, Any]:
        known = self._verified.get(token)
        if known is not None:
            self._verified.move_to_end(token)
            return known
        if self._key is None or not self._key.available():
            raise InvalidToken("there is no key to verify it with")
        try:
            claims = verified(token, self._key)
        except MalformedToken as error:
            raise InvalidToken(f"invalid bearer token: {error}") from error
        self._verified[token] = claims
        if len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)
        return claims

    def _identity(self, claims: Mapping[str, Any], now_s: float) -> User:
        if claims["iss"] != ISSUER:
            raise InvalidToken("the token is another issuer's")
        if now_s >= claims["exp"]:
            raise InvalidToken("service account token has expired")
        if now_s < claims["nbf"]:
            raise InvalidToken("service account token is not valid yet")
        private = claims[_PRIVATE]
        namespace, account = private["namespace"], private["serviceaccount"]
        if claims["sub"] != f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{account['name']}":
            raise InvalidToken("sub claim is invalid")
        self._check_there("serviceaccounts", namespace, account, now_s)
        extra = {f"{_EXTRA}/credential-id": [f"JTI={claims['jti']}"]}
        for kind, plural in (("pod", "pods"), ("secret", "secrets"), ("node", "nodes")):
            bound = private.get(kind)
            if not bound:
                continue
            # A node is told of, and bound to only when there is no pod on it that is.
            if kind != "node" or "pod" not in private:
                self._check_there(plural, "" if kind == "node" else namespace, bound, now_s)
            if kind != "secret":
                extra[f"{_EXTRA}/{kind}-name"] = [bound["name"]]
                if "uid" in bound:
                    extra[f"{_EXTRA}/{kind}-uid"] = [bound["uid"]]
        return service_account_user(namespace, account["name"], account["uid"], extra_of(extra))

    def _check_there(self, plural: str, namespace: str, named: Mapping[str, str], now_s: float) -> None:
        entry = self._cache.get(plural, path_of(namespace, named["name"]))
        if entry is None or entry.object["metadata"].get("uid") != named["uid"]:
            raise InvalidToken(f"the token's {plural.removesuffix('s')} has been deleted")
        going = entry.object["metadata"].get("deletionTimestamp")
        if going and now_s > parse_time(going) + DELETED_LEEWAY_S:
            raise InvalidToken(f"the token's {plural.removesuffix('s')} has been deleted")


def _meant_for(claims: Mapping[str, Any], audiences: Sequence[str]) -> list[str]:
    stated = claims["aud"]
    meant = [audience for audience in audiences if audience in ([stated] if isinstance(stated, str) else stated)]
    if not meant:
        raise InvalidToken(f"token audiences {stated!r} is invalid for the target audiences {list(audiences)!r}")
    return meant
