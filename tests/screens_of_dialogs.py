"""python -m tests.screens_of_dialogs [NAME …]: draws every dialog, dark and light, to be looked at."""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from engine.export import Export
from engine.image import open_picture
from engine.lesson import Figure, Lesson, Step
from engine.networks.catalogue import card
from engine.work.cluster.address import scheduler_address
from engine.work.recovery import LeftOver
from gui import theme
from gui.dialogs.cluster import ClusterDialog
from gui.dialogs.commands import CommandPalette, ShortcutSheet
from gui.dialogs.compare import CompareDialog
from gui.dialogs.cut_out import CutOutDialog
from gui.dialogs.download_bar import DownloadBar
from gui.dialogs.enlarge import EnlargeDialog
from gui.dialogs.error import error_box
from gui.dialogs.export import ExportDialog
from gui.dialogs.figure import FigureWindow
from gui.dialogs.film import FilmDialog
from gui.dialogs.film_progress import FilmProgress
from gui.dialogs.help import HelpWindow
from gui.dialogs.lesson_player import LessonPlayer
from gui.dialogs.network_downloads import Download, DownloadState
from gui.dialogs.networks import NetworksDialog
from gui.dialogs.preferences import PreferencesDialog
from gui.dialogs.recovery import LeftWork, RecoveryDialog
from gui.dialogs.saving import offer_again
from gui.flow.cut_out import cut_out_dialog
from gui.flow.dialogs import commands_in
from gui.main_window import MainWindow
from gui.pictures import image_of
from gui.pixels import levels_of
from gui.run.controller import State
from gui.run.film_frames import FilmFrames
from gui.session import Preferences, Session
from gui.studio import SAMPLES
from tests.gui.cut import cut_texts
from tests.gui.stories import quick_job
from tests.screens import OUT, leave, spin, until

CAT, MOSAIC = SAMPLES / "cat.jpg", SAMPLES / "mosaic.jpg"
Made = Callable[[MainWindow], QWidget]


def lesson(window: MainWindow) -> QWidget:
    cat, mosaic = CAT.read_bytes(), MOSAIC.read_bytes()
    text = "Cover the nose with your hand: would the network still see a cat?\n\nVote first."
    figures = (Figure("Grad-CAM, conv5_4", mosaic), Figure("gradient", mosaic))
    steps = (Step("What does it look at?", text, False, cat, figures), Step("Next", "", True, cat))
    player = LessonPlayer(Lesson("Cats", steps), window.background, 0, window)
    player.resize(1280, 720)
    player.show()
    until(lambda: player.shown is not None)
    return player


def frames() -> FilmFrames:
    film = FilmFrames()
    for _ in range(3):
        film.add(open_picture(CAT).resized(96).tensor())
    return film


def film_progress(window: MainWindow) -> QWidget:
    progress = FilmProgress("Save film", "Writing cat dream.mp4", 120, window)
    progress.bar.setValue(48)
    return progress.bar


def enlarge(window: MainWindow) -> QWidget:
    dialog = EnlargeDialog(
        64, lambda side: quick_job(size=min(side, 96)),
        "Continues from this result, enlarged, so the composition stays the same.",
        window.controller, window,
    )  # fmt: skip
    dialog.show()
    until(lambda: "about" in dialog.told.text())
    return dialog


def export(what: str, form: str) -> Made:
    def made(window: MainWindow) -> QWidget:
        choices = {"what": ("picture", "pair", "timeline")}
        return ExportDialog(Export(what=what, format=form), choices, window)

    return made


def cluster(window: MainWindow) -> QWidget:
    dialog = ClusterDialog(scheduler_address("tcp://127.0.0.1:8786"), window)
    dialog.address.setText("tcp://render.example.org:8786")
    dialog.show()
    for button in dialog.findChildren(QPushButton):
        if button.text().replace("&", "") == "OK":
            button.click()
    return dialog


def recovery(window: MainWindow) -> QWidget:
    now, thumb = time.time(), QImage(str(CAT))
    left = [
        LeftOver(Path("a"), "Garden in four hands", now - 900, None, 0, True, ""),
        LeftOver(Path("b"), "", now - 90_000, None, 3, True, ""),
        LeftOver(Path("c"), "Old", now - 900_000, None, 0, True, "The file ends in the middle."),
    ]
    making = ("Style transfer, iteration 120 of 300", "DeepDream, iteration 12 of 40", "")
    works = [LeftWork(each, text, thumb) for each, text in zip(left, making, strict=True)]
    return RecoveryDialog(works, window)


