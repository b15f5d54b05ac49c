"""Make .venv ready: the packages of pyproject.toml in the versions of constraints.txt.

Standard library only, since it runs before anything is installed. Called by the Makefile:

    python3.11 tools/setup.py [--extra test] [--extra video] [--editable] [--qt]
    python3.11 tools/setup.py --renew-constraints

When nothing has changed since the last time it does nothing and says nothing.
"""

import argparse
import ctypes
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

OLDEST = (3, 11)
if sys.version_info < OLDEST:
    sys.exit(
        f"Pareidolia needs Python {OLDEST[0]}.{OLDEST[1]} or newer and this is Python "
        f"{platform.python_version()}: install python3.11, or name another: make PYTHON=python3.12"
    )
import tomllib  # noqa: E402  (new in 3.11)

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = "pareidolia-setup.json"
"""In .venv: what was installed, and from which descriptions."""

QT_EVERYWHERE = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11.so.6": "libx11-6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}
"""Libraries that Qt links to but does not bring, and the Debian packages that hold them."""
QT_X11 = {
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
QT_WAYLAND = {
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
}


def say(text: str) -> None:
    """Tell the person what is happening, at once."""
    print(text, flush=True)


def requirements(extras: set[str]) -> list[str]:
    """Return the requirement lines of pyproject.toml, with those of the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in sorted(extras):
        lines += project["optional-dependencies"][extra]
    return lines


def digest() -> str:
    """Return a hash of all that decides what is installed."""
    sha = hashlib.sha256(f"{sys.version_info[:2]} {platform.machine()}".encode())
    for name in ("pyproject.toml", "constraints.txt"):
        sha.update((ROOT / name).read_bytes())
    return sha.hexdigest()


def read_stamp(venv: Path) -> dict[str, Any]:
    """Return what the last set-up noted down, or nothing when there was none."""
    try:
        stamp = json.loads((venv / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def is_ready(stamp: dict[str, Any], extras: set[str], editable: bool) -> bool:
    """Tell whether the last set-up covers what is wanted now."""
    return (
        stamp.get("digest") == digest()
        and extras <= set(stamp.get("extras", []))
        and (not editable or stamp.get("editable") is True)
        and python_of(VENV).exists()
    )


def python_of(venv: Path) -> Path:
    """Return the interpreter inside a virtual environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def succeeds(*command: str | Path, env: dict[str, str] | None = None) -> bool:
    """Run a command whose output does not matter."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, env=env)
    except OSError:
        return False
    return done.returncode == 0


def is_root() -> bool:
    """Tell whether packages of the system can be installed."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def apt_install(packages: list[str]) -> bool:
    """Install Debian packages, with a fresh package list if the present one does not do."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ("apt-get", "install", "-y", "-q", "--no-install-recommends", *packages)
    if succeeds(*install, env=environment):
        return True
    update = ("apt-get", "update", "-q")
    return succeeds(*update, env=environment) and succeeds(*install, env=environment)


def make_venv() -> None:
    """Create .venv with pip in it, also where Debian split `ensurepip` off Python."""
    if succeeds(python_of(VENV), "-m", "pip", "--version"):
        inside = subprocess.run(
            [python_of(VENV), "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        if inside.stdout.split() == [str(v) for v in sys.version_info[:2]]:
            return
        say("Making .venv anew: it was made with another Python.")
    else:
        say("Making .venv.")
    if succeeds(sys.executable, "-m", "venv", "--clear", VENV):
        return
    if fill_venv_from_outside():
        return
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    package = f"python{version}-venv"
    if is_root():
        say(f"Installing {package}.")
        if apt_install([package]) and succeeds(sys.executable, "-m", "venv", "--clear", VENV):
            return
    sys.exit(
        f"Python {version} on this machine cannot make a virtual environment: "
        f"install {package} (as root: apt-get install {package}) and try again."
    )


def fill_venv_from_outside() -> bool:
    """Make .venv without `ensurepip`: this Python's own pip (22.3 or newer) puts a pip into it."""
    bare = succeeds(sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)
    pip = (sys.executable, "-m", "pip", "--python", python_of(VENV), "install", "-q", "pip")
    return bare and succeeds(*pip) and succeeds(python_of(VENV), "-m", "pip", "--version")


def pip_install(*arguments: str) -> None:
    """Run .venv's pip, which shows errors only; say every half minute that it goes on."""
    pip = [str(python_of(VENV)), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    started = time.monotonic()
    with subprocess.Popen([*pip, *constraints, *arguments]) as process:
        while process.poll() is None:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                say(f"  still installing ({time.monotonic() - started:.0f} s)")
    if process.returncode:
        sys.exit(
            "pip could not install what Pareidolia needs (the first time takes a network connection): "
            "its message is above."
        )


def install(extras: set[str], editable: bool) -> None:
    """Bring .venv up to date and note that down."""
    started = time.monotonic()
    stamp = read_stamp(VENV)
    make_venv()
    (VENV / STAMP).unlink(missing_ok=True)
    extras = extras | set(stamp.get("extras", []))
    editable = editable or stamp.get("editable") is True
    if stamp:
        say("Bringing .venv up to date.")
    else:
        say("Installing PyTorch and the rest into .venv: some 3 GB to download the first time.")
    pip_install(*requirements(extras))
    if editable:
        pip_install("--no-deps", "--editable", str(ROOT))
    noted = {"digest": digest(), "extras": sorted(extras), "editable": editable}
    (VENV / STAMP).write_text(json.dumps(noted), "utf-8")
    say(f"Installed in {time.monotonic() - started:.0f} s.")


def missing_libraries(libraries: dict[str, str]) -> dict[str, str]:
    """Return those that the dynamic linker cannot load."""
    missing = {}
    for name, package in libraries.items():
        try:
            ctypes.CDLL(name)
        except OSError:
            missing[name] = package
    return missing


def provide_qt_libraries() -> None:
    """Install the system's libraries that Qt needs here; where that fails, one sentence says so."""
    if not sys.platform.startswith("linux"):
        return
    libraries = dict(QT_EVERYWHERE)
    if os.environ.get("DISPLAY"):
        libraries |= QT_X11
    if os.environ.get("WAYLAND_DISPLAY"):
        libraries |= QT_WAYLAND
    missing = missing_libraries(libraries)
    if not missing:
        return
    packages = sorted(set(missing.values()))
    tried = VENV / "qt-libraries-tried.json"  # so that a machine without a network waits only once
    if is_root() and not (tried.exists() and tried.read_text("utf-8") == json.dumps(packages)):
        say("Installing libraries of the system that Qt needs: " + " ".join(packages))
        tried.write_text(json.dumps(packages), "utf-8")
        apt_install(packages)
        # A fresh process: this one may have noted the libraries as missing.
        probe = f"import ctypes\nfor n in {sorted(missing)!r}: ctypes.CDLL(n)"
        if succeeds(sys.executable, "-c", probe):
            return
    say(
        "Windows may not open, all else works: Qt misses "
        f"{', '.join(sorted(missing))} (on Debian, as root: apt-get install {' '.join(packages)})."
    )


def renew_constraints() -> None:
    """Let pip resolve everything anew and write the versions into constraints.txt."""
    make_venv()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = requirements(set(project["optional-dependencies"]))
    pip = [str(python_of(VENV)), "-m", "pip", "install", "--dry-run", "--ignore-installed", "-q"]
    report = subprocess.run([*pip, "--report", "-", *wanted], stdout=subprocess.PIPE, check=True)
    packages = {
        item["metadata"]["name"].replace("_", "-").lower(): item["metadata"]["version"]
        for item in json.loads(report.stdout)["install"]
    }
    lines = [
        "# The versions that Pareidolia is tested with (Python 3.11, Linux on x86-64).",
        "# Written by `make constraints`. Packages of nvidia and cuda: with Linux's PyTorch only.",
        *(f"{name}=={packages[name]}" for name in sorted(packages)),
    ]
    (ROOT / "constraints.txt").write_text("\n".join(lines) + "\n", "utf-8")
    say(f"constraints.txt: {len(packages)} packages.")


def main() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description="Make .venv ready.")
    parser.add_argument("--extra", action="append", default=[], metavar="NAME")
    parser.add_argument("--editable", action="store_true", help="also the command `pareidolia`")
    parser.add_argument("--qt", action="store_true", help="also the system libraries of Qt")
    parser.add_argument("--renew-constraints", action="store_true")
    options = parser.parse_args()
    if options.renew_constraints:
        renew_constraints()
        return
    extras = set(options.extra)
    if not is_ready(read_stamp(VENV), extras, options.editable):
        install(extras, options.editable)
    if options.qt:
        provide_qt_libraries()


if __name__ == "__main__":
    main()
