"""A canvas tool backed by a network: it is on or off, and only the newest request counts."""

from functools import partial

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction

from engine.errors import PareidoliaError
from engine.looking import Answer, Request
from gui.background import Background
from gui.canvas.canvas import Canvas
from gui.flow.live_maps import LiveMapsFlow
from gui.run.latest import LatestOnly
from gui.run.looking import NetworkView, PictureQuery
from gui.run.networks import Networks
from gui.wording import worded


class CanvasToolFlow(QObject):
    """Connects a switch, the canvas's tool and the network; a subclass knows what to ask.

    It overrides `renew`, `show_found` and `clear`, and gives the canvas its tool by `take_tool`.
    """

    tool = ""
    """The canvas's name of the tool."""

    def __init__(
        self, live_maps: LiveMapsFlow, networks: Networks, background: Background, canvas: Canvas,
        parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.live_maps, self.canvas = live_maps, canvas
        self._action: QAction | None = None
        self._view = NetworkView(networks)
        self._newest = LatestOnly(background, self._on_found, self._on_failed, self)
        canvas.tool_ended.connect(self._on_ended)
        live_maps.layers.loaded.connect(self._on_other)
        live_maps.canvas_content.changed.connect(self._on_other)

    # -- what a sub-class says ------------------------------------------------------------

    def renew(self) -> None:
        """Request what to show now."""

    def show_found(self, found: Answer) -> None:
        """Show the answer, while the tool is on."""

    def show_problem(self, text: str) -> None:
        """Say why there is no answer."""
        self.clear()
        self.canvas.set_note(text)

    def clear(self) -> None:
        """Remove what is shown, and stop what is being computed."""
        self._newest.forget()
        self.canvas.set_note("")

    # -- on and off -----------------------------------------------------------------------

    def bind(self, action: QAction) -> None:
        """Connect the switch."""
        self._action = action

    @property
    def on(self) -> bool:
        """Whether the tool is in use."""
        return self._action is not None and self._action.isChecked()

    @property
    def busy(self) -> bool:
        """Whether an answer is being computed."""
        return self._newest.busy

    def take_tool(self, on: bool) -> None:
        """Give the canvas the tool and the keys, or take it away."""
        if on:
            self.canvas.set_tool(self.tool)
            self.canvas.setFocus()
        elif self.canvas.tool() == self.tool:
            self.canvas.set_tool("")

    @Slot()
    def _on_ended(self) -> None:
        if self._action is not None and self.canvas.tool() == self.tool:
            self._action.setChecked(False)

    # -- requests and answers -------------------------------------------------------------

    def ask(self, query: PictureQuery, request: Request) -> None:
        """Look in the background, unless a newer request comes first."""
        self._newest.ask(partial(self._view.one, query, request))

    @Slot()
    def _on_other(self) -> None:
        """The picture or network has changed: what is shown no longer holds."""
        if self.on:
            self.clear()
            self.renew()

    def _on_found(self, found: Answer) -> None:
        if self.on:
            self.show_found(found)

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, PareidoliaError):
            raise error
        if self.on:
            self.show_problem(worded(error))
