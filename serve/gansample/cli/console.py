"""Typer with this project's manners."""

import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from gansample.cli.exit_codes import end, one_line
from gansample.cli.log import log_to_stderr as log_to_stderr
from gansample.system.signals import Stopped

# Typer carries its own copy of Click and does not name this base class in public.
ClickException: type[typer.BadParameter] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def run(app: typer.Typer, name: str, translate: Callable[[Sequence[str]], list[str]] = list) -> NoReturn:
    """Run a Typer app as the process's main function and end with its exit code.

    translate  what is done to the command line before Typer reads it; may raise UsageError.
    """

    def call() -> object:
        try:
            return app(translate(sys.argv[1:]), prog_name=name, standalone_mode=False)
        except ClickException as error:
            command = getattr(getattr(error, "ctx", None), "command_path", None) or name
            said = one_line(error.format_message()).rstrip(".")
            print(f"{name}: {said}{'' if said.endswith('?') else '.'} Try: {command} --help", file=sys.stderr)
            return error.exit_code
        except typer.Abort:
            raise Stopped(signal.SIGINT) from None

    end(name, call)


def _plain_type(name: str) -> str:
    """An option's name and type without Python's words: <int range> is <int> (its limits are named) and <list[Path]> <path>."""
    return re.sub(r"<(?:list\[)?(\w+)(?: range|\])>", lambda kind: f"<{kind[1].lower()}>", name)


def _write_options(command: Any, groups: Mapping[str, str], ctx: Any, formatter: Any) -> None:
    """The options under titles: those of `groups`, else those that they are declared with, as `rich_help_panel`."""
    found: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        if (record := parameter.get_help_record(ctx)) is not None:
            record = (_plain_type(record[0]), record[1])
            named = next((title for title, names in groups.items() if parameter.name in names.split()), None)
            title = named or getattr(parameter, "rich_help_panel", None) or "Other"
            found.setdefault("Arguments" if parameter.param_type_name == "argument" else title, []).append(record)
    order = [title for title in ("Arguments", *groups, *found) if title != "Other"]
    for title in sorted(found, key=lambda title: order.index(title) if title in order else len(order)):
        with formatter.section(title):
            formatter.write_dl(found[title])


class GroupedCommand(TyperCommand):
    """Help with the options under titles."""

    groups: ClassVar[Mapping[str, str]] = {}

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, self.groups, ctx, formatter)


class GroupedApp(TyperGroup):
    """The same for an app that has options of its own beside its commands."""

    groups: ClassVar[Mapping[str, str]] = {}

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, self.groups, ctx, formatter)
        self.format_commands(ctx, formatter)


def grouped(groups: Mapping[str, str]) -> type[GroupedCommand]:
    """Help with the options under these titles: title -> the parameters' names, separated by spaces."""
    return type("GroupedCommand", (GroupedCommand,), {"groups": groups})


def grouped_app(groups: Mapping[str, str]) -> type[GroupedApp]:
    """`grouped` for an app."""
    return type("GroupedApp", (GroupedApp,), {"groups": groups})


def share_processor() -> None:
    """Let the numeric libraries' threads sleep while they wait, where the user's environment does not say otherwise.

    Threads that spin take each other's turns as soon as anything else runs: on 2 cores with a load of 6, what takes 1.9 s
    with these settings took 16.8 s without. They are read when torch and numpy load, so call this before.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
