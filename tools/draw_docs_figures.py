"""Draw the guide's figures with the program itself: `make docs-figures [ARGS="deep-dream cam"]`.

Everything is made from the pictures and the network that ship, on the processor, with fixed seeds.
Each figure is a JPEG of at most 60 KB in docs/figures.
"""

import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageOps

from cli.commands import run
from engine.figure import Tile, strip
from engine.image import open_picture, save_picture

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "resources" / "pictures"
FIGURES = ROOT / "docs" / "figures"
CAT, STROKES, MOSAIC = (PICTURES / f"{n}.jpg" for n in ("cat", "brush_strokes", "mosaic"))
SEEN = "cougar face"
"""What the shipped network, which knows no cats, takes the cat for."""
IN_COLOURS = (
    "signed-gradient", "gradient-x-input", "guided-backprop", "deconvnet", "guided-grad-cam",
)  # fmt: skip
"""Methods whose map is a picture around gray, which is laid over nothing."""
LARGEST = 60_000
WIDEST = 760
METHODS = {
    "gradient": [],
    "signed-gradient": [],
    "gradient-x-input": [],
    "smoothgrad": [],
    "guided-backprop": [],
    "deconvnet": [],
    "occlusion": [],
    "cam": [],
    "grad-cam": ["--layer", "relu5_1"],
    "guided-grad-cam": ["--layer", "relu5_1"],
}


def make(work: Path, command: str, *options: object) -> Path:
    """Carry out a command of the program; return the picture that it made."""
    output = work / f"{command}.png"
    line = [command, *map(str, options), "-o", str(output), "--quiet", "--device", "cpu"]
    if run(line) != 0:
        raise SystemExit(f"{' '.join(line)} failed")
    figure = work / f"{command}.figure.png"
    return figure if figure.exists() else output


def beside(work: Path, height: int, signs: tuple[str, ...], *tiles: tuple[Path, str]) -> Path:
    """Return pictures of one height side by side, with captions."""
    drawn = []
    for path, caption in tiles:
        picture = open_picture(path)
        width = round(picture.width * height / picture.height)
        drawn.append(Tile(picture.resized(size=(width, height)).tensor(), caption))
    output = work / "strip.png"
    save_picture(strip(drawn, signs), output)
    return output


def cuttings(work: Path) -> Path:
    """Return a folder of two dozen parts of the cat, each as it is and mirrored."""
    folder = work / "cat"
    folder.mkdir()
    with Image.open(CAT) as cat:
        places = [(x, y, s) for s in (190, 230) for x in (20, 110, 200) for y in (0, 70)]
        for number, (x, y, side) in enumerate(places):
            part = cat.crop((x, y, x + side, y + side))
            part.save(folder / f"{number:02}.png")
            ImageOps.mirror(part).save(folder / f"{number:02}m.png")
    return folder


def samples(work: Path) -> Path:
    """Return a folder of parts of all three pictures."""
    folder = work / "samples"
    folder.mkdir()
    for name in (CAT, STROKES, MOSAIC):
        with Image.open(name) as picture:
            side = min(picture.size) * 2 // 5
            across = [round(i * (picture.width - side) / 4) for i in range(5)]
            down = [round(i * (picture.height - side) / 3) for i in range(4)]
            for number, (x, y) in enumerate((x, y) for x in across for y in down):
                part = picture.crop((x, y, x + side, y + side)).resize((128, 128))
                part.save(folder / f"{name.stem}-{number:02}.png")
    return folder


def style_transfer(work: Path) -> Path:
    """Photo + painting = result."""
    made = make(
        work, "style-transfer", CAT, "--style", STROKES, "--size", 352, "--iterations", 160,
        "--learning-rate", 0.03, "--averaging", 0.92,
    )  # fmt: skip
    tiles = ((CAT, "photo"), (STROKES, "style"), (made, "result"))
    return beside(work, 220, ("+", "="), *tiles)


def regions(work: Path) -> Path:
    """Two styles that pass into each other, and eyes that are kept."""
    with Image.open(CAT) as cat:
        width, height = cat.size
    across = Image.linear_gradient("L").rotate(90).point(lambda v: max(0, min(255, 3 * v - 256)))
    across.resize((width, height)).save(work / "side.png")
    eyes = Image.new("L", (width, height))
    for x, y, radius in ((172, 116, 52), (318, 136, 42)):
        box = [x - radius, y - radius, x + radius, y + radius]
        ImageDraw.Draw(eyes).ellipse(box, fill=255)
    eyes.filter(ImageFilter.GaussianBlur(7)).save(work / "eyes.png")
    made = make(
        work, "style-transfer", CAT, "--style", STROKES, "--region", f"{work}/side.png={MOSAIC}",
        "--keep", work / "eyes.png", "--size", 352, "--iterations", 160,
        "--learning-rate", 0.03, "--averaging", 0.92,
    )  # fmt: skip
    masks = ((work / "side.png", "a region: mosaic"), (work / "eyes.png", "kept"))
    return beside(work, 170, ("+", "+", "="), (CAT, "photo"), *masks, (made, "strokes, mosaic"))


