"""One outcome from those of several deletes: what ``deletecollection`` answers."""

from __future__ import annotations

from actors.apiserver.reads import Done
from actors.apiserver.write import Outcome


class Gathering:
    """Waits for the outcomes of several deletes and makes one of them."""

    def __init__(self, count: int, revision: int, done: Done) -> None:
        self._outcomes: list[Outcome | None] = [None] * count
        self._left = count
        self._revision = revision
        self._done = done
        if not count:
            done(Outcome(200, revision))

    def add(self, index: int, outcome: Outcome) -> None:
        """The index-th has come; with the last one, all are told. An object that was gone already doesn't count."""
        self._outcomes[index] = outcome
        self._left -= 1
        if self._left:
            return
        blobs: list[bytes] = []
        revisions: list[int] = []
        for each in self._outcomes:
            if each is None or each.code == 404:
                continue
            if each.code >= 400:
                self._done(each)
                return
            blobs.extend(each.blobs)
            revisions.extend(each.revisions)
        self._done(Outcome(200, max([self._revision, *revisions]), blobs, revisions))
