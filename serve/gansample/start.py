"""Where the command `gansample` begins."""

import sys
from typing import NoReturn

from gansample.plain import plain


def main() -> NoReturn:
    if (options := plain(sys.argv[1:])) is None:
        from gansample.cli import main as typer_main

        typer_main()
    from gansample.drawing import draw
    from gansample.ending import end

    end("gansample", lambda: draw(**options))
