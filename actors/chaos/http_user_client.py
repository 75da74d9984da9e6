"""A client of the gateway for the soak's users: plain HTTPS and JSON, as a client in another language has it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from actors.apimachinery.operation import Object
from actors.apimachinery.resources import resource_of
from actors.apimachinery.status import ApiError, service_unavailable
from actors.gateway.credential_files import CredentialFiles
from actors.supervisor.cluster_directory import ClusterDirectory
from broker.context import Context, RequestTimeout

HOST: Final = "127.0.0.1"
#: An answer that is not there after this long won't be waited for.
ANSWER_WITHIN_S: Final = 4.0


class HttpUserClient:
    """The calls that `soak_load.User` makes, over HTTPS. Raises what `actors.client.client.Client` raises."""

    def __init__(self, ctx: Context, directory: ClusterDirectory, port: int) -> None:
        self.ctx = ctx
        files = CredentialFiles(directory.gateway)
        self._port = port
        self._tls = ssl.create_default_context(cafile=str(files.ca))
        self._headers = {"Authorization": f"Bearer {files.token.read_text()}", "Content-Type": "application/json"}

    async def get(self, resource: str, name: str, namespace: str) -> Object:
        """One object."""
        return await self._call("GET", resource, namespace, name)

    async def create(self, resource: str, obj: Object) -> Object:
        """Create an object."""
        return await self._call("POST", resource, obj["metadata"]["namespace"], "", obj)

    async def update(self, resource: str, obj: Object) -> Object:
        """Replace an object of this resourceVersion."""
        metadata = obj["metadata"]
        return await self._call("PUT", resource, metadata["namespace"], metadata["name"], obj)

    async def delete(self, resource: str, name: str, namespace: str, *, options: Mapping[str, Any]) -> Object:
        """Ask for deletion."""
        return await self._call("DELETE", resource, namespace, name, dict(options))

    async def _call(self, method: str, resource: str, namespace: str, name: str, body: Any = None) -> Object:
        found = resource_of(resource)
        group = f"/apis/{found.api_version}" if found.group else f"/api/{found.api_version}"
        path = f"{group}/namespaces/{namespace}/{found.plural}" + (f"/{name}" if name else "")
        try:
            return await asyncio.to_thread(self._ask, method, path, body)
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: half a JSON text
            raise RequestTimeout(f"the gateway did not answer: {error}") from error

    def _ask(self, method: str, path: str, body: Any) -> Object:
        connection = http.client.HTTPSConnection(HOST, self._port, timeout=ANSWER_WITHIN_S, context=self._tls)
        with contextlib.closing(connection):
            content = None if body is None else json.dumps(body)
            connection.request(method, f"{path}?{urlencode({'fieldValidation': 'Strict'})}", content, self._headers)
            answer = connection.getresponse()
            obj: Object = json.loads(answer.read())
        if answer.status >= 400:
            raise ApiError(obj if obj.get("kind") == "Status" else service_unavailable(str(answer.status)).status)
        return obj
