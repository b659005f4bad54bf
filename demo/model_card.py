"""A bundle's model card as the page shows it: text and tables, and nothing that makes a visitor's browser ask elsewhere."""

import re

from gansample.bundle.open import Bundle

CARD = "README.md"
MAX_CARD = 64 << 10  # bytes: a card is a page

_PICTURE = re.compile(r"!\[([^\]\n]*)\](?=[(\[])")
_LOADING_TAG = re.compile(
    r"</?\s*(audio|base|embed|form|frame|iframe|image|img|input|link|meta|object|picture|script|source|style|svg|track|video)\b"
    r"(?:[^>\"']|\"[^\"]*\"|'[^']*')*>?",
    re.IGNORECASE,
)


def read_card(bundle: Bundle) -> str:
    """The card as Markdown, or the bundle's name where it has none.

    Pictures become links: whoever hosts one would be told of every visitor. The page's Content-Security-Policy (demo.guard)
    says the same to the browser; this leaves something to read where the picture was.
    """
    try:
        with (bundle.path / CARD).open("rb") as file:
            text = file.read(MAX_CARD).decode(errors="replace")
    except OSError:
        return f"# {bundle.spec.name}"
    return _PICTURE.sub(lambda found: f"[{found[1] or 'picture'}]", _LOADING_TAG.sub("", _without_front_matter(text)))


def _without_front_matter(text: str) -> str:
    if text.startswith("---\n"):
        _, _, text = text.removeprefix("---\n").partition("\n---\n")
    return text
