"""Get and list: answered from the watch cache once it is as new as the question asks."""

from __future__ import annotations

from collections.abc import Callable

from actors.apimachinery.operation import encode_object
from actors.apimachinery.resource_version import parse_resource_version
from actors.apimachinery.status import ApiError, status_failure
from actors.apiserver.call import Call
from actors.apiserver.conversion import shown_entry
from actors.apiserver.entry import Entry
from actors.apiserver.follower import STORE, Follower
from actors.apiserver.listing import INCONSISTENT, ListQuestion, Page, compacted, list_from_cache, list_question
from actors.apiserver.scale import scale_of
from actors.apiserver.storage_key import collection_of, path_of, store_key
from actors.apiserver.watch_cache import WatchCache
from actors.apiserver.write import Outcome
from broker.context import Context, RequestError, RequestFailed
from store.protocol import RANGE

Done = Callable[[Outcome], None]

#: Objects read from the store at once when a page is filled from the past.
READ_AT_ONCE: int = 500


class Reader:
    """Answers reads."""

    def __init__(self, ctx: Context, cache: WatchCache, follower: Follower, store: str = STORE) -> None:
        self._ctx = ctx
        self._store = store
        self._cache = cache
        self._follower = follower

    def when_readable(self, at_least: int | None, done: Done, read: Callable[[], Outcome]) -> None:
        """Answer once the cache is new enough: None stands for everything acknowledged up to now."""

        def ready(reached: bool) -> None:
            if not reached:
                done(self._too_old(at_least))
                return
            try:
                outcome = read()
            except ApiError as error:
                outcome = Outcome.of_error(error, self._cache.revision)
            except Exception as error:  # of one question; others wait for the same answer
                outcome = Outcome.of_fault(error)
            done(outcome)

        if at_least is None:
            self._follower.when_fresh(ready)
        else:
            self._follower.when_at(at_least, ready)

    def _too_old(self, at_least: int | None) -> Outcome:
        """504: the cache did not get there in time."""
        if at_least is None:
            message = "Timeout: the server's view could not be brought up to date"
        else:
            message = f"Timeout: Too large resource version: {at_least}, current: {self._cache.revision}"
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        details = {"causes": [cause], "retryAfterSeconds": 1}
        return Outcome(504, self._cache.revision, status=status_failure(504, "Timeout", message, details))

    def get(self, call: Call, done: Done) -> None:
        """One object, or its scale."""
        version = parse_resource_version(str(call.operation.options.get("resourceVersion") or ""))
        collection, path = collection_of(call.resource), path_of(call.namespace, call.name)

        def read() -> Outcome:
            entry = self._cache.get(collection, path)
            if entry is None:
                raise call.not_found()
            shown = shown_entry(call.resource, entry)
            is_scale = call.operation.subresource == "scale"
            blob = encode_object(scale_of(call.resource, shown.object)) if is_scale else shown.data
            return Outcome(200, self._cache.revision, [blob], [entry.revision])

        self.when_readable(version, done, read)

    def list(self, call: Call, done: Done) -> None:
        """A page of a collection."""
        question = list_question(call)
        revision = question.exact
        if question.start is not None and question.start.revision != INCONSISTENT:
            revision = question.start.revision
        if revision is not None and revision != self._cache.revision:
            self._ctx.spawn(self._list_from_store(question, revision, done), "list")
            return
        at_least = 0 if revision is not None else question.at_least
        self.when_readable(at_least, done, lambda: list_from_cache(question, self._cache))

    async def _list_from_store(self, question: ListQuestion, revision: int, done: Done) -> None:
        """A page of the collection as it was."""
        try:
            outcome = await self._page_from_store(question, revision)
        except RequestFailed as failure:
            if failure.code == "Compacted":
                outcome = Outcome.of_error(compacted(question), self._cache.revision)
            elif failure.code == "FutureRevision":
                outcome = self._too_old(revision)
            else:
                outcome = self._too_old(None)
        except RequestError:
            outcome = self._too_old(None)
        except Exception as error:  # one list must not take the server down
            outcome = Outcome.of_fault(error)
        done(outcome)

    async def _page_from_store(self, question: ListQuestion, revision: int) -> Outcome:
        chosen = question.filter
        prefix = store_key(question.collection, chosen.namespace + "/" if chosen.namespace else "")
        key = prefix
        if question.start is not None:
            key = store_key(question.collection, question.start.after) + b"\0"
        path_at = len(store_key(question.collection, ""))
        page = Page(question, revision)
        while True:
            wanted = page.room if chosen.is_everything and page.room else READ_AT_ONCE
            body = {"key": key, "range_end": prefix[:-1] + b"0", "revision": revision, "limit": wanted}
            reply = await self._ctx.request(self._store, RANGE, body)
            _, pairs, more, count = reply.body
            for taken, (pair, blob) in enumerate(zip(pairs, reply.blobs, strict=True)):
                if page.is_full:
                    return page.outcome(max(count - taken, 1))
                entry = Entry(blob, pair[2], pair[1])
                if chosen.selects(entry):
                    page.take([pair[0][path_at:].decode()], [entry])
            if not more or not pairs:
                return page.outcome(0)
            if page.is_full:
                return page.outcome(max(count - len(pairs), 1))
            key = pairs[-1][0] + b"\0"
