"""Where a cluster keeps its files, and how its actors find each other's sockets.

``PODCHAIN_HOME`` (default ``~/.podchain``) holds one directory a cluster. Sockets live apart from it, in a short
private path, because a Unix socket's path may have about a hundred characters at most.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_NAME: Final = "podchain"


class InsecureDirectory(Exception):
    """A run directory exists but belongs to somebody else, or others may enter it."""


@dataclass(frozen=True, slots=True)
class ClusterDirectory:
    """The paths of one cluster."""

    name: str
    root: Path
    """Data, logs and state: ``$PODCHAIN_HOME/<name>``."""
    run: Path
    """Sockets: private to the user, gone after ``down``."""

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def store_file(self) -> Path:
        """The SQLite file of the store; there are more with this beginning of their names."""
        return self.data / "store.sqlite"

    @property
    def gateway(self) -> Path:
        """Certificates, keys and token of the gateway."""
        return self.root / "gateway"

    @property
    def merged_kubeconfigs(self) -> Path:
        """The files that the cluster's kubeconfig was merged into, one a line."""
        return self.root / "merged-kubeconfigs"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def state_file(self) -> Path:
        """What the supervisor says of its actors (JSON), rewritten whenever it changes."""
        return self.root / "actors.json"

    @property
    def lock_file(self) -> Path:
        """Held (flock) by the running supervisor; contains its pid."""
        return self.root / "supervisor.lock"

    def endpoint(self, actor: str) -> str:
        """Where an actor answers requests."""
        return f"ipc://{self.run / actor}"

    @property
    def publish_endpoint(self) -> str:
        """Where publishers connect (the broker's XSUB)."""
        return f"ipc://{self.run / '.pub'}"

    @property
    def subscribe_endpoint(self) -> str:
        """Where subscribers connect (the broker's XPUB)."""
        return f"ipc://{self.run / '.sub'}"

    @property
    def chaos_file(self) -> Path:
        """Which faults are in force (`broker.chaos`); gone after a stop, like the sockets beside it."""
        return self.run / ".chaos"

    def create(self) -> None:
        """Make the directories, private to the user. Raises `InsecureDirectory`."""
        for directory in (self.root, self.data, self.logs, self.run.parent, self.run):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            about = directory.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
                raise InsecureDirectory(f"{directory} is not a directory of yours; remove it or set PODCHAIN_HOME")
            if about.st_mode & 0o077:
                directory.chmod(0o700)


def cluster_directory(name: str = DEFAULT_NAME) -> ClusterDirectory:
    """The directory of the cluster of that name, under ``PODCHAIN_HOME``."""
    home = Path(os.environ.get("PODCHAIN_HOME") or Path.home() / ".podchain").absolute()
    root = home / name
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    if len(str(base)) > 40:
        base = Path("/tmp")  # noqa: S108 - made private (0700, owner checked) by `create`
    return ClusterDirectory(name, root, base / f"podchain-{os.getuid()}" / digest)
