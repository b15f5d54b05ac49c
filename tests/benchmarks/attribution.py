"""Seconds that every method of attribution takes; pictures a second of live maps and of patches."""

import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from engine.attribution.methods import Question, attribute
from engine.attribution.registry import METHODS
from engine.errors import BadInput
from engine.inspection.folder import picture_files
from engine.inspection.patches import PatchSearch
from engine.looking import ActivationsRequest, Request
from engine.networks.fitting import fitted
from engine.networks.network import Network
from tests.benchmarks.ascent import CLASSES, loaded_network
from tests.benchmarks.inputs import data_file, network, photo
from tests.benchmarks.table import Absent, Row

SIDE = 224
TIMES = 5
PICTURES = 512
TRAINING = "training/caltech101-train-128px.tar"
LEAST_RATE = 60.0
"""Pictures a second."""
LIVE_SIZE = (320, 240)
"""Width and height of a camera's picture."""
LEAST_LIVE_RATE = 5.0
"""Pictures a second that the live maps answer about."""


def rows(device: torch.device) -> Iterator[Row]:
    """Yield a row for each network and method, one for the patches, and two for the live maps."""
    for name in CLASSES:
        try:
            found = loaded_network(name, device, torch.float32)
        except Absent as reason:
            yield Row(f"attribution, {name}", None, note=str(reason))
            continue
        yield from _method_rows(found)
    yield _patches_row(network("slim_vgg", device, torch.float32))
    yield from _live_rows(device)


def _method_rows(found: Network) -> Iterator[Row]:
    picture = photo(SIDE).tensor()[None].to(found.device)
    x = found.prepare(picture)
    target = int(found.logits(picture).argmax())
    forward = _seconds(lambda: found.logits(picture))
    for method in METHODS:
        what = f"{found.card.name} {SIDE} px: {method.title}"
        try:
            seconds = _seconds(lambda m=method: attribute(m, found, x, Question(target)))
        except BadInput as reason:
            yield Row(what, None, note=str(reason))
            continue
        yield Row(what, seconds, floor=forward, note="the floor is one forward pass")


def _seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(TIMES + 1):
        began = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])  # the first one warms up


def _patches_row(found: Network) -> Row:
    what = f"{found.card.name} 128 px: patches of a folder"
    try:
        archive = data_file(TRAINING)
    except Absent as reason:
        return Row(what, None, "pictures/s", note=str(reason))
    with tempfile.TemporaryDirectory() as place, tarfile.open(archive) as tar:
        members = [m for m in tar.getmembers() if m.isfile() and m.name.endswith((".jpg", ".png"))]
        tar.extractall(place, members[:: max(1, len(members) // PICTURES)], filter="data")
        folder = Path(place)
        files = picture_files(folder)
        PatchSearch(found, folder, ["relu5_1"], side=128).cache_file.unlink(missing_ok=True)
        search = PatchSearch(found, folder, ["relu5_1"], side=128)
        began = time.perf_counter()
        for _ in search.run():
            pass
        rate = len(files) / (time.perf_counter() - began)
        search.cache_file.unlink(missing_ok=True)
    return Row(
        what, rate, "pictures/s", target=(LEAST_RATE, float("inf")), note=f"{len(files)} files"
    )


def _live_rows(device: torch.device) -> Iterator[Row]:
    """Yield what the window's maps' thread takes for one answer of all, and its rate."""
    what = "slim_vgg: live classes, grid of activations and Grad-CAM"
    try:
        from PySide6.QtGui import QImage

        from gui.pixels import to_image
        from gui.run.looking import PictureQuery, pixels_of
        from gui.run.map_answers import MapsRequest
        from gui.run.maps import MapsWorker
        from gui.run.networks import Networks
    except ImportError:
        yield Row(what, None, note="PySide6 is not installed")
        return
    pixels = photo(max(LIVE_SIZE)).tensor().permute(1, 2, 0).mul(255).byte().numpy()
    image: QImage = to_image(pixels).scaled(*LIVE_SIZE)
    asked = MapsRequest(
        PictureQuery(image, "slim_vgg", None, device.type),
        Request(methods=("Grad-CAM",), activations=ActivationsRequest()),
    )
    worker = MapsWorker(Networks())
    problems: list[str] = []
    found = worker.view.network(asked.query)
    picture = fitted(found, pixels_of(image)[None])
    with torch.no_grad():
        forward = _seconds(lambda: found.logits(picture))
    seconds = _seconds(lambda: problems.append(worker.answer(asked).problem))
    assert not any(problems), problems[0]
    note = f"{picture.shape[3]}x{picture.shape[2]} px; the floor is one forward pass"
    yield Row(what, 1000 * seconds, "ms", floor=1000 * forward, note=note)
    limits = (LEAST_LIVE_RATE, float("inf"))
    yield Row(what, 1 / seconds, "pictures/s", target=limits)
