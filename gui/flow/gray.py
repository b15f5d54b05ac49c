"""Grey inputs: an offer to keep the result grey too."""

from PySide6.QtCore import QObject, Slot

from gui.panels.notice import Notice
from gui.pictures import Pictures
from gui.session import path_of
from gui.studio import Studio


class GrayFlow(QObject):
    """Offers to keep the result grey while photo and styles are grey."""

    def __init__(
        self, studio: Studio, pictures: Pictures, notice: Notice, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.studio, self.pictures, self.notice = studio, pictures, notice
        studio.changed.connect(self._refresh)
        pictures.arrived.connect(self._refresh)
        notice.accepted.connect(self._on_accepted)
        self._refresh()

    @Slot()
    def _refresh(self) -> None:
        if self._offers():
            self.notice.suggest(
                self.tr(
                    "The photo and the styles are grey; the result may pick up specks of colour."
                ),
                self.tr("Keep it grey"),
            )
        else:
            self.notice.suggest("", "")

    def _offers(self) -> bool:
        job = self.studio.job
        if "styles" not in job.technique.inputs or job.finish.recolour != "none":
            return False
        paths = [path_of(p) for p in (job.inputs.content, *(p for p, _ in job.inputs.styles))]
        opened = [self.pictures.get(path) if path else None for path in paths]
        return len(opened) > 1 and all(o is not None and o.gray for o in opened)

    @Slot()
    def _on_accepted(self) -> None:
        self.studio.set_setting("recolour", "gray")
