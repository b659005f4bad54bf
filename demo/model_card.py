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


_HERE = re.compile(r"^( {4}(?:gansample --bundle|gan verify)) \.(?=\s|$)", re.MULTILINE)
_FILES = re.compile(r"^`report\.html` shows (?:.+\n?)+", re.MULTILINE)


def read_card(bundle: Bundle, argument: str) -> str:
    """The card as Markdown, or the bundle's name where it has none.

    argument  what `--bundle` takes for it where the visitor types: the card speaks of the folder that it lies in. What it says
              of the other files there is left out, since a visitor has none of them.

    Pictures become links: whoever hosts one would be told of every visitor. The page's Content-Security-Policy (demo.guard)
    says the same to the browser; this leaves something to read where the picture was.
    """
    try:
        with (bundle.path / CARD).open("rb") as file:
            text = file.read(MAX_CARD).decode(errors="replace")
    except OSError:
        return f"# {bundle.spec.name}"
    text = _HERE.sub(lambda found: f"{found[1]} {argument}", _without_front_matter(text))
    text = _FILES.sub("", text.replace("In this folder:\n\n", ""))
    return _PICTURE.sub(lambda found: f"[{found[1] or 'picture'}]", _LOADING_TAG.sub("", text))


def _without_front_matter(text: str) -> str:
    if text.startswith("---\n"):
        _, _, text = text.removeprefix("---\n").partition("\n---\n")
    return text
