"""The drawing of who imports whom is of today's imports."""

import re
from html import unescape

from tools.draw_imports import DRAWING, drawn, imports, shortest


def lines(svg: str) -> set[tuple[str, str]]:
    found = re.findall(r"<title>(.+?) imports (.+?)</title>", svg)
    return {(unescape(a), unescape(b)) for a, b in found}


def test_the_guide_shows_todays_imports() -> None:
    today = shortest(imports())
    assert lines(DRAWING.read_text("utf-8")) == today, "run make imports-drawing"


def test_a_line_that_is_missing_or_too_many_is_seen() -> None:
    some = {("gui.flow", "gui.panels"), ("gui.panels", "engine.networks")}
    assert lines(drawn(some)) == some
