"""The guide in a window of its own: pages with pictures and tables, search, back and forward."""

from collections.abc import Iterator

from PySide6.QtCore import QByteArray, QSize, Qt, QUrl, Slot
from PySide6.QtGui import (
    QImage,
    QKeySequence,
    QTextBlock,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
)
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSplitter,
    QTextBrowser,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from gui.help import pages

PLACE = Qt.ItemDataRole.UserRole
_MARKDOWN = QTextDocument.ResourceType.MarkdownResource
EDGE = 40
"""Pixels left free beside a picture."""


class HelpBrowser(QTextBrowser):
    """Shows pages of the guide by their address: links, history and anchors are Qt's own."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOpenExternalLinks(True)
        self.setAccessibleName(self.tr("Guide"))

    def loadResource(self, kind: int, name: QUrl | str, /) -> object:
        """Return a page with its tables, or a picture no wider than the window."""
        address = self.source().resolved(QUrl(name))
        path = address.toLocalFile()
        if kind == _MARKDOWN:
            try:
                return pages.page(_name(address))
            except OSError:
                return self.tr("# Not found\n\nThe guide has no page {0}.").format(path)
        if kind == QTextDocument.ResourceType.ImageResource:
            picture = QImage(path)
            room = max(self.viewport().width() - EDGE, 200)
            if picture.width() <= room:
                return picture
            smooth = Qt.TransformationMode.SmoothTransformation
            return picture.scaledToWidth(room, smooth)
        return QByteArray()

    def doSetSource(
        self, name: QUrl | str, /, type: QTextDocument.ResourceType = _MARKDOWN
    ) -> None:
        """Load a page and scroll to its anchor, marking the row or heading there."""
        before, url = self.source(), QUrl(name)
        super().doSetSource(url, type)
        if _name(before) != _name(url):
            self._finish_page()
        self.setExtraSelections([])
        if url.hasFragment():
            self.scrollToAnchor(url.fragment())
            self._mark(url.fragment())

    def _finish_page(self) -> None:
        """Give headings anchors, which Qt's Markdown leaves out, and let lines of code wrap."""
        for block in _blocks(self.document()):
            heading = block.blockFormat().headingLevel()
            cursor = QTextCursor(block)
            if block.blockFormat().nonBreakableLines():
                wrapped = block.blockFormat()
                wrapped.setNonBreakableLines(False)
                cursor.setBlockFormat(wrapped)
            elif heading in (1, 2) and block.length() > 1:
                right, keep = QTextCursor.MoveOperation.Right, QTextCursor.MoveMode.KeepAnchor
                cursor.movePosition(right, keep)
                name = QTextCharFormat()
                name.setAnchor(True)
                name.setAnchorNames([pages.slug(block.text())])
                cursor.mergeCharFormat(name)

    def _mark(self, anchor: str) -> None:
        for block in _blocks(self.document()):
            fragments = block.begin()
            while not fragments.atEnd():
                if anchor in fragments.fragment().charFormat().anchorNames():
                    marked = QTextEdit.ExtraSelection()
                    cursor = QTextCursor(block)
                    end, keep = (
                        QTextCursor.MoveOperation.EndOfBlock,
                        QTextCursor.MoveMode.KeepAnchor,
                    )
                    cursor.movePosition(end, keep)
                    marked.cursor = cursor
                    marked.format.setBackground(self.palette().highlight())
                    marked.format.setForeground(self.palette().highlightedText())
                    self.setExtraSelections([marked])
                    return
                fragments += 1


def _blocks(document: QTextDocument) -> Iterator[QTextBlock]:
    block = document.begin()
    while block.isValid():
        yield block
        block = block.next()


class HelpWindow(QDialog):
    """The guide, with a list of what it explains."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("helpWindow")
        self.setWindowTitle(self.tr("Guide"))
        self.setWindowFlag(Qt.WindowType.WindowMaximizeButtonHint)
        self.browser = HelpBrowser()
        self.browser.setObjectName("helpBrowser")
        self.search = QLineEdit()
        self.search.setObjectName("helpSearch")
        self.search.setPlaceholderText(self.tr("Search settings and pages"))
        self.search.setAccessibleName(self.tr("Search the guide"))
        self.search.setClearButtonEnabled(True)
        self.list = QListWidget()
        self.list.setObjectName("helpList")
        self.list.setAccessibleName(self.tr("What the guide explains"))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.back = self._button(self.tr("&Back"), QKeySequence.StandardKey.Back)
        self.forward = self._button(self.tr("&Forward"), QKeySequence.StandardKey.Forward)
        self.home = self._button(self.tr("&Home"), None)
        self.back.clicked.connect(self.browser.backward)
        self.forward.clicked.connect(self.browser.forward)
        self.home.clicked.connect(self.show_home)
        self.browser.backwardAvailable.connect(self.back.setEnabled)
        self.browser.forwardAvailable.connect(self.forward.setEnabled)
        self.back.setEnabled(False)
        self.forward.setEnabled(False)
        self.search.textChanged.connect(self._filter)
        self.search.returnPressed.connect(self._take_first)
        self.list.itemActivated.connect(self._open)
        self.list.itemClicked.connect(self._open)
        self._lay_out()
        self._filter("")

    def _button(self, text: str, key: QKeySequence.StandardKey | None) -> QPushButton:
        button = QPushButton(text)
        button.setAutoDefault(False)
        if key is not None:
            button.setShortcut(QKeySequence(key))
        return button

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        for button in (self.back, self.forward, self.home):
            line.addWidget(button)
        line.addStretch(1)
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.search)
        column.addWidget(self.list, 1)
        split = QSplitter()
        split.addWidget(side)
        split.addWidget(self.browser)
        split.setStretchFactor(1, 1)
        letters = self.fontMetrics().averageCharWidth()
        split.setSizes([36 * letters, 110 * letters])
        whole = QVBoxLayout(self)
        whole.addLayout(line)
        whole.addWidget(split, 1)
        room = self.screen().availableSize() * 0.8
        self.resize(QSize(150 * letters, 48 * self.fontMetrics().height()).boundedTo(room))

    def show_place(self, place: str) -> None:
        """Show a page by its path below the guide's folder, at an anchor if the path names one."""
        name, _, anchor = place.partition("#")
        url = QUrl.fromLocalFile(str(pages.DOCS / name))
        if anchor:
            url.setFragment(anchor)
        self.browser.setSource(url, _MARKDOWN)

    @Slot()
    def show_home(self) -> None:
        """Show the first page."""
        self.show_place(pages.HOME)

    @Slot(str)
    def _filter(self, text: str) -> None:
        self.list.clear()
        for entry in pages.matching(text):
            item = QListWidgetItem(entry.title)
            item.setToolTip(entry.title)
            item.setData(PLACE, entry.place)
            self.list.addItem(item)
        if not self.list.count():
            nothing = QListWidgetItem(self.tr("No entry matches “{0}”.").format(text.strip()))
            nothing.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(nothing)

    @Slot()
    def _take_first(self) -> None:
        self._open(self.list.item(0))

    @Slot(QListWidgetItem)
    def _open(self, item: QListWidgetItem) -> None:
        place = item.data(PLACE)
        if place:
            self.show_place(place)


def _name(url: QUrl) -> str:
    """Return a page's path below the guide's folder."""
    path = url.toLocalFile()
    return path.removeprefix(pages.DOCS.as_posix()).lstrip("/")
