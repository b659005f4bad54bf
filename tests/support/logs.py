"""What a package logs, as a list of messages."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def logged(messages: list[str], package: str = "train") -> Iterator[list[str]]:
    """Append every message that loggers of `package` emit meanwhile, from INFO up."""
    logger, handler = logging.getLogger(package), logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
