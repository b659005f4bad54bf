"""Gradio's page with short errors: what fails is one line in the log, and a message for the visitor who caused it."""

import logging
from typing import Any

import gradio as gr

logger = logging.getLogger(__name__)


class Page(gr.Blocks):
    """`gr.Blocks` prints a traceback for whatever a request holds, and anybody could fill the log with them."""

    async def process_api(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Answer one event, as `gr.Blocks` does. Raises gr.Error alone, with what the visitor may read."""
        try:
            return await super().process_api(*arguments, **options)
        except gr.Error as error:  # a mistake in the request, explained by Gradio or by us
            error.print_exception = False
            raise
        except Exception as error:
            logger.warning("a request failed: %.300r", error)
            raise gr.Error(
                "this request cannot be answered; whoever runs the page can read why in its log", print_exception=False
            ) from error
