"""What the network sees: the chosen class, its probability, and the live maps."""

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from engine.attribution.registry import METHODS, find_method
from gui.models.map_settings import MapSettings
from gui.panels.class_box import ClassBox
from gui.panels.combo_width import narrow
from gui.panels.map_group import MapGroup
from gui.panels.occluder import OccluderGroup
from gui.panels.occlusion import OcclusionRows
from gui.panels.target import TargetRows
from gui.panels.top_classes import TopClass, TopClasses

PIXEL_METHODS = tuple(method.title for method in METHODS if not method.of_layer)
LAYER_METHODS = tuple(
    method.title
    for method in sorted(METHODS, key=lambda method: not method.shares_pass)  # the quick one first
    if method.of_layer
)


class LiveMapsPanel(QScrollArea):
    """Class and source at the top, then a group for each kind of map."""

    changed = Signal()
    """Something else must be computed."""
    recoloured = Signal(str)
    """The named map, saliency or grad_cam, is to be shown with other colours or another threshold."""
    opacity_changed = Signal(str, float)
    """saliency or grad_cam."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.class_box = ClassBox()
        self.class_box.activated.connect(self._on_class)
        self.class_box.typed.connect(self.changed)
        self.class_box.refused.connect(self.say)
        self.source = QComboBox()
        self.source.addItems([self.tr("the picture shown"), self.tr("the content photo")])
        self.source.setAccessibleName(self.tr("Look at"))
        narrow(self.source)
        self.source.activated.connect(self.changed)
        self.top = TopClasses()
        self.top.chosen.connect(self.choose_class)
        self.saliency = MapGroup("saliencyPanel", self.tr("Saliency"), PIXEL_METHODS)
        self.grad_cam = MapGroup("gradCamPanel", self.tr("Grad-CAM"), LAYER_METHODS)
        self.occlusion = OcclusionRows(self.saliency)
        self.occlusion.changed.connect(self._on_square)
        self.layer = QComboBox()
        self.layer.setAccessibleName(self.tr("Layer"))
        narrow(self.layer)
        self.layer.activated.connect(self.changed)
        self.grad_cam.form.addRow(self.tr("Layer"), self.layer)
        self.grad_cam.method.currentTextChanged.connect(self._offer_layers)
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.setObjectName("cancelMap")
        self.cancel.setAccessibleName(self.tr("Cancel the map"))
        self.cancel.setToolTip(self.tr("Cancel the map being made and switch it off"))
        self.cancel.clicked.connect(self._on_cancel)
        self.cancel.hide()
        line_of_words = QWidget()  # as high as the button, so that nothing moves when it appears
        line_of_words.setMinimumHeight(self.cancel.sizeHint().height())
        words = QHBoxLayout(line_of_words)
        words.setContentsMargins(0, 0, 0, 0)
        words.addWidget(self.said, 1)
        words.addWidget(self.cancel, 0, Qt.AlignmentFlag.AlignTop)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(6, 4, 6, 4)
        form = QFormLayout()
        self.target = TargetRows(form, self.class_box)
        self.target.changed.connect(self._on_target)
        form.addRow(self.tr("Look at"), self.source)
        column.addLayout(form)
        column.addWidget(self.top)
        column.addWidget(line_of_words)
        for name, group in (("saliency", self.saliency), ("grad_cam", self.grad_cam)):
            column.addWidget(group)
            group.changed.connect(self.changed)
            group.key = name
            group.opacity_changed.connect(self.opacity_changed)
            group.recoloured.connect(self.recoloured)
        self.occluder = OccluderGroup()
        column.addWidget(self.occluder)
        column.addStretch(1)
        self.setWidget(page)
        self.set_classes(())
        self.say("")  # until a network without classes is loaded

    def set_classes(self, names: Sequence[str]) -> None:
        """Offer these classes; if empty, the network has no classifier."""
        self.class_box.set_classes(names)
        self.target.set_classes(bool(names))
        self.occlusion.set_of_unit(self.target.of_unit)
        self.top.setVisible(bool(names))
        self.show_top((), None)
        self.say("" if names else self.no_classes())

    def no_classes(self) -> str:
        """Return the advice for a network without classes."""
        return self.target.which()

    def set_layers(self, names: Sequence[tuple[str, str]]) -> None:
        """Offer layers (shown name, name) for Grad-CAM, besides “last layer”."""
        before = self.layer.currentData()
        with QSignalBlocker(self.layer):
            self.layer.clear()
            self.layer.addItem(self.tr("last layer"), "")
            for shown, name in names:
                self.layer.addItem(shown, name)
            self.layer.setCurrentIndex(max(0, self.layer.findData(before)))
        self.target.set_layers([name for _, name in names])

    def select_layer(self, name: str) -> None:
        """Take the layer selected in the tree, if it has a map."""
        index = self.layer.findData(name)
        if index >= 0 and index != self.layer.currentIndex():
            self.layer.setCurrentIndex(index)
            if self.grad_cam.isChecked():
                self.changed.emit()

    def map_settings(self) -> MapSettings:
        """Return the settings of the maps."""
        return MapSettings(
            self.class_box.currentData(),
            self.source.currentIndex() == 1,
            self.saliency.chosen(),
            self.saliency.colours.currentText(),
            self.saliency.opacity.value() / 100,
            self.saliency.threshold.value() / 100,
            self.grad_cam.chosen(),
            self.grad_cam.colours.currentText(),
            self.grad_cam.opacity.value() / 100,
            self.grad_cam.threshold.value() / 100,
            self.layer.currentData() or "",
            str(self.target.unit() or ""),
            *self.occlusion.values(),
        )

    def set_map_settings(self, map_settings: MapSettings) -> None:
        """Take over all settings; choices not offered here stay as they are."""
        with QSignalBlocker(self):
            for box, data in (
                (self.class_box, map_settings.target),
                (self.layer, map_settings.layer),
            ):
                at = box.findData(data)
                if at >= 0:
                    box.setCurrentIndex(at)
            self.target.set_unit(map_settings.unit)
            self.source.setCurrentIndex(int(map_settings.of_content))
            for kind, group in (("saliency", self.saliency), ("grad_cam", self.grad_cam)):
                method = getattr(map_settings, kind)
                group.method.setCurrentText(method or group.method.currentText())
                group.colours.setCurrentText(getattr(map_settings, f"{kind}_colours"))
                group.opacity.setValue(round(100 * getattr(map_settings, f"{kind}_opacity")))
                group.threshold.setValue(round(100 * getattr(map_settings, f"{kind}_threshold")))
                group.setChecked(bool(method))
            self.occlusion.set_values(map_settings.square, map_settings.occlusion_shown)
        self.changed.emit()

    def show_top(self, top: Sequence[TopClass], target: int | None) -> None:
        """Show the most likely classes; `target` is the one asked about."""
        self.top.show_classes(top, target)

    @Slot(str)
    def say(self, text: str, may_cancel: bool = False) -> None:
        """Describe the maps in words, and offer to cancel one being made."""
        self.said.setText(text)
        self.said.setVisible(bool(text))
        self.cancel.setVisible(may_cancel)

    @Slot(int)
    def choose_class(self, index: int) -> None:
        """Ask about this class."""
        at = self.class_box.findData(index)
        if at < 0:
            return
        other = at != self.class_box.currentIndex()
        self.class_box.setCurrentIndex(at)
        if self.target.of_unit:
            self.target.set_of_class()  # this asks
        elif other:
            self.changed.emit()

    @Slot()
    def _on_cancel(self) -> None:
        """Switch off the map being made: if both are wanted, saliency is the slow one."""
        group = self.saliency if self.saliency.isChecked() else self.grad_cam
        group.setChecked(False)

    @Slot()
    def _on_square(self) -> None:
        if self.saliency.isChecked():
            self.changed.emit()

    @Slot(str)
    def _offer_layers(self, method: str) -> None:
        """Let a layer be chosen only for methods that allow it."""
        free = find_method(method).takes_layer
        self.layer.setEnabled(free)
        self.layer.setToolTip(
            ""
            if free
            else self.tr("{0} always uses the maps that the network averages at its end").format(
                method
            )
        )

    @Slot()
    def _on_target(self) -> None:
        self.occlusion.set_of_unit(self.target.of_unit)
        self.changed.emit()

    @Slot(int)
    def _on_class(self, _index: int) -> None:
        self.changed.emit()
