"""Options of stylegan3's gen_images.py, which people know by heart: understood where ours means the same, else answered."""

from collections.abc import Sequence

from gansample.errors import UsageError

OURS = {"--outdir": "--out", "--network": "--bundle", "--trunc": "--psi"}
ANSWERS = {
    "--noise-mode": "a bundle's noise is decided when it is exported: python -m export --noise",
    "--translate": "a bundle takes no transform",
    "--rotate": "a bundle takes no transform",
}


def translate(words: Sequence[str]) -> list[str]:
    """The command line with stylegan3's names replaced by ours. Raises UsageError for one that means nothing here."""
    translated = []
    for word in words:
        name, equals, value = word.partition("=")
        if name in ANSWERS:
            raise UsageError(f"{name} is stylegan3's", ANSWERS[name])
        translated.append(f"{OURS.get(name, name)}{equals}{value}")
    return translated
