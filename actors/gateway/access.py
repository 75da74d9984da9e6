"""Who a request comes from, and what it may: until there is RBAC, the cluster's administrator may everything."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError, status_failure
from actors.apimachinery.user import ADMIN, AUTHENTICATED, User


def unauthorized() -> ApiError:
    """401."""
    return ApiError(status_failure(401, "Unauthorized", "Unauthorized"))


def user_of(certificate: Mapping[str, Any] | None, authorization: str, token: str) -> User | None:
    """Who it is: by the client certificate that TLS has verified, else by bearer token. None for nobody known.

    Raises `ApiError` (401) for a token that is wrong.
    """
    if certificate:
        subject: list[tuple[str, str]] = [pair for part in certificate.get("subject", ()) for pair in part]
        names = [value for key, value in subject if key == "commonName"]
        groups = tuple(value for key, value in subject if key == "organizationName")
        if names:
            return User(names[0], (*groups, AUTHENTICATED))
    if not authorization:
        return None
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise unauthorized()
    return ADMIN


def review_answer(kind: str, body: Object, user: User, now_s: float) -> Object | None:
    """The answer to a review about oneself; None for kinds that are not answered here."""
    metadata: Object = {**(body.get("metadata") or {}), "creationTimestamp": format_time(now_s)}
    if kind == "SelfSubjectReview":
        info = user.info()
        return {
            "kind": kind,
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": metadata,
            "status": {"userInfo": info},
        }
    if kind == "SelfSubjectAccessReview":
        allowed = user.is_master
        return {
            "kind": kind,
            "apiVersion": "authorization.k8s.io/v1",
            "metadata": {"creationTimestamp": None},
            "spec": body.get("spec") or {},
            "status": {"allowed": allowed},
        }
    if kind == "SelfSubjectRulesReview":
        everything: Sequence[Object] = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        urls: Sequence[Object] = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
        return {
            "kind": kind,
            "apiVersion": "authorization.k8s.io/v1",
            "metadata": {"creationTimestamp": None},
            "spec": body.get("spec") or {},
            "status": {"resourceRules": everything, "nonResourceRules": urls, "incomplete": False},
        }
    return None
