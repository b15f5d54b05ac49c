"""How the window words what the engine reports: settings by their labels, remedies as menus."""

from collections.abc import Mapping
from functools import cache

from PySide6.QtCore import QCoreApplication

from engine.errors import Mention, Message, PareidoliaError, Remedy


def in_words(text: str) -> str:
    """Return a label or help text of the engine's in the user's language."""
    return QCoreApplication.translate("Settings", text) if text else ""


def worded(said: str | Message | BaseException) -> str:
    """Return a sentence of the engine's, or any error, as the window words it. Any thread may ask."""
    return said.worded(_words) if isinstance(said, (Message, PareidoliaError)) else str(said)


def _words(part: Mention | Remedy) -> str:
    if isinstance(part, Remedy):
        words = {
            "download": QCoreApplication.translate("Wording", "Network › Networks… gets them"),
            "list": QCoreApplication.translate(
                "Wording", "Network › Networks… shows which there are"
            ),
            "show": QCoreApplication.translate("Wording", "see Network › Networks…"),
            "remove": QCoreApplication.translate(
                "Wording", "remove {0} in Network › Networks… first"
            ),
        }
        return words[part.action].format(part.network)
    label = _labels().get(part.name, part.name) if part.described is None else part.described.label
    return f"{in_words(label)} {part.value}".rstrip()


@cache
def _labels() -> Mapping[str, str]:
    """Return the labels of the settings that all techniques share, and of networks, by name."""
    from engine import settings
    from engine.finish import Finish
    from engine.job import Job

    described = {**settings.describe(Job), **settings.describe(Finish)}
    others = {"network": "Network", "weights": "Weights", "name": "Name",
              "architecture": "Architecture", "tls_ca": "Authority", "tls_cert": "Certificate",
              "insecure": "Do without TLS"}  # fmt: skip
    return {**others, **{name: entry.label for name, entry in described.items()}}
