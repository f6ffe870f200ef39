"""Gradio's Blocks for a site of many pages, each of which costs the same to lay out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from gradio import blocks


class ManyPages(gr.Blocks):
    """Blocks whose pages are laid out one after the other.

    At the end of every page Gradio makes the configuration of all pages so far and the whole app of the server, and
    `launch` makes both again. Here only `launch` makes the app, which saves a third of the time until the first page.
    """

    is_laid_out = False

    def get_config_file(self) -> Any:
        return super().get_config_file() if self.is_laid_out else {}

    def __exit__(self, exc_type: type[BaseException] | None = None, *args: Any) -> None:
        with without_server_app():
            super().__exit__(exc_type, *args)

    def queue(self, *args: Any, **options: Any) -> Any:
        with without_server_app():
            return super().queue(*args, **options)

    def finish(self) -> None:
        """After the last page."""
        self.is_laid_out = True
        self.config = self.get_config_file()


@contextmanager
def without_server_app() -> Iterator[None]:
    """Meanwhile `gradio.blocks` makes no app; nothing else may lay out pages or launch them then."""
    names = vars(blocks)
    app, names["App"] = names["App"], _NoServer
    try:
        yield
    finally:
        names["App"] = app


class _NoServer:
    """In place of the server's app while pages are laid out."""

    @staticmethod
    def create_app(*_: Any, **__: Any) -> None:
        return None
