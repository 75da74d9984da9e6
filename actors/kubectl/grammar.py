"""kubectl's grammar on click: what its flags look like, and its words for a wrong command line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click

from actors.kubectl.failure import EXPECTED, CommandFailed
from actors.kubectl.session import NAMESPACE_KEY, fail

F = TypeVar("F", bound=Callable[..., Any])

_AFTER_DASH_KEY: Final = "podchain.after-dash"
_DURATION_PARTS: Final = re.compile(r"([0-9]*\.?[0-9]+)(ns|us|µs|ms|s|m|h)")
_UNIT_S: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Command(click.Command):
    """A command whose usage errors read and exit as kubectl's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_AFTER_DASH_KEY] = args[args.index("--") + 1 :] if "--" in args else []
        try:
            return super().parse_args(ctx, _with_plain_flags(self, args))
        except click.UsageError as error:
            sys.stderr.write(f"error: {_usage_message(error)}\n")
            if not isinstance(error, click.MissingParameter):
                sys.stderr.write(f"See '{ctx.command_path} --help' for usage.\n")
            raise click.exceptions.Exit(1) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            return fail(error)


_TRUE: Final = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE: Final = frozenset(("0", "f", "F", "false", "FALSE", "False"))


def _with_plain_flags(command: click.Command, args: list[str]) -> list[str]:
    """``--wait=false`` and ``--all=true``, as Go's flags take them, in click's terms."""
    flags = {
        name: option
        for option in command.params
        if isinstance(option, click.Option) and option.is_flag and isinstance(option.type, click.types.BoolParamType)
        for name in option.opts
    }
    plain: list[str] = []
    for position, arg in enumerate(args):
        if arg == "--":
            return plain + args[position:]
        name, equals, value = arg.partition("=")
        option = flags.get(name) if equals else None
        if option is None:
            plain.append(arg)
        elif value in _TRUE:
            plain.append(name)
        elif value in _FALSE:
            plain.extend(option.secondary_opts[:1])
        else:
            raise click.BadParameter(f'strconv.ParseBool: parsing "{value}": invalid syntax', param=option)
    return plain


def after_dash(ctx: click.Context) -> list[str]:
    """The arguments that stand after ``--``: the command that a container is to run."""
    found: list[str] = ctx.meta.get(_AFTER_DASH_KEY, [])
    return list(found)


def _usage_message(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        kind = "flag" if error.option_name.startswith("--") else "shorthand flag"
        return f"unknown {kind}: {error.option_name}"
    if isinstance(error, click.BadOptionUsage):
        return f"flag needs an argument: {error.option_name}"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f'required flag(s) "{error.param.opts[-1].lstrip("-")}" not set'
    if isinstance(error, click.BadParameter) and error.param is not None:
        return f'invalid argument for "{error.param.opts[0]}" flag: {error.message}'
    return error.format_message()


def _keep_namespace(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value:
        ctx.meta[NAMESPACE_KEY] = value


namespace_option = click.option(
    "-n",
    "--namespace",
    metavar="NAMESPACE",
    expose_value=False,
    callback=_keep_namespace,
    help="The namespace of the request (default: default).",
)


def command(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a kubectl command, which knows ``--namespace``."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        return click.command(name, cls=Command, **attributes)(namespace_option(function))

    return decorate


def subcommand(group: click.Group, name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command of a group such as ``rollout``."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        made = command(name, **attributes)(function)
        group.add_command(made)
        return made

    return decorate


class Group(click.Group):
    """A group (``rollout``, ``set``) whose errors read as kubectl's; aliases work but aren't listed."""

    def hide(self, name: str) -> None:
        """Leave a name out of the help."""
        self.hidden_names = (*getattr(self, "hidden_names", ()), name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        hidden = getattr(self, "hidden_names", ())
        return [name for name in super().list_commands(ctx) if name not in hidden]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            sys.stderr.write(f"error: {_usage_message(error)}\nSee '{ctx.command_path} --help' for usage.\n")
            raise click.exceptions.Exit(1) from None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            sys.stderr.write(
                f'error: unknown command "{args[0]}" for "{ctx.command_path}"\n'
                f"See '{ctx.command_path} --help' for usage.\n"
            )
            raise click.exceptions.Exit(1) from None


def options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several click options as one decorator, shown in the order given."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def parse_duration_s(text: str) -> float:
    """Seconds of a Go duration (``1m30s``, ``500ms``) or of a bare number. Raises `CommandFailed`."""
    body = text.lstrip("+-")
    sign = -1.0 if text.startswith("-") else 1.0
    if re.fullmatch(r"[0-9]+", body):
        return sign * float(body)
    parts = _DURATION_PARTS.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise CommandFailed(f'invalid argument "{text}": time: invalid duration "{text}"')
    return sign * sum(float(number) * _UNIT_S[unit] for number, unit in parts)


class DurationType(click.ParamType[float]):
    """A click type: seconds, from Go's way to write durations."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration_s(str(value))
        except CommandFailed:
            self.fail(f'time: invalid duration "{value}"', param, ctx)


def split_lists(values: Sequence[str]) -> list[str]:
    """Values of a flag that may be repeated and may hold comma lists."""
    return [part for value in values for part in value.split(",") if part]


filename_options = options(
    click.option("-f", "--filename", "filenames", multiple=True, metavar="FILE", help="File, directory, URL or -."),
    click.option("-R", "--recursive", is_flag=True, help="Read directories with all that is below them."),
)
selector_option = click.option("-l", "--selector", default="", metavar="SELECTOR", help="Label selector.")
field_selector_option = click.option("--field-selector", default="", metavar="SELECTOR", help="Field selector.")
all_namespaces_option = click.option("-A", "--all-namespaces", is_flag=True, help="Objects of all namespaces.")
output_option = click.option(
    "-o", "--output", default="", metavar="FORMAT", help="json, yaml, name, wide, jsonpath=..., custom-columns=..."
)
#: What a dry run adds to what is printed.
DRY_RUN_NOTES: Final = {"none": "", "client": " (dry run)", "server": " (server dry run)"}
dry_run_option = click.option(
    "--dry-run",
    default="none",
    is_flag=False,
    flag_value="unchanged",
    metavar="none|client|server",
    help="Show what would be done without doing it.",
)


def dry_run_of(value: str) -> str:
    """``none``, ``client`` or ``server``. Raises `CommandFailed`."""
    if value in ("none", "client", "server"):
        return value
    if value == "unchanged":
        raise CommandFailed('--dry-run needs a value: "none", "server", or "client"')
    raise CommandFailed(f'Invalid dry-run value ({value}). Must be "none", "server", or "client".')
