"""Serve the page, with everything disabled that Gradio enables by default and the page does not need."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import gradio as gr
from gradio.utils import get_space
from starlette.middleware import Middleware

from demo.app import WAITING
from demo.guard import Guard
from demo.image_store import ImageStore
from demo.limits import Limits, Throttle
from demo.texts import LANGUAGES
from demo.theme import theme
from gansample.errors import BackendUnavailable, UsageError
from gansample.http.server import listen

STYLE, SCRIPT = Path(__file__).with_name("page.css"), Path(__file__).with_name("page.js")
USER = "guest"  # the name that goes with a password
# Gradio's form to sign in has none of the page's own styles, texts or scripts: all that it gets is this line.
SIGN_IN = f"""<title>gansample</title>
<style>.gradio-container > .main {{ max-width: 30rem !important; margin: 8vh auto 0 !important }}</style>
<b>gansample</b>: pictures from trained generators, for those whom its owner invited. The user name is <b>{USER}</b>; the
password came with the link, and is another one whenever the page is started again.<br>
用户名为 <b>{USER}</b>；密码随链接一起提供，页面每次重新启动后都会更换。"""
FORWARDERS = "FORWARDED_ALLOW_IPS"


@contextmanager
def running(
    page: gr.Blocks,
    image_store: ImageStore,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    password: str | None = None,
    limits: Limits | None = None,
    behind_proxy: bool = False,
) -> Iterator[str]:
    """Serve `page` in a thread of its own for the length of the block; gives its local address.

    port      None takes the first free one from 7860.
    password  asked of every visitor, for the user `guest`; None lets everybody in.
    limits    None is `Limits()`; on a Space, where all visitors share the proxy's address, the limits for all of them.
    behind_proxy  a proxy or tunnel on this machine says in X-Forwarded-For who asks. Anybody could write that header
              otherwise, and be somebody else in every request, whom no limit has met yet.

    Raises UsageError if the port is taken or the environment asks for Gradio's remote editor. No other environment
    variable can enable anything: every setting that has one is given explicitly.
    """
    if os.environ.get("GRADIO_VIBE_MODE"):
        raise UsageError("GRADIO_VIBE_MODE lets every visitor run code on this machine", "unset it")
    limits = limits or (Limits() if get_space() is None else _for_all_together(Limits()))
    guard = Middleware(Guard, pictures=image_store.folder, endpoints=public_endpoints(page))
    throttle = Middleware(Throttle, limits=limits, waiting=partial(_waiting, page))
    if port is not None:
        _check_port(host, port)
    try:
        with _forwarding(from_loopback=behind_proxy):
            _, url, _ = page.launch(
                server_name=host,
                server_port=port,
                prevent_thread_lock=True,
                quiet=True,
                theme=theme(),
                css_paths=[STYLE],
                js=SCRIPT.read_text(encoding="utf-8"),
                i18n=LANGUAGES,
                footer_links=["api"],
                app_kwargs={"middleware": [guard, throttle]},
                allowed_paths=[str(image_store.folder)],
                share=False,  # demo.share opens links, with a reason where it cannot
                auth=(USER, password) if password is not None else None,
                auth_message=SIGN_IN,
                enable_monitoring=False,
                run_history=False,
                mcp_server=False,
                ssr_mode=False,
                num_workers=0,  # worker processes would serve files past the guard
                pwa=False,
                strict_cors=True,
                show_error=False,
            )
    except OSError as error:
        ports = f"port {port}" if port is not None else "any of the hundred ports from 7860"
        raise UsageError(f"cannot listen on {ports} of {host} ({error})", "choose another with --port") from error
    try:
        yield str(url)
    finally:
        page.close(verbose=False)
        sys.stdout.flush()


def _check_port(host: str, port: int) -> None:
    """Raise UsageError for an address that is not available: Gradio does not say what is wrong with it."""
    try:
        listen(host, port).close()
    except BackendUnavailable as error:
        raise UsageError(str(error)) from None


@contextmanager
def _forwarding(*, from_loopback: bool) -> Iterator[None]:
    """Whose X-Forwarded-For counts. uvicorn, which Gradio starts without options, reads that from the environment only."""
    before = os.environ.get(FORWARDERS)
    os.environ[FORWARDERS] = "127.0.0.1,::1" if from_loopback else ""
    try:
        yield
    finally:
        if before is None:
            del os.environ[FORWARDERS]
        else:
            os.environ[FORWARDERS] = before


def public_endpoints(page: gr.Blocks) -> frozenset[str]:
    """API names of the public endpoints."""
    return frozenset(fn.api_name for fn in page.fns.values() if fn.api_name and fn.api_visibility == "public")


def _waiting(page: gr.Blocks, client: str) -> int:
    """The number of the client's events in Gradio's queue."""
    queues = page._queue.event_queue_per_concurrency_id.values()
    return sum(
        event.request.client is not None and event.request.client.host == client for queue in queues for event in queue.queue
    )


def _for_all_together(limits: Limits) -> Limits:
    return replace(
        limits,
        draws=limits.all_draws,
        sign_ins=limits.all_sign_ins,
        waiting=WAITING,
        connections=limits.all_connections,
    )
