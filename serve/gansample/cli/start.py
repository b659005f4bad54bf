"""Where the command `gansample` begins."""

import sys
from typing import NoReturn

from gansample.cli.fast_parser import plain


def main() -> NoReturn:
    if (options := plain(sys.argv[1:])) is None:
        from gansample.cli.gansample import main as typer_main

        typer_main()
    from gansample.cli.draw import draw
    from gansample.cli.exit_codes import end

    end("gansample", lambda: draw(**options))
