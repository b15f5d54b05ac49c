"""Sentences of the engine, worded for the window."""

import re
from collections.abc import Mapping

from engine.settings import Setting
from gui.panels.settings_form import in_words


def in_this_window(sentence: str, described: Mapping[str, Setting] | None = None) -> str:
    """Return an engine's sentence with settings and commands named as the window does.

    Args:
        sentence: as the command line would say it.
        described: settings that it may be about; of others the option's bare name is left.
    """
    sentence = re.sub(r"get them with: python main\.py networks download \S+",
                      "Network › Networks… gets them", sentence)  # fmt: skip
    sentence = sentence.replace(
        "see: python main.py networks list", "Network › Networks… shows which there are"
    )
    sentence = re.sub(r"see: python main\.py networks show \S+",
                      "see Network › Networks…", sentence)  # fmt: skip
    sentence = re.sub(
        r"python main\.py networks remove (\S+)", r"remove \1 in Network › Networks…", sentence
    )
    labels = {d.option: in_words(d.label) for d in (described or {}).values()}
    return re.sub(r"(?<!\w)--([a-z]+(?:-[a-z0-9]+)*)", lambda m: labels.get(m[0], m[1]), sentence)
