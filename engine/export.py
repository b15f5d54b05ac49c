"""How a result becomes a file: what is drawn, the format, and which data of the photo go with it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine import settings
from engine.settings import Setting, setting

SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "avif": ".avif", "jpeg xl": ".jxl",
            "tiff": ".tif", "mp4": ".mp4", "gif": ".gif"}  # fmt: skip
"""What a file's name ends in, by its format."""
FILE = ("quality", "subsampling", "lossless", "profile", "exif", "location", "resolution")
"""The settings of a single file, which every command that writes a picture takes as options."""
_OF_FORMAT = {
    "png": ("bits",), "tiff": ("bits",), "jpeg": ("quality", "subsampling"),
    "webp": ("lossless", "quality"), "avif": ("quality", "subsampling"),
    "jpeg xl": ("lossless", "quality"),
}  # fmt: skip


@dataclass(frozen=True)
class Export:
    """How a result becomes a file."""

    what: str = setting(
        "picture", "What", "picture: the picture alone; pair: the photo and the picture side by side; "
        "timeline: how the picture came about, as a film.",
        choices=("picture", "pair", "timeline"), group="File",
    )  # fmt: skip
    gap: bool = setting(
        True, "Gap", "A thin white gap between the two pictures of a pair.", group="File"
    )
    format: str = setting(
        "png", "Format", "png and tiff lose nothing; jpeg opens everywhere; webp, avif and jpeg xl "
        "are smaller.",
        choices=("png", "jpeg", "webp", "avif", "jpeg xl", "tiff"), group="File",
    )  # fmt: skip
    film: str = setting(
        "mp4", "Format", "mp4: a video; gif and webp: a moving picture that starts over and over.",
        choices=("mp4", "gif", "webp"), group="File", flag="--film-format",
    )  # fmt: skip
    bits: str = setting(
        "8", "Bits", "Bits per colour. 16 keeps finer steps for further editing.",
        choices=("8", "16"), group="File",
    )  # fmt: skip
    lossless: bool = setting(
        False, "Lossless", "Keep every pixel of a WebP or JPEG XL file exactly; larger.",
        group="File",
    )  # fmt: skip
    quality: int = setting(
        95, "Quality", "Of JPEG, WebP, AVIF and JPEG XL: higher is better and larger.",
        low=1, high=100, group="File",
    )  # fmt: skip
    subsampling: str = setting(
        "4:4:4", "Colour detail", "Of JPEG and AVIF. 4:4:4 keeps colours as sharp as lightness; 4:2:0 "
        "keeps a quarter of them, for smaller files.",
        choices=("4:4:4", "4:2:0"), group="File", flag="--subsampling",
    )  # fmt: skip
    profile: str = setting(
        "srgb", "Colour profile", "The ICC profile in the file. srgb: right everywhere; photo: the "
        "photo's own, with the colours converted to it; none: no profile. JPEG XL is always srgb.",
        choices=("srgb", "photo", "none"), group="Keep",
    )  # fmt: skip
    exif: bool = setting(
        True, "EXIF", "Keep the photo's EXIF: camera, time, author, copyright.", group="Keep"
    )
    location: bool = setting(
        False, "Location", "Keep where the photo was taken, too, if its EXIF says so. That is "
        "personal: it may be somebody's home.", group="Keep",
    )  # fmt: skip
    resolution: bool = setting(
        True, "Resolution", "Keep the photo's pixels per inch (dpi), which printing goes by.",
        group="Keep",
    )  # fmt: skip
    seconds: float = setting(
        5.0, "Length", "How long the timeline takes from its first picture to its last.",
        low=0.2, high=120.0, step=0.5, unit="s", log=True, group="Film",
    )  # fmt: skip
    hold: float = setting(
        1.0, "Hold", "How long the last picture stays after that.",
        low=0.0, high=30.0, step=0.5, unit="s", group="Film",
    )  # fmt: skip
    ease: str = setting(
        "in and out", "Ease", "linear: at the same pace throughout; in and out: slow at the start and "
        "at the end.", choices=("linear", "in and out"), group="Film",
    )  # fmt: skip
    rate: int = setting(
        25, "Frame rate", "Frames a second.", low=1, high=50, group="Film", flag="--frame-rate"
    )
    film_size: int = setting(
        720, "Long side", "Of the film; it is never larger than the picture.",
        low=16, high=4096, step=16, unit="px", log=True, group="Film", flag="--film-size",
    )  # fmt: skip

    @property
    def suffix(self) -> str:
        """What the file's name ends in."""
        return SUFFIXES[self.film if self.what == "timeline" else self.format]

    def applying(self) -> dict[str, Setting]:
        """Return the settings that make a difference, by name, in order."""
        if self.what == "timeline":
            names = {"what", "film", "seconds", "hold", "ease", "rate", "film_size"}
            names |= {"lossless", "quality"} if self.film == "webp" else set()
        else:
            names = {"what", "format", "profile", "exif", "resolution", *_OF_FORMAT[self.format]}
            names |= {"gap"} if self.what == "pair" else set()
            names |= {"location"} if self.exif else set()
            if self.format == "jpeg xl":  # always sRGB
                names.discard("profile")
        if self.lossless and "lossless" in names:
            names.discard("quality")
        return {name: each for name, each in settings.describe(Export).items() if name in names}


def with_choices(
    described: Mapping[str, Setting], choices: Mapping[str, tuple[str, ...]]
) -> dict[str, Setting]:
    """Return the settings by name, with only the choices that are available here."""
    return {
        name: replace(each, choices=choices[name]) if name in choices else each
        for name, each in described.items()
    }
