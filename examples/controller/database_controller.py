"""A controller of a custom resource, on Podchain's actor API: each Database has claims, a Service and an address.

- the claims ``NAME-data-0``, ``NAME-data-1``, ... hold the data of its shards; they go when the Database goes, because
  it owns them, and the last ones when it is to have fewer shards
- the Service ``NAME`` leads to its port, and is owned, too
- the ConfigMap ``databases`` in the namespace ``directory`` lists every Database's address; nothing in another
  namespace can be owned, so the controller removes what is listed there and does not exist

`reconcile` is a pure function of what the informers show. Its writes are carried out in order, but a crash may come
between any two of them; the view may be old, and one collection's older than another's; and nobody promises that any
event is seen. The tests beside this file try all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from actors.apimachinery.meta import (
    Key,
    is_being_deleted,
    is_controlled_by,
    key_of,
    labels_of,
    new_controller_reference,
    uid_of,
)
from actors.apimachinery.operation import Object, Operation
from actors.client.controller import Trigger, View, run_controller
from actors.client.decision import Decision
from broker.context import Context

DATABASES = "example.com/v1/databases"
CLAIMS = "v1/persistentvolumeclaims"
SERVICES = "v1/services"
CONFIG_MAPS = "v1/configmaps"

LABEL = "example.com/database"
DIRECTORY = Key("directory", "databases")


class DatabaseController:
    """The decisions."""

    name = "database-controller"

    @property
    def triggers(self) -> Sequence[Trigger]:
        """What wakes it, and for which Databases."""
        return (
            Trigger(DATABASES, lambda obj, _: (key_of(obj),)),
            Trigger(CLAIMS, database_of),
            Trigger(SERVICES, database_of),
            Trigger(CONFIG_MAPS, self.listed_databases),
        )

    def listed_databases(self, config_map: Object, view: View) -> Iterable[Key]:
        """All that exist and all that are listed: whatever is told of the list, each line of it is looked at."""
        if key_of(config_map) != DIRECTORY:
            return ()
        listed = [Key(*line.split(".", 1)) for line in config_map.get("data") or ()]
        return dict.fromkeys([*listed, *map(key_of, view.list(DATABASES))])

    def reconcile(self, key: Key, view: View, now_s: float) -> Decision:
        """The next writes for one Database."""
        database = view.get(DATABASES, key)
        if database is None or is_being_deleted(database):
            return Decision(write_address(key, None, view))
        claims = claims_of(database, view)
        return Decision(
            [
                *self.removals(database, claims),
                *creations(key, database, claims, view),
                *write_address(key, f"{key.name}.{key.namespace}:{database['spec']['port']}", view),
                *write_status(key, database, self.status(database, claims)),
            ]
        )

    def removals(self, database: Object, claims: Mapping[int, Object]) -> list[Operation]:
        """Delete the claims that the status condemns.

        Data can't be brought back, and this view may be old. So what is to go is first written into the status, which
        is refused if the Database has changed; and what is deleted is that very claim, not whichever has its name.
        """
        condemned = (database.get("status") or {}).get("removing") or ()
        return [delete_claim(claim, uid_of(claim)) for claim in claims.values() if uid_of(claim) in condemned]

    def status(self, database: Object, claims: Mapping[int, Object]) -> Object:
        """The status, once all that is written before it is done."""
        condemned = (database.get("status") or {}).get("removing") or ()
        surplus = [uid_of(c) for n, c in claims.items() if n >= shards(database) or uid_of(c) in condemned]
        return {"observedGeneration": database["metadata"]["generation"], "removing": sorted(surplus)}


async def run(ctx: Context) -> None:
    """The actor."""
    await run_controller(ctx, DatabaseController())


def shards(database: Object) -> int:
    """How many claims it is to have."""
    return int(database["spec"]["shards"])


def database_of(child: Object, _: View) -> Iterable[Key]:
    """The Database that a claim or a Service is labelled with."""
    name = labels_of(child).get(LABEL)
    return [Key(child["metadata"]["namespace"], name)] if name else []


def claims_of(database: Object, view: View) -> dict[int, Object]:
    """Its own claims by number; not those of one that had its name before."""
    own = [c for c in view.list(CLAIMS, database["metadata"]["namespace"]) if is_controlled_by(c, database)]
    return {int(claim["metadata"]["name"].rpartition("-")[2]): claim for claim in own}


def creations(key: Key, database: Object, claims: Mapping[int, Object], view: View) -> list[Operation]:
    """What is missing, or has another port. A name that is still taken is refused, and tried again until it is free."""
    writes: list[Operation] = []
    for number in range(shards(database)):
        if number not in claims:
            spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": database["spec"]["size"]}}}
            writes.append(create(CLAIMS, database, f"{key.name}-data-{number}", "PersistentVolumeClaim", spec))
    service = view.get(SERVICES, key)
    port = database["spec"]["port"]
    ports = [{"port": port, "targetPort": port}]
    if service is None or not is_controlled_by(service, database):
        writes.append(create(SERVICES, database, key.name, "Service", {"selector": {LABEL: key.name}, "ports": ports}))
    elif service["spec"]["ports"][0]["port"] != port:
        writes.append(merge(SERVICES, key, {"metadata": {"uid": uid_of(service)}, "spec": {"ports": ports}}))
    return writes


def write_status(key: Key, database: Object, status: Object) -> list[Operation]:
    """Write it if it is another, and unless the Database has changed since it was seen."""
    if database.get("status") == status:
        return []
    seen = {"resourceVersion": database["metadata"]["resourceVersion"]}
    return [merge(DATABASES, key, {"metadata": seen, "status": status}, "status")]


def write_address(key: Key, address: str | None, view: View) -> list[Operation]:
    """A merge patch of one line, so that those of other Databases don't stand in the way. None takes it out."""
    line = f"{key.namespace}.{key.name}"
    listed = ((view.get(CONFIG_MAPS, DIRECTORY) or {}).get("data") or {}).get(line)
    return [merge(CONFIG_MAPS, DIRECTORY, {"data": {line: address}})] if listed != address else []


def create(resource: str, database: Object, name: str, kind: str, spec: Mapping[str, Any]) -> Operation:
    """Create something that the Database owns."""
    namespace = database["metadata"]["namespace"]
    labels = {LABEL: database["metadata"]["name"]}
    owners = [new_controller_reference(database)]
    metadata = {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": owners}
    body = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}
    return Operation("create", resource, namespace, name, body=body)


def delete_claim(claim: Object, uid: str | None) -> Operation:
    """Delete the claim of that uid, or whichever has the name."""
    options = {"preconditions": {"uid": uid}} if uid else {}
    return Operation("delete", CLAIMS, claim["metadata"]["namespace"], claim["metadata"]["name"], options=options)


def merge(resource: str, key: Key, patch: Mapping[str, Any], subresource: str = "") -> Operation:
    """A merge patch."""
    return Operation("patch", resource, key.namespace, key.name, subresource, patch, {"patchType": "merge"})
