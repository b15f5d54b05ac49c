import hashlib
import json
import re
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from PySide6.QtCore import QObject, QPoint, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QTextBrowser,
    QTreeView,
)

from cli.networks import STATES
from engine.networks import catalogue, weights
from engine.networks.architectures.slim_vgg import slim_vgg
from gui.background import Background
from gui.dialogs.network_downloads import Downloads
from gui.dialogs.network_status import NetworkStatus
from gui.dialogs.network_table import SORT_ROLE, NetworkTable, Row
from gui.dialogs.networks import NetworksDialog
from tests.engine.stylization.test_johnson import weights as style_weights

CONTENT = hashlib.shake_256(b"weights").digest(3_000_000)
HALF = 1_300_000
NAMES = ("squeezenet1_1", "alexnet")


@pytest.fixture
def server(server):
    server.content = CONTENT
    return server


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Nothing is shipped, nothing lies in further folders."""
    monkeypatch.delenv("PAREIDOLIA_NETWORKS", raising=False)
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr(weights, "SHIPPED", folder)
    return folder


@pytest.fixture
def home(own_folders):
    return own_folders / "networks"


@pytest.fixture
def published(server, shipped):
    """Two networks whose weights the local server has."""
    for name in NAMES:
        card = replace(
            catalogue.built_in(name),
            url=f"http://127.0.0.1:{server.server_port}/{name}",
            sha256=hashlib.sha256(CONTENT).hexdigest(),
            bytes=len(CONTENT),
            file=f"{name}.pth",
        )
        (shipped / f"{name}.json").write_text(json.dumps(card.to_dict()))


@pytest.fixture
def slim(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "my birds.safetensors"
    metadata = {"classes": json.dumps(["robin", "wren", "owl"])}
    safetensors.torch.save_file(slim_vgg(3).state_dict(), path, metadata)
    return path


@pytest.fixture
def background(qapp):
    background = Background()
    yield background
    background.close()


@pytest.fixture
def dialog(qtbot, shipped, background):
    dialog = NetworksDialog(background, timeout=5)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: not background.busy)
    yield dialog
    dialog.close()


def child(dialog, kind, name):
    return dialog.findChild(kind, name)


def button(dialog, name):
    return child(dialog, QPushButton, name)


def press(qtbot, dialog, name):
    assert button(dialog, name).isEnabled()
    qtbot.mouseClick(button(dialog, name), Qt.MouseButton.LeftButton)


def status(dialog):
    return child(dialog, QLabel, "networkStatus").text()


def downloads():
    """The queue of the dialog made last."""
    return QApplication.instance().findChildren(Downloads)[-1]


def column(dialog, number):
    view = child(dialog, QTreeView, "networkTable")
    model = view.model()
    return [model.index(i, number).data() for i in range(model.rowCount())]


def state(dialog, name):
    return dict(zip(column(dialog, 0), column(dialog, 2), strict=True))[name]


def files(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def held_at_half(qtbot, dialog, server, name="squeezenet1_1"):
    """Start a download and let it come to the half."""
    server.held[f"/{name}"] = HALF
    dialog.select(name)
    press(qtbot, dialog, "downloadButton")
    qtbot.waitUntil(lambda: state(dialog, name) == "downloading 43 %")


# -- the table -------------------------------------------------------------------------------------


def test_rows_come_before_their_states(qtbot, shipped, background):
    dialog = NetworksDialog(background)
    qtbot.addWidget(dialog)
    assert column(dialog, 0) == catalogue.names()
    assert set(column(dialog, 2)) == {"…"}
    assert not button(dialog, "downloadButton").isEnabled()
    qtbot.waitUntil(lambda: "…" not in column(dialog, 2))
    assert state(dialog, "vgg16") == "can be downloaded"
    assert state(dialog, "slim_vgg") == "no weights"


def test_states_are_worded_as_on_the_command_line(qapp):
    table = NetworkTable()
    found = {state: table.state_text(Row(NetworkStatus("x", state=state))) for state in STATES}
    assert found == STATES


def test_model_is_sound(qtmodeltester, dialog):
    qtmodeltester.check(child(dialog, QTreeView, "networkTable").model())


def test_search_and_filter(qtbot, dialog, home, background):
    search, kind = (
        child(dialog, QLineEdit, "networkSearch"),
        child(dialog, QComboBox, "networkKind"),
    )
    qtbot.keyClicks(search, "RESNET 50")
    assert column(dialog, 0) == ["resnet50", "wide_resnet50_2"]
    search.clear()
    kind.setFocus()
    qtbot.keyClicks(kind, "F")
    assert tuple(column(dialog, 0)) == catalogue.FEATURED
    qtbot.keyClicks(search, "squeeze")
    assert column(dialog, 0) == ["squeezenet1_1"]
    search.clear()
    qtbot.keyClick(kind, Qt.Key.Key_Up)
    assert column(dialog, 0) == []
    assert dialog.selected == ""
    home.mkdir(parents=True)
    (home / "vgg16.pth").write_bytes(b"x" * 10)
    dialog.refresh()
    qtbot.waitUntil(lambda: column(dialog, 0) == ["vgg16"])
    dialog.select("vgg19")  # selecting what is filtered away shows it
    assert dialog.selected == "vgg19"


def test_details_follow_the_filter(qtbot, dialog):
    search = child(dialog, QLineEdit, "networkSearch")
    kind = child(dialog, QComboBox, "networkKind")
    details = child(dialog, QTextBrowser, "networkDetails")
    dialog.select("vgg19")
    assert catalogue.card("vgg19").title in details.toPlainText()
    qtbot.keyClicks(search, "alexnet")  # vgg19 is hidden: it cannot be what is meant
    assert dialog.selected in column(dialog, 0) and "alexnet" in dialog.selected
    assert catalogue.card(dialog.selected).title in details.toPlainText()
    assert catalogue.card("vgg19").sha256 not in details.toPlainText()
    search.clear()
    qtbot.keyClicks(search, "nothing like this")
    assert column(dialog, 0) == [] and dialog.selected == ""
    assert "No network is selected" in details.toPlainText()
    for name in ("useButton", "downloadButton", "removeButton"):
        assert not button(dialog, name).isEnabled()
    search.clear()
    assert dialog.selected in column(dialog, 0)
    assert catalogue.card(dialog.selected).title in details.toPlainText()
    dialog.select("vgg19")
    kind.setFocus()
    qtbot.keyClick(kind, Qt.Key.Key_End)  # the last of the kinds
    shown = column(dialog, 0)
    assert dialog.selected in shown if shown else dialog.selected == ""


def test_sorting_by_size_is_by_number(qtbot, dialog):
    view = child(dialog, QTreeView, "networkTable")
    header = view.header()
    x = header.sectionViewportPosition(3) + 10
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, 5))
    model = view.model()
    sizes = [model.index(i, 3).data(SORT_ROLE) for i in range(model.rowCount())]
    assert max(sizes) > 2**31
    assert sizes in (sorted(sizes), sorted(sizes, reverse=True))
    assert column(dialog, 0) != catalogue.names()


def test_details(dialog):
    dialog.select("vgg16")
    text = child(dialog, QTextBrowser, "networkDetails").toPlainText()
    card = catalogue.card("vgg16")
    for fact in (card.title, card.credit, card.licence, card.url, card.sha256, "relu4_2", "224"):
        assert fact in text


def test_use_only_where_weights_are(qtbot, dialog, home, background):
    home.mkdir(parents=True)
    (home / "vgg16.pth").write_bytes(b"x" * 10)
    dialog.select("vgg19")
    assert not button(dialog, "useButton").isEnabled()
    view = child(dialog, QTreeView, "networkTable")
    with qtbot.assertNotEmitted(dialog.chosen):
        qtbot.keyClick(view, Qt.Key.Key_Return)
    dialog.refresh()
    qtbot.waitUntil(lambda: state(dialog, "vgg16") == "here")
    dialog.select("vgg16")
    with qtbot.waitSignal(dialog.chosen) as chosen:
        press(qtbot, dialog, "useButton")
    assert chosen.args == ["vgg16"]
    assert not dialog.isVisible()


def test_return_in_the_table_uses_and_escape_closes(qtbot, dialog, home):
    home.mkdir(parents=True)
    (home / "vgg16.pth").write_bytes(b"x" * 10)
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    dialog.show()  # looks again
    qtbot.waitUntil(lambda: state(dialog, "vgg16") == "here")
    dialog.select("vgg16")
    with qtbot.waitSignal(dialog.chosen):
        qtbot.keyClick(child(dialog, QTreeView, "networkTable"), Qt.Key.Key_Return)


def test_an_unreadable_card_is_a_row_that_says_so(qtbot, home, shipped, background):
    home.mkdir(parents=True)
    (home / "mine.json").write_text("{")
    dialog = NetworksDialog(background)
    qtbot.addWidget(dialog)
    qtbot.waitUntil(lambda: "…" not in column(dialog, 2))
    assert state(dialog, "mine") == "unreadable"
    dialog.select("mine")
    text = child(dialog, QTextBrowser, "networkDetails").toPlainText()
    assert "is not a network's card" in text


# -- downloads -------------------------------------------------------------------------------------


def test_download(qtbot, published, dialog, server, home):
    bar, label = child(dialog, QProgressBar, "downloadBar"), child(dialog, QLabel, "downloadLabel")
    assert not bar.isVisible()
    held_at_half(qtbot, dialog, server)
    assert bar.isVisible() and bar.value() == 1000 * HALF // len(CONTENT)
    assert re.fullmatch(r"squeezenet1_1: 1\.2 of 2\.9 MiB, \d+\.\d MiB/s", label.text())
    assert not button(dialog, "downloadButton").isEnabled()
    with qtbot.waitSignal(dialog.changed):
        server.released.set()
    assert (home / "squeezenet1_1.pth").read_bytes() == CONTENT
    qtbot.waitUntil(lambda: state(dialog, "squeezenet1_1") == "here")
    assert "have been downloaded" in status(dialog)
    assert not bar.isVisible()
    assert button(dialog, "useButton").isEnabled()


def test_pause_and_resume(qtbot, published, dialog, server, home):
    held_at_half(qtbot, dialog, server)
    press(qtbot, dialog, "holdButton")
    assert state(dialog, "squeezenet1_1") == "paused at 43 %"
    server.held.clear()
    server.released.set()
    qtbot.waitUntil(lambda: not downloads().busy)
    size = (home / "squeezenet1_1.pth.part").stat().st_size
    assert HALF <= size < len(CONTENT)
    with qtbot.waitSignal(dialog.changed):
        press(qtbot, dialog, "holdButton")
    assert server.paths[-1] == "/squeezenet1_1"
    assert server.requests[-1]["Range"] == f"bytes={size}-"
    assert (home / "squeezenet1_1.pth").read_bytes() == CONTENT


def test_cancel_removes_what_has_arrived(qtbot, published, dialog, server, home):
    held_at_half(qtbot, dialog, server)
    part = "squeezenet1_1.pth.part"
    assert files(home) == [part, f"{part}.lock", f"{part}.version"]
    press(qtbot, dialog, "cancelButton")
    assert state(dialog, "squeezenet1_1") == "can be downloaded"
    assert not button(dialog, "cancelButton").isVisible()
    server.released.set()
    qtbot.waitUntil(lambda: files(home) == [])
    qtbot.waitUntil(lambda: not downloads().busy)
    assert state(dialog, "squeezenet1_1") == "can be downloaded"


def test_downloads_queue(qtbot, published, dialog, server, home):
    held_at_half(qtbot, dialog, server)
    dialog.select("alexnet")
    press(qtbot, dialog, "downloadButton")
    assert state(dialog, "alexnet") == "waiting"
    assert server.paths == ["/squeezenet1_1"]
    dialog.select("squeezenet1_1")
    press(qtbot, dialog, "holdButton")  # the next one does not wait for the held connection to end
    qtbot.waitUntil(lambda: state(dialog, "alexnet") == "here")
    assert state(dialog, "squeezenet1_1") == "paused at 43 %"


def test_resumed_while_the_stopped_one_still_hangs(qtbot, published, dialog, server, home):
    held_at_half(qtbot, dialog, server)
    press(qtbot, dialog, "holdButton")
    press(qtbot, dialog, "holdButton")
    assert state(dialog, "squeezenet1_1") == "downloading 43 %"
    assert len(server.requests) == 1  # never two writers to one file
    server.held.clear()
    with qtbot.waitSignal(dialog.changed):
        server.released.set()
    assert (home / "squeezenet1_1.pth").read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_closing_pauses(qtbot, published, dialog, server, home):
    held_at_half(qtbot, dialog, server)
    dialog.close()
    assert not dialog.isVisible()
    assert downloads().running == ""
    dialog.show()
    assert state(dialog, "squeezenet1_1") == "paused at 43 %"


def test_a_later_dialog_goes_on(qtbot, published, dialog, server, home, background):
    held_at_half(qtbot, dialog, server)
    dialog.close()
    second = NetworksDialog(background, timeout=5)
    qtbot.addWidget(second)
    second.show()
    qtbot.waitUntil(lambda: state(second, "squeezenet1_1") == "paused at 43 %")
    second.select("squeezenet1_1")
    assert button(second, "cancelButton").isVisible()
    server.held.clear()
    press(qtbot, second, "holdButton")
    with qtbot.waitSignal(second.changed):
        server.released.set()
    assert (home / "squeezenet1_1.pth").read_bytes() == CONTENT


def test_deleted_while_a_connection_hangs(qtbot, published, server, background):
    dialog = NetworksDialog(background, timeout=5)
    dialog.show()
    qtbot.waitUntil(lambda: "…" not in column(dialog, 2))
    held_at_half(qtbot, dialog, server)
    queue = downloads()
    gone, ended = [], []
    dialog.destroyed.connect(lambda: gone.append(True))
    queue.destroyed.connect(lambda: ended.append(True))
    dialog.refresh()  # nobody is there for what it finds
    dialog.deleteLater()
    qtbot.waitUntil(lambda: bool(gone))
    assert queue.busy and not ended
    server.released.set()
    qtbot.waitUntil(lambda: bool(ended))
    qtbot.waitUntil(lambda: not background.busy)


def test_a_dead_server_is_a_sentence(qtbot, published, dialog, server):
    server.shutdown()
    server.server_close()
    dialog.select("squeezenet1_1")
    press(qtbot, dialog, "downloadButton")
    qtbot.waitUntil(lambda: "was interrupted" in status(dialog))
    assert "refused" in status(dialog)
    assert QApplication.activeModalWidget() is None
    assert state(dialog, "squeezenet1_1") == "can be downloaded"
    assert button(dialog, "downloadButton").isEnabled()


def test_a_wrong_file_is_a_sentence(qtbot, published, dialog, server, home, shipped):
    card = replace(catalogue.card("alexnet"), sha256="0" * 64)
    (shipped / "alexnet.json").write_text(json.dumps(card.to_dict()))
    dialog.refresh()
    dialog.select("alexnet")
    details = child(dialog, QTextBrowser, "networkDetails")
    qtbot.waitUntil(lambda: card.sha256 in details.toPlainText())
    press(qtbot, dialog, "downloadButton")
    qtbot.waitUntil(lambda: "is not the weights of alexnet" in status(dialog))
    assert files(home) == []


# -- files of one's own ----------------------------------------------------------------------------


def import_through_dialogs(qtbot, dialog, path, name=None):
    press(qtbot, dialog, "importButton")
    chooser = dialog.findChild(QFileDialog)
    chooser.selectFile(str(path))
    chooser.accept()
    asked = dialog.findChild(QInputDialog)
    suggested = asked.textValue()
    if name is not None:
        asked.setTextValue(name)
    asked.accept()
    return suggested


def test_import(qtbot, dialog, slim, home):
    with qtbot.waitSignal(dialog.changed):
        suggested = import_through_dialogs(qtbot, dialog, slim)
        assert not button(dialog, "importButton").isEnabled()
        assert "Importing my birds.safetensors" in status(dialog)
    assert suggested == "my_birds"
    assert "Imported as my_birds" in status(dialog)
    qtbot.waitUntil(lambda: dialog.selected == "my_birds")
    assert state(dialog, "my_birds") == "imported"
    assert column(dialog, 4)[-1] == "3"
    assert files(home) == ["my_birds.json", "my_birds.safetensors"]
    assert button(dialog, "useButton").isEnabled()


def test_a_style_network_is_imported_shown_and_removed(qtbot, dialog, tmp_path, home):
    path = tmp_path / "udnie.model"
    torch.save(style_weights(), path)
    with qtbot.waitSignal(dialog.changed):
        import_through_dialogs(qtbot, dialog, path)
    assert "Imported as the style network udnie: a network for one style" in status(dialog)
    qtbot.waitUntil(lambda: dialog.selected == "udnie")
    assert state(dialog, "udnie") == "imported"
    details = child(dialog, QTextBrowser, "networkDetails").toPlainText()
    assert "Style network: one style" in details and "RGB from 0 to 255" in details
    assert "Made for" not in details
    assert not button(dialog, "useButton").isEnabled()  # it judges no picture
    press(qtbot, dialog, "removeButton")
    answer(qtbot, dialog, "Remove")
    qtbot.waitUntil(lambda: "Removed udnie.safetensors" in status(dialog))
    assert files(home) == []


def test_import_of_something_else_is_a_sentence(qtbot, dialog, tmp_path, home):
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file({"x": torch.ones(2)}, path)
    import_through_dialogs(qtbot, dialog, path, "other")
    qtbot.waitUntil(lambda: "no known network" in status(dialog))
    assert button(dialog, "importButton").isEnabled()
    assert files(home) == []


def test_verify(qtbot, dialog, slim, home):
    press(qtbot, dialog, "verifyButton")
    qtbot.waitUntil(lambda: "no weight files" in status(dialog))
    with qtbot.waitSignal(dialog.changed):
        import_through_dialogs(qtbot, dialog, slim, "birds")
    qtbot.waitUntil(lambda: "birds" in column(dialog, 0))
    press(qtbot, dialog, "verifyButton")
    qtbot.waitUntil(lambda: "checked: 1; all are intact" in status(dialog))
    assert "intact" in child(dialog, QTextBrowser, "networkDetails").toPlainText()
    content = bytearray((home / "birds.safetensors").read_bytes())
    content[-1] ^= 1
    (home / "birds.safetensors").write_bytes(content)
    press(qtbot, dialog, "verifyButton")
    qtbot.waitUntil(lambda: "checked: 1; with problems: 1" in status(dialog))
    assert "birds.safetensors: changed" in status(dialog)
    assert state(dialog, "birds") == "imported, damaged"
    assert "changed" in child(dialog, QTextBrowser, "networkDetails").toPlainText()


def test_a_damaged_download_can_be_got_again(qtbot, published, dialog, home):
    home.mkdir(parents=True)
    (home / "alexnet.pth").write_bytes(b"not these")
    dialog.refresh()
    qtbot.waitUntil(lambda: state(dialog, "alexnet") == "here")
    dialog.select("alexnet")
    assert not button(dialog, "downloadButton").isEnabled()
    press(qtbot, dialog, "verifyButton")
    qtbot.waitUntil(lambda: "checked: 3; with problems: 3" in status(dialog))  # 2: cards alone
    assert state(dialog, "alexnet") == "here, damaged"
    with qtbot.waitSignal(dialog.changed):
        press(qtbot, dialog, "downloadButton")
    assert (home / "alexnet.pth").read_bytes() == CONTENT
    qtbot.waitUntil(lambda: "damaged" not in state(dialog, "alexnet"))


def answer(qtbot, dialog, text):
    box = dialog.findChild(QMessageBox)
    assert dialog.selected in box.text()
    chosen = next(b for b in box.buttons() if text in b.text())
    qtbot.mouseClick(chosen, Qt.MouseButton.LeftButton)


def test_remove(qtbot, dialog, home):
    home.mkdir(parents=True)
    (home / "vgg16.pth").write_bytes(b"x" * 10)
    assert not button(dialog, "removeButton").isEnabled()
    dialog.refresh()
    qtbot.waitUntil(lambda: state(dialog, "vgg16") == "here")
    dialog.select("vgg16")
    press(qtbot, dialog, "removeButton")
    answer(qtbot, dialog, "Cancel")
    assert files(home) == ["vgg16.pth"]
    qtbot.waitUntil(lambda: dialog.findChild(QMessageBox) is None)
    press(qtbot, dialog, "removeButton")
    with qtbot.waitSignal(dialog.changed):
        answer(qtbot, dialog, "Remove")
    assert files(home) == []
    qtbot.waitUntil(lambda: state(dialog, "vgg16") == "can be downloaded")
    assert "Removed vgg16.pth" in status(dialog)
    assert not button(dialog, "removeButton").isEnabled()


class Opener(QObject):
    def __init__(self):
        super().__init__()
        self.urls = []

    @Slot(QUrl)
    def open(self, url):
        self.urls.append(url)


def test_show_folder(qtbot, dialog, home):
    opener = Opener()
    QDesktopServices.setUrlHandler("file", opener, "open")
    try:
        press(qtbot, dialog, "folderButton")
    finally:
        QDesktopServices.unsetUrlHandler("file")
    assert [url.toLocalFile() for url in opener.urls] == [str(home)]
    assert home.is_dir()


def test_it_fits_small_screens_and_names_its_parts(dialog):
    assert dialog.width() <= 1024 and dialog.height() <= 700
    hint = dialog.minimumSizeHint()
    assert hint.width() <= 800 and hint.height() <= 500
    for part in dialog.findChildren(QLineEdit) + dialog.findChildren(QTreeView):
        assert part.accessibleName()
    for part in dialog.findChildren(QProgressBar) + dialog.findChildren(QTextBrowser):
        assert part.accessibleName()
