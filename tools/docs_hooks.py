"""What MkDocs does besides its own work: put the tables of settings into the pages."""

from typing import Any

from cli.reference import filled


def on_page_markdown(markdown: str, **_kept: Any) -> str:
    """Return a page's text with its tables of settings and options."""
    return filled(markdown)
