"""Every option of `gansample`, in one table: what the command, its fast parser, completion and docs/drawing.md are made from.

They are declared as fields, in `sampling/options.py` and `outputs/options.py`; those of the command alone, here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gansample.outputs.forms import format_ending
from gansample.outputs.options import DrawOptions, OutputOptions
from gansample.sampling.options import EngineOptions, Option, OptionGroup, SelectionOptions, option, options_of


@dataclass(frozen=True, kw_only=True)
class MessageOptions(OptionGroup):
    """What the command says about it."""

    as_json: bool = option("Print what was done as JSON on stdout.", "--json", default=False)
    quiet: bool = option("Print nothing but errors.", "--quiet", "-q", default=False)
    debug: bool = option("Show a traceback where something fails.", default=False)


GROUPS: Mapping[str, type[OptionGroup]] = {
    "Which pictures": SelectionOptions,
    "On which engine": EngineOptions,
    "Into what": OutputOptions,
    "Messages": MessageOptions,
}
OPTIONS: tuple[Option, ...] = tuple(each for group in GROUPS.values() for each in options_of(group))


@dataclass(frozen=True, kw_only=True)
class Command:
    """One call of `gansample`."""

    draw: DrawOptions
    messages: MessageOptions


def command_from_values(values: Mapping[str, Any]) -> Command:
    """From the options that were given, by their fields' names. Raises UsageError for those that cannot apply."""
    messages = {each.name: values[each.name] for each in options_of(MessageOptions) if each.name in values}
    return Command(draw=DrawOptions.from_values(values), messages=MessageOptions(**messages))


def markdown() -> str:
    """The table in docs/drawing.md: `python -m gansample.cli.option_table` prints it."""
    lines = []
    for title, group in GROUPS.items():
        lines += [f"| {title} | | applies to |", "|---|---|---|"]
        for each in options_of(group):
            names = ", ".join(f"`{flag}`" for flag in each.flags)
            if each.argument and each.metavar:
                names = f"`{each.metavar}`, {names}"
            forms = " ".join(map(format_ending, each.forms)) or "all"
            text = f"{each.help}{_limits(each)}".replace("|", "\\|")
            lines.append(f"| {names} | {text} | {forms} |")
        lines.append("")
    return "\n".join(lines)


def _limits(each: Option) -> str:
    match each.minimum, each.maximum:
        case None, None:
            return ""
        case least, None:
            return f" At least {least}."
        case least, most:
            return f" {least} to {most:,}."


if __name__ == "__main__":
    print(markdown())
