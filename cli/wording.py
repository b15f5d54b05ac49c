"""How the command line says what the engine has to say: options by name, remedies as commands."""

import sys
from pathlib import Path

from engine.errors import Mention, Message, PareidoliaError, Remedy

INSTALLED = "pareidolia"
"""What the program is called where it was installed."""


def program() -> str:
    """Return what a person types to start this program, as it was started."""
    return INSTALLED if Path(sys.argv[0]).stem == INSTALLED else "python main.py"


def option(name: str) -> str:
    """Return the option that gives the setting `name`, of those called alike."""
    return "--" + name.replace("_", "-")


def worded(said: str | Message | PareidoliaError) -> str:
    """Return a sentence of the engine's as the command line says it."""
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
