"""What a client sent, decoded as its kind has it, with everything that a strict reader finds wrong told together."""

from __future__ import annotations

from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError, bad_request
from actors.apimachinery.validator import decode
from actors.apiserver.call import Call
from actors.apiserver.field_managers import without_managers

_STRICT = "strict decoding error: "


def decoded(call: Call, obj: Object) -> tuple[Object, list[str]]:
    """The object and warnings. Raises `ApiError` (400).

    Whoever read the bytes knows of fields that stood there twice, and says so in the option ``strictErrors``.
    """
    resource = call.resource
    twice = list(map(str, call.operation.options.get("strictErrors") or ()))
    if not twice:
        return decode(resource, without_managers(obj), call.field_validation)
    try:
        found, warnings = decode(resource, without_managers(obj), call.field_validation)
    except ApiError as error:
        head, strict, listed = error.message.partition(_STRICT)
        if not strict:
            raise
        raise bad_request(head + strict + ", ".join([*twice, listed])) from None
    if call.field_validation == "Strict":
        head = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        raise bad_request(head + _STRICT + ", ".join(twice))
    return found, [*twice, *warnings] if call.field_validation == "Warn" else warnings
