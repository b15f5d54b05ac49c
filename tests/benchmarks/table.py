"""The rows of the report: as a table for people, as JSON for comparing over time."""

import json
import math
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ABSENT = "-"


class Absent(Exception):
    """Something that a row needs is not here; the message says what."""


@dataclass(frozen=True)
class Row:
    """One measurement. `target` is the range in which it is good; `floor` the least possible."""

    what: str
    measured: float | None
    unit: str = "s"
    target: tuple[float, float] | None = None
    floor: float | None = None
    ratio_target: float | None = None
    """Where the target stands relative to the floor of the machine that it was set on."""
    note: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "skipped"
        if self.target is None:
            return ""
        low, high = self.target
        if low <= self.measured <= high:
            return "ok"
        if self.ratio and self.ratio_target and self.ratio <= self.ratio_target:
            return "over, ratio ok"
        return "over"

    @property
    def ratio(self) -> float | None:
        """The measurement relative to the floor."""
        return self.measured / self.floor if self.measured is not None and self.floor else None

    @property
    def ratio_text(self) -> str:
        if self.ratio is None:
            return ABSENT
        limit = "" if self.ratio_target is None else f" (<= {self.ratio_target:.2f})"
        return f"{self.ratio:.2f}{limit}"

    def cells(self) -> tuple[str, ...]:
        return (
            self.what,
            number(self.measured, self.unit),
            target_text(self.target, self.unit),
            self.verdict,
            number(self.floor, self.unit),
            self.ratio_text,
            self.note,
        )

    def values(self) -> dict[str, Any]:
        low, high = self.target or (None, None)
        return {
            "what": self.what,
            "measured": self.measured,
            "unit": self.unit,
            "target": None if self.target is None else {"from": low, "to": finite_or_none(high)},
            "verdict": self.verdict,
            "floor": self.floor,
            "ratio": self.ratio,
            "ratio_target": self.ratio_target,
            "note": self.note,
            **self.details,
        }


HEADINGS = ("what", "measured", "target", "", "floor", "ratio", "")


def at_most(limit: float | None) -> tuple[float, float] | None:
    return None if limit is None else (-math.inf, limit)


def finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def number(value: float | None, unit: str) -> str:
    if value is None:
        return ABSENT
    if value == 0 or abs(value) >= 100:
        digits = f"{value:,.0f}"
    elif abs(value) < 0.01:
        digits = f"{value:.2g}"
    else:
        digits = f"{value:.3g}"
    return f"{digits} {unit}".rstrip()


def target_text(target: tuple[float, float] | None, unit: str) -> str:
    if target is None:
        return ABSENT
    low, high = target
    if math.isinf(low):
        return f"<= {number(high, unit)}"
    return f"{number(low, '')} .. {number(high, unit)}"


def gather(parts: Iterable[tuple[str, Callable[[], Sequence[Row]]]]) -> list[Row]:
    """Run the parts of the report, printing rows as they come; a part without its files is a row."""
    rows: list[Row] = []
    for what, part in parts:
        try:
            found = list(part())
        except Absent as reason:
            found = [Row(what, None, note=str(reason))]
        for row in found:
            print("  ".join(c for c in row.cells() if c not in ("", ABSENT)), flush=True)
        rows += found
    return rows


def render(rows: Sequence[Row]) -> str:
    """Return the table as text, one line a row."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    numeric = {1, 2, 4, 5}

    def line(cells: tuple[str, ...]) -> str:
        padded = [
            c.rjust(w) if i in numeric else c.ljust(w)
            for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    rule = "-" * min(sum(widths[:-1]) + 2 * len(widths), 120)
    return "\n".join([line(HEADINGS), rule, *(line(cells) for cells in lines[1:])])


def write_json(file: Path, rows: Sequence[Row], **about: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = {"about": about, "rows": [row.values() for row in rows]}
    file.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def processor() -> str:
    """Return the processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
