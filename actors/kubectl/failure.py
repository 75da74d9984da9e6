"""How commands fail: kubectl's words on standard error, exit code 1."""

from __future__ import annotations

from collections.abc import Sequence

from actors.apimachinery.resources import UnknownResource
from actors.apimachinery.selector import SelectorError
from actors.apimachinery.status import ApiError
from broker.context import RequestError, RequestTimeout


class CommandFailed(Exception):
    """The command can't go on. Shown as ``error: <message>``, or as it is when it starts like that already."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Failures(Exception):
    """Several things went wrong, each with its own line; what could be done was done."""

    def __init__(self, errors: Sequence[Exception]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = tuple(errors)


def raise_all(errors: Sequence[Exception]) -> None:
    """Raise what a command collected on its way: nothing, the one, or all."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Failures(errors)


def with_source(verb: str, source: str, error: ApiError) -> ApiError:
    """The error, saying what was done with which file: ``error when creating "f.yaml": ...``."""
    message = f'error when {verb} "{source}": {error.message}' if source else f"error when {verb}: {error.message}"
    return ApiError({**error.status, "message": message})


def _standard_message(error: Exception) -> str | None:
    """How an error of the server reads."""
    if isinstance(error, ApiError):
        reason = error.reason
        if reason == "Unauthorized":
            return f"error: You must be logged in to the server ({error.message})"
        return f"Error from server ({reason}): {error.message}" if reason else f"Error from server: {error.message}"
    if isinstance(error, RequestTimeout):
        return "Unable to connect to the server: the API server did not answer in time"
    return None


def _invalid_message(error: ApiError) -> str:
    """A refused object: each cause on its own line."""
    details = error.status.get("details")
    if not details:
        return error.message
    text = "The request is invalid"
    causes = [f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in details.get("causes") or ()]
    if details.get("kind") or details.get("name"):
        text = f'The {details.get("kind", "")} "{details.get("name", "")}" is invalid'
    elif error.message and not causes:
        text = f"{text}: {error.message}"
    causes = list(dict.fromkeys(causes))
    if not causes:
        return text
    if len(causes) == 1:
        return f"{text}: {causes[0]}"
    return "\n".join([f"{text}: ", *(f"* {cause}" for cause in causes)])


def message_of(error: Exception) -> str:
    """What to print for an error, without the line's end."""
    if isinstance(error, Failures):
        return "\n".join(_standard_message(each) or str(each) for each in error.errors)
    if isinstance(error, ApiError) and error.code == 422:
        return _invalid_message(error)
    standard = _standard_message(error)
    if standard is not None:
        return standard
    text = str(error)
    return text if text.startswith("error: ") else f"error: {text}"


#: What a command may meet without being at fault itself.
EXPECTED = (CommandFailed, Failures, ApiError, RequestError, UnknownResource, SelectorError)