def channel(window: MainWindow) -> QWidget:
    window.inspection.panels["patches"].folder.choose(SAMPLES)  # type: ignore[attr-defined]
    window.inspection.show_channel("relu4_2", 5)
    shown = window.inspection.channel_window
    assert shown is not None
    spin(200)
    until(lambda: not shown.busy)
    return shown


def figure(window: MainWindow) -> QWidget:
    picture = open_picture(CAT).resized(400)
    return FigureWindow(
        picture, levels_of(image_of(picture)), "Figure: Adversarial example", window
    )


def compare(window: MainWindow) -> QWidget:
    dialog = window.dialogs.compare_dialog()
    assert isinstance(dialog, CompareDialog)
    dialog.show()
    dialog.start()
    spin(200)
    until(lambda: not dialog.busy)
    return dialog


def cut_out(window: MainWindow) -> QWidget:
    dialog = cut_out_dialog(window)
    assert isinstance(dialog, CutOutDialog)
    dialog.show()
    until(lambda: dialog.selection is not None and not dialog.busy)
    return dialog


def networks(name: str, stage: DownloadState | None = None) -> Made:
    def made(window: MainWindow) -> QWidget:
        dialog = NetworksDialog(window.background, window)
        dialog.show()
        until(lambda: not window.background.busy)
        dialog.select(name)
        if stage is not None:
            bar = dialog.findChild(DownloadBar)
            assert bar is not None
            bar.show_transfer(Download(card(name), stage, 31 << 20, 96 << 20))
        return dialog

    return made


def commands(typed: str) -> Made:
    def made(window: MainWindow) -> QWidget:
        palette = CommandPalette(commands_in(window), window)
        palette.line.setText(typed)
        return palette

    return made


def guide(window: MainWindow) -> QWidget:
    shown = HelpWindow(window)
    shown.show()
    shown.show_place("techniques/deep-dream.md#setting-octaves")
    return shown


def box(window: MainWindow) -> QWidget:
    sentence = "cat.png cannot be written: there is no space left on the device."
    offer_again(window, "Save picture", sentence, lambda: None)
    shown = window.findChild(QWidget, "unsavedDialog")
    assert shown is not None
    return shown


def broken(window: MainWindow) -> QWidget:
    sentence = "Something went wrong: list index out of range. Your work is safe; you can carry on."
    shown = error_box(sentence, "Traceback (most recent call last):\n  File …", window)
    shown.show()
    for button in shown.findChildren(QPushButton):
        if "Details" in button.text():
            button.click()
    return shown


DIALOGS: dict[str, Made] = {
    "lesson": lesson,
    "film": lambda window: FilmDialog(frames(), window),
    "film-progress": film_progress,
    "enlarge": enlarge,
    "error": broken,
    "unsaved": box,
    "compare": compare,
    "networks": networks("slim_vgg"),
    "details": networks("vgg19"),
    "download-running": networks("squeezenet1_1", DownloadState.RUNNING),
    "download-paused": networks("squeezenet1_1", DownloadState.PAUSED),
    "export-picture": export("picture", "jpeg"),
    "export-pair": export("pair", "png"),
    "export-timeline": export("timeline", "png"),
    "cluster": cluster,
    "recovery": recovery,
    "preferences": lambda window: PreferencesDialog(window.session.preferences, window),
    "channel": channel,
    "figure": figure,
    "cut-out": cut_out,
    "commands": commands(""),
    "commands-typed": commands("smooth"),
    "shortcuts": ShortcutSheet,
    "help": guide,
}


def main() -> None:
    """Draw them, each in both themes."""
    app = QApplication(sys.argv[:1])
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["PAREIDOLIA_HOME"] = home
        window = MainWindow(Session(job=quick_job()), lambda name: theme.apply(app, name))
        window.resize(1280, 720)
        window.show()
        until(lambda: window.layers.here and window.canvas_content.content())
        window.running.start()
        until(lambda: window.controller.state is State.IDLE)
        for look in ("dark", "light"):
            window.session.preferences = Preferences(theme=look)
            window.apply_preferences()
            for name in sys.argv[1:] or DIALOGS:
                dialog = DIALOGS[name](window)
                dialog.show()
                spin(400)
                path = OUT / f"dialog-{name}-{look}.png"
                dialog.grab().save(str(path))
                print(
                    path.relative_to(OUT.parents[1]),
                    *cut_texts(dialog),
                    sep="\n  cut: ",
                    flush=True,
                )
                dialog.close()
        leave(window)


if __name__ == "__main__":
    main()
