"""Print which share of the lines of each folder the last `make coverage` ran, and the least run files.

What runs on threads that Qt starts is not seen by coverage's tracer: the workers of `gui/run` and
what only they call come out too low.
"""

from collections import defaultdict
from pathlib import Path

from coverage import Coverage

WORST = 10
"""Files that are named besides, by lines that no test ran."""


def main() -> None:
    """Read `.coverage` and print the table."""
    coverage = Coverage()
    coverage.load()
    root = Path.cwd()
    folders: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    left: list[tuple[int, int, str]] = []
    for name in coverage.get_data().measured_files():
        _, lines, _, missing, _ = coverage.analysis2(name)
        path = Path(name).relative_to(root)
        for folder in (path.parent, *path.parent.parents):
            key = "in all" if folder == Path() else str(folder)
            folders[key][0] += len(lines)
            folders[key][1] += len(missing)
        if missing:
            left.append((len(missing), len(lines), str(path)))
    everything = folders.pop("in all", [0, 0])
    print(f"{'folder':42} {'lines':>6} {'not run':>8} {'run':>6}")
    for key, (lines, missing) in [*sorted(folders.items()), ("in all", tuple(everything))]:
        print(f"{key:42} {lines:6} {missing:8} {_share(lines, missing):>6}")
    print("\nmost lines not run:")
    for missing, lines, path in sorted(left, reverse=True)[:WORST]:
        print(f"{path:49} {missing:8} {_share(lines, missing):>6}")


def _share(lines: int, missing: int) -> str:
    return f"{100 * (lines - missing) / lines:.0f} %" if lines else "-"


if __name__ == "__main__":
    main()
