"""The live maps in words: the panel's line about them, and the caption on the canvas."""

from PySide6.QtCore import QObject

from engine.attribution.heat import Heat
from engine.attribution.square import SHOWN
from engine.networks.classes import percent
from gui.run.map_answers import MapsAnswer, MapsRequest


class LiveMapsText(QObject):
    """Puts answers into words; a child of the flow that shows them."""

    def line(self, answer: MapsAnswer | None, problem: str, progress: str) -> str:
        """Return what the panel says.

        Args:
            answer: the one shown.
            problem: why there is less than requested.
            progress: of the maps being made, shown instead of the target; empty: none are.
        """
        named = answer is not None and not answer.question.nameless
        target = self._target(answer) if answer is not None and named else ""
        lines = [progress or target]
        if answer is not None and answer.plain:
            words = self.tr("No special rule for {0}: the ordinary gradient is used.")
            lines.append(words.format(", ".join(answer.plain)))
        if answer is not None and answer.squeezed is not None:
            words = self.tr("{0} takes only square pictures: this one is squeezed to {1}\u00d7{2}.")
            down, across = answer.squeezed
            lines.append(words.format(answer.question.query.network, across, down))
        return "\n".join(filter(None, [*lines, problem]))

    def squeezed(self, answer: MapsAnswer) -> str:
        """Return words for the caption if the picture loses its proportions; otherwise empty."""
        if answer.squeezed is None:
            return ""
        down, across = answer.squeezed
        return self.tr("squeezed to {0}\u00d7{1}").format(across, down)

    def _target(self, answer: MapsAnswer) -> str:
        """Return what the network says about the target, and where Grad-CAM looked."""
        if answer.question.unit is not None and answer.activation is None:
            return ""
        said = self.tr("{0}: {1}").format(answer.target_name, _size(answer))
        if answer.grad_cam is None:
            return said
        method = answer.grad_cam.method
        where = method.title
        if method.takes_layer:
            where = self.tr("{0} at {1}").format(where, answer.layer)
        return f"{said}, {where}"

    def progress(self, asked: MapsRequest, answer: MapsAnswer | None) -> str:
        """Return the progress of the maps requested; `answer` is what there is of them."""
        method = asked.method("saliency") or asked.method("grad_cam")
        if method is None:
            return self.tr("working…")
        if method.covers and answer is not None and answer.unfinished:
            return self.tr("{0}: {1:.0f}\u00a0%").format(method.title, 100 * answer.share)
        return self.tr("{0}: working…").format(method.title)

    def caption(self, answer: MapsAnswer, heat: Heat) -> str:
        """Return a map's method, target, probability or activation, and range in one line."""
        method, name = heat.method, answer.target_name
        shown = next((key for key, one in answer.occlusion.items() if one is heat), "")
        if shown == "probability":
            words = self.tr("{0}, probability of {1}: 0 to {2}")
            return words.format(method.title, name, percent(heat.reach))
        if shown == "label":
            classes = ", ".join(str(line) for line in heat.legend)
            return self.tr("{0}, most likely class: {1}").format(method.title, classes)
        title = method.title
        if shown == SHOWN[0] and answer.activation is None:
            title = self.tr("{0}, drop of the logit").format(title)
        elif shown:
            title = self.tr("{0}, drop of the activation").format(title)
        elif method.takes_layer and answer.layer:
            title = self.tr("{0} at {1}").format(title, answer.layer)
        reach = f"{heat.reach:.3g}"
        scale = self.tr("−{0} to {0}") if method.signed else self.tr("0 to {0}")
        words = self.tr("{0} of {1} ({2}): {3}")
        said = words.format(title, name, _size(answer), scale.format(reach))
        largest = f"{heat.largest:.3g}"  # the colours of pixel maps leave outliers beyond their end
        return said if largest == reach else self.tr("{0}, maximum {1}").format(said, largest)


def _size(answer: MapsAnswer) -> str:
    """Return the unit's activation, or the class's probability."""
    if answer.activation is not None:
        return f"{answer.activation:.4g}"
    return percent(answer.probability)
