"""``podchain up``: start a cluster, and stay with it or leave it running."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click

from actors.chaos.policy import write_chaos
from actors.chaos.vocabulary import faults_from_rates
from actors.supervisor.actor_log import bound_log, log_file
from actors.supervisor.cluster_config import ClusterConfig, InvalidConfig
from actors.supervisor.cluster_directory import ClusterDirectory, InsecureDirectory
from actors.supervisor.cluster_lock import ClusterIsRunning, ClusterLock
from actors.supervisor.commands.cluster_name import directory_of
from actors.supervisor.gateway_port import chosen_gateway_port
from actors.supervisor.leftovers import StillAlive, clean_leftovers
from actors.supervisor.process_id import process_id
from actors.supervisor.progress import Progress
from broker.chaos import Chaos

EXIT_INTERRUPTED: Final = 130
#: A process older than this when it comes here was something else before, such as a shell that replaced itself by us.
COMMAND_AGE_MAX_S: Final = 2.0


@click.command("up")
@click.option("--nodes", type=int, default=3, show_default=True, help="Nodes with a kubelet process of their own.")
@click.option("--hollow-nodes", type=int, default=0, show_default=True, help="Lightweight nodes, all in one process.")
@click.option(
    "--runtime",
    type=click.Choice(["sim", "process"]),
    default="sim",
    show_default=True,
    help="sim plays containers; process runs their commands as processes of this machine, without isolation.",
)
@click.option("--detach", "-d", is_flag=True, help="Return as soon as the cluster is ready; it goes on running.")
@click.option(
    "--restore",
    "snapshot",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="SNAPSHOT",
    help="Begin with what `etcdctl snapshot save` saved; the cluster must have no data yet, or see --fresh.",
)
@click.option("--fresh", is_flag=True, help="Delete the data of an earlier cluster of this name first.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND=CHANCE",
    help="Faults from the start, as of podchain chaos: drop, duplicate, delay, reorder, corrupt, conflict, ... each "
    "with a chance from 0 to 1. Repeatable.",
)
@click.option(
    "--etcd-listen",
    default="",
    metavar="HOST:PORT",
    help="Serve the store as etcd's API there, for etcdctl and the like. Other than loopback needs --etcd-cert.",
)
@click.option("--etcd-cert", default="", metavar="FILE", help="TLS certificate of the etcd API (PEM).")
@click.option("--etcd-key", default="", metavar="FILE", help="The certificate's key (PEM).")
@click.option(
    "--etcd-client-ca", default="", metavar="FILE", help="Clients must show a certificate signed by this one."
)
@click.option(
    "--store",
    type=click.Choice(["sqlite", "memory", "etcd"]),
    default="sqlite",
    show_default=True,
    help="Where all data is: a file, nowhere lasting, or a real etcd (see --etcd-endpoints).",
)
@click.option("--etcd-endpoints", default="", metavar="URL,...", help="Client URLs of the etcd of --store etcd.")
@click.option("--etcd-cacert", default="", metavar="FILE", help="Who signed that etcd's certificates (PEM).")
@click.option("--etcd-client-cert", default="", metavar="FILE", help="Our certificate for that etcd (PEM).")
@click.option("--etcd-client-key", default="", metavar="FILE", help="Its key (PEM).")
@click.option("--etcd-user", default="", metavar="NAME", help="Password: PODCHAIN_ETCD_PASSWORD, or the file's.")
@click.option("--etcd-password-file", default="", metavar="FILE", help="Has the password of --etcd-user.")
@click.option(
    "--quota-backend-bytes",
    type=int,
    default=0,
    metavar="BYTES",
    help="The store refuses writes when its file is larger (2 GiB when 0, no limit when negative).",
)
@click.option(
    "--auto-compaction-mode",
    type=click.Choice(["periodic", "revision"]),
    default="periodic",
    show_default=True,
    help="What --auto-compaction-retention counts.",
)
@click.option(
    "--auto-compaction-retention",
    default="",
    metavar="N",
    help="History the store keeps: 1h, 30m or a number of revisions; 0: all. Without it the last 50,000 revisions.",
)
@click.option(
    "--gateway-port",
    type=int,
    default=0,
    metavar="PORT",
    help="Where kubectl and other Kubernetes clients connect (HTTPS on 127.0.0.1); 0: the last one, or a free one.",
)
@click.option("--gateways", type=int, default=1, metavar="N", help="So many gateway processes, all on that port.")
@click.option("--no-gateway", is_flag=True, help="Without Kubernetes' REST API over HTTPS.")
@click.option("--seed", type=int, default=None, help="Draws the faults; without it they differ at every start.")
@click.pass_context
def up(
    ctx: click.Context,
    /,
    nodes: int,
    hollow_nodes: int,
    runtime: Any,
    detach: bool,
    fresh: bool,
    snapshot: Path | None,
    faults: tuple[str, ...],
    seed: int | None,
    etcd_listen: str,
    etcd_cert: str,
    etcd_key: str,
    etcd_client_ca: str,
    gateway_port: int,
    gateways: int,
    no_gateway: bool,
    store: Any,
    etcd_endpoints: str,
    quota_backend_bytes: int,
    auto_compaction_mode: str,
    auto_compaction_retention: str,
    **etcd_store: str,
) -> None:
    """Start a cluster. Ctrl-C stops it, unless it was started with --detach."""
    started_s = command_started_s()
    directory = directory_of(ctx)
    try:
        config = ClusterConfig(
            nodes=nodes,
            hollow_nodes=hollow_nodes,
            runtime=runtime,
            faults=_read_faults(faults),
            seed=seed,
            etcd_listen=etcd_listen,
            etcd_cert=etcd_cert,
            etcd_key=etcd_key,
            etcd_client_ca=etcd_client_ca,
            gateway_port=0 if no_gateway else chosen_gateway_port(directory, gateway_port),
            gateways=gateways,
            store=store,
            etcd_endpoints=[url.strip() for url in etcd_endpoints.split(",") if url.strip()],
            quota_backend_bytes=quota_backend_bytes,
            auto_compaction_mode=auto_compaction_mode,
            auto_compaction_retention=auto_compaction_retention,
            **_absolute(etcd_store),
        )
        if fresh and store == "etcd":
            raise InvalidConfig("--fresh: what is in an etcd is not deleted from here")
        if snapshot is not None and store != "sqlite":
            raise InvalidConfig(f"--restore: it is for --store sqlite, not for {store}")
        start = _Start(directory, config, fresh, snapshot, started_s)
        code = _up_detached(start) if detach else _up(start)
    except (ClusterIsRunning, InsecureDirectory, InvalidConfig, StillAlive, OSError) as error:
        raise click.ClickException(str(error)) from error
    # The supervisor's process ends here: without going through the destructors of all it has loaded.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _absolute(options: dict[str, str]) -> dict[str, Any]:
    """The options of the etcd that is the store, its files named so that they are found from any directory."""
    return {
        name: value if name == "etcd_user" or not value else str(Path(value).absolute())
        for name, value in options.items()
    }


def _read_faults(texts: tuple[str, ...]) -> dict[str, float]:
    """``drop=0.1`` and the like. Raises `click.BadParameter`."""
    faults: dict[str, float] = {}
    for text in texts:
        kind, _, chance = text.partition("=")
        try:
            faults[kind] = float(chance)
        except ValueError:
            raise click.BadParameter(f"{text!r} is not like drop=0.1", param_hint="--fault") from None
    return faults


def command_started_s() -> float:
    """When this process was started, in seconds since the epoch."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - process_id(os.getpid()).started / os.sysconf("SC_CLK_TCK")
        if age_s < COMMAND_AGE_MAX_S:
            return time.time() - age_s
    return time.time() - time.process_time()


