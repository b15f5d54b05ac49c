"""Carries the class or the folder over from one technique to the next."""

from functools import partial

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QImage

from engine.errors import BadInput
from engine.job import Job
from engine.looking import Request
from engine.networks.classes import class_number
from gui.background import Background
from gui.carry_over import CARRIED, lacks
from gui.flow.layers import LayersFlow
from gui.pictures import Pictures
from gui.run.looking import NetworkView, PictureQuery
from gui.run.networks import NetworkKey, Networks, network_key_of
from gui.session import path_of
from gui.studio import Studio
from gui.window_settings import window_settings


class CarryOverFlow(QObject):
    """Fills in the class or folder last used, or the class that the photo shows."""

    def __init__(
        self, studio: Studio, layers: LayersFlow, pictures: Pictures, networks: Networks,
        background: Background, parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.studio, self.layers, self.pictures = studio, layers, pictures
        self.networks, self.background = networks, background
        self.shown: tuple[object, str] = (None, "")
        """What the photo shows: network, photo and class."""
        kept = window_settings()
        for picks in CARRIED:
            value = kept.value(f"last/{picks}")
            if isinstance(value, str) and value:
                studio.last.setdefault(picks, value)
        studio.changed.connect(self._on_job)
        layers.loaded.connect(self.look)
        pictures.arrived.connect(self.look)

    def remember(self) -> None:
        """Remember the class and folder last used, for the next start."""
        for picks, value in self.studio.last.items():
            window_settings().setValue(f"last/{picks}", value)

    @Slot(object, object)
    def _on_job(self, before: Job, after: Job) -> None:
        if type(before.technique) is not type(after.technique) or before.inputs != after.inputs:
            self.look()

    @Slot()
    def look(self) -> None:
        """Find out what the photo shows, if a class is needed and none was ever named."""
        here, path = self.layers.here, path_of(self.studio.job.inputs.content)
        if here is None or not here.network.classes or path is None:
            return
        last = self.studio.last.get("class", "")
        try:
            if last:
                class_number(here.network.classes, last, here.network.card.name)
        except BadInput:
            del self.studio.last["class"]  # another network's
        if not lacks(self.studio.technique, "class") or "class" in self.studio.last:
            return
        opened = self.pictures.get(path)
        if opened is None or opened.problem:
            return
        key = (here.network, path)
        if self.shown[0] == key:
            self._fill()
            return
        self.shown = key, ""
        work = partial(
            likeliest_class, self.networks, network_key_of(self.studio.job), opened.image
        )
        self.background.submit(work, partial(self._on_seen, key))

    def _on_seen(self, key: object, name: str) -> None:
        if self.shown[0] == key:
            self.shown = key, name
            self._fill()

    def _fill(self) -> None:
        name = self.shown[1]
        if name and lacks(self.studio.technique, "class") and "class" not in self.studio.last:
            self.studio.fill_in({"class": name})


def likeliest_class(networks: Networks, network_key: NetworkKey, image: QImage) -> str:
    """Return the likeliest class of an image for a network."""
    query = PictureQuery(image, *network_key[:2], "cpu", network_key[2])
    number, found, _ = NetworkView(networks).one(query, Request()).top[0]
    return str(number) if "," in found else found
