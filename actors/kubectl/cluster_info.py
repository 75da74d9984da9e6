"""``cluster-info``: where the control plane is."""

from __future__ import annotations

import click

from actors.kubectl.grammar import command
from actors.kubectl.session import DEFAULT_CLUSTER, Kubectl, run_with_client


@command("cluster-info", short_help="Display cluster information")
@click.pass_context
def cluster_info_command(ctx: click.Context, /) -> None:
    """Show where the cluster's control plane answers."""
    name = (ctx.find_object(dict) or {}).get("name") or DEFAULT_CLUSTER

    async def work(kubectl: Kubectl) -> None:
        from actors.supervisor.cluster_directory import cluster_directory

        await kubectl.client.get("v1/namespaces", "kube-system")  # says so when nobody answers
        directory = cluster_directory(name)
        kubectl.print(f"Kubernetes control plane is running at {directory.endpoint('apiserver')}")
        kubectl.print(f"Its files are in {directory.root}")

    run_with_client(ctx, work)
