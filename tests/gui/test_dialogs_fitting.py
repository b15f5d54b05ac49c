"""Dialogs have room for what is written in them, in usual and in large text."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from engine.job import Job
from engine.work.cluster.address import scheduler_address
from gui import theme
from gui.dialogs.cluster import ClusterDialog
from gui.dialogs.enlarge import EnlargeDialog
from gui.dialogs.saving import offer_again
from tests.gui.cut import cut_texts
from tests.gui.stories import quick_job


@pytest.fixture(params=[100, 160], ids=lambda percent: f"{percent} per cent")
def dressed(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[None]:
    theme.apply(qapp, "dark")
    theme.scale_text(request.param)
    yield
    theme.scale_text(100)
    theme.apply(qapp, "system")


class Runs(QObject):
    """What the dialog asks of the controller."""

    forecast_made = Signal(object)
    state_changed = Signal()
    active = False

    def ask_forecast(self, job: Job) -> None:
        self.forecast_made.emit(
            f"{job.size} px would need 21,000 MiB of memory, more than the 9,000 MiB that are "
            "available: 1024 px would fit"
        )

    def cancel_forecast(self) -> None:
        pass


def test_the_estimate_of_a_larger_picture_is_seen_whole(dressed: None, qtbot: QtBot) -> None:
    how = "Continues from this result, enlarged, so the composition stays the same."
    runs = Runs()
    dialog = EnlargeDialog(64, lambda side: quick_job(size=side), how, runs)  # type: ignore[arg-type]
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: "1024 px" in dialog.told.text())
    QApplication.processEvents()
    assert cut_texts(dialog) == []


def test_what_is_wrong_with_an_address_is_seen_whole(dressed: None, qtbot: QtBot) -> None:
    dialog = ClusterDialog(scheduler_address("tcp://127.0.0.1:8786"))
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.address.setText("tcp://render.example.org:8786")
    (ok,) = (b for b in dialog.findChildren(QPushButton) if b.text().replace("&", "") == "OK")
    ok.click()
    QApplication.processEvents()
    assert dialog.wrong.isVisible()
    assert cut_texts(dialog) == []


def test_buttons_of_a_question_are_seen_whole(dressed: None, qtbot: QtBot) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    parent.show()
    offer_again(parent, "Save picture", "/cat.png cannot be written.", lambda: None)
    box = parent.findChild(QMessageBox)
    assert box is not None
    QApplication.processEvents()
    assert len(box.buttons()) == 2
    assert cut_texts(box) == []
    box.close()
