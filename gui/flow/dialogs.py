"""The dialogs that actions open, on what is in the window now."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, QPoint, Qt, Slot
from PySide6.QtWidgets import QDialog, QMessageBox

from engine.techniques import ROWS, TECHNIQUES
from engine.techniques.stylize import Stylize
from gui.dialogs.commands import Command, CommandPalette, ShortcutSheet, commands_of
from gui.dialogs.preferences import PreferencesDialog
from gui.flow.help import bind_help
from gui.session import path_of
from gui.wording import in_words

if TYPE_CHECKING:
    from engine.networks.layer import Layer
    from gui.main_window import MainWindow


class DialogsFlow(QObject):
    """Opens dialogs and carries out what is chosen in them."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window = window
        self.networks_dialog: QDialog | None = None
        self.training_dialog: QDialog | None = None

    @Slot()
    def networks(self) -> None:
        """Open the catalogue of networks."""
        from gui.dialogs.networks import NetworksDialog

        if self.networks_dialog is None:
            dialog = NetworksDialog(self.window.background, self.window)
            dialog.chosen.connect(self.window.layers.choose)
            dialog.changed.connect(self.window.layers.forget)
            self.networks_dialog = dialog
        self.networks_dialog.show()
        self.networks_dialog.raise_()

    @Slot()
    def train_style(self) -> None:
        """Open the training of a style network, for the paintings that are set up."""
        from gui.dialogs.train_style import TrainStyleDialog

        w = self.window
        if self.training_dialog is None or not (
            self.training_dialog.isVisible() or w.training.active
        ):
            inputs = w.studio.job.inputs
            paintings = [path for style, _ in inputs.styles if (path := path_of(style))]
            dialog = TrainStyleDialog(
                w.training, w.background, paintings, path_of(inputs.content), w
            )
            dialog.used.connect(self._use_style_network)
            dialog.changed.connect(w.layers.forget)
            self.training_dialog = dialog
        self.training_dialog.show()
        self.training_dialog.raise_()

    @Slot(str)
    def _use_style_network(self, path: str) -> None:
        """Stylize in one pass with a network; one undo takes it back."""
        studio = self.window.studio
        technique = replace(Stylize(), style_network=path)
        studio.edit(self.tr("Use {0}").format(Path(path).stem), technique=technique)

    @Slot(str)
    def import_weights(self, path: str) -> None:
        """Ask for a name under which to import a weight file."""
        from gui.dialogs.networks import NetworksDialog

        self.networks()
        if isinstance(self.networks_dialog, NetworksDialog):
            self.networks_dialog.import_file(path)

    @Slot()
    def compare_methods(self) -> None:
        """Open the comparison of attribution methods for what is on the canvas."""
        from gui.dialogs.compare import CompareDialog

        dialog = self.compare_dialog()
        if isinstance(dialog, CompareDialog):
            dialog.show()

    def compare_dialog(self) -> QDialog | None:
        """Return the comparison for the picture on the canvas; None: there is nothing to compare."""
        from gui.dialogs.compare import CompareDialog
        from gui.flow.live_maps import maps_of
        from gui.run.networks import network_key_of

        w = self.window
        current, here = w.canvas_content.current, w.layers.here
        if current is None or here is None:
            w.status.say(self.tr("There is no picture to compare methods on."))
            return None
        dialog = CompareDialog(
            current.image, network_key_of(w.studio.job), maps_of(here.layers), w.layers.names,
            w.networks, w.background, w,
        )  # fmt: skip
        map_settings, names = w.live_maps.map_settings(), here.network.classes
        target = (
            "" if map_settings.unit or map_settings.target is None else names[map_settings.target]
        )
        if "," in target:  # commas separate classes there
            target = str(map_settings.target)
        dialog.set_question(
            target, map_settings.unit, map_settings.layer, names, units_in(here.layers)
        )
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return dialog

    @Slot()
    def cut_out(self) -> None:
        """Open the dialog that cuts the object out of the picture on the canvas."""
        from gui.flow.cut_out import cut_out_dialog

        dialog = cut_out_dialog(self.window)
        if dialog is not None:
            dialog.show()

    @Slot()
    def preferences(self) -> None:
        """Edit and apply the preferences."""
        dialog = PreferencesDialog(self.window.session.preferences, self.window)
        bind_help(dialog, "window.md#preferences")
        if dialog.exec() == QDialog.DialogCode.Accepted:
            self.window.session.preferences = dialog.preferences
            self.window.apply_preferences()
            self.window.autosave.keep()
        dialog.deleteLater()

    @Slot()
    def palette(self) -> None:
        """Open the command palette and do what is chosen there."""
        w = self.window
        palette = CommandPalette(commands_in(w), w)
        bind_help(palette, "window.md#shortcuts")
        middle = w.mapToGlobal(QPoint((w.width() - palette.width()) // 2, 80))
        palette.move(middle)
        palette.exec()
        chosen = palette.chosen
        palette.deleteLater()
        if chosen is not None:
            chosen.act()

    @Slot()
    def shortcuts(self) -> None:
        """Show all shortcuts."""
        sheet = ShortcutSheet(self.window)
        bind_help(sheet, "window.md#shortcuts")
        sheet.exec()
        sheet.deleteLater()

    @Slot()
    def about(self) -> None:
        """Say what this program is."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("pareidolia")
        except PackageNotFoundError:
            number = ""
        text = self.tr(
            "Pareidolia {0}\n\nPictures made by running a trained network backwards.\n"
            "MIT licence. Sample pictures and networks: resources/CREDITS.md."
        )
        QMessageBox.about(self.window, self.tr("About Pareidolia"), text.format(number))


def commands_in(w: "MainWindow") -> list[Command]:
    """Return all that the palette offers: actions, presets, techniques, settings, layers, networks."""

    def words(text: str, name: str) -> str:
        return QCoreApplication.translate("DialogsFlow", text).format(name)

    found = commands_of(list(w.actions_table.by_name.values()))
    for name in w.options.all_presets():
        act: Callable[[], object] = partial(w.options.apply_preset, name)
        found.append(Command(words("Preset: {0}", name), "", act))
    for command, kind in TECHNIQUES.items():
        act = partial(w.studio.set_technique, command)
        text = words("Technique: {0}", kind.title)
        found.append(Command(text, "", act, ROWS[command].summary))
    for name, entry in w.options.described().items():
        label = f"{in_words(entry.group)} › {in_words(entry.label)}" if entry.group else entry.label
        text, more = words("Setting: {0}", label), in_words(entry.help)
        found.append(Command(text, "", partial(w.ask_for_setting, name), more))
    for layer in w.layers.layer_names():
        found.append(Command(words("Layer: {0}", layer), "", partial(w.show_layer, layer)))
    for name in w.layers.names:
        act = partial(w.layers.choose, name)
        found.append(Command(words("Network: {0}", name), "", act))
    return found


def units_in(layers: "tuple[Layer, ...]") -> list[str]:
    """Return the names of all layers that have channels."""
    return [layer.known_as for top in layers for layer in top.flat() if layer.channels is not None]
