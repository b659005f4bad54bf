"""Where the command `gansample` begins."""

import sys
from typing import NoReturn

from gansample.cli.fast_parser import parse_fast


def main() -> NoReturn:
    if (values := parse_fast(sys.argv[1:])) is None:
        from gansample.cli.gansample import main as typer_main

        typer_main()
    from gansample.cli.draw import run_command
    from gansample.cli.exit_codes import end
    from gansample.cli.option_table import command_from_values

    end("gansample", lambda: run_command(command_from_values(values)))
