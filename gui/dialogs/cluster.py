"""Where the queue's jobs are made: on this computer, or by the workers of a Dask scheduler."""

from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from engine.errors import BadInput
from engine.work.cluster.address import SchedulerAddress, scheduler_address
from gui.dialogs.dialog_size import fit_height
from gui.dialogs.file_dialogs import file_to_open
from gui.window_settings import window_settings
from gui.wording import worded

KEY = "cluster"
FILES = ("ca", "certificate", "key")


def kept_address() -> SchedulerAddress | None:
    """Return the address that was set in this window or an earlier one; None: this computer."""
    kept = {name: _kept(name) for name in ("address", *FILES)}
    if not kept["address"]:
        return None
    ca, certificate, key = (Path(kept[name]) if kept[name] else None for name in FILES)
    insecure = _kept("insecure") == "yes"
    try:
        return scheduler_address(kept["address"], ca, certificate, key, insecure)
    except BadInput:
        return None  # the file was edited by hand


def keep_address(where: SchedulerAddress | None) -> None:
    """Remember the address for the next start."""
    values = {"address": "" if where is None else where.address}
    for name in FILES:
        file = None if where is None else getattr(where, name)
        values[name] = "" if file is None else str(file)
    values["insecure"] = "yes" if where is not None and where.insecure else ""
    kept = window_settings()  # one for all: each writes the file when deleted
    for name, text in values.items():
        kept.setValue(f"{KEY}/{name}", text)


def _kept(name: str) -> str:
    value = window_settings().value(f"{KEY}/{name}")
    return value if isinstance(value, str) else ""


class ClusterDialog(QDialog):
    """Asks for a scheduler's address; `where` holds it once accepted, None for this computer."""

    def __init__(self, where: SchedulerAddress | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("clusterDialog")
        self.setWindowTitle(self.tr("Workers"))
        self.where = where
        self.address = QLineEdit(self)
        self.address.setObjectName("clusterAddress")
        self.address.setPlaceholderText("tcp://127.0.0.1:8786")
        self.address.setText("" if where is None else where.address)
        form = QFormLayout()
        form.addRow(self.tr("&Scheduler"), self.address)
        self.files: dict[str, QLineEdit] = {}
        labels = (self.tr("&Authority"), self.tr("&Certificate"), self.tr("&Private key"))
        for name, label in zip(FILES, labels, strict=True):
            form.addRow(
                label, self._file_row(name, None if where is None else getattr(where, name))
            )
        self.insecure = QCheckBox(self.tr("Do without &TLS"), self)
        self.insecure.setObjectName("clusterInsecure")
        self.insecure.setToolTip(
            self.tr(
                "Even to other machines. Whoever can reach a scheduler or worker can run programs there,"
                " so do this only in a network where you trust everybody"
            )
        )
        self.insecure.setChecked(where is not None and where.insecure)
        form.addRow("", self.insecure)
        self.wrong = QLabel(self)
        self.wrong.setObjectName("clusterWrong")
        self.wrong.setWordWrap(True)
        self.wrong.hide()
        about = QLabel(
            self.tr(
                "The address of a Dask scheduler, whose workers then make the pictures; leave it"
                " empty to make them on this computer. The three files are for tls:// addresses."
            ),
            self,
        )
        about.setWordWrap(True)
        standard = QDialogButtonBox.StandardButton
        buttons = QDialogButtonBox(standard.Ok | standard.Cancel)
        buttons.accepted.connect(self._on_accepted)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        for widget in (about, self.wrong, buttons):
            column.addWidget(widget)
        column.insertLayout(1, form)
        fit_height(self, 480)

    def _file_row(self, name: str, file: Path | None) -> QWidget:
        row = QWidget(self)
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        edit = QLineEdit("" if file is None else str(file), row)
        edit.setObjectName(f"cluster_{name}")
        choose = QPushButton(self.tr("Choose…"), row)
        choose.setAutoDefault(False)
        choose.clicked.connect(lambda: self._choose(edit))
        line.addWidget(edit, 1)
        line.addWidget(choose)
        row.setFocusProxy(edit)
        self.files[name] = edit
        return row

    def _choose(self, edit: QLineEdit) -> None:
        kinds = self.tr("PEM files ({0})").format("*.pem *.crt *.key *.cert")
        path = file_to_open(self, "certificates", self.tr("A PEM file"), kinds)
        if path is not None:
            edit.setText(str(path))

    @Slot()
    def _on_accepted(self) -> None:
        text = self.address.text().strip()
        texts = (self.files[name].text().strip() for name in FILES)
        ca, certificate, key = (Path(file) if file else None for file in texts)
        insecure = self.insecure.isChecked()
        try:
            self.where = scheduler_address(text, ca, certificate, key, insecure) if text else None
        except BadInput as error:
            self.wrong.setText(worded(error))
            self.wrong.show()
            fit_height(self, self.width())
            return
        self.accept()