def texture_synthesis(work: Path) -> Path:
    """The sample beside what was made of it."""
    with Image.open(MOSAIC) as mosaic:
        side = min(mosaic.size) // 2
        mosaic.crop((0, 0, side, side)).resize((144, 144)).save(work / "sample.png")
    return make(work, "texture-synthesis", work / "sample.png", "--size", 176, "--iterations", 120)


def deep_dream(work: Path) -> Path:
    """The photo beside its dream."""
    made = make(work, "deep-dream", CAT, "--size", 400)
    return beside(work, 250, (), (CAT, "photo"), (made, "dream"))


def class_visualization(work: Path) -> Path:
    """Four classes of the shipped network."""
    classes = "dalmatian, pizza, sunflower, butterfly"
    return make(work, "class-visualization", "--class", classes, "--size", 160, "--iterations", 160)


def activation_maximization(work: Path) -> Path:
    """Eight channels of a layer."""
    channels = "3,17,40,58,77,101,128,190"
    options = ("--layer", "relu4_1", "--channel", channels, "--iterations", 128)
    return make(work, "activation-maximization", *options, "--size", 96)


def feature_inversion(work: Path) -> Path:
    """What five layers remember."""
    layers = "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1"
    return make(
        work, "feature-inversion", CAT, "--layer", layers, "--size", 480, "--iterations", 100
    )


def langevin(work: Path) -> Path:
    """Four chains of one class."""
    options = ("--class", "sunflower", "--prior-step", 0.0001, "--chains", 4, "--size", 96)
    return make(work, "langevin", *options)


def adversarial(work: Path) -> Path:
    """The photo, the example, their difference and ten times the difference."""
    return make(work, "adversarial", CAT, "--class", "pizza", "--size", 320)


def hierarchy(work: Path) -> Path:
    """A few channels of each of four layers."""
    layers = "relu1_1,relu2_1,relu3_1,relu4_1"
    options = ("--layer", layers, "--iterations", 64, "--size", 480, "--resume", "off")
    return make(work, "hierarchy", *options)


def adversaries(work: Path) -> Path:
    """A generator that has collapsed, and one that has not."""
    tiles = []
    for preset in ("Mode collapse", "Cured by minibatch deviation"):
        made = make(work, "adversaries", "--preset", preset, "--size", 400, "--seed", 1)
        tiles.append((made.rename(made.with_stem(preset.replace(" ", "-"))), preset.lower()))
    return beside(work, 400, (), *tiles)


def black_box(work: Path) -> Path:
    """An attack by a substitute, and one by probabilities."""
    tiles = []
    for preset in ("Substitute", "Score"):
        made = make(work, "black-box", "--preset", preset, "--size", 400, "--seed", 1)
        tiles.append((made.rename(made.with_stem(preset)), preset.lower()))
    return beside(work, 400, (), *tiles)


def adversarial_training(work: Path) -> Path:
    """Training on attacked digits, and what training with a single step hides."""
    tiles = []
    for preset in ("PGD", "FGSM alone"):
        made = make(work, "adversarial-training", "--preset", preset, "--size", 400, "--seed", 1)
        tiles.append((made.rename(made.with_stem(preset.replace(" ", "-"))), preset))
    return beside(work, 400, (), *tiles)


def domain_adaptation(work: Path) -> Path:
    """The moons without and with reversal."""
    tiles = []
    for strength, caption in ((0, "without reversal"), (1, "with reversal")):
        options = ("--reversal", strength, "--size", 480, "--seed", 4)
        made = make(work, "domain-adaptation", *options)
        tiles.append((made.rename(made.with_stem(f"moons-{strength}")), caption))
    return beside(work, 480, (), *tiles)


def semi_supervised(work: Path) -> Path:
    """Fifty labels."""
    return make(work, "semi-supervised", "--size", 480, "--seed", 1)


def chairs(work: Path) -> Path:
    """Views that a network never saw, and a morph, after learning for some minutes."""
    tiles = []
    for preset in ("Views between views", "Morph"):
        made = make(work, "chairs", "--preset", preset, "--size", 400)
        tiles.append((made.rename(made.with_stem(preset.replace(" ", "-"))), ""))
    return beside(work, 400, (), *tiles)


def captions(work: Path) -> Path:
    """What is written of scenes, and where each word comes from."""
    return make(work, "captions", "--iterations", 1300, "--size", 640, "--seed", 0)


def sequences(work: Path) -> Path:
    """A strip that is written out."""
    options = ("--preset", "Unaligned", "--iterations", 4000, "--size", 560, "--seed", 0)
    return make(work, "sequences", *options)


