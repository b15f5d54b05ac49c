"""Memory that this process could still allocate; needs no torch."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import psutil

CGROUPS = Path("/sys/fs/cgroup")
"""Where Linux keeps the limits of process groups (containers, services, sessions)."""
OWN_GROUPS = Path("/proc/self/cgroup")
"""Where it says which of them this process is in."""


def free_memory() -> int:
    """Return how many bytes of the machine's memory could still be allocated."""
    return min(int(psutil.virtual_memory().available), _container_room())


def _container_room() -> int:
    """Return the bytes left under the tightest limit of the control groups that this process is in.

    Groups are nested, each with a limit of its own. Without any limit, the number is huge.
    """
    version_2 = ("memory.max", "memory.current", "inactive_file")
    version_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    root_1 = CGROUPS / "memory"
    rooms = [
        *(_room(folder, *version_2) for folder in _upwards(CGROUPS, _own_group(""))),
        *(_room(folder, *version_1) for folder in _upwards(root_1, _own_group("memory"))),
    ]
    return min((room for room in rooms if room is not None), default=sys.maxsize)


def _own_group(controller: str) -> str:
    """Return this process's control group under a controller; "" stands for version 2."""
    with suppress(OSError, ValueError):
        for line in OWN_GROUPS.read_text().splitlines():
            _number, controllers, group = line.split(":", 2)
            if controller in controllers.split(",") and ".." not in PurePosixPath(group).parts:
                return group
    return "/"


def _upwards(root: Path, group: str) -> Iterator[Path]:
    """Yield the folders from a group's own up to `root`."""
    folder = root / group.lstrip("/")
    yield folder
    while folder != root:
        folder = folder.parent
        yield folder


def _room(folder: Path, limit_name: str, used_name: str, cache_name: str) -> int | None:
    """Return the bytes left under a group's limit; None if it has none that can be read."""
    try:
        limit = int((folder / limit_name).read_text())  # "max" when there is none
        used = int((folder / used_name).read_text())
        rows = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
        cache = sum(int(row[1]) for row in rows if row and row[0] == cache_name)
    except (OSError, ValueError, IndexError):
        return None
    return max(limit - used + cache, 0)  # cached files can be dropped
