"""The widgets of the networks dialog and their layout."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from gui.dialogs.download_bar import DownloadBar
from gui.dialogs.network_details import NetworkDetails
from gui.dialogs.network_table import (
    CLASSES,
    LICENCE,
    NAME,
    SIZE,
    STATE,
    TITLE,
    NetworkFilter,
    NetworkTable,
)

WIDEST = {
    NAME: "mobilenet_v3_large ",
    TITLE: "GoogLeNet with batch",
    STATE: "can be downloaded ",
    SIZE: "2461.6 MiB",
    CLASSES: "Classes",
    LICENCE: "BSD-3-Clause",
}
"""A sample text that each column should have room for."""


class NetworksLayout(QWidget):
    """All widgets by name, without their behaviour."""

    def __init__(self, dialog: QDialog) -> None:
        super().__init__(dialog)
        self.table = NetworkTable(dialog)
        self.filter = NetworkFilter(dialog)
        self.filter.setSourceModel(self.table)
        self.filter.setDynamicSortFilter(True)
        self.search = QLineEdit(self)
        self.kind = QComboBox(self)
        self.view = QTreeView(self)
        self.details = NetworkDetails(self)
        self.transfer = DownloadBar(self)
        self.status = QLabel(self)
        self.busy = QProgressBar(self)
        self.import_ = self._button("importButton", self.tr("&Import file…"))
        self.verify = self._button("verifyButton", self.tr("&Verify"))
        self.remove = self._button("removeButton", self.tr("&Remove"))
        self.folder = self._button("folderButton", self.tr("Show &folder"))
        self.download = self._button("downloadButton", self.tr("&Download"))
        self.use = self._button("useButton", self.tr("&Use this network"))
        self.close_ = self._button("closeButton", self.tr("C&lose"))
        self._describe()
        self._set_up_view()
        self._arrange(dialog)

    def _button(self, name: str, text: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setObjectName(name)
        button.setAutoDefault(False)  # so that Return in the search line does nothing
        return button

    def _describe(self) -> None:
        self.search.setObjectName("networkSearch")
        self.search.setPlaceholderText(self.tr("Search"))
        self.search.setAccessibleName(self.tr("Search networks"))
        self.search.setToolTip(self.tr("Search names, titles and licences"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self.filter.set_words)
        self.kind.setObjectName("networkKind")
        self.kind.setAccessibleName(self.tr("Which networks"))
        self.kind.addItems([self.tr("All"), self.tr("On this machine"), self.tr("Featured")])
        self.kind.currentIndexChanged.connect(self.filter.set_kind)
        self.import_.setToolTip(self.tr("Import weights from a file"))
        self.verify.setToolTip(self.tr("Check every weight file against its checksum"))
        self.remove.setToolTip(self.tr("Delete imported or downloaded weights"))
        self.folder.setToolTip(self.tr("Open the folder of downloaded and imported networks"))
        self.download.setToolTip(
            self.tr("Download the published weights; an interrupted download is resumed")
        )
        self.use.setToolTip(self.tr("Available when the weights are on this machine"))
        self.status.setObjectName("networkStatus")
        self.status.setAccessibleName(self.tr("Status"))
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        # Long paths must not widen the dialog, nor may two lines move what is above.
        self.status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.status.setMinimumHeight(2 * self.fontMetrics().lineSpacing())
        self.busy.setObjectName("networkBusy")
        self.busy.setAccessibleName(self.tr("Working"))
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setMaximumWidth(12 * self.fontMetrics().averageCharWidth())

    def _set_up_view(self) -> None:
        view = self.view
        view.setObjectName("networkTable")
        view.setAccessibleName(self.tr("Networks"))
        view.setModel(self.filter)
        view.setRootIsDecorated(False)
        view.setUniformRowHeights(True)
        view.setAlternatingRowColors(True)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setSortingEnabled(True)
        header = view.header()
        header.setSortIndicatorClearable(True)  # a third click restores the catalogue's order
        view.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        margin = 2 * self.fontMetrics().averageCharWidth()
        for column, text in WIDEST.items():
            view.setColumnWidth(column, self.fontMetrics().horizontalAdvance(text) + margin)

    def _arrange(self, dialog: QDialog) -> None:
        top = QHBoxLayout()
        top.addWidget(self.search, 1)
        top.addWidget(self.kind)
        left = QWidget(self)
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.view, 1)
        splitter = QSplitter(Qt.Orientation.Horizontal, self)
        splitter.addWidget(left)
        splitter.addWidget(self.details)
        splitter.setChildrenCollapsible(False)
        splitter.setStretchFactor(0, 1)
        splitter.setSizes([730, 270])
        line = QHBoxLayout()
        line.addWidget(self.status, 1)
        line.addWidget(self.busy)
        buttons = QHBoxLayout()
        for button in (self.import_, self.verify, self.remove, self.folder):
            buttons.addWidget(button)
        buttons.addStretch(1)
        for button in (self.download, self.use, self.close_):
            buttons.addWidget(button)
        rule = QFrame(self)
        rule.setFrameShape(QFrame.Shape.HLine)
        rule.setFrameShadow(QFrame.Shadow.Sunken)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(splitter, 1)
        column.addWidget(self.transfer)
        column.addLayout(line)
        column.addWidget(rule)
        column.addLayout(buttons)
        outer = QVBoxLayout(dialog)
        outer.addWidget(self)
