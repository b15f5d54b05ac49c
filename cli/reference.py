"""The guide's tables of settings and options, made from their own descriptions.

In the guide's Markdown, a line such as `<!-- reference: settings deep-dream -->` marks the place of a
table. Tables are HTML that both a browser and a QTextBrowser show; every row has an anchor.
"""

import argparse
import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from cli import attribute_options, inspect
from cli.options import technique_parser
from engine import settings
from engine.attribution.registry import METHODS, find_method
from engine.finish import Finish
from engine.job import Job
from engine.techniques import ROWS, TECHNIQUES
from engine.training.styles.settings import StyleTraining

OF_ALL: dict[str, type] = {"output": Job, "finish": Finish, "train-style": StyleTraining}
"""Settings that are no technique's own, by their page: those that all have, and a training's."""
_MARK = re.compile(r"^<!-- reference: (?P<kind>[a-z]+)(?P<words>[^>]*) -->$", re.MULTILINE)
_HEAD = '<table class="reference" border="1" cellspacing="0" cellpadding="4" width="99%">'


def filled(text: str) -> str:
    """Return a page of the guide with its tables. Raises `KeyError` for an unknown table."""
    return _MARK.sub(lambda found: _KINDS[found["kind"]](found["words"].split()), text)


def setting_anchor(name: str) -> str:
    """Return the anchor of a setting, by its field's name."""
    return "setting-" + name.replace("_", "-")


def option_anchor(option: str) -> str:
    """Return the anchor of an option of the command line."""
    return "option-" + option.strip("-").lower()


def _settings(words: list[str]) -> str:
    """Return a technique's settings, or those that all techniques share, in a table for each group."""
    (name,) = words
    described = settings.describe(OF_ALL[name] if name in OF_ALL else TECHNIQUES[name])
    groups: dict[str, list[settings.Setting]] = {}
    for entry in described.values():
        groups.setdefault(entry.group or "Settings", []).append(entry)
    parts = []
    for group, entries in groups.items():
        rows = [_row(setting_anchor(e.name), e.label, [e.option], *_values(e)) for e in entries]
        parts.append(f"### {group}\n\n" + _table(rows, "Setting"))
    return "\n\n".join(parts)


def _values(entry: settings.Setting) -> tuple[str, str, str]:
    """Return what a setting takes, its default and its help."""
    unit = f" {entry.unit}" if entry.unit else ""
    takes = {"bool": "on, off", "choice": ", ".join(entry.choices)}.get(entry.kind)
    if takes is None and entry.kind in ("float", "int"):
        whole = "whole numbers, " if entry.kind == "int" else ""
        takes = whole + (entry.range_text or f"any number{unit}")
    elif takes is None:
        takes = {"layers": "layers with weights"}.get(entry.kind, "text")
    if entry.optional:
        takes += f", or {entry.by_itself}"
    default: Any = entry.default
    if isinstance(default, bool):
        default = "on" if default else "off"
    elif default is None:
        default = entry.by_itself
    elif isinstance(default, (int, float)):
        default = f"{default:g}{unit}"
    live = " <i>Takes effect during a run.</i>" if entry.live else ""
    return takes, str(default) or "empty", escape(entry.help) + live


def _options(words: list[str]) -> str:
    """Return options of a command: all, those that are not settings, or those named."""
    command, *named = words
    parsers: dict[str, Callable[[], argparse.ArgumentParser]] = {
        "attribute": attribute_options.parser,
        "inspect": inspect.parser,
    }
    made = parsers[command]() if command in parsers else technique_parser(TECHNIQUES[command])
    rows = []
    for action in made._actions:  # argparse has no other way to list them
        own = action.dest.startswith("setting_") or isinstance(action, argparse._HelpAction)
        options = action.option_strings or [str(action.metavar)]
        if own or (named and options[-1].strip("-") not in named):
            continue
        takes = "" if action.nargs == 0 or not action.option_strings else str(action.metavar)
        text = escape((action.help or "").replace("%%", "%"))
        rows.append(_row(option_anchor(options[-1]), "", options, takes, None, text))
    if missing := len(named) - len(rows) if named else 0:
        raise KeyError(f"{missing} of the options {' '.join(named)} of {command}")
    return _table(rows, "Option", default=False)


def _method(words: list[str]) -> str:
    """Return what the registry says about an attribution method."""
    method = find_method(words[0])
    lines = [
        ("Name on the command line", f"<code>--method {method.command}</code>"),
        ("What it shows", escape(method.help[:1].upper() + method.help[1:]) + "."),
        ("Looks at", "a layer's maps" if method.of_layer else "pixels"),
        ("Sign", escape(method.key) if method.signed else "none: only the size counts"),
    ]
    cells = [f"<tr><td><b>{name}</b></td><td>{text}</td></tr>" for name, text in lines]
    return "\n".join([_HEAD, *cells, "</table>"])


def _list(words: list[str]) -> str:
    """Return a list of links to the pages of all techniques, or of all methods."""
    if words == ["techniques"]:
        return "\n".join(
            f"- [{TECHNIQUES[command].title}]({command}.md): {row.summary}."
            for command, row in ROWS.items()
        )
    return "\n".join(f"- [{m.title}]({m.command}.md): {m.help}." for m in METHODS)


def _row(
    anchor: str, label: str, options: Iterable[str], takes: str, default: str | None, text: str
) -> str:
    """Return a row of a table; `text` is HTML already."""
    # Qt counts opening and closing tags, so no tag such as <br> without its end.
    name = f"<b>{escape(label)}</b>" if label else ""
    name += "".join(f"<div><code>{escape(option)}</code></div>" for option in options)
    cells = [f'<a id="{anchor}"></a>{name}', escape(takes)]
    cells += [] if default is None else [escape(default)]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in [*cells, text]) + "</tr>"


def _table(rows: list[str], first: str, default: bool = True) -> str:
    heads = [first, "Takes", *(["Default"] if default else []), "What it does"]
    head = "<tr>" + "".join(f'<th align="left">{text}</th>' for text in heads) + "</tr>"
    return "\n".join([_HEAD, head, *rows, "</table>"])


_KINDS: dict[str, Callable[[list[str]], str]] = {
    "settings": _settings,
    "options": _options,
    "method": _method,
    "list": _list,
}
