"""The same controller with a bug of each of three kinds, as they are found in real operators.

All of them work as long as nothing goes wrong, and pass a test that waits for the happy end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from database_controller import DATABASES, DatabaseController, delete_claim, shards

from actors.apimachinery.meta import Key, key_of
from actors.apimachinery.operation import Object, Operation
from actors.client.controller import View
from actors.client.decision import NOTHING_TO_DO, Decision


class CrashBetweenWrites(DatabaseController):
    """Says that it is done before it is, and believes it afterwards.

    A crash after the first of its writes leaves the status ahead of all the others, and nobody looks again.
    """

    def reconcile(self, key: Key, view: View, now_s: float) -> Decision:
        database = view.get(DATABASES, key)
        if database is not None:
            done = {"observedGeneration": database["metadata"]["generation"], "removing": []}
            if database.get("status") == done:
                return NOTHING_TO_DO  # seen already
        decision = super().reconcile(key, view, now_s)
        return Decision(sorted(decision.writes, key=lambda write: write.subresource != "status"))


class StaleRead(DatabaseController):
    """Deletes the claims of shards that are too many at once, and by name.

    Restarted onto a view from before it sees a Database that was to have fewer shards for a time. By now it has more
    again, and their claims new data, which is gone.
    """

    def removals(self, database: Object, claims: Mapping[int, Object]) -> list[Operation]:
        return [delete_claim(claim, None) for number, claim in claims.items() if number >= shards(database)]


class MissedEvent(DatabaseController):
    """Takes an address out of the list when it is told that the Database is gone, and only then.

    If it is down at that moment nobody ever tells it, and the address stays for ever.
    """

    def listed_databases(self, config_map: Object, view: View) -> Iterable[Key]:
        return map(key_of, view.list(DATABASES))
