"""Watch streams: a collection, seen through a selector, as a chain of revisions that shows what was missed.

A stream is a collection plus an optional namespace, label selector and field selector. Equal watches share one stream,
one topic and one encoding. The API server publishes on the stream's topic

    body    [prev, [[type, revision, namespace, name, operation id, wall time], ...], through]
    blobs   the object of each event, in order (a DELETED event carries the object as it was last)

meaning: this stream's last event before these was at revision `prev`; these are its next events; and it has no other
up to `through`. With no events it is a *progress mark*. Types are ADDED, MODIFIED and DELETED, already translated for
the selector: an object that stops matching is DELETED, one that starts to is ADDED.

A subscriber at position P (it knows every event up to P):

- `through <= P`: all of it is known; drop it
- `prev <= P`: apply the events later than P; P becomes `through`
- `prev > P`: something was missed; ask for the events since P (method WATCH with ``since``), or, when the answer is
  410 Expired, list again

To take part, a subscriber subscribes to the topic, lists (operation ``list`` gives objects and revision R), then asks

    WATCH body      {"resource":, "namespace":, "labelSelector":, "fieldSelector":, "since": R, "epoch":}
    reply           like a publication's body and blobs: what happened since R;
                    or fails with code "Expired" when R is older than the server's window

which also (re-)registers the stream. A registration lapses when it isn't renewed (the same request) within
`REGISTRATION_S`; subscribers renew every `RENEWAL_S`. The API server publishes on `HELLO_TOPIC` when it starts, so that
subscribers register with the new incarnation at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"

HELLO_TOPIC: Final = "apiserver/hello"
REGISTRATION_S: Final = 90.0
RENEWAL_S: Final = 30.0
#: A stream carries a progress mark at least this often while it had an event lately, and when it is idle.
PROGRESS_BUSY_S: Final = 1.0
PROGRESS_IDLE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Stream:
    """A collection and what is seen of it. Selectors are in canonical text form (`str(selector)`)."""

    resource: str
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""

    @property
    def topic(self) -> str:
        """The canonical name: equal watches have equal topics."""
        return f"watch/{self.resource}|{self.namespace}|{self.label_selector}|{self.field_selector}"
