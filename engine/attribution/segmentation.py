"""An object cut out of a picture where a saliency map locates it.

Simonyan, Vedaldi, Zisserman 2014, "Deep Inside Convolutional Networks: Visualising Image
Classification Models and Saliency Maps", section 3.2: seeds from quantiles of the map, the rest by
GraphCut on colours. Here the cut is that of Rother, Kolmogorov, Blake 2004, "GrabCut", as
implemented by OpenCV.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from engine.errors import BadInput

BLUR = 50
"""The map is blurred with a standard deviation of the short side divided by this: gradients are
spotty, and colour models need areas."""
_SEED = 1
"""Seed of the clustering that the colour models start from."""


@dataclass(frozen=True, eq=False)
class Selection:
    """The selected part of a picture: one connected piece."""

    mask: npt.NDArray[np.bool_]
    """(H, W)."""
    box: tuple[int, int, int, int]
    """Left, top, right, bottom of the mask in pixels; right and bottom are exclusive."""


def grab_cut(
    picture: npt.NDArray[np.floating] | npt.NDArray[np.uint8],
    saliency_map: npt.NDArray[np.floating] | Tensor,
    foreground: float = 0.95,
    background: float = 0.30,
    iterations: int = 5,
) -> Selection:
    """Return the object that a saliency map points at, cut out along the picture's colours.

    The magnitudes of the map's values are blurred. Pixels at their `foreground` quantile and above
    surely belong to the object, pixels below their `background` quantile surely do not, and the
    rest probably does not. Of what GrabCut then selects, the largest connected component
    (neighbours share an edge) is returned. The same arguments give the same selection.

    Args:
        picture: (H, W, 3), bytes, or sRGB from 0 to 1, which is rounded to bytes.
        saliency_map: (H, W), signed or not, on any scale.
        foreground: quantile between 0 and 1.
        background: quantile between 0 and 1, below `foreground`.
        iterations: how often the colour models are refitted, at least 1.

    Raises:
        BadInput: shapes or settings other than above; a map that is the same everywhere, or not
            finite.
    """
    import cv2
    from scipy.ndimage import gaussian_filter

    pixels, sizes = _pixels(picture), np.abs(_values(saliency_map))
    if pixels.shape[:2] != sizes.shape:
        raise BadInput(
            f"the picture has {pixels.shape[1]}x{pixels.shape[0]} pixels and the saliency map "
            f"{sizes.shape[1]}x{sizes.shape[0]}; scale one to the other"
        )
    if not 0 <= background < foreground <= 1 or iterations < 1:
        raise BadInput(
            "quantiles must be between 0 and 1, the background's below the foreground's, and "
            f"iterations at least 1, not {background}, {foreground} and {iterations}"
        )
    blurred = gaussian_filter(sizes / (sizes.max() or 1), min(sizes.shape) / BLUR, mode="nearest")
    low, high = blurred.min(), blurred.max()
    if high - low <= 1e-9:
        raise BadInput(
            "the saliency map is the same everywhere and points at nothing; choose another class, "
            "layer or method"
        )
    trimap = np.full(blurred.shape, cv2.GC_PR_BGD, np.uint8)
    trimap[blurred < np.quantile(blurred, background)] = cv2.GC_BGD
    # For a map that is flat up to the quantile: whatever stands out, but never everything.
    trimap[(blurred >= np.quantile(blurred, foreground)) & (blurred > low)] = cv2.GC_FGD
    cv2.setRNGSeed(_SEED)
    inside, outside = np.zeros((1, 65)), np.zeros((1, 65))
    whole = (0, 0, pixels.shape[1], pixels.shape[0])  # ignored: there is a mask
    cv2.grabCut(pixels, trimap, whole, outside, inside, iterations, cv2.GC_INIT_WITH_MASK)
    return _largest((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD))


def _largest(selected: npt.NDArray[np.bool_]) -> Selection:
    """Return the largest connected component of a selection that is not empty."""
    from scipy.ndimage import find_objects, label

    pieces, _ = label(selected)
    number = int(np.bincount(pieces.ravel())[1:].argmax()) + 1
    rows, columns = find_objects(pieces)[number - 1]
    return Selection(pieces == number, (columns.start, rows.start, columns.stop, rows.stop))


def _pixels(picture: npt.NDArray[np.floating] | npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    given = np.asarray(picture)
    if given.ndim != 3 or given.shape[2] != 3 or not given.size:
        raise BadInput(f"the picture must be (H, W, 3), not {given.shape}")
    if given.dtype != np.uint8:
        if not np.isfinite(given).all():
            raise BadInput("the picture holds numbers that are not finite")
        given = np.rint(np.clip(given, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(given)


def _values(saliency_map: npt.NDArray[np.floating] | Tensor) -> npt.NDArray[np.float64]:
    if isinstance(saliency_map, Tensor):
        saliency_map = saliency_map.detach().cpu().double().numpy()
    values = np.asarray(saliency_map, dtype=np.float64)
    if values.ndim != 2:
        raise BadInput(f"the saliency map must be (H, W), not {values.shape}")
    if not np.isfinite(values).all():
        raise BadInput("the saliency map holds numbers that are not finite")
    return values
