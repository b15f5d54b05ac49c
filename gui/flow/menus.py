"""What each action does, and when it is available."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, Slot
from PySide6.QtWidgets import QMenu

from gui.actions import Actions
from gui.run.controller import State

if TYPE_CHECKING:
    from gui.main_window import MainWindow
    from gui.run.history import Moment


class MenusFlow(QObject):
    """Binds the table of actions to the window."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window = window
        self.actions: Actions | None = None
        window.networks_button.clicked.connect(window.dialogs.networks)
        window.canvas.menu_requested.connect(self.canvas_menu)
        window.layers.weights_missing.connect(self._on_weights_missing)

    def handlers(self) -> dict[str, Callable[..., object]]:
        """Return what carries out each action."""
        w = self.window
        return {
            "new": w.project.new,
            "open": w.project.open,
            "save": w.project.save,
            "save_as": w.project.save_as,
            "open_content": w.input_pictures.choose_content,
            "add_style": w.input_pictures.choose_style,
            "camera": w.live.camera,
            "play_film": w.live.choose_film,
            "freeze": w.live.freeze,
            "stop_live": w.live.stop,
            "save_picture": w.files.save_picture,
            "export": w.export_flow.export,
            "save_figure": w.files.save_figure,
            "save_overlay": w.overlays.save,
            "save_film": w.film_flow.save,
            "preferences": w.dialogs.preferences,
            "quit": w.close,
            "undo": w.studio.undo_stack.undo,
            "redo": w.studio.undo_stack.redo,
            "copy": w.files.copy,
            "paste": w.input_pictures.paste,
            "reset_settings": w.options.reset,
            "save_preset": w.presets.save,
            "rename_preset": w.presets.rename,
            "delete_preset": w.presets.delete,
            "share_preset": w.presets.save_to_file,
            "import_preset": w.presets.import_file,
            "add_region": self._add_region,
            "mask_brush": self._mask_brush,
            "show_masks": w.regions_flow.set_shows,
            "brush_smaller": w.mask_brush_flow.smaller,
            "brush_larger": w.mask_brush_flow.larger,
            "brush_softer": w.mask_brush_flow.softer,
            "brush_harder": w.mask_brush_flow.harder,
            "brush_erase": w.mask_brush.exchange,
            "mask_fill": w.mask_brush_flow.fill,
            "mask_clear": w.mask_brush_flow.clear,
            "mask_invert": w.mask_brush_flow.invert,
            "mask_feather": w.mask_brush_flow.feather,
            "mask_from_picture": w.mask_sources.from_picture,
            "mask_from_alpha": w.mask_sources.from_alpha,
            "mask_from_cut_out": w.mask_sources.from_cut_out,
            "mask_from_grad_cam": w.mask_sources.from_grad_cam,
            "run": w.running.start,
            "continue": w.variants_flow.go_on,
            "pause": w.running.pause,
            "step": w.running.step,
            "stop": w.controller.stop,
            "queue_job": w.queue_flow.add_job,
            "queue_photos": w.queue_flow.add_photos,
            "branch": w.files.branch,
            "larger": w.variants_flow.larger_shown,
            "follow": w.set_follow,
            "refine": w.refining.refine,
            "speed_figure": w.speed_figure.show,
            "fit": w.canvas.fit,
            "actual_size": w.canvas.actual_size,
            "zoom_in": w.canvas.zoom_in,
            "zoom_out": w.canvas.zoom_out,
            "compare": self._compare,
            "original": w.canvas.set_showing_original,
            "show_figure": w.figures.show,
            "saliency": self._nothing,  # bound to the panel's switch
            "grad_cam": self._nothing,
            "compare_methods": w.dialogs.compare_methods,
            "receptive_field": self._receptive_field,
            "occluder": self._occluder,
            "cut_out": w.dialogs.cut_out,
            "add_lesson_step": w.lessons.add,
            "play_lesson": w.lessons.play,
            "full_screen": w.full_screen.switch,
            "presentation": w.set_presentation,
            "reset_layout": w.reset_layout,
            "networks": w.dialogs.networks,
            "train_style": w.dialogs.train_style,
            "find_layer": self._find_layer,
            "reset_layers": self._reset_layers,
            "explain": w.help_flow.here,
            "guide": w.help_flow.guide,
            "palette": w.dialogs.palette,
            "shortcuts": w.dialogs.shortcuts,
            "about": w.dialogs.about,
        }

    def bind(self, actions: Actions) -> None:
        """Keep actions enabled exactly while they are possible, and switches in step."""
        self.actions = actions
        w = self.window
        stack = w.studio.undo_stack
        stack.canUndoChanged.connect(actions["undo"].setEnabled)
        stack.canRedoChanged.connect(actions["redo"].setEnabled)
        stack.undoTextChanged.connect(self._on_undo_text)
        stack.redoTextChanged.connect(self._on_redo_text)
        actions["undo"].setEnabled(False)
        actions["redo"].setEnabled(False)
        w.controller.state_changed.connect(self._on_state)
        w.canvas_content.changed.connect(self._on_showing)
        w.running.finished.connect(self._on_showing)
        w.timeline.compare_toggled.connect(actions["compare"].setChecked)
        w.canvas.compare_changed.connect(actions["compare"].setChecked)
        w.timeline.save_requested.connect(self._on_save)
        w.timeline.branch_requested.connect(self._on_branch)
        w.live_maps_flow.bind(actions.by_name)
        w.pointer_flow.bind(actions["receptive_field"])
        w.occluder_flow.bind(actions["occluder"])
        w.live.changed.connect(self._on_live)
        actions["show_masks"].setChecked(True)
        w.mask_brush_flow.bind(actions)
        view = actions.menus[next(m for m in actions.menus if "View" in m)]
        docks = QMenu(self.tr("&Panels"), w)
        for dock in w.docks.values():
            docks.addAction(dock.toggleViewAction())
        view.addSeparator()
        view.addMenu(docks)
        file_menu = next(iter(actions.menus.values()))
        file_menu.insertMenu(actions["save"], w.recent_files.menu)
        self._on_state(w.controller.state)
        self._on_live(w.live.active)
        self._on_showing()

    # -- what can be done now -------------------------------------------------------------

    @Slot(object)
    def _on_state(self, state: State) -> None:
        assert self.actions is not None
        active = state is not State.IDLE
        for name in ("run", "camera", "play_film"):
            self.actions[name].setEnabled(not active)
        self.actions["pause"].setEnabled(state in (State.RUNNING, State.PAUSED))
        self.actions["step"].setEnabled(state in (State.IDLE, State.RUNNING, State.PAUSED))
        self.actions["stop"].setEnabled(active and state is not State.STOPPING)
        self._on_showing()

    def show_continue(self, possible: bool) -> None:
        """Enable or disable continuing a stopped run."""
        if self.actions is not None:
            self.actions["continue"].setEnabled(possible)

    @Slot()
    def _on_showing(self) -> None:
        assert self.actions is not None
        current = self.window.canvas_content.current
        made = current is not None and current.kind in ("frame", "moment")
        self.actions["save_picture"].setEnabled(made)
        self.actions["export"].setEnabled(made)
        takes = {"start", "content"} & set(self.window.studio.technique.inputs)
        self.actions["branch"].setEnabled(made and bool(takes))
        result = self.window.running.result
        has_figure = result is not None and result.job.technique.has_figure
        self.actions["save_figure"].setEnabled(has_figure)
        self.actions["larger"].setEnabled(made and result is not None)
        self.actions["refine"].setEnabled(made and self.window.refining.possible)
        self.actions["speed_figure"].setEnabled(made and self.window.speed_figure.possible)
        self.actions["copy"].setEnabled(current is not None)

    @Slot(bool)
    def _on_live(self, on: bool) -> None:
        assert self.actions is not None
        self.actions["freeze"].setEnabled(on)
        self.actions["stop_live"].setEnabled(on)

    @Slot(str)
    def _on_undo_text(self, text: str) -> None:
        assert self.actions is not None
        self.actions["undo"].setText(self.tr("&Undo {0}").format(text.replace("&", "&&")).strip())

    @Slot(str)
    def _on_redo_text(self, text: str) -> None:
        assert self.actions is not None
        self.actions["redo"].setText(self.tr("&Redo {0}").format(text.replace("&", "&&")).strip())

    @Slot()
    def _nothing(self) -> None:
        """Do nothing: the action's switch is bound elsewhere."""

    @Slot()
    def _add_region(self) -> None:
        """Add a region, and take the brush for it."""
        self.window.regions_flow.add()
        if self.actions is not None and self.window.regions_flow.regions:
            self.actions["mask_brush"].setChecked(True)

    @Slot(bool)
    def _mask_brush(self, on: bool) -> None:
        self._end_others(on, "mask_brush")
        self.window.mask_brush_flow.switch(on)

    def _end_others(self, on: bool, name: str) -> None:
        """End the other tools: there is one at a time."""
        assert self.actions is not None
        for other in ("receptive_field", "occluder", "mask_brush"):
            if on and other != name:
                self.actions[other].setChecked(False)

    @Slot(bool)
    def _receptive_field(self, on: bool) -> None:
        self._end_others(on, "receptive_field")
        self.window.pointer_flow.switch(on)

    @Slot(bool)
    def _occluder(self, on: bool) -> None:
        self._end_others(on, "occluder")
        self.window.occluder_flow.switch(on)

    @Slot(bool)
    def _compare(self, on: bool) -> None:
        self.window.canvas.set_compare(on)
        self.window.timeline.set_compare(on)

    @Slot(object)
    def _on_save(self, moment: "Moment") -> None:
        self.window.running.show_moment(moment)
        self.window.files.save_picture()

    @Slot(object)
    def _on_branch(self, moment: "Moment") -> None:
        self.window.running.show_moment(moment)
        self.window.files.branch()

    @Slot()
    def _find_layer(self) -> None:
        self.window.docks["network"].show()
        self.window.tree.focus_search()

    @Slot()
    def _reset_layers(self) -> None:
        from engine import settings

        w = self.window
        described = settings.describe(w.studio.technique)
        names = [n for n, d in described.items() if d.names_layers or d.names_channels]
        automatic = {name: described[name].default for name in names}
        w.studio.set_settings(self.tr("Use suggested layers"), automatic)

    @Slot(str)
    def _on_weights_missing(self, sentence: str) -> None:
        self.window.status.warn(sentence)

    # -- the canvas's menu ----------------------------------------------------------------

    @Slot(QPoint)
    def canvas_menu(self, where: QPoint) -> None:
        """Offer what can be done with the picture under the pointer."""
        menu = self.menu_of_canvas()
        menu.exec(where)
        menu.deleteLater()

    def menu_of_canvas(self) -> QMenu:
        """Return the canvas's context menu, as of now."""
        assert self.actions is not None
        w = self.window
        menu = QMenu(w)
        names = ("copy", "save_picture", "export", "save_overlay")
        menu.addActions([self.actions[name] for name in names])
        current = w.canvas_content.current
        if current is not None:
            menu.addSeparator()
            words = {
                "content": self.tr("Use as content"),
                "style": self.tr("Use as style"),
                "guide": self.tr("Use as guide"),
            }
            for role, text in words.items():
                if {"style": "styles"}.get(role, role) in w.studio.technique.inputs:
                    act = partial(w.files.use_image, role, current.image)
                    menu.addAction(text).triggered.connect(partial(_ignoring_checked, act))
            menu.addActions([self.actions["branch"], self.actions["refine"]])
        menu.addSeparator()
        menu.addActions([self.actions["compare"], self.actions["fit"], self.actions["actual_size"]])
        return menu


def _ignoring_checked(act: Callable[[], object], _checked: bool = False) -> None:
    act()
