"""``api-resources`` and ``api-versions``: what the API has."""

from __future__ import annotations

import click

from actors.apimachinery.resources import Resource
from actors.kubectl.failure import CommandFailed
from actors.kubectl.grammar import command, split_lists
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.tab_writer import align


@command("api-resources", short_help="Print the supported API resources on the server")
@click.option("--namespaced", default="", is_flag=False, flag_value="true", metavar="true|false")
@click.option("--api-group", default=None, metavar="GROUP", help="Only resources of this group.")
@click.option("--verbs", multiple=True, metavar="VERB", help="Only resources with all of these verbs.")
@click.option("--categories", multiple=True, metavar="NAME", help="Only resources in all of these categories.")
@click.option("--sort-by", default="", metavar="name|kind", help="The order of the rows.")
@click.option("--no-headers", is_flag=True, help="Print without headers.")
@click.option("-o", "--output", default="", metavar="wide|name", help="Output format.")
@click.pass_context
def api_resources_command(
    ctx: click.Context,
    namespaced: str,
    api_group: str | None,
    verbs: tuple[str, ...],
    categories: tuple[str, ...],
    sort_by: str,
    no_headers: bool,
    output: str,
) -> None:
    """Show every resource, with its short names, version and kind."""
    if output not in ("", "wide", "name"):
        raise CommandFailed(f"--output {output} is not available")
    if sort_by not in ("", "name", "kind"):
        raise CommandFailed("--sort-by accepts only name or kind")
    wanted_verbs, wanted_categories = split_lists(verbs), split_lists(categories)

    async def work(kubectl: Kubectl) -> None:
        chosen = [
            resource
            for resource in kubectl.resources.preferred()
            if (not namespaced or resource.namespaced is (namespaced == "true"))
            and (api_group is None or resource.group == api_group)
            and all(verb in resource.verbs for verb in wanted_verbs)
            and all(category in resource.categories for category in wanted_categories)
        ]
        kubectl.out.write(render(sorted(chosen, key=lambda r: _order(r, sort_by)), output, headers=not no_headers))

    run_with_client(ctx, work)


def _order(resource: Resource, sort_by: str) -> tuple[str, str]:
    if sort_by == "kind":
        return resource.kind, ""
    return (resource.plural, "") if sort_by == "name" else (resource.group, resource.plural)


def render(resources: list[Resource], output: str, *, headers: bool = True) -> str:
    """The table, or the names."""
    if output == "name":
        return "".join(f"{resource.group_resource}\n" for resource in resources)
    wide = output == "wide"
    lines = ["NAME\tSHORTNAMES\tAPIVERSION\tNAMESPACED\tKIND" + ("\tVERBS\tCATEGORIES" if wide else "")]
    for resource in resources:
        cells = [
            resource.plural,
            ",".join(resource.short_names),
            resource.api_version,
            "true" if resource.namespaced else "false",
            resource.kind,
        ]
        if wide:
            cells.extend([",".join(resource.verbs), ",".join(resource.categories)])
        lines.append("\t".join(cells))
    shown = lines if headers else lines[1:]
    return align("\n".join(shown), minimum_width=6, padding=3) + "\n" if shown else ""


@command("api-versions", short_help='Print the supported API versions on the server, in the form of "group/version"')
@click.pass_context
def api_versions_command(ctx: click.Context) -> None:
    """Show every group and version."""

    async def work(kubectl: Kubectl) -> None:
        for version in sorted({resource.api_version for resource in kubectl.resources}):
            kubectl.print(version)

    run_with_client(ctx, work)
