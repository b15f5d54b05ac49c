"""Pictures: opened from files, kept as sRGB samples, converted to tensors, saved again.

A file has colours even where its picture is transparent, but nobody sees them, so they decide
nothing. Networks, measurements and maps are given the colours of what is visible nearby instead: a
pixel of opacity a shows a times its own colour plus 1 - a times that of its surroundings (the means
of the visible colours over ever larger squares, nearest first; mid-grey if nothing is visible at
all). So no edge arises where none can be seen, and what is opaque stays as it is. Sums over a
picture also weight each place by its opacity (`engine.objectives.coverage`).
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile

from engine.colour_coding import Coding, Conversion, from_code_points, from_gamma
from engine.colour_profile import converter
from engine.errors import Diverged
from engine.files import split_frame
from engine.image_decoding import Samples, of_page, opened, read_samples
from engine.image_frames import about_frames, choose_frame
from engine.image_headers import code_points, png_code_points
from engine.image_metadata import read_recipe, upright_exif
from engine.image_reduction import in_srgb, reduced_size
from engine.image_saving import save_picture
from engine.image_transparency import LEAST, continued, resampled, weighed
from engine.tiff_layouts import TiffPage

if TYPE_CHECKING:
    from torch import (
        Tensor,
    )  # imported only where needed: the command line's help has no use for it

__all__ = [
    "Picture",
    "from_tensor",
    "open_picture",
    "read_recipe",
    "save_picture",
    "to_bytes8",
]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in sRGB with its file's metadata. Its arrays are read-only.

    Raises:
        ValueError: the arrays are not float32, have other shapes or no pixels.
    """

    rgb: Floats
    """(H, W, 3) float32 sRGB in [0, 1], upright."""
    alpha: Floats | None = None
    """(H, W) float32 in [0, 1], 1 being opaque; the colour is not multiplied by it."""
    exif: bytes | None = None
    """The file's EXIF block, beginning with "Exif" and two zeros, its orientation reset to 1."""
    path: Path | None = None
    """The file that the picture was opened from, with #NUMBER if a frame was chosen."""
    sha256: str = ""
    """Hexadecimal SHA-256 of that file's bytes; empty for a picture made in memory."""
    full_size: tuple[int, int] | None = None
    """Width and height in the file, if the picture was reduced while it was opened."""
    frame: int = 1
    """Which of the file's pictures this is, from 1."""
    frames: int = 1
    """How many pictures the file holds: frames of an animation, pages."""

    def __post_init__(self) -> None:
        """Check the arrays and make them read-only, as threads share them."""
        height, width = self.rgb.shape[:2]
        if (
            self.rgb.shape != (height, width, 3)
            or self.rgb.dtype != np.float32
            or not self.rgb.size
        ):
            raise ValueError(f"rgb is {self.rgb.dtype}{self.rgb.shape}, not float32 (H, W, 3)")
        object.__setattr__(self, "rgb", _read_only(self.rgb))
        if self.alpha is not None:
            if self.alpha.shape != (height, width) or self.alpha.dtype != np.float32:
                raise ValueError(
                    f"alpha is {self.alpha.dtype}{self.alpha.shape}, not float32 (H, W)"
                )
            object.__setattr__(self, "alpha", _read_only(self.alpha))

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.rgb.shape[0])

    @property
    def long_side(self) -> int:
        """The longer side in pixels, that of the whole picture if this is a reduced one."""
        return max(self.full_size or (self.width, self.height))

    @property
    def note(self) -> str:
        """A sentence about the file (that it holds more than this picture); usually empty."""
        return about_frames(self.path, self.frame, self.frames) if self.path else ""

    @property
    def see_through(self) -> bool:
        """Whether any of it is less than opaque."""
        return self.alpha is not None and bool(self.alpha.min() < 1)

    @cached_property
    def shown(self) -> Floats:
        """(H, W, 3) float32 sRGB in [0, 1]: `rgb`, filled from nearby wherever it is not visible."""
        if self.alpha is None or not self.see_through:
            return self.rgb
        return _read_only(continued(self.rgb, self.alpha))

    @property
    def gray(self) -> bool:
        """Whether it is grey but for what JPEG adds, judged by a grid of its pixels."""
        step = max(1, max(self.width, self.height) // 512)
        seen = self.rgb[::step, ::step]
        return float((seen.max(-1) - seen.min(-1)).max()) <= 4 / 255

    def tensor(self) -> "Tensor":
        """Copy what is shown into a tensor: (3, H, W) float32 in [0, 1], on the CPU."""
        import torch

        return torch.from_numpy(np.array(self.shown.transpose(2, 0, 1), order="C"))

    def resized(
        self,
        long_side: int | None = None,
        size: tuple[int, int] | None = None,
        enlarge: bool = True,
    ) -> "Picture":
        """Resample colour and alpha, antialiased (Lanczos) and in floating point.

        Args:
            long_side: the longer side in pixels; the other follows, at least 1.
            size: instead, width and height in pixels, exactly.
            enlarge: whether the result may be larger than the picture; if not, `long_side` leaves
                a smaller picture alone, and `size` shrinks as a whole until it fits into it.

        Returns:
            A picture with everything else as it was; the same one if the size is right already.

        Raises:
            ValueError: neither or both of `long_side` and `size` are given, or one is below 1.
        """
        if (long_side is None) == (size is None):
            raise ValueError("give either long_side or size")
        if long_side is not None:
            scale = long_side / max(self.width, self.height)
            width, height = self.width * scale, self.height * scale
        elif size is not None:
            width, height = size
        if max(width, height) < 1 or (size and min(size) < 1):
            raise ValueError("a side is below 1 pixel")
        if not enlarge:
            shrink = min(1.0, self.width / width, self.height / height)
            width, height = width * shrink, height * shrink
        target = max(1, round(width)), max(1, round(height))
        if target == (self.width, self.height):
            return self
        colour = resampled(self.shown, target).clip(0, 1)  # Lanczos overshoots at edges
        if self.alpha is None:
            return replace(self, rgb=colour)
        alpha = resampled(self.alpha, target)
        if self.see_through:
            # Colours are weighted by their opacity, except where that is too small to divide by.
            own = weighed(resampled(self.rgb * self.alpha[..., None], target), alpha)
            colour = np.where(alpha[..., None] >= LEAST, own, colour)
        return replace(self, rgb=colour, alpha=alpha.clip(0, 1))


def open_picture(
    path: str | Path, *, long_side: int | None = None, short_side: int | None = None
) -> Picture:
    """Open a picture file of any format that is read, by content, not by name.

    Grey, palette, CMYK, 16-bit and HDR pictures all become sRGB; the orientation is applied.

    Args:
        path: the file; FILE#NUMBER means that picture of an animation or of several pages, from 1.
            Otherwise it is the first, or a HEIC file's primary one.
        long_side: how many pixels on the longer side are enough: a much larger picture is reduced
            to about that while it is decoded, always to the same numbers.
        short_side: the same for the shorter side.

    Raises:
        BadInput: the file is missing, not a picture, damaged, or has more than 200 megapixels.
        OutOfMemory: the decoded picture does not fit into memory.
    """
    path = Path(path)
    _, wanted = split_frame(path)
    reduce = long_side is not None or short_side is not None

    def target_of(size: tuple[int, int]) -> tuple[int, int] | None:
        return reduced_size(size, long_side, short_side) if reduce else None

    extent = None
    with opened(path) as (image, file):
        if image is None:
            page = TiffPage(split_frame(path)[0], file, wanted)
            samples, frame, frames = of_page(page), page.frame, page.frames
            size = samples.width, samples.height
            target, coding, profile = target_of(size), None, page.profile
            orientation, exif = page.orientation, None
        else:
            frame, frames = choose_frame(image, split_frame(path)[0], wanted)
            size = image.size
            coding, profile = _colours(image, file)
            if target := target_of(size):
                # Only JPEG files can be decoded at a smaller scale.
                drafted = image.draft(None, target)
                extent = drafted and drafted[1][2:]
            samples = read_samples(image, file, target and target[0] * target[1])
            if image.format == "TIFF" and (samples.width, samples.height) != size:
                target = target and (target[1], target[0])  # Pillow has turned it while loading
                size = size[1], size[0]
            # Only now: asked earlier, Pillow would load a PNG in a layout of its own.
            orientation, exif = _orientation_and_exif(image, size)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        rgb, alpha = in_srgb(samples, _converter(samples, profile, coding), target, extent)
        del samples
    if orientation in (5, 6, 7, 8):
        size = size[1], size[0]
    return Picture(
        rgb=np.ascontiguousarray(_upright(rgb, orientation)),
        alpha=None if alpha is None else np.ascontiguousarray(_upright(alpha, orientation)),
        exif=exif,
        path=path,
        sha256=digest,
        full_size=size if target else None,
        frame=frame,
        frames=frames,
    )


def from_tensor(tensor: "Tensor", like: Picture | None = None) -> Picture:
    """Make a picture of a tensor: (3, H, W) or (1, 3, H, W), clipped to [0, 1], on any device.

    Args:
        tensor: the colour.
        like: the picture whose EXIF and alpha (resampled to the new size) the new one gets.

    Raises:
        Diverged: the tensor holds NaN or infinity.
        ValueError: the tensor has another shape.
    """
    pixels = _single(tensor).float().cpu().numpy().transpose(1, 2, 0)
    if not np.isfinite(pixels).all():
        raise Diverged("The picture holds NaN or infinity: use smaller steps or weights.")
    picture = Picture(np.clip(pixels, 0, 1, dtype=np.float32, order="C"))
    if like is None:
        return picture
    resized = like.resized(size=(picture.width, picture.height)) if like.alpha is not None else like
    return replace(picture, alpha=resized.alpha, exif=like.exif)


def to_bytes8(tensor: "Tensor") -> npt.NDArray[np.uint8]:
    """Round a tensor for display: (3, H, W) or (1, 3, H, W) to uint8 (H, W, 3); NaN becomes 0.

    Values beyond [0, 1] are clipped. The arithmetic happens on the tensor's device.

    Raises:
        ValueError: the tensor has another shape.
    """
    scaled = _single(tensor).float().nan_to_num(0, 1, 0).clamp(0, 1).mul(255).round().byte()
    return np.ascontiguousarray(scaled.permute(1, 2, 0).cpu().numpy())


def _single(tensor: "Tensor") -> "Tensor":
    if tensor.ndim == 4 and len(tensor) == 1:
        tensor = tensor[0]
    if tensor.ndim != 3 or len(tensor) != 3:
        raise ValueError(f"the tensor is {tuple(tensor.shape)}, not (3, H, W) or (1, 3, H, W)")
    return tensor.detach()


def _read_only(array: Floats) -> Floats:
    view = array.view()
    view.flags.writeable = False
    return view


def _converter(samples: Samples, profile: bytes | None, coding: Coding | None) -> Conversion:
    channels = samples.channels
    if profile and profile[16:20] == b"RGB " and channels == 1:
        convert = converter(profile, 3, samples.bits)
        return lambda values: convert(np.repeat(values, 3, axis=-1))
    return converter(profile, channels, samples.bits, coding)


def _colours(image: ImageFile, file: IO[bytes]) -> tuple[Coding | None, bytes | None]:
    """Return what the numbers mean: as code points or the like, or as an ICC profile."""
    profile = image.info.get("icc_profile")
    profile = profile if isinstance(profile, bytes) and profile else None
    if image.format == "PNG":  # the order of the third edition: cICP, iCCP, sRGB, cHRM and gAMA
        place = file.tell()
        points = png_code_points(file)
        file.seek(place)
        if points is not None and points[2] == 0:  # RGB, not a matrix of luma and chroma
            coding = from_code_points(points[0], points[1], points[3])
            if coding is not None:
                return coding, None
        if profile is None and "srgb" not in image.info:
            return from_gamma(image.info.get("gamma"), image.info.get("chromaticity")), None
        return None, profile
    if profile is None and image.format == "AVIF":
        file.seek(0)
        found = code_points(file.read())
        return found and from_code_points(*found), None
    if profile is None and image.format == "HEIF" and (nclx := image.info.get("nclx_profile")):
        primaries, transfer = nclx["color_primaries"], nclx["transfer_characteristics"]
        return from_code_points(int(primaries), int(transfer)), None
    return None, profile


def _orientation_and_exif(image: ImageFile, size: tuple[int, int]) -> tuple[int, bytes | None]:
    try:
        exif = image.getexif()
        orientation = exif.get(Base.Orientation, 1)
        if image.format == "JXL" and not getattr(image, "jpeg", False):
            orientation = 1  # decoded upright; what EXIF says of it does not count (18181-2)
    except Exception:  # broken EXIF is no reason to refuse a picture
        return 1, None
    turned = orientation in (5, 6, 7, 8)
    return orientation, upright_exif(exif, (size[1], size[0]) if turned else size)


def _upright(array: Floats, orientation: int) -> Floats:
    """Turn (H, W, …) upright: EXIF 2.32, tag 274, says where row 0 and column 0 belong."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array
