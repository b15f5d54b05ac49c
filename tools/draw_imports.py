"""Draw who imports whom, from the imports themselves: `make imports-drawing`.

Writes docs/figures/imports.svg, the same bytes for the same imports. A line goes from a box down to
what it imports; one that climbs is red. Left out are lines to the lowest row, which all may import,
and lines that a longer way says already.
"""

from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
DRAWING = ROOT / "docs" / "figures" / "imports.svg"
ROWS = (
    ("gui", "gui.flow"),
    ("gui.dialogs", "gui.panels", "gui.help"),
    ("gui.models",),
    ("gui.canvas", "gui.run", "cli"),
    ("gui.base", "gui.masks"),
    ("engine.work",),
    ("engine.job", "engine.training"),
    ("engine.techniques", "engine.looking"),
    ("engine.stylization",),
    (
        "engine.objectives", "engine.parameterization", "engine.optimization",
        "engine.attribution", "engine.inspection", "engine.workshop",
    ),
    ("engine.networks",),
    ("engine",),
)  # fmt: skip
"""Boxes from top to bottom; those of folders that are not there are left out."""
BASE = {
    "actions", "background", "carry_over", "files", "garbage", "icons", "pictures", "pixels", "session",
    "studio", "theme", "window_settings", "wording",
}  # fmt: skip
"""Files of the window that its folders share: the box gui.base."""
RUNS = {"job", "project", "forecasting", "memory", "steering", "finish"}
"""Files of the engine that stand above the techniques: the box engine.job."""
NAMES = {
    "gui": "gui/*.py: app, window, docks",
    "gui.base": "gui/*.py: studio, session, actions, theme",
    "cli": "cli: the command line",
    "engine.job": "engine: job, project, memory, forecast",
    "engine": "engine/*.py: settings, task, errors, pictures, files",
}
COLOURS = {"gui": "#dce9f9", "cli": "#fbe9d2", "engine": "#dff0dc"}
WIDE, HIGH, GAP_X, GAP_Y, EDGE = 178, 34, 14, 46, 16
LETTER = 6.6
"""Mean width of a letter of the labels, in pixels."""


def box_of(module: str) -> str:
    """Return the box that a module belongs to."""
    parts = module.split(".")
    if parts[0] == "cli" or len(parts) == 1:
        return parts[0]
    folder = ".".join(parts[:2])
    if (ROOT / folder.replace(".", "/")).is_dir():
        return folder
    shared = {"engine": ("engine.job", RUNS), "gui": ("gui.base", BASE)}
    box, files = shared[parts[0]]
    return box if parts[1] in files else parts[0]


def imports() -> set[tuple[str, str]]:
    """Return which box imports which."""
    graph = grimp.build_graph(
        "engine", "cli", "gui", exclude_type_checking_imports=True, cache_dir=None
    )
    pairs = {
        (box_of(a), box_of(b))
        for a in graph.modules
        if a != "engine"  # hands out names from below, imported when first used
        for b in graph.find_modules_directly_imported_by(a)
    }
    return {(a, b) for a, b in pairs if a != b and b != "engine"}


def shortest(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the pairs without those that lead down to where a longer way leads too."""
    row = {name: number for number, names in enumerate(ROWS) for name in names}
    if new := {name for pair in pairs for name in pair} - set(row):
        raise SystemExit(
            f"{', '.join(sorted(new))}: say in ROWS of {Path(__file__).name} where it goes"
        )
    down = {(a, b) for a, b in pairs if row[a] < row[b]}

    def leads(a: str, b: str) -> bool:
        return any(c == b or leads(c, b) for x, c in down if x == a and row[c] <= row[b])

    said = {(a, b) for a, b in down if any(leads(c, b) for x, c in down if x == a and c != b)}
    return pairs - said


def drawn(pairs: set[tuple[str, str]]) -> str:
    """Return the drawing as SVG."""
    there = {name for pair in pairs for name in pair} | {"engine"}
    rows = [[name for name in row if name in there] for row in ROWS]
    labels = {n: NAMES.get(n, n.replace(".", "/")) for row in rows for n in row}
    wide = {n: max(WIDE, round(len(text) * LETTER) + 20) for n, text in labels.items()}
    across = [sum(wide[n] for n in row) + GAP_X * (len(row) - 1) for row in rows]
    width, height = max(across) + 2 * EDGE, len(rows) * (HIGH + GAP_Y) - GAP_Y + 2 * EDGE
    places: dict[str, tuple[int, int]] = {}
    for number, row in enumerate(rows):
        x = (width - across[number]) // 2
        for name in row:
            places[name] = (x, EDGE + number * (HIGH + GAP_Y))
            x += wide[name] + GAP_X
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for a, b in sorted(pairs):
        (ax, ay), (bx, by) = places[a], places[b]
        x1, x2 = ax + wide[a] // 2, bx + wide[b] // 2
        down, level = ay < by, ay == by
        y1 = ay + HIGH if down or level else ay
        y2 = by if down else by + HIGH
        bend = GAP_Y * 2 // 3 if down or level else -GAP_Y * 2 // 3
        curve = (
            f"M{x1} {y1} C{x1} {y1 + bend} {x2} {y2 - bend if not level else y1 + bend} {x2} {y2}"
        )
        colour = "#8a94a0" if down or level else "#c62828"
        title = f"<title>{escape(a)} imports {escape(b)}</title>"
        parts.append(f'<path d="{curve}" fill="none" stroke="{colour}">{title}</path>')
        parts.append(f'<circle cx="{x2}" cy="{y2}" r="3" fill="{colour}"/>')
    for name, (x, y) in places.items():
        fill = COLOURS[name.partition(".")[0]]
        parts.append(
            f'<rect x="{x}" y="{y}" width="{wide[name]}" height="{HIGH}" rx="5" fill="{fill}" '
            'stroke="#5b6670"/>'
        )
        middle = f'x="{x + wide[name] // 2}" y="{y + HIGH // 2 + 4}"'
        text = escape(labels[name])
        parts.append(f'<text {middle} text-anchor="middle" fill="#1b1f23">{text}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    DRAWING.write_text(drawn(shortest(imports())), "utf-8")
    print(f"{DRAWING.relative_to(ROOT)}: {DRAWING.stat().st_size / 1000:.0f} KB")