def multifaceted(work: Path) -> Path:
    """Facets begun from parts of the cat."""
    folder = cuttings(work)
    return make(
        work, "multifaceted", "--class", SEEN, "--folder", folder, "--size", 112, "--iterations", 64
    )


def method(command: str) -> Callable[[Path], Path]:
    """Return what draws a method of attribution beside the photo."""

    def draw(work: Path) -> Path:
        options = ["--method", command, "--class", SEEN, "--size", 256, *METHODS[command]]
        alone = make(work, "attribute", CAT, *options)
        alone = alone.rename(work / "alone.png")
        tiles = [(CAT, "photo"), (alone, "the map")]
        if command not in IN_COLOURS:
            over = make(work, "attribute", CAT, *options, "--over", 0.6)
            tiles.append((over, "over the photo"))
        return beside(work, 180, (), *tiles)

    return draw


def comparison(work: Path) -> Path:
    """Several methods, two classes."""
    methods = ("gradient", "guided-backprop", "occlusion", "grad-cam")
    options = [o for m in methods for o in ("--method", m)]
    return make(work, "attribute", CAT, *options, "--class", SEEN, "--class", "butterfly")


def sanity(work: Path) -> Path:
    """Which maps change as the weights are made random."""
    methods = ("gradient", "guided-backprop")
    return make(work, "attribute", CAT, *[o for m in methods for o in ("--method", m)], "--sanity")


def filters(work: Path) -> Path:
    """The filters of the first convolution."""
    return make(work, "inspect", "--what", "filters")


def activations(work: Path) -> Path:
    """The strongest channels of a layer for the cat."""
    options = ("--what", "activations", "--layer", "relu3_1", "--top", 16)
    return make(work, "inspect", CAT, *options)


def patches(work: Path) -> Path:
    """What excites three channels most among parts of the samples."""
    options = ("--what", "patches", "--layer", "relu3_1", "--top", 6)
    channels = ("--channel", 5, "--channel", 20, "--channel", 64)
    return make(work, "inspect", samples(work), *options, *channels)


def neighbors(work: Path) -> Path:
    """Nearest neighbors of one part."""
    folder = samples(work)
    return make(
        work, "inspect", folder / "cat-09.png", "--what", "neighbors", "--among", folder, "--top", 5
    )


def embedding(work: Path) -> Path:
    """A map of the parts of all three pictures."""
    return make(work, "inspect", samples(work), "--what", "embedding", "--perplexity", 12)


def window(_work: Path) -> Path:
    """The window as the README shows it."""
    return ROOT / "resources" / "readme" / "window.jpg"


DRAWN: dict[str, Callable[[Path], Path]] = {
    "style-transfer": style_transfer,
    "regions": regions,
    "texture-synthesis": texture_synthesis,
    "deep-dream": deep_dream,
    "class-visualization": class_visualization,
    "activation-maximization": activation_maximization,
    "feature-inversion": feature_inversion,
    "langevin": langevin,
    "adversarial": adversarial,
    "hierarchy": hierarchy,
    "multifaceted": multifaceted,
    "adversaries": adversaries,
    "black-box": black_box,
    "adversarial-training": adversarial_training,
    "domain-adaptation": domain_adaptation,
    "semi-supervised": semi_supervised,
    "chairs": chairs,
    "captions": captions,
    "sequences": sequences,
    **{command: method(command) for command in METHODS},
    "comparison": comparison,
    "sanity": sanity,
    "filters": filters,
    "activations": activations,
    "patches": patches,
    "neighbors": neighbors,
    "embedding": embedding,
    "window": window,
}


def shrink(source: Path, target: Path) -> None:
    """Write a picture as a JPEG that is small enough, without anything but its pixels."""
    with Image.open(source) as opened:
        whole = opened.convert("RGB")
    width = min(whole.width, WIDEST)
    while True:
        height = round(whole.height * width / whole.width)
        picture = whole.resize((width, height), Image.Resampling.LANCZOS)
        for quality in (92, 88, 84, 80, 76):
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
            if buffer.tell() <= LARGEST:
                target.write_bytes(buffer.getvalue())
                return
        width = round(width * 0.9)


def main(names: list[str]) -> None:
    """Draw the figures of these names; none: all of them."""
    import torch

    torch.set_num_threads(1)
    unknown = set(names) - set(DRAWN)
    if unknown:
        raise SystemExit(f"no figure is called {', '.join(unknown)}; there are {', '.join(DRAWN)}")
    FIGURES.mkdir(parents=True, exist_ok=True)
    for name in names or DRAWN:
        work = Path(tempfile.mkdtemp(prefix="figure-"))
        try:
            shrink(DRAWN[name](work), FIGURES / f"{name}.jpg")
        finally:
            shutil.rmtree(work)
        print(f"{name}.jpg: {(FIGURES / f'{name}.jpg').stat().st_size / 1000:.0f} KB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
