"""`python -m demo`: the page on this machine, and with --share a link to send."""

import contextlib
import secrets
import sys
import threading
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gansample import console
from gansample.errors import BackendUnavailable

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def main() -> NoReturn:
    console.run(app, "demo")


@app.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def demo(
    bundle: Annotated[
        list[Path] | None,
        typer.Option(help="Show this bundle (may be repeated; default: all under artifacts/ and models/, and fashion)."),
    ] = None,
    share: Annotated[bool, typer.Option("--share", help="Make a public link, behind a one-time password.")] = False,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Default: the first free one from 7860.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Open a page that draws pictures from exported generators.

    \b
    python -m demo                                 every bundle under artifacts/, newest first
    python -m demo --bundle artifacts/digits       this one
    python -m demo --share                         and a link for others, for as long as it runs
    """
    from demo.shelf import Shelf, find_bundles
    from gansample.bundle import open_bundle

    shelf = Shelf([open_bundle(path.absolute()) for path in bundle] if bundle else find_bundles())

    from demo.album import private_album

    # Gradio hands out files of the working directory and writes the tunnel's certificate there: give it one with nothing in it.
    with private_album() as album, contextlib.chdir(album.folder.parent):
        from demo.app import build_page
        from demo.launch import USER, running

        password = secrets.token_urlsafe(9) if share else None
        page = build_page(shelf, album)
        with running(page, album, host=host, port=port, password=password) as url, contextlib.ExitStack() as stack:
            _say(f"{', '.join(shelf.names)} at {url}  (Ctrl-C ends it)")
            if password is not None:
                _say(f"sign in as {USER}, password {password}")
                _share(host, page.server_port, url, stack)
            threading.Event().wait()


def _share(host: str, port: int, url: str, stack: contextlib.ExitStack) -> None:
    from demo.share import close_link, open_link

    stack.callback(close_link)
    _say("asking for a public link …")
    try:
        link = open_link(port, "127.0.0.1" if host == "0.0.0.0" else host)
    except BackendUnavailable as error:
        _say(f"no public link: {error}")
        _say(f"the page goes on at {url}; from another machine: ssh -L {port}:127.0.0.1:{port} USER@THIS_MACHINE")
    else:
        _say(f"public link: {link}")
        _say("whoever has link and password can draw from these bundles until this command ends (a week at most)")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
