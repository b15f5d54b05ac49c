"""Everything known about one network, as text to read and copy."""

from html import escape

from PySide6.QtWidgets import QTextBrowser, QWidget

from gui.dialogs.network_status import NetworkStatus, mib
from gui.dialogs.network_table import Row


class NetworkDetails(QTextBrowser):
    """A network's card, the place of its weights, and the result of checking its file."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("networkDetails")
        self.setAccessibleName(self.tr("Details of the selected network"))
        self.setOpenExternalLinks(True)
        self.setTabChangesFocus(True)
        self._shown = ""

    def show_row(self, row: Row | None) -> None:
        """Show this network; None: nothing is selected."""
        text = self._text(row) if row else escape(self.tr("No network is selected."))
        if text != self._shown:  # selection and scrolling stay if nothing is new
            self._shown = text
            self.setHtml(text)

    def _text(self, row: Row) -> str:
        facts, card = row.facts, row.facts.card
        title = card.title if card else ""
        lines = [f"<h3>{escape(facts.name)}</h3>", f"<p>{escape(title)}</p>" if title else ""]
        pairs = [
            *self._card(facts),
            (self.tr("File"), str(facts.path) if facts.path else ""),
            (self.tr("Check"), self._check(row)),
            (self.tr("Problem"), facts.problem),
        ]
        for label, value in pairs:
            if value:
                shown = f'<a href="{escape(value)}">{escape(value)}</a>'
                value = shown if value == facts.url else escape(value)
                lines.append(f'<p style="margin:4px 0"><b>{escape(label)}</b><br>{value}</p>')
        return "".join(lines)

    def _card(self, facts: NetworkStatus) -> list[tuple[str, str]]:
        card, size = facts.card, self.tr("{0} × {0} pixels")
        if card is None:
            return []
        return [
            (self.tr("Credit"), card.credit),
            (self.tr("Licence"), card.licence),
            (self.tr("Size"), mib(facts.size) if facts.size else ""),
            (self.tr("Classes"), str(len(card.classes)) if card.classes else ""),
            (self.tr("Made for"), "" if facts.paints else size.format(card.input_size)),
            (self.tr("Suggested layers"), ", ".join(card.layers)),
            (self.tr("Notes"), card.notes),
            (self.tr("Address"), card.url),
            (self.tr("Checksum"), card.sha256),
        ]

    def _check(self, row: Row) -> str:
        if row.damage is None:
            return ""
        return row.damage or self.tr("the file is intact")
