"""``drain``: cordon a node and move its pods away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from actors.apimachinery.meta import controller_of, is_being_deleted
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.resources import Resource
from actors.apimachinery.status import ApiError
from actors.apimachinery.tables.definition import items_of, of
from actors.kubectl.cordon import find_nodes, set_schedulable
from actors.kubectl.delete import wait_until_gone
from actors.kubectl.failure import CommandFailed, raise_all
from actors.kubectl.grammar import DRY_RUN_NOTES, DurationType, command, dry_run_of, dry_run_option, selector_option
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import Found

MIRROR_POD: Final = "kubernetes.io/config.mirror"
#: After a budget refused an eviction, ask again after this long, as kubectl does.
RETRY_S: Final = 5.0
WAIT_MAX_S: Final = 7 * 24 * 3600.0

#: What stands in the way, with the flag that lets the drain go on.
DAEMON_SET: Final = "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"
LOCAL_DATA: Final = "cannot delete Pods with local storage (use --delete-emptydir-data to override)"
NO_CONTROLLER: Final = "cannot delete Pods that declare no controller (use --force to override)"


@dataclass(frozen=True, slots=True)
class DrainOptions:
    """The flags of ``drain``."""

    force: bool = False
    ignore_daemonsets: bool = False
    delete_emptydir_data: bool = False
    disable_eviction: bool = False
    grace_period: int = -1
    timeout: float = 0.0
    pod_selector: str = ""
    dry_run: str = "none"


def sort_pods(pods: Sequence[Object], options: DrainOptions) -> tuple[list[Object], dict[str, list[str]], list[str]]:
    """Which pods leave, what forbids draining (reason to pods), and the warnings to show."""
    leaving: list[Object] = []
    fatal: dict[str, list[str]] = {}
    warned: dict[str, list[str]] = {}
    for pod in pods:
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        if MIRROR_POD in (pod["metadata"].get("annotations") or {}):
            continue
        owner = controller_of(pod)
        done = of(pod, "status", "phase") in ("Succeeded", "Failed")
        if owner and owner["kind"] == "DaemonSet" and not done:
            (warned if options.ignore_daemonsets else fatal).setdefault(
                "ignoring DaemonSet-managed Pods" if options.ignore_daemonsets else DAEMON_SET, []
            ).append(name)
            continue
        if not done and any("emptyDir" in volume for volume in items_of(pod, "spec", "volumes")):
            if not options.delete_emptydir_data:
                fatal.setdefault(LOCAL_DATA, []).append(name)
                continue
            warned.setdefault("deleting Pods with local storage", []).append(name)
        if not done and owner is None:
            if not options.force:
                fatal.setdefault(NO_CONTROLLER, []).append(name)
                continue
            warned.setdefault("deleting Pods that declare no controller", []).append(name)
        leaving.append(pod)
    warnings = [f"{reason}: {', '.join(names)}" for reason, names in warned.items()]
    return leaving, fatal, warnings


@command("drain", short_help="Drain node in preparation for maintenance")
@click.argument("nodes", nargs=-1, metavar="NODE")
@click.option("--force", is_flag=True, help="Also pods that no controller brings back.")
@click.option("--ignore-daemonsets", is_flag=True, help="Leave the pods of daemon sets where they are.")
@click.option("--delete-emptydir-data", is_flag=True, help="Also pods that keep data on the node.")
@click.option("--disable-eviction", is_flag=True, help="Delete pods without asking disruption budgets.")
@click.option("--grace-period", type=int, default=-1, metavar="SECONDS", help="Time given to each pod.")
@click.option("--timeout", type=DurationType(), default=0.0, help="Give up after this long.")
@click.option("--pod-selector", default="", metavar="SELECTOR", help="Only pods with these labels.")
@selector_option
@dry_run_option
@click.pass_context
def drain_command(ctx: click.Context, /, nodes: tuple[str, ...], selector: str, dry_run: str, **flags: Any) -> None:
    """Have no new pods placed on a node, and evict those that are there."""
    if not nodes and not selector:
        raise CommandFailed("USAGE: drain NODE [flags]\nSee 'podchain drain -h' for help and examples")
    options = DrainOptions(dry_run=dry_run_of(dry_run), **flags)

    async def work(kubectl: Kubectl) -> None:
        found, errors = await find_nodes(kubectl, nodes, selector)
        raise_all(errors)
        for node in found:
            kubectl.print(await set_schedulable(kubectl, node, schedulable=False, mode=options.dry_run))
        for node in found:
            await drain(kubectl, node, options)

    run_with_client(ctx, work)


async def drain(kubectl: Kubectl, node: Found, options: DrainOptions) -> None:
    """Move the pods of a cordoned node away. Raises `CommandFailed`."""
    listed = await kubectl.client.list(
        "v1/pods", field_selector=f"spec.nodeName={node.name}", label_selector=options.pod_selector
    )
    leaving, fatal, warnings = sort_pods(listed.items, options)
    if fatal:
        reasons = ", ".join(f"{reason}: {', '.join(names)}" for reason, names in fatal.items())
        reasons = f"[{reasons}]" if len(fatal) > 1 else reasons
        raise CommandFailed(
            f'unable to drain node "{node.name}" due to error: {reasons}, continuing command...\n'
            f"There are pending nodes to be drained:\n {node.name}\nerror: {reasons}"
        )
    if warnings:
        kubectl.warn(f"Warning: {'; '.join(warnings)}")
    pods = kubectl.resources.resolve("pods")
    deadline_s = kubectl.client.ctx.monotonic_s() + (options.timeout or WAIT_MAX_S)
    note = DRY_RUN_NOTES[options.dry_run]
    gone = []
    for pod in leaving:
        metadata = pod["metadata"]
        verb = "deleting" if options.disable_eviction else "evicting"
        kubectl.print(f"{verb} pod {metadata['namespace']}/{metadata['name']}{note}")
        if options.dry_run != "client" and await _evict(kubectl, pods, pod, options, deadline_s):
            gone.append(Found(pods, pod))
    kubectl.flush()
    if options.dry_run == "none":
        for found in gone:
            await wait_until_gone(kubectl, [found], max(0.0, deadline_s - kubectl.client.ctx.monotonic_s()))
            kubectl.print(f"pod/{found.name} {'deleted' if options.disable_eviction else 'evicted'}")
    kubectl.print(f"node/{node.name} drained{note}")


async def _evict(kubectl: Kubectl, pods: Resource, pod: Object, options: DrainOptions, deadline_s: float) -> bool:
    """Evict or delete a pod, asking again while a budget refuses. False when it is gone already."""
    metadata = pod["metadata"]
    delete_options: dict[str, Any] = {}
    if options.grace_period >= 0:
        delete_options["gracePeriodSeconds"] = options.grace_period
    if options.dry_run == "server":
        delete_options["dryRun"] = True
    if is_being_deleted(pod):
        return True
    while True:
        try:
            if options.disable_eviction:
                await kubectl.client.delete(pods.key, metadata["name"], metadata["namespace"], options=delete_options)
            else:
                await kubectl.client.call(_eviction(pods, metadata, delete_options))
            return True
        except ApiError as error:
            if error.code == 404:
                return False
            if error.code != 429:
                raise
            where = f'pods/"{metadata["name"]}" -n "{metadata["namespace"]}"'
            if kubectl.client.ctx.monotonic_s() + RETRY_S > deadline_s:
                raise CommandFailed(f"error when evicting {where}: {error.message}") from error
            kubectl.warn(f"error when evicting {where} (will retry after {RETRY_S:.0f}s): {error.message}")
            await kubectl.client.ctx.sleep(RETRY_S)


def _eviction(pods: Resource, metadata: Object, delete_options: dict[str, Any]) -> Operation:
    body: Object = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
    }
    if "gracePeriodSeconds" in delete_options:
        body["deleteOptions"] = {"gracePeriodSeconds": delete_options["gracePeriodSeconds"]}
    settings = {"dryRun": True} if delete_options.get("dryRun") else {}
    return Operation("create", pods.key, metadata["namespace"], metadata["name"], "eviction", body, settings)
