"""What a browser, or a proxy with a path prefix, needs to be told. Both are closed until the owner opens them."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from gansample.errors import UsageError

# The headers a page may send and read besides those that every page may (Fetch standard, 2.2.2 and 2.4).
_SENT = ("Authorization", "Content-Type", "If-None-Match", "Inference-Header-Content-Length", "X-Request-Id")
_READ = ("ETag", "Inference-Header-Content-Length", "Retry-After", "X-Request-Id")


def cors_options(origins: Sequence[str]) -> dict[str, Any]:
    """For Starlette's CORSMiddleware. Preflights carry no token and need none; cookies are never allowed, there are none."""
    return {
        "allow_origins": list(origins),
        "allow_methods": ["GET", "HEAD", "POST"],
        "allow_headers": list(_SENT),
        "expose_headers": list(_READ),
        "max_age": 3600,
    }


def check_origin(text: str) -> str:
    """An origin as browsers write it, `https://example.org` or with a port, or `*`. Raises UsageError."""
    if text == "*":
        return text
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if (
        parts.scheme not in ("http", "https")
        or not host
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
        or parts.username
    ):
        raise UsageError(
            f"--allow-origin {text} is no origin",
            "write scheme, host and port, like https://example.org or http://localhost:3000",
        )
    default = {"http": 80, "https": 443}[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in (None, default) else "")


def check_root_path(text: str) -> str:
    """A path prefix such as `/gan`, without a slash at its end; empty for none. Raises UsageError."""
    prefix = text.rstrip("/")
    if prefix and (not prefix.startswith("/") or "//" in prefix or quote(prefix, safe="/-._~") != prefix):
        raise UsageError(f"--root-path {text} is no path", "write one that begins with a slash, like /gan")
    return prefix


def without_prefix(path: str, prefix: str) -> str:
    """The path as the routes have it, whether or not the proxy has taken the prefix away."""
    return path[len(prefix) :] or "/" if prefix and f"{path}/".startswith(f"{prefix}/") else path
