"""The load of a soak: users who roll out, scale, change and delete, and know what was acknowledged to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any, Final, Protocol

from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError
from actors.chaos.ledger import Ledger, ObjectKey, State
from broker.context import Context, RequestError

NAMESPACE: Final = "chaos-soak"
DEPLOYMENTS: Final = "apps/v1/deployments"
MAPS: Final = "v1/configmaps"
REPLICAS_MAX: Final = 6
#: What containers do; with real processes they are known by this number.
CONTAINERS_SLEEP: Final = "98765.4321"
#: A user waits this long between two operations, on average.
PAUSE_S: Final = 0.2
RETRY_S: Final = 0.2
#: No answer for this long: the user goes on without knowing.
PATIENCE_S: Final = 5.0
#: These answers say that nothing was done. Others may be those to a repeat of what was done: 409, a 429 that is drawn,
#: and 404 to a delete.
REFUSALS: Final = (400, 403, 422)

Operation = Callable[[], Awaitable[Any]]


def deployment(name: str, replicas: int, image: str) -> Object:
    """A small Deployment."""
    command = ["sleep", CONTAINERS_SLEEP]
    container = {
        "name": "main",
        "image": image,
        "command": command,
        "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


def config_map(name: str, value: str) -> Object:
    """A ConfigMap with one value."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {"value": value},
    }


def state_of(obj: Object | None) -> State:
    """What the ledger looks at."""
    if obj is None or obj["metadata"].get("deletionTimestamp"):
        return None
    if obj["kind"] == "ConfigMap":
        return str(obj["data"]["value"])
    spec = obj["spec"]
    return f"{spec['replicas']} x {spec['template']['spec']['containers'][0]['image']}"


class UserClient(Protocol):
    """What a user needs of a client, native or over HTTP."""

    ctx: Context

    async def get(self, resource: str, name: str, namespace: str) -> Object: ...
    async def create(self, resource: str, obj: Object) -> Object: ...
    async def update(self, resource: str, obj: Object) -> Object: ...
    async def delete(self, resource: str, name: str, namespace: str, *, options: Mapping[str, Any]) -> Object: ...


class User:
    """Does one thing after another to objects that are theirs alone.

    Every change names the resourceVersion that it changes, so that one whose answer never came can't be carried out
    after a later one.
    """

    def __init__(self, client: UserClient, ledger: Ledger, chance: Random) -> None:
        self.client = client
        self.ledger = ledger
        self.chance = chance

    async def act(self, name: str) -> None:
        """Live until cancelled."""
        raise NotImplementedError

    async def rest(self) -> None:
        """Between two operations."""
        await self.client.ctx.sleep(self.chance.uniform(0.0, 2 * PAUSE_S))

    async def attempt(self, key: ObjectKey, state: State, operation: Operation) -> bool:
        """Try something that would lead to a state; whether it was acknowledged."""
        self.ledger.attempt(key, state)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await operation()
        except ApiError as error:
            if error.code in REFUSALS or (error.code == 404 and state is not None):
                self.ledger.refuse(key, state)
            else:
                self.ledger.doubt()
            return False
        except (RequestError, TimeoutError):
            self.ledger.doubt()
            return False
        self.ledger.succeed(key, state)
        return True

    async def now(self, resource: str, name: str) -> Object | None:
        """The object as it is, asked for until there is an answer; None when it isn't there."""
        while True:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    return await self.client.get(resource, name, NAMESPACE)
            except ApiError as error:
                if error.code == 404:
                    return None
            except (RequestError, TimeoutError):
                pass
            await self.client.ctx.sleep(RETRY_S)

    async def delete(self, key: ObjectKey, resource: str, obj: Object) -> bool:
        """Delete this very version of an object."""
        metadata = obj["metadata"]
        options = {"preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}}
        return await self.attempt(
            key, None, lambda: self.client.delete(resource, metadata["name"], NAMESPACE, options=options)
        )


class Operator(User):
    """Rolls out, scales, and now and then deletes a Deployment and begins again."""

    async def act(self, name: str) -> None:
        key = ("Deployment", name)
        image = 0
        while True:
            await self.rest()
            obj = await self.now(DEPLOYMENTS, name)
            if obj is None:
                made = deployment(name, self.chance.randint(1, REPLICAS_MAX), f"nginx:{image}")
                await self.attempt(key, state_of(made), lambda made=made: self.client.create(DEPLOYMENTS, made))  # type: ignore[misc]
                continue
            if obj["metadata"].get("deletionTimestamp"):
                continue
            draw = self.chance.random()
            if draw < 0.08:
                await self.delete(key, DEPLOYMENTS, obj)
                continue
            changed = _copy(obj)
            if draw < 0.5:
                changed["spec"]["replicas"] = self.chance.randint(0, REPLICAS_MAX)
            else:
                image += 1
                changed["spec"]["template"]["spec"]["containers"][0]["image"] = f"nginx:{image}"
            await self._replace(key, DEPLOYMENTS, changed)

    async def _replace(self, key: ObjectKey, resource: str, changed: Object) -> None:
        await self.attempt(key, state_of(changed), lambda: self.client.update(resource, changed))


class Writer(User):
    """Writes ConfigMaps: most are made and left, some are counted up or deleted."""

    async def act(self, name: str) -> None:
        number = 0
        while True:
            number += 1
            each = f"{name}-{number}"
            key = ("ConfigMap", each)
            await self.rest()
            made = config_map(each, "0")
            await self.attempt(key, "0", lambda made=made: self.client.create(MAPS, made))  # type: ignore[misc]
            for value in range(1, self.chance.choice((1, 1, 1, 4))):
                await self.rest()
                obj = await self.now(MAPS, each)
                if obj is not None:
                    changed = {**obj, "data": {"value": str(value)}}
                    await self.attempt(key, str(value), lambda changed=changed: self.client.update(MAPS, changed))  # type: ignore[misc]
            if self.chance.random() < 0.2:
                obj = await self.now(MAPS, each)
                if obj is not None:
                    await self.delete(key, MAPS, obj)


def _copy(obj: Object) -> Object:
    """A Deployment whose spec may be changed."""
    containers = [dict(c) for c in obj["spec"]["template"]["spec"]["containers"]]
    template = obj["spec"]["template"]
    spec = {**obj["spec"], "template": {**template, "spec": {**template["spec"], "containers": containers}}}
    return {**obj, "spec": spec}
