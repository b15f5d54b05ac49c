"""Methods of attribution by name, and their maps in colours; what computes them needs torch.

The methods themselves: `engine.attribution`.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.colour_map import Bytes, colourised, display_range
from engine.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor


FILLS = ("mean", "gray", "black", "blur")
"""What an occlusion covers with; mean: the colour that the network's preprocessing takes off."""
SHOWN = ("drop", "probability", "label")
"""Maps that one occlusion makes: the drop, and Zeiler and Fergus's companions 7 (d) and (e)."""


@dataclass(frozen=True)
class Square:
    """What an occlusion covers at a time, whatever the picture's size."""

    side: float = 1 / 7
    """Part of the picture's short side."""
    step: float = 1 / 2
    """What it moves by, as a part of its own side."""
    fill: str = "mean"
    """One of `FILLS`."""

    def pixels(self, size: tuple[int, int], window: int = 0) -> tuple[int, int]:
        """Return side and step in a picture (height, width); `window`: a side that is given."""
        window = window or max(1, round(min(size) * self.side))
        return window, max(1, int(window * self.step))


@dataclass(frozen=True)
class Method:
    """One way of asking what a target answers to."""

    command: str
    """Its name on the command line."""
    title: str
    """Its name for people."""
    signed: bool = False
    """Whether its values speak for the target or against it; else only their size counts."""
    of_layer: bool = False
    """Whether it looks at a layer's map (the CAM family); else at pixels."""
    key: str = ""
    """What red and blue mean, of a signed one."""
    help: str = ""
    """What it does, in a sentence."""


FOR_AND_AGAINST = "red speaks for it, blue against it"
_RELUS = (
    "ReLU6 and ReLUs that are called as functions too, where many tools leave the plain gradient"
)
METHODS = (
    Method("gradient", "gradient", help="how much each pixel would change the target"),
    Method(  # it tells what a change would do, not what is there
        "signed-gradient",
        "signed gradient",
        signed=True,
        key="brighter raises it where red, lowers it where blue",
        help="the gradient with its sign: whether brighter would raise the target or lower it",
    ),
    Method(
        "gradient-x-input",
        "gradient x input",
        signed=True,
        key=FOR_AND_AGAINST,
        help="the gradient times what the network is given: what each pixel adds to the target",
    ),
    Method("smoothgrad", "SmoothGrad", help="the mean gradient of 25 noisy copies of the picture"),
    Method(
        "guided-backprop",
        "guided backprop",
        help=f"the gradient without what is negative at any ReLU; the rule holds for {_RELUS}",
    ),
    Method(
        "deconvnet",
        "deconvnet",
        help=f"the way back through rectifiers of its own; the rule holds for {_RELUS}",
    ),
    Method(
        "occlusion",
        "occlusion",
        signed=True,
        key=FOR_AND_AGAINST,
        help="how far the target falls as a square covers each place",
    ),
    Method(
        "cam",
        "CAM",
        of_layer=True,
        help="the class's own weights at the last maps; for networks that end in an average and one "
        "linear layer, or in the average of a map for each class, such as SqueezeNet, whose map is "
        "shown as its ReLU leaves it",
    ),
    Method(
        "grad-cam",
        "Grad-CAM",
        of_layer=True,
        help="a layer's maps, weighted by how much the target changes with them",
    ),
    Method(
        "guided-grad-cam",
        "guided Grad-CAM",
        of_layer=True,
        help="guided backprop where Grad-CAM is; for ReLUs as guided backprop",
    ),
)


def percent(share: float) -> str:
    """Return a probability in words: 61.6%, and never 0.0% for what is possible."""
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def caption(title: str, layer: str, target: str, answer: str, scale: str) -> str:
    """Return what a map is of and what its colours stand for, in a line.

    Args:
        title: of the method.
        layer: that it looks at; empty: none, or there is no choice.
        target: the class or the unit.
        answer: the target's probability or activation.
        scale: as `Heat.scale`.
    """
    at = f" at {layer}" if layer else ""
    return f"{title}{at} of {target} ({answer}): {scale}"


def find_method(name: str) -> Method:
    """Return the method with this command or title. Raises `BadInput` for any other name."""
    for method in METHODS:
        if name in (method.command, method.title):
            return method
    known = ", ".join(method.command for method in METHODS)
    raise BadInput(f"no method of attribution is called {name!r}; there are {known}")


