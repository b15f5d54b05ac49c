"""Real signals to a real process: whatever asks the program to end, the picture so far is kept."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.image import open_picture
from tests.cli.conftest import ROOT, environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no signals to another process")
WORK = ("--size", "48", "--iterations", "100000", "--precision", "fp32", "--device", "cpu")


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), *arguments], cwd=folder, text=True,
        env=environment(folder / "home"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def until_it_runs(descriptor: int) -> None:
    shown = ""
    while not re.search(r"\d/\d", shown):
        shown += os.read(descriptor, 4096).decode(errors="replace")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_keeps_what_there_is(folder: Path, number: signal.Signals) -> None:
    output = folder / f"{number.name}.png"
    output.write_bytes(b"what was here before")
    with started(folder, "deep-dream", "photo.png", "-o", output.name, *WORK) as process:
        assert process.stderr is not None
        until_it_runs(process.stderr.fileno())
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert open_picture(folder / f"{number.name}.partial.png").width == 48
    assert output.read_bytes() == b"what was here before"
    assert not list(folder.glob(".*.part"))


def test_a_terminal_that_is_closed(folder: Path) -> None:
    """The hang-up comes with a terminal on which nothing can be printed any more."""
    import pty
    import tty

    ours, theirs = pty.openpty()
    tty.setraw(ours)
    command = [sys.executable, str(ROOT / "main.py"), "deep-dream", "photo.png", "-o", "shut.png"]
    process = subprocess.Popen(
        [*command, *WORK], cwd=folder, env=environment(folder / "home"),
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=_controlled,
    )  # fmt: skip
    os.close(theirs)
    until_it_runs(ours)
    os.close(ours)  # the system sends the signal
    assert process.wait(timeout=60) == 128 + signal.SIGHUP
    assert open_picture(folder / "shut.partial.png").width == 48


def _controlled() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_hang_up_that_is_ignored_is_none(folder: Path) -> None:
    """As `nohup` has it."""
    arguments = ("deep-dream", "photo.png", "-o", "nohup.png", "--size", "48", "--iterations", "30")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = started(folder, *arguments, "--precision", "fp32")
    finally:
        signal.signal(signal.SIGHUP, before)
    with process:
        assert process.stderr is not None
        until_it_runs(process.stderr.fileno())
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert (folder / "nohup.png").is_file()


PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
with open({str(ROOT / "main.py")!r}) as file:
    code = compile(file.read(), "main.py", "exec")
print("here", flush=True)
exec(code)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2, 0.5])
def test_an_early_end_says_nothing(folder: Path, number: signal.Signals, delay: float) -> None:
    """As soon as the program has begun, also while libraries are being loaded."""
    arguments = ["attribute", "photo.png", "--method", "cam", "-o", "early.png"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder, env=environment(folder / "home"), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        time.sleep(delay + 0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (out, err) == ("", "")
    assert process.returncode in (128 + number, -number)
