"""Whole numbers as people and programs write them, wherever they arrive: command line, address, header, JSON.

Python itself refuses to read more than 4,300 digits, with a ValueError of its own (CVE-2020-10735). No number here needs 20.
"""

from gansample.errors import UsageError

MAX_DIGITS = 100  # leading zeros and all


def whole_number(text: str) -> int | None:
    """The number that `text` writes in ASCII digits alone, or None where it is anything else.

    Raises UsageError for more than MAX_DIGITS digits.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) > MAX_DIGITS:
        raise UsageError(f"{text} has {len(text):,} digits", f"write a number of at most {MAX_DIGITS}")
    return int(text)
