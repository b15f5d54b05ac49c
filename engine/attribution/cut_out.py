"""The object that a network's saliency points at, cut out of the full-size photo."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.attribution.segmentation import Selection, grab_cut
from engine.image import Picture

FOREGROUND, BACKGROUND = 0.95, 0.30
"""The quantiles that `grab_cut` starts from."""


@dataclass(frozen=True, eq=False)
class Pointed:
    """A photo as the network sees it, and how much each pixel matters to the target."""

    pixels: npt.NDArray[np.uint8]
    """(h, w, 3)."""
    saliency: npt.NDArray[np.float32]
    """(h, w), at least 0: the gradient's magnitude."""

    def selected(self, foreground: float = FOREGROUND, background: float = BACKGROUND) -> Selection:
        """Return the object, in these pixels; arguments and errors as in `grab_cut`."""
        return grab_cut(self.pixels, self.saliency, foreground, background)


def enlarged(mask: npt.NDArray[np.bool_], width: int, height: int) -> npt.NDArray[np.bool_]:
    """Return a mask (h, w) at another size (height, width), its outline smooth instead of stepped."""
    import cv2

    linear = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(linear >= 0.5)


def mask_picture(mask: npt.NDArray[np.bool_]) -> Picture:
    """Return a mask (H, W) as a picture: white where it is selected, black elsewhere."""
    return Picture(np.repeat(mask[..., None], 3, -1).astype(np.float32))


def without_background(photo: Picture, mask: npt.NDArray[np.bool_]) -> Picture:
    """Return the photo, transparent wherever the mask (H, W), of the same size, is False."""
    own = np.float32(1) if photo.alpha is None else photo.alpha
    return replace(photo, alpha=(mask * own).astype(np.float32))
