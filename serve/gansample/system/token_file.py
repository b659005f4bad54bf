"""Tokens and passwords are read from files of their own: everyone on a machine can see a command line."""

from pathlib import Path

from gansample.errors import UsageError


def read_token_file(file: Path, what: str) -> str:
    """The one line in `file`. Raises UsageError where there is none; `what` is its name in the message."""
    try:
        secret = file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise UsageError(f"cannot read {file} ({error.strerror})", f"write {what} into a file of its own") from None
    if not secret or not secret.isascii():
        raise UsageError(f"{file} holds no {what.rpartition(' ')[2]}", "write one line of ASCII into it")
    return secret
