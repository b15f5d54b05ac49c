"""python -m tests.benchmarks.chaos_window: kills the window again and again; nothing may be lost.

Each round starts the window, which takes up the work that the last one left, and uses it: runs to their
end and stopped ones, pauses, continued runs, names, deleted variants, the project saved into its file.
At a random moment it is killed (-9), often while it writes. Then everything has to be there: each
variant that was said to be written, its picture the same, and each checkpoint; the file opens. The last
windows save, and end by themselves: no temporary file and no left work stay.
"""

import argparse
import hashlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from engine.image import open_picture
from engine.project import ENDING
from engine.work.checkpoint_file import decode
from engine.work.project_file import unpack
from engine.work.project_folder import ProjectFolder
from engine.work.recovery import left_over
from tests.benchmarks.inputs import ROOT

SAID = "said.jsonl"
MOST_VARIANTS = 8
PATIENCE = 600.0
"""Seconds for the last window."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.chaos_window", description=__doc__
    )
    parser.add_argument("--kills", type=int, default=80)
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--use", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--acts", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


# -- the window that is killed ------------------------------------------------------------


def use(folder: Path, seed: int, acts: int) -> None:
    """Use a window for ever, or for so many acts and then save and close it."""
    from dataclasses import replace

    from PySide6.QtWidgets import QApplication, QPushButton

    from gui import session, theme
    from gui.main_window import MainWindow
    from gui.run.controller import State
    from tests.benchmarks.opened import job, spin

    app = QApplication([])
    offered = any(left.unsaved for left in left_over())
    kept = session.load()
    wanted = replace(job("slim_vgg", 64, 12), precision="fp32", device="cpu")
    kept.job = kept.job or wanted
    window = MainWindow(kept, lambda name: theme.apply(app, name))
    window.running.forecasts = False
    window.controller.keep_every = 0.2
    window.show()
    chance, said = random.Random(seed), (folder / SAID).open("a")

    def say(**values: Any) -> None:
        said.write(json.dumps(values) + "\n")
        said.flush()
        os.fsync(said.fileno())

    def file() -> Path:
        return window.project.path or folder / f"{secrets.token_hex(4)}{ENDING}"

    def settled() -> None:
        spin(lambda: window.controller.state is State.IDLE)
        spin(lambda: not window.project_writer.busy and not window.background.busy)

    def written() -> None:
        """Say which variants are in the folder now."""
        settled()
        place = window.project_writer.folder
        if place is None:
            return
        for variant in place.read().variants:
            if variant.has_result:
                data = (place.path / "results" / f"{variant.id}.png").read_bytes()
                say(variant=variant.id, digest=hashlib.sha256(data).hexdigest())

    def run(to_its_end: bool) -> None:
        window.studio.set_setting("seed", chance.randrange(10**6))
        window.running.start()
        if not to_its_end:
            spin(lambda: window.controller.state is not State.PREPARING)
            until = time.monotonic() + chance.uniform(0, 1)
            spin(lambda: time.monotonic() > until)
            window.running.pause()
            window.controller.stop()
        written()

    def act() -> None:
        entries = window.variants.entries
        kind = chance.choice(("run", "stop", "save", "continue", "name", "delete", "edit"))
        if kind == "delete" and len(entries) < MOST_VARIANTS:
            kind = "run"
        if kind in ("run", "stop"):
            run(kind == "run")
        elif kind == "save":
            done: list[bool] = []
            window.project.write(file(), lambda: done.append(True))
            spin(lambda: bool(done))
            say(saved=[entry.id for entry in window.variants.entries])
        elif kind == "continue" and not window.variants_flow.why_not_continue():
            say(changing=[entry.id for entry in entries])
            window.variants_flow.go_on()
            settled()
            written()
        elif kind == "name" and entries:
            window.variants.rename(chance.choice(entries), f"Name {chance.randrange(100)}")
        elif kind == "delete":
            gone = chance.sample(entries, 4)
            say(deleted=[entry.id for entry in gone])
            window.variants.remove(gone)
            settled()
        else:
            for number in range(20):
                window.studio.set_setting("seed", number)

    spin(lambda: window.layers.here is not None)
    if offered:
        spin(lambda: window.recovery.dialog is not None)
        dialog = window.recovery.dialog
        assert dialog is not None
        dialog.list.setCurrentRow(0)  # one that crashed before is not chosen yet
        buttons = dialog.findChildren(QPushButton)
        next(each for each in buttons if each.text().replace("&", "") == "Restore").click()
        settled()
    say(began=seed)
    while not acts or (acts := acts - 1):
        act()
    finished: list[bool] = []
    window.project.write(file(), lambda: finished.append(True))
    spin(lambda: bool(finished))
    window.close()
    spin(lambda: not window.isVisible())
    say(ended=True)


# -- who kills it -------------------------------------------------------------------------


class Chaos:
    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.home = folder / "home"
        os.environ["PAREIDOLIA_HOME"] = str(self.home)
        self.variants: dict[str, str] = {}
        """Those that are there for certain, with the digests of their pictures; "": of some picture."""
        self.read = 0
        self.checkpoints = self.saved = 0

    def start(self, seed: int, acts: int = 0) -> subprocess.Popen[bytes]:
        words = ("-m", "tests.benchmarks.chaos_window", "--use", str(self.folder))
        more = ("--seed", str(seed), "--acts", str(acts))
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, *words, *more], cwd=ROOT, env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=(self.folder / "err").open("ab"),
        )  # fmt: skip

    def round(self, number: int) -> None:
        """Start, kill, and see that everything is there."""
        process = self.start(number)
        began, before = time.monotonic(), self.read
        early = self.chance.random() < 0.1
        while not early and self.lines()[before:].count({"began": number}) == 0:
            if process.poll() is not None or time.monotonic() - began > PATIENCE:
                raise AssertionError((self.folder / "err").read_text()[-3000:])
            time.sleep(0.05)
        time.sleep(self.chance.uniform(0.05, 6))
        assert process.poll() is None, (self.folder / "err").read_text()[-3000:]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.check()

    def lines(self) -> list[dict[str, Any]]:
        file = self.folder / SAID
        text = file.read_text() if file.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def check(self) -> None:
        """See that what was said to be there is there, whole."""
        lines = self.lines()
        for line in lines[self.read :]:
            if "variant" in line:
                self.variants[line["variant"]] = line["digest"]
            for id in line.get("changing", ()):
                self.variants[id] = ""
            for id in line.get("deleted", ()):
                self.variants.pop(id, None)
            self.saved += "saved" in line
        self.read = len(lines)
        there: dict[str, str] = {}
        for left in left_over():
            assert not left.problem, left.problem
            there |= self.whole(ProjectFolder(left.path))
        for file in self.folder.glob(f"*{ENDING}"):
            with tempfile.TemporaryDirectory() as place:
                folder = ProjectFolder(Path(place))
                unpack(file, folder)
                there = {**self.whole(folder), **there}
        for id, digest in self.variants.items():
            assert id in there, f"variant {id} is lost"
            assert digest in ("", there[id]), f"the picture of {id} has changed"

    def whole(self, folder: ProjectFolder) -> dict[str, str]:
        """Return the digests of a project's pictures; read all that there is."""
        found = {}
        for variant in folder.read().variants:
            if variant.has_result:
                file = folder.path / "results" / f"{variant.id}.png"
                open_picture(file)
                found[variant.id] = hashlib.sha256(file.read_bytes()).hexdigest()
            data = folder.checkpoint(variant.id)
            if data is not None:
                decode(data)
                self.checkpoints += 1
        return found

    def end(self) -> None:
        """Let a last window save and end by itself; see that nothing else stays."""
        for _ in range(1 + len(left_over())):  # each window takes up one of them
            process = self.start(0, acts=2)
            assert process.wait(PATIENCE) == 0, (self.folder / "err").read_text()[-3000:]
            self.check()
        left = [f"{one.path} {one.name}" for one in left_over()]
        assert not left, f"left although saved: {left}"
        stale = list(self.folder.rglob("*.part"))
        assert not stale, f"left over: {stale}"


def main() -> None:
    options = arguments()
    if options.use is not None:
        use(options.use, options.seed, options.acts)
        return
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(Path(folder), options.seed)
        for number in range(1, options.kills + 1):
            chaos.round(number)
            print(f"kill {number} of {options.kills}: {len(chaos.variants)} variants", flush=True)
        chaos.end()
        print(
            json.dumps(
                {"kills": options.kills, "variants": len(chaos.variants), "saved": chaos.saved,
                 "checkpoints read": chaos.checkpoints, "lost": 0}
            )
        )  # fmt: skip


if __name__ == "__main__":
    main()
