"""How the command line words what the engine reports: settings as options, remedies as commands."""

import sys
from pathlib import Path

from engine.errors import Mention, Message, PareidoliaError, Remedy

INSTALLED = "pareidolia"
"""The program's name where it is installed."""


def program() -> str:
    """Return what to type to start this program, as it was started."""
    return INSTALLED if Path(sys.argv[0]).stem == INSTALLED else "python main.py"


def option(name: str) -> str:
    """Return the option for the setting `name`, of those with the same name."""
    return "--" + name.replace("_", "-")


def worded(said: str | Message | PareidoliaError) -> str:
    """Return a sentence of the engine's as the command line words it."""
    return said if isinstance(said, str) else said.worded(_words)


def _words(part: Mention | Remedy) -> str:
    if isinstance(part, Remedy):
        command = f"{program()} networks {part.action} {part.network}".rstrip()
        return {
            "download": f"get them with: {command}",
            "list": f"see: {command}",
            "show": f"see: {command}",
            "remove": f"first: {command}",
        }[part.action]
    called = option(part.name) if part.described is None else part.described.option
    return f"{called} {part.value}".rstrip()