@dataclass(frozen=True)
class UnitName:
    """One unit inside a network, as people name it; `engine.attribution.Unit` needs torch."""

    layer: str
    """As the layer tree names it."""
    channel: int
    position: tuple[int, int] | None = None
    """Row and column in the layer's map; None: where the channel is highest."""

    @classmethod
    def parse(cls, text: str) -> "UnitName":
        """Return the unit of LAYER:CHANNEL or LAYER:CHANNEL:ROW,COLUMN, counted from 0.

        Raises `BadInput` for anything else.
        """
        found = _UNIT.fullmatch(text)
        if found is None:
            raise BadInput(
                f"{text.strip()!r} is no unit; it takes LAYER:CHANNEL or LAYER:CHANNEL:ROW,COLUMN "
                "in whole numbers from 0, for example relu4_2:17:12,5"
            )
        row, column = found["row"], found["column"]
        position = None if row is None else (int(row), int(column))
        return cls(found["layer"], int(found["channel"]), position)

    def __str__(self) -> str:
        """Return what `parse` takes."""
        place = "" if self.position is None else f":{self.position[0]},{self.position[1]}"
        return f"{self.layer}:{self.channel}{place}"

    @property
    def words(self) -> str:
        """The unit as it is told of: "relu4_2 channel 17 at 12, 5"."""
        place = "" if self.position is None else f" at {self.position[0]}, {self.position[1]}"
        return f"{self.layer} channel {self.channel}{place}"


_NUMBER = r"\s*[0-9]{1,9}\s*"
_UNIT = re.compile(
    rf"\s*(?P<layer>[^:\s]+)\s*:(?P<channel>{_NUMBER})(:(?P<row>{_NUMBER}),(?P<column>{_NUMBER}))?"
)


@dataclass(frozen=True)
class LegendLine:
    """What one colour of a map stands for."""

    name: str
    colour: tuple[int, int, int]
    colour_name: str
    share: float
    """Of the map, 0 to 1."""

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.name} {percent(self.share)}"


@dataclass(frozen=True)
class Heat:
    """A map of one number per pixel, ready to be given colours and a scale."""

    method: Method
    values: npt.NDArray[np.float32]
    """(H, W), raw."""

    @classmethod
    def of(cls, method: Method, values: "Tensor") -> "Heat":
        """Reduce raw values over colours: their sum if their sign counts, else the largest size."""
        if values.ndim == 3:
            values = values.sum(0) if method.signed else values.abs().amax(0)
        return cls(method, values.numpy())

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.method.title

    def said(self, value: float) -> str:
        """Return one of the values in words; empty where there is nothing to say."""
        return f"{self.title} {value:.4g}".replace(" -", " \N{MINUS SIGN}")

    @property
    def key(self) -> str:
        """What its colours mean, where that needs words; else empty."""
        return self.method.key

    @property
    def legend(self) -> tuple[LegendLine, ...]:
        """What each colour stands for, where they are no scale; else nothing."""
        return ()

    @property
    def reach(self) -> float:
        """What the strongest colour should stand for; outliers of maps of pixels are cut off."""
        if self.method.of_layer and self.method.command != "guided-grad-cam":
            return float(self.values.max(initial=0.0))
        return max(abs(limit) for limit in display_range(self.values))

    @property
    def largest(self) -> float:
        """The largest size of all values, outliers included."""
        return float(np.abs(self.values).max(initial=0.0))

    def scale(self, reach: float | None = None) -> str:
        """Return what the colours stand for, in numbers, and the largest value.

        `reach`: what the strongest colour stands for, by default the map's own.
        """
        limit = f"{self.reach if reach is None else reach:.3g}"
        least = f"-{limit}" if self.method.signed else "0"
        return f"{least} to {limit}, largest {self.largest:.3g}"

    def coloured(self, colours: str, reach: float | None = None) -> Bytes:
        """Return (H, W, 3) bytes: signed maps around white, the others in `colours` from 0 up.

        `reach`: what the strongest colour stands for, by default the map's own.
        """
        limit = max(self.reach if reach is None else reach, 1e-12)
        if self.method.signed:
            return colourised(self.values, "signed", -limit, limit)
        return colourised(self.values, colours, 0.0, limit)

    def beyond(self, threshold: float, reach: float | None = None) -> npt.NDArray[np.bool_]:
        """Return (H, W): where a value's size is at least that part, 0 to 1, of the reach."""
        sizes = np.abs(self.values) if self.method.signed else self.values
        return sizes >= threshold * (self.reach if reach is None else reach)

    def seen(self, threshold: float) -> npt.NDArray[np.bool_] | None:
        """Return (H, W): what is to be shown with that threshold; None: all of it."""
        return self.beyond(threshold) if threshold > 0 else None


def around_gray(values: "Tensor", reach: float | None = None) -> "Tensor":
    """Return raw values (3, H, W) as a picture in [0, 1]: in their own colours, zero at 0.5.

    `reach`: what 0 and 1 stand for, by default the map's own.
    """
    limit = max(colour_reach(values) if reach is None else reach, 1e-12)
    return (values / (2 * limit) + 0.5).clamp(0, 1)


def scale_around_gray(values: "Tensor", reach: float | None = None) -> str:
    """Return what the colours of `around_gray` stand for, as `Heat.scale` does."""
    limit = f"{colour_reach(values) if reach is None else reach:.3g}"
    return f"-{limit} to {limit}, largest {float(values.abs().max()):.3g}"


def colour_reach(values: "Tensor") -> float:
    """Return what the strongest colour of raw values (3, H, W) should stand for."""
    return display_range(values.abs().numpy())[1]
