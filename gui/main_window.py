"""The window: assembles canvas, docks, menus; what they do together is in `gui.flow`."""

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QByteArray, QEvent, QObject, QSize, QTimer, Slot
from PySide6.QtGui import QCloseEvent, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QMainWindow,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from engine.job import Job
from engine.outputs import Sources
from engine.project import sources as sources_of
from gui import theme
from gui.actions import Actions
from gui.background import Background
from gui.canvas.canvas import Canvas
from gui.docks import Docks
from gui.flow.autosave import Autosave
from gui.flow.canvas_content import CanvasContent
from gui.flow.carry_over import CarryOverFlow
from gui.flow.dialogs import DialogsFlow
from gui.flow.export import ExportFlow
from gui.flow.figures import FigureFlow
from gui.flow.files import FilesFlow
from gui.flow.film import FilmFlow
from gui.flow.following import FollowFlow
from gui.flow.full_screen import FullScreen
from gui.flow.gray import GrayFlow
from gui.flow.help import HelpFlow
from gui.flow.input_pictures import InputPicturesFlow
from gui.flow.inspection import InspectionFlow
from gui.flow.layers import LayersFlow
from gui.flow.lessons import LessonsFlow
from gui.flow.live import LiveFlow
from gui.flow.live_maps import LiveMapsFlow
from gui.flow.live_painting import LivePaintingFlow
from gui.flow.mask_brush import MaskBrushFlow
from gui.flow.mask_sources import MaskSourcesFlow
from gui.flow.menus import MenusFlow
from gui.flow.occluder import OccluderFlow
from gui.flow.options import OptionsFlow
from gui.flow.overlays import OverlayFlow
from gui.flow.pointer import PointerFlow
from gui.flow.presets import PresetsFlow
from gui.flow.project import ProjectFlow
from gui.flow.queue import QueueFlow
from gui.flow.recent import RecentFilesFlow
from gui.flow.recovery import RecoveryFlow
from gui.flow.refining import RefineFlow
from gui.flow.regions import RegionsFlow
from gui.flow.running import RunFlow
from gui.flow.session_restore import SessionRestore
from gui.flow.show_original import ShowOriginalFlow
from gui.flow.speed_figure import SpeedFigureFlow
from gui.flow.status import StatusFlow
from gui.flow.variants import VariantsFlow
from gui.garbage import Garbage
from gui.job_bar import JobBar
from gui.panels.editors import commit_typed
from gui.panels.explained_form import ExplainedForm
from gui.panels.inputs import InputsPanel
from gui.panels.lesson import LessonPanel
from gui.panels.live_maps import LiveMapsPanel
from gui.panels.log import LogPanel
from gui.panels.losses import LossPanel
from gui.panels.mask_brush import MaskBrush
from gui.panels.network_tree import NetworkTreePanel
from gui.panels.notice import Notice
from gui.panels.queue import QueuePanel
from gui.panels.regions import RegionsPanel
from gui.panels.run_bar import RunBar
from gui.panels.settings_form import SettingsForm
from gui.panels.timeline import TimelinePanel
from gui.panels.variants import VariantsPanel
from gui.pictures import Pictures
from gui.run.controller import RunController, State
from gui.run.maps import MapsController
from gui.run.networks import Networks
from gui.run.project_writer import ProjectWriter
from gui.run.queue import QueueController
from gui.run.style_training import StyleTrainingController
from gui.run.variants import Variants
from gui.session import Session
from gui.studio import Studio
from gui.window_settings import window_settings

PATIENCE_MS, AGAIN_MS = 40, 100
"""How long closing waits for what cannot be interrupted, and the pause before it waits again."""
MOST_DIALOGS = 20
"""The most menus and dialogs that can be open on top of each other."""
PRESENTED = 160
"""Per cent of the usual size of text, for an audience."""
TITLE_BAR = 32
"""Pixels of the screen's height allowed for the frame around the window."""
LAYOUT_VERSION = 8


def first_size(screen: QSize) -> QSize:
    """Return how large the window opens on a screen: within it, with its frame."""
    room = QSize(screen.width(), screen.height() - TITLE_BAR)
    return QSize(1600, 1000).boundedTo(room)


