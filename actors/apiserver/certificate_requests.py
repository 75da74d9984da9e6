"""CertificateSigningRequests: who asked is written down, and only who may approve or sign for a signer does.

The strategy's and two admissions' part (CertificateApproval, CertificateSigning) of Kubernetes.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from actors.apimachinery.attributes import Attributes
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apimachinery.status import ApiError, FieldError, forbidden, invalid
from actors.apimachinery.user import User
from actors.apiserver.authorization import Authorizer

GROUP: Final = "certificates.k8s.io"
PLURAL: Final = "certificatesigningrequests"
CERTIFICATE_REQUESTS: Final = f"{GROUP}/v1/{PLURAL}"
#: A certificate lasts that long at least.
LIFETIME_MIN_S: Final = 600
DECISIONS: Final = frozenset({"Approved", "Denied"})
_PEM_BEGIN: Final = b"-----BEGIN CERTIFICATE REQUEST-----"


def check_certificate_request(
    authorizer: Authorizer, user: User, _resource: Resource, new: Object, old: Object | None
) -> None:
    """Completes a new request. Raises `ApiError` (403, 422) when it is none, or its writer may not decide on it."""
    if old is None:
        _settle_requester(user, new)
        _check_is_request(new)
        return
    new["spec"] = old.get("spec") or {}  # what was asked stays as it was asked
    signer = new["spec"].get("signerName") or ""
    if _decisions(new) != _decisions(old):
        _check_verb(authorizer, user, "approve", signer, new)
    if _certificate(new) != _certificate(old):
        _check_verb(authorizer, user, "sign", signer, new)


def _settle_requester(user: User, new: Object) -> None:
    spec = new.setdefault("spec", {})
    for name in ("username", "uid", "groups", "extra"):
        spec.pop(name, None)
    info = user.info()
    spec.update({name: value for name, value in info.items() if value})
    new["status"] = {}


def _check_is_request(new: Object) -> None:
    spec, errors = new["spec"], []
    try:
        content = base64.b64decode(spec.get("request") or "", validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if _PEM_BEGIN not in content:
        why = "PEM block type must be CERTIFICATE REQUEST"
        errors.append(FieldError("FieldValueInvalid", "spec.request", why, spec.get("request") or ""))
    if not spec.get("signerName"):
        errors.append(FieldError("FieldValueRequired", "spec.signerName"))
    elif "/" not in spec["signerName"]:
        why = "should be a fully qualified domain and path of the form 'example.com/signer-name'"
        errors.append(FieldError("FieldValueInvalid", "spec.signerName", why, spec["signerName"]))
    if not spec.get("usages"):
        errors.append(FieldError("FieldValueRequired", "spec.usages"))
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < LIFETIME_MIN_S:
        why = f"may not specify a duration less than {LIFETIME_MIN_S} seconds (10 minutes)"
        errors.append(FieldError("FieldValueInvalid", "spec.expirationSeconds", why, seconds))
    if errors:
        raise invalid("CertificateSigningRequest", GROUP, new["metadata"].get("name") or "", errors)


def _decisions(obj: Object) -> list[tuple[str, str]]:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return [(c.get("type"), c.get("status") or "") for c in conditions if c.get("type") in DECISIONS]


def _certificate(obj: Object) -> str:
    return str((obj.get("status") or {}).get("certificate") or "")


def _check_verb(authorizer: Authorizer, user: User, verb: str, signer: str, obj: Object) -> None:
    """The verb on ``signers`` of this name, or of its whole domain (``example.com/*``)."""
    for name in (signer, f"{signer.partition('/')[0]}/*"):
        if authorizer.authorize(user, Attributes(verb, GROUP, "signers", "", "", name, "*")).allowed:
            return
    raise _not_permitted(verb, signer, obj)


def _not_permitted(verb: str, signer: str, obj: Object) -> ApiError:
    why = f'user not permitted to {verb} requests with signerName "{signer}"'
    return forbidden(PLURAL, GROUP, obj["metadata"]["name"], why)
