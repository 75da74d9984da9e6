"""What serving actors publish on the topic ``trace``: one row a hop.

    ["commit", operation id, sender, cause id, cause revision, cause at_s,
     verb, resource, subresource, namespace, name, revision, received_s, done_s]
    ["runtime", request id, sender, cause id, cause revision, cause at_s,
     method, namespace, pod, container, received_s, done_s]

A publication carries one row or a list of them. The API server writes the first kind (a write it committed), container
runtimes the second (a call they carried out). Times are wall-clock seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

TOPIC: Final = "trace"
COMMIT: Final = "commit"
RUNTIME: Final = "runtime"


@dataclass(frozen=True, slots=True)
class Hop:
    """One message that was acted on."""

    kind: str
    id: str
    sender: str
    cause_id: str
    """Id of the operation or request the sender acted on; ``@N`` means whatever wrote revision N."""
    cause_revision: int
    cause_at_s: float
    """When that reached the sender."""
    verb: str
    """Verb of the API, or method of the runtime."""
    resource: str
    subresource: str
    namespace: str
    name: str
    container: str
    revision: int
    received_s: float
    done_s: float


def hops(body: Any) -> Iterator[Hop]:
    """The hops of a publication's body; rows that are not understood are passed over."""
    rows = [body] if body and isinstance(body[0], str) else body
    for row in rows:
        if row[0] == COMMIT and len(row) == 14:
            yield Hop(*[*row[:11], "", *row[11:]])
        elif row[0] == RUNTIME and len(row) == 12:
            yield Hop(*[*row[:7], "", "", *row[7:10], 0, *row[10:]])
