"""`python -m demo`: the page on this machine, and with --share a public link to it."""

import contextlib
import logging
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gansample.cli import console
from gansample.errors import BackendUnavailable

logger = logging.getLogger(__name__)
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def main() -> NoReturn:
    console.run(app, "demo")


@app.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def demo(
    bundle: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER", help="Show this bundle (may be repeated; default: all under artifacts/ and models/, and fashion)."
        ),
    ] = None,
    share: Annotated[bool, typer.Option("--share", help="Make a public link, protected by a one-time password.")] = False,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="With --share: no password, anyone with the link can draw.")
    ] = False,
    tunnel_server: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="With --share: your own frp server instead of Gradio's service.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=1, max=65535, help="Port to listen on (default: the first free one from 7860)."),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 accepts other machines.")
    ] = "127.0.0.1",
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="Tell visitors apart by the X-Forwarded-For of a proxy on this machine.")
    ] = False,
    browser: Annotated[
        bool | None, typer.Option("--browser/--no-browser", help="Open the page in a browser (default: on a desktop).")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
) -> None:
    """Serve a page that draws pictures from exported generators.

    \b
    python -m demo                                 every bundle under artifacts/ and models/, newest first
    python -m demo --bundle artifacts/digits       only this one
    python -m demo --share                         with a public link, for as long as it runs
    """
    from demo.bundle_store import BundleStore, find_bundles
    from gansample.bundle.open import open_bundle
    from gansample.errors import UsageError

    console.log_to_stderr("demo")
    if (no_auth or tunnel_server) and not share:
        raise UsageError("--no-auth and --tunnel-server only apply to a public link", "add --share, or leave them out")
    bundle_store = BundleStore([open_bundle(path) for path in bundle] if bundle else find_bundles())

    from demo.image_store import private_image_store

    # Gradio serves files of the working directory and writes the tunnel's certificate into it: use an empty one.
    with private_image_store() as image_store, contextlib.chdir(image_store.folder.parent):
        from demo.app import build_page
        from demo.desktop import has_desktop, open_browser
        from demo.launch import USER, running

        password = secrets.token_urlsafe(9) if share and not no_auth else None
        page = build_page(bundle_store, image_store)
        with (
            running(page, image_store, host=host, port=port, password=password, behind_proxy=behind_proxy or share) as url,
            contextlib.ExitStack() as stack,
        ):
            logger.info("%s at %s (Ctrl-C stops it)", ", ".join(bundle_store.names), url)
            if password is not None:
                logger.info("sign in as %s, password %s", USER, password)
            if has_desktop() if browser is None else browser:
                open_browser(url)
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
    logger.info("requesting a public link …")
    try:
        address = open_link(link.port, "127.0.0.1" if link.host == "0.0.0.0" else link.host, server=link.server)
    except BackendUnavailable as error:
        logger.warning("no public link: %s", error)
        logger.info("the page is still available at %s. Other ways to share it:", link.url)
        logger.info("  from another machine:  ssh -L %d:127.0.0.1:%d USER@THIS_MACHINE", link.port, link.port)
        logger.info("  for everybody:         make space, and push dist/space to a Hugging Face Space")
        logger.info("  your own frp server:   --share --tunnel-server HOST:PORT")
    else:
        audience = "anyone with the link and the password" if link.has_password else "ANYONE WITH THE LINK (--no-auth)"
        logger.info("public link: %s", address)
        logger.info("%s can draw from %s and read their cards; no other file is served", audience, ", ".join(bundles))
        logger.info("the link closes with this command, or when the tunnel service closes it (after a week at most)")