class MainWindow(QMainWindow):
    """One studio, one run at a time."""

    def __init__(self, session: Session, set_theme: Callable[[str], bool] | None = None) -> None:
        """`set_theme` gives the program a theme and returns whether it is dark."""
        super().__init__()
        self.setObjectName("mainWindow")
        self.setDockNestingEnabled(True)
        self.setAnimated(False)  # animated tabs would be left where they were
        self.session = session
        self.set_theme = set_theme
        self._closing = False
        self._shown = False
        self._presenting = False
        self._make_models()
        self._make_widgets()
        self._make_docks()
        self._make_tools()
        self._make_flows()
        self.resize(first_size(self.screen().availableSize()))
        self._known_layout = self._restore_geometry()
        self.apply_preferences()

    # -- assembly -------------------------------------------------------------------------

    def _make_models(self) -> None:
        self.garbage = Garbage(self)
        self.studio = Studio(self.session.job, self, self.session.techniques)
        self.background = Background(self)
        self.networks = Networks()
        self.pictures = Pictures(self.background, self)
        memory = self.session.preferences.history_mib << 20
        self.controller = RunController(self.networks, memory, self)
        self.project_writer = ProjectWriter(self.background, self)
        self.variants = Variants(self.background, self.project_writer, self)
        self.queue = QueueController(self.controller.turn, self)
        self.maps = MapsController(self.networks, self)
        self.training = StyleTrainingController(self.controller.turn, self)

    def _make_widgets(self) -> None:
        self.canvas = Canvas()
        self.canvas.setObjectName("canvas")
        self.run_bar = RunBar()
        self.notice = Notice()
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.mask_brush = MaskBrush()
        column.addWidget(self.mask_brush)
        column.addWidget(self.canvas, 1)
        column.addWidget(self.notice)
        column.addWidget(self.run_bar)
        self.setCentralWidget(centre)
        self.inputs = InputsPanel(self.pictures)
        self.regions = RegionsPanel(self.pictures)
        self.tree = NetworkTreePanel()
        self.form = SettingsForm()
        self.explained_form = ExplainedForm(self.form)
        self.live_maps = LiveMapsPanel()
        self.inspect = QTabWidget()
        self.inspect.setObjectName("inspectTabs")
        self.inspect.setDocumentMode(True)
        self.lesson = LessonPanel()
        self.timeline = TimelinePanel()
        self.variants_panel = VariantsPanel()
        self.queue_panel = QueuePanel()
        self.losses = LossPanel()
        self.log = LogPanel()

    def _make_docks(self) -> None:
        self.layout_of_docks = Docks(self)
        for name, title, area, widget in (
            ("inputs", self.tr("Pictures"), Docks.LEFT, self.inputs),
            ("network", self.tr("Network"), Docks.LEFT, self.tree),
            ("variants", self.tr("Variants"), Docks.LEFT, self.variants_panel),
            ("regions", self.tr("Regions"), Docks.LEFT, self.regions),
            ("settings", self.tr("Settings"), Docks.RIGHT, self.explained_form),
            ("sight", self.tr("What it sees"), Docks.RIGHT, self.live_maps),
            ("inspect", self.tr("Inspect"), Docks.RIGHT, self.inspect),
            ("lesson", self.tr("Lesson"), Docks.RIGHT, self.lesson),
            ("timeline", self.tr("Timeline"), Docks.BOTTOM, self.timeline),
            ("queue", self.tr("Queue"), Docks.BOTTOM, self.queue_panel),
            ("losses", self.tr("Losses"), Docks.BOTTOM, self.losses),
            ("log", self.tr("Log"), Docks.BOTTOM, self.log),
        ):
            self.layout_of_docks.add(name, title, area, widget)
        self.docks = self.layout_of_docks.by_name
        self.layout_of_docks.arrange()

    def _make_tools(self) -> None:
        tools = JobBar(self)
        self.addToolBar(tools)
        self.technique_box, self.network_box = tools.technique_box, tools.network_box
        self.networks_button, self.preset_box = tools.networks_button, tools.preset_box

    def _make_flows(self) -> None:
        self.canvas_content = CanvasContent(self.canvas, self.studio, self.pictures, self)
        self.options = OptionsFlow(
            self.studio, self.session, self.form, self.technique_box, self.preset_box, self
        )
        self.autosave = Autosave(self.session, self.studio, self.background, self)
        self.options.presets_changed.connect(self.autosave.keep)
        self.autosave.changed.connect(self.options.show_presets)
        self.layers = LayersFlow(
            self.studio, self.networks, self.background, self.canvas_content, self.network_box,
            self.tree, self,
        )  # fmt: skip
        self.input_pictures = InputPicturesFlow(
            self.studio, self.session, self.pictures, self.inputs, self.background, self
        )
        self.carry_over = CarryOverFlow(
            self.studio, self.layers, self.pictures, self.networks, self.background, self
        )
        self.running = RunFlow(
            self.studio, self.controller, self.canvas_content, self.run_bar, self.losses, self.timeline,
            self.variants, self.background, self,
        )  # fmt: skip
        self.files = FilesFlow(
            self.studio, self.session, self.running, self.canvas_content, self.background, self
        )
        self.regions_flow = RegionsFlow(self)
        self.mask_brush_flow = MaskBrushFlow(self, self.regions_flow, self.mask_brush)
        self.input_pictures.regions_for = self.regions_flow.fitted
        self.mask_sources = MaskSourcesFlow(self, self.regions_flow)
        self.project = ProjectFlow(self)
        self.recovery = RecoveryFlow(self)
        self.recent_files = RecentFilesFlow(self)
        self.queue_flow = QueueFlow(self.studio, self.queue, self.queue_panel, self)
        self.gray = GrayFlow(self.studio, self.pictures, self.notice, self)
        self.film_flow = FilmFlow(self.running, self.files, self.background, self)
        self.figures = FigureFlow(self.running, self.files, self.networks, self.background, self)
        self.speed_figure = SpeedFigureFlow(self.running, self.files, self.background, self)
        self.live_maps_flow = LiveMapsFlow(
            self.studio, self.maps, self.controller, self.layers, self.canvas_content, self.live_maps,
            self.canvas, self,
        )  # fmt: skip
        self.overlays = OverlayFlow(self.live_maps_flow, self.canvas_content, self.background, self)
        self.inspection = InspectionFlow(
            self.studio, self.canvas_content, self.layers, self.live_maps_flow, self.input_pictures,
            self.networks, self.background, self.inspect, self,
        )  # fmt: skip
        self.lessons = LessonsFlow(
            self.studio, self.live_maps_flow, self.files, self.background, self.lesson, self
        )
        self.session_restore = SessionRestore(self.inspection, self.lessons, self.background, self)
        self.live = LiveFlow(
            self.controller, self.maps, self.canvas_content, self.input_pictures, self
        )
        self.follow = FollowFlow(self.running, self.networks, self.live, self)
        self.live_painting = LivePaintingFlow(self.live, self.follow, self)
        self.refining = RefineFlow(self.running, self.follow, self.background, self)
        self.status = StatusFlow(self)
        self.live.failed.connect(self.status.warn)
        self.autosave.failed.connect(self.status.warn)
        self.lessons.said.connect(self.status.say)
        self.lessons.failed.connect(self.status.warn)
        self.pointer_flow = PointerFlow(
            self.live_maps_flow, self.networks, self.background, self.canvas, self.statusBar(), self
        )
        self.occluder_flow = OccluderFlow(
            self.live_maps_flow, self.networks, self.background, self.canvas, self
        )
        self.dialogs = DialogsFlow(self)
        self.presets = PresetsFlow(self)
        self.export_flow = ExportFlow(self)
        self.full_screen = FullScreen(self)
        self.help_flow = HelpFlow(self)
        self.menus = MenusFlow(self)
        self.variants_flow = VariantsFlow(self)
        self.actions_table = Actions(self, self.menus.handlers())
        self.menus.bind(self.actions_table)
        self.show_original = ShowOriginalFlow(self.canvas, self.actions_table["original"], self)
        self.full_screen.bind(self.actions_table["full_screen"])
        self.help_flow.bind(self.actions_table["explain"])
        self.film_flow.bind(self.actions_table["save_film"])
        self.figures.bind(self.actions_table["show_figure"])
        self.overlays.bind(self.actions_table["save_overlay"])
        self.queue_flow.added.connect(self.regions_flow.used)
        self.lessons.taking.made.connect(self.regions_flow.use_now)
        self.queue_flow.said.connect(self.status.say)
        self.queue_flow.failed.connect(self.status.warn)
        self.queue_flow.titled.connect(self.docks["queue"].setWindowTitle)
        for flow in (
            self.film_flow, self.figures, self.overlays, self.project, self.recovery,
            self.variants_flow, self.presets, self.export_flow, self.refining, self.speed_figure,
            self.regions_flow, self.mask_sources,
        ):  # fmt: skip
            flow.said.connect(self.status.say)
            flow.failed.connect(self.status.warn)
        self.running.notes_changed.connect(self.form.set_notes)
        self.layers.choices.connect(self.form.set_choices)
        self.layers.suggested.connect(self.form.set_suggestions)
        self.layers.totals.connect(self.form.set_totals)
        self.layers.loaded.connect(self.running.wait_for_forecast)
        self.running.wanted.connect(self.ask_for_setting)
        self.studio.changed.connect(self._on_technique)
        self.explained_form.show_technique(self.studio.technique)
        self.tree.layer_selected.connect(self.live_maps_flow.on_layer)
        self.tree.layer_selected.connect(self.inspection.on_layer)
        self.inputs.show_requested.connect(self.canvas_content.show_input)
        self.canvas.dropped.connect(self.regions_flow.drop)
        self.input_pictures.project_dropped.connect(self.project.open_path)
        self.input_pictures.lesson_dropped.connect(self.lessons.document.open_path)
        self.input_pictures.preset_dropped.connect(self.presets.read)
        self.input_pictures.weights_dropped.connect(self.dialogs.import_weights)
        self.input_pictures.folder_dropped.connect(self.inspection.take_folder)
        self.canvas.image_dropped.connect(self.input_pictures.drop_image)
        self.docks["sight"].visibilityChanged.connect(self.live_maps_flow.watch)

    # -- preferences, geometry ------------------------------------------------------------

    def apply_preferences(self) -> None:
        """Apply the preferences."""
        preferences = self.session.preferences
        dark = self.set_theme(preferences.theme) if self.set_theme else False
        self._scale_text()
        self.losses.set_dark(dark)
        self.run_bar.refresh_icons()
        self.regions.refresh_icons()
        self.mask_brush.refresh_icons()
        self.controller.threads = self.training.threads = preferences.threads
        self.controller.history.budget = preferences.history_mib << 20
        self.running.forecasts = preferences.forecast
        self.follow.switch(preferences.follow)
        self.actions_table["follow"].setChecked(preferences.follow)

    @Slot(bool)
    def set_follow(self, on: bool) -> None:
        """Let results follow the settings, or not; the choice is remembered."""
        if on != self.session.preferences.follow:
            self.session.preferences = replace(self.session.preferences, follow=on)
            self.follow.switch(on)
            self.autosave.keep()

    @Slot(bool)
    def set_presentation(self, on: bool) -> None:
        """Show all text large, or at the size set in the preferences."""
        self._presenting = on
        self.apply_preferences()

    def _scale_text(self) -> None:
        percent = self.session.preferences.text_size
        theme.scale_text(max(percent, PRESENTED) if self._presenting else percent)

    def _restore_geometry(self) -> bool:
        """Put everything back where it was; return whether that is known."""
        kept = window_settings()
        geometry, state = kept.value("geometry"), kept.value("state")
        if isinstance(geometry, QByteArray):
            self.restoreGeometry(geometry)
        if self.session.folded is not None:
            self.form.set_folded(self.session.folded)
        self.session_restore.restore(kept)
        return isinstance(state, QByteArray) and self.restoreState(state, LAYOUT_VERSION)

    @Slot(object, object)
    def _on_technique(self, before: Job, after: Job) -> None:
        if type(before.technique) is not type(after.technique):
            self.explained_form.show_technique(after.technique)

    def show_layer(self, name: str) -> None:
        """Select a layer in the tree and show it."""
        self.docks["network"].show()
        self.docks["network"].raise_()
        self.tree.select(name)

    @Slot(str)
    def ask_for_setting(self, name: str) -> None:
        """Put the cursor into a setting's field in the form."""
        self.docks["settings"].show()
        self.docks["settings"].raise_()
        self.form.ask_for(name)

    def sources(self) -> Sources:
        """Return the files that the job, the run, the film and the lesson read."""
        jobs = [job for job in (self.studio.job, self.running.job) if job is not None]
        read = sum((sources_of(job) for job in jobs), Sources())
        others = (self.lessons.document.file, self.live.film)
        return read + Sources(tuple(path for path in others if path is not None))

    def reset_layout(self) -> None:
        """Put the docks back to where they were at the first start."""
        self.layout_of_docks.reset()
        self.regions_flow.show_dock()

    def remember(self) -> None:
        """Write down where everything is, for the next start."""
        self.full_screen.leave()
        self.regions_flow.put_back()
        kept = window_settings()
        kept.setValue("geometry", self.saveGeometry())
        kept.setValue("state", self.saveState(LAYOUT_VERSION))
        self.session_restore.save(kept)
        kept.sync()
        self.carry_over.remember()
        self.session.folded = self.form.folded()
        self.autosave.close()

    # -- events ---------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Give the canvas the keyboard focus at first."""
        super().showEvent(event)
        if not self._shown:
            self._shown = True
            self.canvas.setFocus()
            self.canvas.viewport().installEventFilter(self)
            self.follow.begin()
            self.regions_flow.show_dock()
            if self._known_layout:
                self.layout_of_docks.tidy_soon()
            else:
                self.layout_of_docks.size_soon()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Begin the heavy work once the window has been painted."""
        if event.type() == QEvent.Type.Paint:
            self.canvas.viewport().removeEventFilter(self)
            QTimer.singleShot(0, self.layers.begin)
            QTimer.singleShot(0, self.queue_flow.begin)
            QTimer.singleShot(0, self.recovery.begin)
        return super().eventFilter(watched, event)

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody is looking: switch the camera off."""
        self.live.stop()
        super().hideEvent(event)

    def leave(self) -> None:
        """Close without asking: perhaps nobody is there to answer, or no time is left."""
        for _ in range(MOST_DIALOGS):
            above = QApplication.activePopupWidget() or QApplication.activeModalWidget()
            if above is None:
                break
            above.close()
        self.lessons.document.put_aside()
        self.project.put_aside()
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop the run first; the window goes when its iteration has ended."""
        if not self._closing and not self.lessons.document.may_leave(self.close):
            event.ignore()
            return
        if not self._closing and not self.project.may_leave(self.close):
            event.ignore()
            return
        if not self._closing:
            self._closing = True
            commit_typed()
            self.remember()
            self.controller.ended.connect(self._on_ended_for_closing)
        if self.controller.active:
            self.controller.stop()
            self.status.say(self.tr("Finishing the iteration, then closing…"))
            event.ignore()
            return
        if not self.project.close():
            self.status.say(self.tr("Writing, then closing…"))
            QTimer.singleShot(AGAIN_MS, self.close)
            event.ignore()
            return
        if not all([self.follow.close(), self.live_painting.close(), self.training.close()]):
            self.status.say(self.tr("Still finishing…"))
            QTimer.singleShot(AGAIN_MS, self.close)
            event.ignore()
            return
        self.regions_flow.close()
        self.live.close()
        self.maps.close()
        self.speed_figure.close()
        self.background.close()
        self.film_flow.close()
        ended = self.queue.close(PATIENCE_MS)
        if not (
            self.controller.close(PATIENCE_MS) and ended
        ):  # a forecast, or a network being loaded
            self.status.say(self.tr("Still finishing…"))
            QTimer.singleShot(AGAIN_MS, self.close)
            event.ignore()
            return
        self.log.close_log()
        self.garbage.close()
        super().closeEvent(event)

    @Slot(object)
    def _on_ended_for_closing(self, _result: object) -> None:
        if self._closing and self.controller.state is State.IDLE:
            self.close()
