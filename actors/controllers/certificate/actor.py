"""The certificate controller: approved requests to Kubernetes' own signers get their certificate."""

from __future__ import annotations

import base64
from typing import Any, Final, Protocol

from actors.apimachinery.meta import Key, format_time
from actors.apimachinery.operation import Object, Operation
from actors.client.client import Client
from actors.client.informer import InformerSet
from actors.client.rounds import Rounds, Taken
from broker.context import Context, RequestError
from broker.message import Cause

REQUESTS: Final = "certificates.k8s.io/v1/certificatesigningrequests"
REQUESTS_A_ROUND_MAX: Final = 16
#: A certificate lasts for a year unless less is asked.
VALID_MAX_S: Final = 365 * 24 * 3600

_CLIENT: Final = frozenset({"digital signature", "key encipherment", "client auth"})
_SERVER: Final = frozenset({"digital signature", "key encipherment", "server auth"})
#: Signers, the usages they allow, and the one they insist on.
SIGNERS: Final = {
    "kubernetes.io/kube-apiserver-client": (_CLIENT, "client auth"),
    "kubernetes.io/kube-apiserver-client-kubelet": (_CLIENT, "client auth"),
    "kubernetes.io/kubelet-serving": (_SERVER, "server auth"),
    "kubernetes.io/legacy-unknown": (None, ""),
}


class SigningRefused(Exception):
    """The request is not one that this signer signs."""


class Signer(Protocol):
    """Holds the certificate authority's key."""

    def sign(self, request: bytes, usages: list[str], seconds: int, signer: str) -> bytes:
        """The certificate for a request, both as PEM. Raises `SigningRefused`."""


def is_due(request: Object) -> bool:
    """Whether a request is approved and still has neither its certificate nor a refusal."""
    status = request.get("status") or {}
    conditions = {c.get("type") for c in status.get("conditions") or () if c.get("status", "True") == "True"}
    if "Approved" not in conditions or conditions & {"Denied", "Failed"} or status.get("certificate"):
        return False
    return (request.get("spec") or {}).get("signerName") in SIGNERS


def signed_status(request: Object, signer: Signer, now_s: float) -> Object:
    """The status with the certificate, or with the condition that says why there is none."""
    spec, status = request["spec"], dict(request.get("status") or {})
    allowed, needed = SIGNERS[spec["signerName"]]
    usages = list(spec.get("usages") or ())
    try:
        if allowed is not None and (needed not in usages or not set(usages) <= allowed):
            raise SigningRefused("invalid usage for client certificate: " + ", ".join(usages))
        seconds = min(spec.get("expirationSeconds") or VALID_MAX_S, VALID_MAX_S)
        content = base64.b64decode(spec["request"])
        certificate = signer.sign(content, usages, seconds, spec["signerName"])
        status["certificate"] = base64.b64encode(certificate).decode()
    except SigningRefused as refused:
        now = format_time(now_s)
        condition: dict[str, Any] = {
            "type": "Failed",
            "status": "True",
            "reason": "SignerValidationFailure",
            "message": str(refused),
            "lastUpdateTime": now,
            "lastTransitionTime": now,
        }
        status["conditions"] = [*(status.get("conditions") or []), condition]
    return status


class CertificateController:
    """One incarnation of the controller."""

    def __init__(self, ctx: Context, signer: Signer) -> None:
        self._ctx = ctx
        self._signer = signer
        self._client = Client(ctx)
        self._informers = InformerSet(self._client)
        self._requests = self._informers.of(REQUESTS)
        self._rounds = Rounds(ctx, REQUESTS_A_ROUND_MAX, self._begin)

    async def run(self) -> None:
        """Work for ever."""
        self._requests.on_event(lambda _kind, obj, _old: self._rounds.add(Key("", obj["metadata"]["name"])))
        await self._informers.start()
        self._rounds.start()
        while True:
            await self._ctx.sleep(VALID_MAX_S)

    def _begin(self, taken: Taken) -> None:
        for key, cause in taken:
            request = self._requests.get(key)
            if request is not None and is_due(request):
                self._ctx.spawn(self._sign(key, cause, request), f"certificate {key.name}")
            else:
                self._rounds.queue.done(key, cause)

    async def _sign(self, key: Key, cause: Cause, request: Object) -> None:
        with self._ctx.acting_on(cause):
            body = {**request, "status": signed_status(request, self._signer, self._ctx.wall_s())}
            try:
                (result,) = await self._client.batch([Operation("update", REQUESTS, "", key.name, "status", body)])
            except RequestError:
                self._rounds.queue.failed(key, cause)
                return
        if result.ok or result.code == 404:
            self._rounds.queue.done(key, cause)
        else:
            self._rounds.queue.failed(key, cause)


async def run(ctx: Context, signer: Signer) -> None:
    """Run the certificate controller as an actor."""
    await CertificateController(ctx, signer).run()
