"""Cutting out: the picture on the canvas, for the current target."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt

from gui.flow.pointer import looked_at
from gui.run.looking import PictureQuery

if TYPE_CHECKING:
    from gui.dialogs.cut_out import CutOutDialog
    from gui.main_window import MainWindow


def cut_out_dialog(window: "MainWindow") -> "CutOutDialog | None":
    """Return the dialog for the picture that the maps explain; None: there is nothing to cut out."""
    from gui.dialogs.cut_out import CutOutDialog

    image, here = looked_at(window.live_maps_flow), window.layers.here
    panel, job = window.live_maps, window.studio.job
    unit = panel.target.unit()
    if image is None or here is None or not (here.network.classes or unit):
        text = QCoreApplication.translate(
            "MenusFlow", "There is no picture, or the network has no classes and no unit is chosen."
        )
        window.status.say(text)
        return None
    shown, map_settings = window.canvas_content.current, panel.map_settings()
    opened = window.canvas_content.content() if map_settings.of_content else None
    path = ""
    if opened is not None:
        path = opened.path
    elif shown is not None and shown.kind in ("content", "input"):
        path = shown.path
    query = PictureQuery(image, job.network, job.weights, job.device, job.preprocessing)
    target = map_settings.target if unit is None else unit
    dialog = CutOutDialog(query, path, target, window.networks, window.background, window)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    return dialog
