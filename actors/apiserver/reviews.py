"""Reviews: questions about identities and rights, answered and not stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from actors.apimachinery.attributes import Attributes
from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object, encode_object
from actors.apimachinery.status import FieldError, bad_request, invalid
from actors.apimachinery.user import User, extra_of
from actors.apimachinery.validator import decode
from actors.apiserver.authorization import Authorizer, Decision, resource_attributes
from actors.apiserver.call import Call, object_body
from actors.apiserver.node_authorization import node_identity
from actors.apiserver.rbac import Rule
from actors.apiserver.service_account_tokens import InvalidToken, ServiceAccountTokens
from actors.apiserver.write import Outcome

Answer = Callable[[Call, Object], Object]
AUTHORIZATION: Final = "authorization.k8s.io"


class Reviews:
    """Answers the kinds that are only posted."""

    def __init__(self, authorizer: Authorizer, tokens: ServiceAccountTokens) -> None:
        self._authorizer = authorizer
        self._tokens = tokens
        self.answers: dict[tuple[str, str], Callable[[Call], Outcome]] = {
            ("v1/serviceaccounts", "token"): tokens.create,
            **{
                (f"{group}/v1/{plural}", ""): self._answering(answer)
                for group, plural, answer in (
                    (AUTHORIZATION, "selfsubjectaccessreviews", self._own_access),
                    (AUTHORIZATION, "selfsubjectrulesreviews", self._own_rules),
                    (AUTHORIZATION, "subjectaccessreviews", self._access),
                    (AUTHORIZATION, "localsubjectaccessreviews", self._local_access),
                    ("authentication.k8s.io", "selfsubjectreviews", self._own_identity),
                    ("authentication.k8s.io", "tokenreviews", self._token),
                )
            },
        }

    def _answering(self, answer: Answer) -> Callable[[Call], Outcome]:
        def answered(call: Call) -> Outcome:
            body = object_body(call, call.resource.api_version, call.resource.kind)
            review, warnings = decode(call.resource, body, call.field_validation)
            metadata = {"creationTimestamp": None, **(review.get("metadata") or {})}
            full = {"kind": call.resource.kind, "apiVersion": call.resource.api_version, "metadata": metadata}
            spec = {"spec": review.get("spec") or {}} if "review" in call.resource.kind.lower() else {}
            answered = {**full, **spec, "status": answer(call, review)}
            if call.resource.kind == "SelfSubjectReview":
                del answered["spec"]
                metadata["creationTimestamp"] = format_time(call.now_s)
            extra = {"warnings": warnings} if warnings else None
            return Outcome(201, 0, [encode_object(answered)], [0], None, extra)

        return answered

    # Rights

    def _own_access(self, call: Call, review: Object) -> Object:
        asked, selector = _asked(call, review)
        return _decided(self._authorizer.authorize(call.user, asked, selector))

    def _access(self, call: Call, review: Object) -> Object:
        asked, selector = _asked(call, review)
        return _decided(self._authorizer.authorize(_subject(call, review), asked, selector))

    def _local_access(self, call: Call, review: Object) -> Object:
        asked, _ = _asked(call, review)
        why = ""
        if not asked.resource:
            why = "disallowed on this kind of request"
        elif asked.namespace != call.namespace:
            why = f"must match metadata.namespace: {call.namespace}"
        if why:
            error = FieldError("FieldValueInvalid", "spec.resourceAttributes.namespace", why, asked.namespace)
            raise invalid(call.resource.kind, AUTHORIZATION, "", [error])
        return self._access(call, review)

    def _own_rules(self, call: Call, review: Object) -> Object:
        namespace = (review.get("spec") or {}).get("namespace") or ""
        if not namespace:
            raise bad_request("no namespace on request")
        granted = self._authorizer.rbac.granted(call.user, namespace)
        node = node_identity(call.user) is not None
        rules = [*self._authorizer.nodes.rules, *granted.rules] if node else granted.rules
        status: Object = {
            "resourceRules": [_resource_rule(rule) for rule in rules if not rule.get("nonResourceURLs")],
            "nonResourceRules": [
                {"verbs": list(rule["verbs"]), "nonResourceURLs": list(rule["nonResourceURLs"])}
                for rule in rules
                if rule.get("nonResourceURLs")
            ],
            "incomplete": node,
        }
        errors = [*granted.errors, *(["node authorizer does not support user rule resolution"] if node else [])]
        if errors:
            status["evaluationError"] = ", ".join(errors)
        return status

    # Identities

    def _own_identity(self, call: Call, _review: Object) -> Object:
        return {"userInfo": call.user.info()}

    def _token(self, call: Call, review: Object) -> Object:
        spec = review.get("spec") or {}
        if not spec.get("token"):
            raise bad_request("token is required for TokenReview in authentication")
        try:
            user, audiences = self._tokens.user_of(spec["token"], spec.get("audiences") or [], call.now_s)
        except InvalidToken as error:
            return {"user": {}, "error": str(error)}
        return {"authenticated": True, "user": user.info(), "audiences": audiences}


def _asked(call: Call, review: Object) -> tuple[Attributes, str]:
    """What a review is about, and the field selector. Raises `ApiError` (422)."""
    spec = review.get("spec") or {}
    resource, url = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and url is not None:
        why = "cannot be specified in combination with resourceAttributes"
        error = FieldError("FieldValueInvalid", "spec.nonResourceAttributes", why, url)
        raise invalid(call.resource.kind, AUTHORIZATION, "", [error])
    if url is not None:
        return Attributes(url.get("verb") or "", path=url.get("path") or ""), ""
    if resource is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        error = FieldError("FieldValueInvalid", "spec.resourceAttributes", why, None)
        raise invalid(call.resource.kind, AUTHORIZATION, "", [error])
    said = {name: str(value or "") for name, value in resource.items() if not name.endswith("Selector")}
    asked = resource_attributes(
        said.get("verb", ""),
        said.get("group", ""),
        said.get("version", ""),
        said.get("resource", ""),
        said.get("subresource", ""),
        said.get("namespace", ""),
        said.get("name", ""),
    )
    return asked, _selector(resource.get("fieldSelector") or {})


def _selector(selector: Mapping[str, Any]) -> str:
    if selector.get("rawSelector"):
        return str(selector["rawSelector"])
    terms = []
    for requirement in selector.get("requirements") or ():
        sign = {"In": "=", "NotIn": "!="}.get(requirement.get("operator") or "")
        values: list[str] = list(requirement.get("values") or [])
        if sign and len(values) == 1:
            terms.append(f"{requirement.get('key')}{sign}{values[0]}")
    return ",".join(terms)


def _subject(call: Call, review: Object) -> User:
    spec = review.get("spec") or {}
    name, groups = spec.get("user") or "", tuple(spec.get("groups") or ())
    if not name and not groups:
        error = FieldError("FieldValueInvalid", "spec.user", "at least one of user or group must be specified", "")
        raise invalid(call.resource.kind, AUTHORIZATION, "", [error])
    return User(name, groups, spec.get("uid") or "", extra_of(spec.get("extra") or {}))


def _decided(decision: Decision) -> Object:
    status: Object = {"allowed": decision.allowed}
    if decision.reason:
        status["reason"] = decision.reason
    return status


def _resource_rule(rule: Rule) -> Object:
    names = ("verbs", "apiGroups", "resources", "resourceNames")
    return {name: list(rule[name]) for name in names if rule.get(name)}
