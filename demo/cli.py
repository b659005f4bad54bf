"""`python -m demo`: the page on this machine, and with --share a link to send."""

import contextlib
import secrets
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gansample.cli import console
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
    no_auth: Annotated[bool, typer.Option("--no-auth", help="With --share: no password, whoever has the link is in.")] = False,
    tunnel_server: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="With --share: your own frp server in place of Gradio's.")
    ] = None,
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
    from demo.bundle_store import BundleStore, find_bundles
    from gansample.bundle.open import open_bundle
    from gansample.errors import UsageError

    if (no_auth or tunnel_server) and not share:
        raise UsageError("--no-auth and --tunnel-server are about a public link", "add --share, or leave them out")
    bundle_store = BundleStore([open_bundle(path.absolute()) for path in bundle] if bundle else find_bundles())

    from demo.image_store import private_image_store

    # Gradio hands out files of the working directory and writes the tunnel's certificate there: give it one with nothing in it.
    with private_image_store() as image_store, contextlib.chdir(image_store.folder.parent):
        from demo.app import build_page
        from demo.launch import USER, running

        password = secrets.token_urlsafe(9) if share and not no_auth else None
        page = build_page(bundle_store, image_store)
        with running(page, image_store, host=host, port=port, password=password) as url, contextlib.ExitStack() as stack:
            _say(f"{', '.join(bundle_store.names)} at {url}  (Ctrl-C ends it)")
            if password is not None:
                _say(f"sign in as {USER}, password {password}")
            if share:
                _share(Link(host, page.server_port, url, tunnel_server, password is not None), bundle_store.names, stack)
            threading.Event().wait()


@dataclass(frozen=True)
class Link:
    """What a public link leads to."""

    host: str
    port: int
    url: str
    server: str | None
    has_password: bool


def _share(link: Link, bundles: Sequence[str], stack: contextlib.ExitStack) -> None:
    from demo.share import close_link, open_link

    stack.callback(close_link)
    _say("asking for a public link …")
    try:
        address = open_link(link.port, "127.0.0.1" if link.host == "0.0.0.0" else link.host, server=link.server)
    except BackendUnavailable as error:
        _say(f"no public link: {error}")
        _say(f"the page goes on at {link.url}. Other ways to show it:")
        _say(f"  from another machine:  ssh -L {link.port}:127.0.0.1:{link.port} USER@THIS_MACHINE")
        _say("  for everybody:         make space, and push dist/space to a Hugging Face Space")
        _say("  your own frp server:   --share --tunnel-server HOST:PORT")
    else:
        who = "whoever has link and password" if link.has_password else "WHOEVER HAS THE LINK (--no-auth)"
        _say(f"public link: {address}")
        _say(f"{who} can draw from {', '.join(bundles)} and read their cards; no other file of this machine is served")
        _say("it ends with this command, or when the tunnel's service ends it: after a week at the latest, often sooner")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
