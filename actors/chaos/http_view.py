"""A client that lists and watches over HTTPS, as client-go's reflector does: what it believes must end up true."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
import time
from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.chaos.http_user_client import HOST
from actors.gateway.credential_files import CredentialFiles
from actors.supervisor.cluster_directory import ClusterDirectory

WATCH_FOR_S: Final = 10
#: A watch on which nothing comes for this long is begun anew.
SILENCE_MAX_S: Final = 4.0
RETRY_S: Final = 0.2


class HttpView:
    """Follows the ConfigMaps of a namespace in a thread of its own."""

    def __init__(self, directory: ClusterDirectory, port: int, namespace: str) -> None:
        files = CredentialFiles(directory.gateway)
        self.objects: dict[str, Object] = {}
        """By name. Replaced or changed by the thread; a look at one moment is all that others take."""
        self.lists = 0
        self.cuts = 0
        self._port = port
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._tls = ssl.create_default_context(cafile=str(files.ca))
        self._headers = {"Authorization": f"Bearer {files.token.read_text()}"}
        self._revision = ""
        self._stopped = False
        self._thread = threading.Thread(target=self._follow, daemon=True, name="http view")

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Cease to; the thread ends with its next answer."""
        self._stopped = True

    def _follow(self) -> None:
        while not self._stopped:
            try:
                if not self._revision:
                    self._list()
                self._watch()
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                self.cuts += 1
                time.sleep(RETRY_S)

    def _open(self, path: str, timeout_s: float) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPSConnection(HOST, self._port, timeout=timeout_s, context=self._tls)
        connection.request("GET", path, headers=self._headers)
        answer = connection.getresponse()
        if answer.status == 410:
            self._revision = ""
        if answer.status != 200:
            connection.close()
            raise OSError(f"answered {answer.status}")
        return connection, answer

    def _list(self) -> None:
        """As reflectors do, at first from whatever state the server has at hand."""
        connection, answer = self._open(f"{self._path}?resourceVersion=0", SILENCE_MAX_S)
        with contextlib.closing(connection):
            document: dict[str, Any] = json.loads(answer.read())
        self.objects = {obj["metadata"]["name"]: obj for obj in document["items"]}
        self._revision = document["metadata"]["resourceVersion"]
        self.lists += 1

    def _watch(self) -> None:
        query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_FOR_S}&resourceVersion={self._revision}"
        connection, answer = self._open(f"{self._path}?{query}", WATCH_FOR_S + SILENCE_MAX_S)
        with contextlib.closing(connection):
            for line in answer:
                if self._stopped:
                    return
                self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        obj = event["object"]
        if event["type"] == "ERROR":
            self._revision = ""
            raise OSError(obj.get("message", "the watch can't go on"))
        metadata = obj["metadata"]
        if event["type"] == "DELETED":
            self.objects.pop(metadata["name"], None)
        elif event["type"] != "BOOKMARK":
            self.objects[metadata["name"]] = obj
        self._revision = metadata["resourceVersion"]
