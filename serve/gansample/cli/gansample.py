"""The command `gansample` as Typer sees it: help, completion, and what is said about mistakes. What it does: `draw.py`."""

import inspect
from typing import Annotated, Any, NoReturn

import typer

import gansample
from gansample.cli import console
from gansample.cli.draw import run_command
from gansample.cli.habits import translate
from gansample.cli.option_table import GROUPS, OPTIONS, command_from_values
from gansample.errors import UsageError
from gansample.sampling.options import Option, options_of

app = typer.Typer(add_completion=True, rich_markup_mode=None, pretty_exceptions_enable=False)
AGAIN = "_by_flag"  # what is given as an argument or by its flag arrives under two names


def main() -> NoReturn:
    console.run(app, "gansample", translate)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gansample {gansample.__version__}")
        raise typer.Exit


def _sample(**values: Any) -> None:
    """Draw pictures from an exported generator.

    \b
    gansample --n 64 out.png                       a grid of seeds 0 to 63
    gansample --seeds 7,42,1000-1004 few.webp      these seeds, in this order
    gansample --n 50000 pictures.tar               WebDataset; --resume completes it after an interruption
    gansample --walk 1,7,42 --loop walk.mp4        a way through three seeds and back
    gansample --around 7 --n 16 like-seven.png     sixteen variations of one picture
    gansample --n 4 - | display                    a PNG on stdout
    """  # fmt: skip
    for each in OPTIONS:
        if each.argument and (by_flag := values.pop(f"{each.name}{AGAIN}")) is not None:
            if values[each.name] is not None:
                raise UsageError(f"{each.metavar} is given twice, as {values[each.name]} and as {by_flag}", "give it once")
            values[each.name] = by_flag
    run_command(command_from_values(values))


def _parameters() -> list[inspect.Parameter]:
    """What Typer reads from a function's signature, made from the table."""
    made = []
    for title, group in GROUPS.items():
        defaults = group()
        for each in options_of(group):
            default = getattr(defaults, each.name)
            if each.argument:
                argument = typer.Argument(metavar=each.metavar, help=each.help)
                made.append(_parameter(each.name, each.kind, default, argument))
                made.append(
                    _parameter(
                        f"{each.name}{AGAIN}",
                        each.kind,
                        default,
                        typer.Option(*each.flags, help="Same as OUT.", rich_help_panel=title),
                    )
                )
            else:
                made.append(_parameter(each.name, each.kind, default, _typer_option(each, title)))
    version = typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    return [*made, _parameter("version", bool, False, version)]


def _typer_option(each: Option, title: str) -> Any:
    def choices() -> list[str]:
        return list(each.choices)

    return typer.Option(
        *each.flags,
        help=each.help,
        metavar=each.metavar,
        min=each.minimum,
        max=each.maximum,
        rich_help_panel=title,
        autocompletion=choices if each.choices else None,
    )


def _parameter(name: str, kind: type, default: Any, declared: Any) -> inspect.Parameter:
    annotation: Any = kind if default is not None else kind | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, declared])


_sample.__signature__ = inspect.Signature(_parameters())  # type: ignore[attr-defined]
_sample.__annotations__ = {}
app.command(
    cls=console.GroupedCommand,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Same seed, same picture: whatever the batch size, the machine or the day.",
)(_sample)
