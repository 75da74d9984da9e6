"""List: a collection as it is at one revision, page by page (limit and continue of Kubernetes)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actors.apimachinery.request_options import EXACT, check_list_options
from actors.apimachinery.resource_version import REVISION_MAX, parse_resource_version
from actors.apimachinery.resources import Resource
from actors.apimachinery.selector import SelectorError
from actors.apimachinery.status import ApiError, bad_request, expired
from actors.apiserver.call import Call
from actors.apiserver.conversion import shown_entry
from actors.apiserver.entry import Entry
from actors.apiserver.storage_key import collection_of
from actors.apiserver.streams import Filter
from actors.apiserver.watch_cache import WatchCache
from actors.apiserver.write import Outcome

#: In a continue token: go on with the state as it is then, not as it was when the list began.
INCONSISTENT: int = -1
#: The limit of a list is a 64-bit number.
LIMIT_MAX: int = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Continue:
    """Where a list goes on."""

    revision: int
    after: str
    """The last path that was given."""

    def token(self) -> str:
        """The text a client sends back; opaque to it."""
        content = {"v": "meta.k8s.io/v1", "rv": self.revision, "start": self.after + "\0"}
        return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")

    @staticmethod
    def parse(token: str) -> Continue:
        """The reverse. Raises `ApiError` (400)."""
        try:
            content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            revision, start = content["rv"], content["start"]
            if type(revision) is not int or not isinstance(start, str) or content["v"] != "meta.k8s.io/v1":
                raise ValueError
            if not INCONSISTENT <= revision <= REVISION_MAX:
                raise ValueError
            start.encode()
        except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
            raise bad_request("continue key is not valid: it must be the value a list answered with") from None
        return Continue(revision, start.rstrip("\0"))


@dataclass(frozen=True, slots=True)
class ListQuestion:
    """What a list asks."""

    resource: Resource
    collection: str
    filter: Filter
    limit: int
    start: Continue | None
    at_least: int | None
    """A revision to be reached first; None for the newest; 0 for whatever is there."""
    exact: int | None


def list_question(call: Call) -> ListQuestion:
    """Reads the options. Raises `ApiError` (400, 422)."""
    options = call.operation.options
    chosen = parse_filter(call)
    limit = options.get("limit") or 0
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit <= LIMIT_MAX:
        raise bad_request("limit must be a whole number that is not negative")
    token = options.get("continue") or ""
    version = str(options.get("resourceVersion") or "")
    stated = parse_resource_version(version)
    if token and version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    check_list_options(options)
    match = options.get("resourceVersionMatch") or ""
    if not match and limit and version not in ("", "0"):
        match = EXACT  # the legacy meaning: a page of a version is of just that one
    exact = stated if match == EXACT and stated else None
    return ListQuestion(
        call.resource,
        collection_of(call.resource),
        chosen,
        limit,
        Continue.parse(token) if token else None,
        stated,
        exact,
    )


def parse_filter(call: Call) -> Filter:
    """The namespace and selectors of an operation. Raises `ApiError` (400)."""
    options = call.operation.options
    try:
        return Filter.parse(
            call.resource,
            call.namespace,
            options.get("labelSelector") or "",
            options.get("fieldSelector") or "",
        )
    except SelectorError as error:
        raise bad_request(str(error)) from None


def list_from_cache(question: ListQuestion, cache: WatchCache) -> Outcome:
    """A page of the collection as the cache has it."""
    collection = cache.collection(question.collection)
    after = question.start.after if question.start is not None else ""
    paths = collection.paths_of(question.filter.namespace, after)
    page = Page(question, cache.revision)
    entries = collection.entries
    if question.filter.is_everything:
        limit = question.limit or len(paths)
        page.take(paths[:limit], [entries[path] for path in paths[:limit]])
        return page.outcome(len(paths) - limit)
    for position, path in enumerate(paths):
        if page.is_full:
            more = any(question.filter.selects(entries[rest]) for rest in paths[position:])
            return page.outcome(1 if more else 0)
        if question.filter.selects(entries[path]):
            page.take([path], [entries[path]])
    return page.outcome(0)


class Page:
    """The answer of a list as it fills."""

    def __init__(self, question: ListQuestion, revision: int) -> None:
        self._question = question
        self._revision = revision
        self._entries: list[Entry] = []
        self._last = ""

    @property
    def is_full(self) -> bool:
        return bool(self._question.limit) and len(self._entries) >= self._question.limit

    @property
    def room(self) -> int:
        """How many more fit; 0 for any number."""
        return self._question.limit - len(self._entries) if self._question.limit else 0

    def take(self, paths: Sequence[str], entries: Sequence[Entry]) -> None:
        """Add objects that are selected."""
        if paths:
            self._entries.extend(entries)
            self._last = paths[-1]

    def outcome(self, remaining: int) -> Outcome:
        """The answer. How many remain is told only when nothing was filtered, as in Kubernetes."""
        extra: dict[str, Any] | None = None
        if remaining > 0:
            extra = {"continue": Continue(self._revision, self._last).token()}
            if self._question.filter.is_everything:
                extra["remainingItemCount"] = remaining
        return Outcome(
            200,
            self._revision,
            [shown_entry(self._question.resource, entry).data for entry in self._entries],
            [entry.revision for entry in self._entries],
            None,
            extra,
        )


def compacted(question: ListQuestion) -> ApiError:
    """410: the revision a list began at is gone. The Status carries a token that goes on with the present state."""
    if question.start is None:
        return expired("The resourceVersion for the provided list is too old.")
    error = expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list."
    )
    error.status["metadata"] = {"continue": Continue(INCONSISTENT, question.start.after).token()}
    return error
