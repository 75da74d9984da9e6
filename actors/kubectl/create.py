"""``create``: objects from manifests, or from flags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError
from actors.kubectl import generators
from actors.kubectl.failure import CommandFailed, raise_all, with_source
from actors.kubectl.grammar import (
    DRY_RUN_NOTES,
    Group,
    after_dash,
    dry_run_of,
    dry_run_option,
    filename_options,
    namespace_option,
    options,
    output_option,
    subcommand,
)
from actors.kubectl.session import Kubectl, fail, run_with_client
from actors.kubectl.target import Found

FIELD_MANAGER: Final = "kubectl-create"

create_options = options(
    dry_run_option,
    output_option,
    click.option("--save-config", is_flag=True, help="Remember the configuration for a later apply."),
    click.option("--validate", default="strict", is_flag=False, flag_value="strict", metavar="strict|warn|ignore"),
    click.option("--field-manager", default=FIELD_MANAGER, metavar="NAME", help="Name of the manager of the fields."),
)


@click.group("create", cls=Group, invoke_without_command=True, short_help="Create a resource from a file or from stdin")
@filename_options
@create_options
@namespace_option
@click.pass_context
def create_group(ctx: click.Context, /, filenames: tuple[str, ...], recursive: bool, **flags: Any) -> None:
    """Create objects from manifests (-f), or one object from flags (see the commands)."""
    if ctx.invoked_subcommand is not None:
        return
    try:
        if not filenames:
            raise CommandFailed("must specify one of -f and -k")
        flags["dry_run"] = dry_run_of(flags["dry_run"])
    except CommandFailed as error:
        fail(error)
    run_with_client(ctx, lambda kubectl: create_from_files(kubectl, filenames, flags, recursive=recursive))


async def create_from_files(
    kubectl: Kubectl, filenames: Sequence[str], flags: dict[str, Any], *, recursive: bool = False
) -> int | None:
    """Create every object of the files; each is tried."""
    from actors.kubectl.manifest import read_manifests

    manifests, errors = read_manifests(kubectl, filenames, recursive=recursive)
    for manifest in manifests:
        try:
            await _create(kubectl, manifest.object, flags)
        except ApiError as error:
            errors.append(error if error.code == 422 else with_source("creating", manifest.source, error))
    raise_all(errors)
    return None


async def _create(kubectl: Kubectl, obj: Object, flags: dict[str, Any]) -> None:
    """Create one object and say so."""
    from actors.kubectl.apply import VALIDATION
    from actors.kubectl.output_format import formatter_of

    formatter = formatter_of(flags["output"])
    resource = kubectl.resources.for_kind(obj["apiVersion"], obj["kind"])
    if resource is None:
        raise CommandFailed(f'no matches for kind "{obj["kind"]}" in version "{obj["apiVersion"]}"')
    if flags["save_config"]:
        from actors.kubectl.last_applied import with_last_applied

        obj = with_last_applied(obj)
    dry_run = flags["dry_run"]
    if dry_run != "client":
        if flags["validate"] not in VALIDATION:
            raise CommandFailed(
                f'invalid - validate option "{flags["validate"]}", must be one of: strict, warn, ignore'
            )
        write_options = {"fieldManager": flags["field_manager"], "fieldValidation": VALIDATION[flags["validate"]]}
        if dry_run == "server":
            write_options["dryRun"] = True
        obj = await kubectl.client.create(resource.key, obj, options=write_options)
    found = Found(resource, obj)
    if formatter is None:
        kubectl.print(f"{found.label} created{DRY_RUN_NOTES[dry_run]}")
    else:
        kubectl.out.write(formatter([found], False))
    kubectl.flush()


def _run(ctx: click.Context, obj: Object, flags: dict[str, Any], failing: str = "") -> None:
    """Create an object made from flags. `failing` begins the message when the server refuses it."""
    flags["dry_run"] = dry_run_of(flags["dry_run"])
    if flags["dry_run"] == "client":
        _print_only(ctx, obj, flags)
        return
    run_with_client(ctx, lambda kubectl: _create_made(kubectl, obj, flags, failing))


async def _create_made(kubectl: Kubectl, obj: Object, flags: dict[str, Any], failing: str) -> None:
    resource = kubectl.resources.for_kind(obj["apiVersion"], obj["kind"])
    if resource is not None and resource.namespaced:
        obj = {**obj, "metadata": {**obj["metadata"], "namespace": kubectl.namespace}}
    try:
        await _create(kubectl, obj, flags)
    except ApiError as error:
        if failing:
            raise CommandFailed(f"{failing} {error.message}") from error
        raise


def _print_only(ctx: click.Context, obj: Object, flags: dict[str, Any]) -> None:
    """A dry run on the client needs no cluster."""
    import sys

    from actors.apimachinery.resources import resource_for_kind
    from actors.kubectl.last_applied import with_last_applied
    from actors.kubectl.object_printer import to_json
    from actors.kubectl.output_format import formatter_of
    from actors.kubectl.session import NAMESPACE_KEY

    resource = resource_for_kind(obj["apiVersion"], obj["kind"])
    assert resource is not None
    namespace = ctx.meta.get(NAMESPACE_KEY)
    if namespace and resource.namespaced:
        obj = {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}
    if flags["save_config"]:
        obj = with_last_applied(obj)
    found = Found(resource, obj)
    formatter = formatter_of(flags["output"])
    if flags["output"] == "json":
        sys.stdout.write(to_json(obj, sort_keys=False) + "\n")
    else:
        sys.stdout.write(formatter([found], False) if formatter else f"{found.label} created (dry run)\n")


def _one_name(ctx: click.Context, args: Sequence[str]) -> tuple[str, list[str]]:
    """The NAME and what stands after ``--``."""
    command = after_dash(ctx)
    names = list(args[: len(args) - len(command)])
    if len(names) != 1:
        raise CommandFailed(
            f"exactly one NAME is required, got {len(names)}\nSee '{ctx.command_path} -h' for help and examples"
        )
    return names[0], command


name_argument = click.argument("args", nargs=-1, metavar="NAME")
source_options = options(
    click.option("--from-literal", "literals", multiple=True, metavar="KEY=VALUE", help="A key and its text."),
    click.option("--from-file", "files", multiple=True, metavar="[KEY=]PATH", help="A file, or a directory's files."),
    click.option("--from-env-file", "env_files", multiple=True, metavar="PATH", help="Lines of KEY=VALUE."),
)


@subcommand(create_group, "deployment", short_help="Create a deployment with the specified name")
@name_argument
@click.option("--image", "images", multiple=True, required=True, metavar="IMAGE", help="Image; repeat for several.")
@click.option("-r", "--replicas", type=int, default=1, help="Number of replicas.")
@click.option("--port", type=int, default=None, help="The port that the first container exposes.")
@create_options
@click.pass_context
def create_deployment(
    ctx: click.Context, /, args: tuple[str, ...], images: tuple[str, ...], replicas: int, port: int | None, **flags: Any
) -> None:
    """Create a deployment. After -- may stand the command that its container runs."""
    name, command = _one_name(ctx, args)
    images = tuple(part for image in images for part in image.split(","))
    obj = generators.new_deployment(name, images, replicas=replicas, port=port, command=command)
    _run(ctx, obj, flags, "failed to create deployment:")


@subcommand(create_group, "job", short_help="Create a job with the specified name")
@name_argument
@click.option("--image", default="", metavar="IMAGE", help="Image to run.")
@click.option("--from", "from_name", default="", metavar="cronjob/NAME", help="The cron job to run now.")
@create_options
@click.pass_context
def create_job(ctx: click.Context, /, args: tuple[str, ...], image: str, from_name: str, **flags: Any) -> None:
    """Create a job. After -- may stand the command that its container runs."""
    name, command = _one_name(ctx, args)
    if bool(image) is bool(from_name):
        raise CommandFailed("either --image or --from must be specified")
    if image:
        _run(ctx, generators.new_job(name, image, command), flags, "failed to create job:")
        return
    if command:
        raise CommandFailed("cannot specify --from and command")
    kind, _, source = from_name.partition("/")
    if kind not in ("cronjob", "cronjobs", "cj", "cronjob.batch") or not source:
        raise CommandFailed(f'from must be an existing cronjob: "{from_name}"')
    flags["dry_run"] = dry_run_of(flags["dry_run"])

    async def work(kubectl: Kubectl) -> None:
        cron_job = await kubectl.client.get("batch/v1/cronjobs", source, kubectl.namespace)
        await _create_made(kubectl, generators.new_job_from(name, cron_job), flags, "failed to create job:")

    run_with_client(ctx, work)


@subcommand(create_group, "cronjob", short_help="Create a cron job with the specified name")
@name_argument
@click.option("--image", required=True, metavar="IMAGE", help="Image to run.")
@click.option("--schedule", required=True, metavar="CRON", help="When to run, in cron's format.")
@click.option("--restart", default="OnFailure", metavar="POLICY", help="OnFailure or Never.")
@create_options
@click.pass_context
def create_cron_job(
    ctx: click.Context, /, args: tuple[str, ...], image: str, schedule: str, restart: str, **flags: Any
) -> None:
    """Create a cron job. After -- may stand the command that its container runs."""
    name, command = _one_name(ctx, args)
    obj = generators.new_cron_job(name, image, schedule, restart=restart, command=command)
    _run(ctx, obj, flags, "failed to create cronjob:")


@subcommand(create_group, "namespace", short_help="Create a namespace with the specified name")
@name_argument
@create_options
@click.pass_context
def create_namespace(ctx: click.Context, /, args: tuple[str, ...], **flags: Any) -> None:
    """Create a namespace."""
    _run(ctx, generators.new_namespace(_one_name(ctx, args)[0]), flags)


@subcommand(create_group, "serviceaccount", short_help="Create a service account with the specified name")
@name_argument
@create_options
@click.pass_context
def create_service_account(ctx: click.Context, /, args: tuple[str, ...], **flags: Any) -> None:
    """Create a service account."""
    made = generators.new_service_account(_one_name(ctx, args)[0])
    _run(ctx, made, flags, "failed to create serviceaccount:")


@subcommand(create_group, "configmap", short_help="Create a config map from a local file, directory or literal value")
@name_argument
@source_options
@create_options
@click.pass_context
def create_config_map(
    ctx: click.Context,
    /,
    args: tuple[str, ...],
    literals: tuple[str, ...],
    files: tuple[str, ...],
    env_files: tuple[str, ...],
    **flags: Any,
) -> None:
    """Create a config map."""
    from actors.kubectl.data_sources import read_sources

    name, _ = _one_name(ctx, args)
    made = generators.new_config_map(name, read_sources(literals, files, env_files))
    _run(ctx, made, flags, "failed to create configmap:")


@create_group.group("secret", cls=Group, short_help="Create a secret using a specified subcommand")
@namespace_option
def secret_group() -> None:
    """Create a secret."""


@subcommand(secret_group, "generic", short_help="Create a secret from a local file, directory or literal value")
@name_argument
@source_options
@click.option("--type", "secret_type", default="", metavar="TYPE", help="The type of the secret.")
@create_options
@click.pass_context
def create_secret(
    ctx: click.Context,
    /,
    args: tuple[str, ...],
    literals: tuple[str, ...],
    files: tuple[str, ...],
    env_files: tuple[str, ...],
    secret_type: str,
    **flags: Any,
) -> None:
    """Create a secret."""
    from actors.kubectl.data_sources import read_sources

    name, _ = _one_name(ctx, args)
    made = generators.new_secret(name, read_sources(literals, files, env_files), secret_type=secret_type)
    _run(ctx, made, flags, "failed to create secret")


@create_group.group("service", cls=Group, short_help="Create a service using a specified subcommand")
@namespace_option
def service_group() -> None:
    """Create a service."""


def _service_command(name: str, service_type: str) -> Callable[..., Any]:
    @subcommand(service_group, name, short_help=f"Create a {service_type} service")
    @name_argument
    @click.option("--tcp", "ports", multiple=True, metavar="PORT[:TARGET]", help="Ports; repeat for several.")
    @click.option("--clusterip", "cluster_ip", default="", help="The cluster IP, or None for a headless service.")
    @create_options
    @click.pass_context
    def create_service(
        ctx: click.Context, /, args: tuple[str, ...], ports: tuple[str, ...], cluster_ip: str, **flags: Any
    ) -> None:
        """Create a service for the pods labelled app=NAME."""
        made = generators.new_service(_one_name(ctx, args)[0], service_type, ports, cluster_ip=cluster_ip)
        _run(ctx, made, flags, f"failed to create {service_type} service:")

    return create_service


for _name, _type in (("clusterip", "ClusterIP"), ("nodeport", "NodePort"), ("loadbalancer", "LoadBalancer")):
    _service_command(_name, _type)

for _alias, _command in (
    ("deploy", create_deployment),
    ("ns", create_namespace),
    ("sa", create_service_account),
    ("cm", create_config_map),
    ("cj", create_cron_job),
    ("svc", service_group),
):
    create_group.add_command(_command, _alias)
    create_group.hide(_alias)
