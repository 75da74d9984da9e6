"""In which form a client wants its answer: its Accept header, read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.apimachinery.status import ApiError, status_failure


@dataclass(frozen=True, slots=True)
class Form:
    """One alternative of an Accept header."""

    media_type: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def transform(self) -> str:
        """``Table``, ``PartialObjectMetadata``, ``PartialObjectMetadataList``, ``APIGroupDiscoveryList`` or empty."""
        return self.parameters.get("as", "")


JSON = Form("application/json")
_TRANSFORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


def parse_accept(header: str) -> list[Form]:
    """The alternatives in the order in which the client prefers them."""
    forms: list[tuple[float, Form]] = []
    for part in header.split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        if not media_type:
            continue
        named = dict(parameter.partition("=")[::2] for parameter in parameters)
        try:
            quality = float(named.pop("q", "1"))
        except ValueError:
            quality = 1.0
        forms.append((-quality, Form(media_type.lower(), named)))
    return [form for _, form in sorted(forms, key=lambda pair: pair[0])]


def answer_form(header: str) -> Form:
    """The first form that can be served. Raises `ApiError` (406)."""
    forms = parse_accept(header)
    if not forms:
        return JSON
    for form in forms:
        if form.media_type in ("*/*", "application/*"):
            return JSON
        if form.media_type != "application/json":
            continue
        if not form.transform:
            return form
        meta = form.parameters.get("g") == "meta.k8s.io" and form.parameters.get("v") in ("v1", "v1beta1")
        if meta and form.transform in _TRANSFORMS:
            return form
    message = "only the following media types are accepted: application/json"
    raise ApiError(status_failure(406, "NotAcceptable", message))