class _DetachingProgress(Progress):
    """Lets go of the terminal when the cluster is ready."""

    def __init__(self, name: str, actors: list[str], log: Path, report_fd: int) -> None:
        super().__init__(name, actors, detached=True)
        self._log = log
        self._report_fd = report_fd

    def ready(self, in_s: float) -> None:
        super().ready(in_s)
        bound_log(self._log)
        null = os.open(os.devnull, os.O_RDONLY)
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.close(null)
        os.close(log)
        os.write(self._report_fd, b"\0")
        os.close(self._report_fd)


@dataclass(frozen=True, slots=True)
class _Start:
    """What is to be started."""

    directory: ClusterDirectory
    config: ClusterConfig
    fresh: bool
    snapshot: Path | None
    started_s: float


def _restore(snapshot: Path, directory: ClusterDirectory) -> None:
    """Make the store's file of a snapshot. Raises `InvalidConfig`."""
    if find_spec("google.protobuf") is None:
        raise InvalidConfig("--restore: protobuf is not installed; see the extra: podchain[etcd]")
    from store.etcd_api.restore import SnapshotRefused, restore

    try:
        restore(snapshot, directory.store_file)
    except SnapshotRefused as error:
        raise InvalidConfig(f"--restore: {error}") from error


def _up(start: _Start, report_fd: int | None = None) -> int:
    """Be the supervisor until the cluster's end."""
    from actors.supervisor.actor_table import actor_table
    from actors.supervisor.supervisor import Supervisor

    directory, config = start.directory, start.config
    with ClusterLock(directory) as lock:
        clean_leftovers(directory)
        if start.fresh:
            shutil.rmtree(directory.data, ignore_errors=True)
        directory.create()
        if start.snapshot is not None:
            _restore(start.snapshot, directory)
        config.save(directory)
        write_chaos(directory, Chaos(faults_from_rates(config.faults), config.seed))
        specs = actor_table(config, directory)
        names = [spec.name for spec in specs if not spec.one_shot]
        private_fds: tuple[int, ...] = ()
        if report_fd is None:
            progress = Progress(directory.name, names, detached=False)
        else:
            progress = _DetachingProgress(directory.name, names, log_file(directory, "supervisor"), report_fd)
            private_fds = (report_fd,)
        supervisor = Supervisor(
            directory, specs, lock, progress, command_started_s=start.started_s, private_fds=private_fds
        )
        return supervisor.run()


def _up_detached(start: _Start) -> int:
    """Have a child be the supervisor, in a session of its own, and wait until its cluster is ready."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setsid()
        return _up(start, writing)
    os.close(writing)
    try:
        if os.read(reading, 1) == b"\0":
            return 0
    except KeyboardInterrupt:
        os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) or EXIT_INTERRUPTED
