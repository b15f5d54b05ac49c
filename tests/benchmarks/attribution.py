"""Seconds that every method of attribution takes, and pictures a second of the search for patches."""

import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from engine.attribution.methods import Question, attribute
from engine.errors import BadInput
from engine.heat import METHODS
from engine.inspection.folder import picture_files
from engine.inspection.patches import PatchSearch
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


def rows(device: torch.device) -> Iterator[Row]:
    """Yield a row for each network and method, and one for the patches."""
    for name in CLASSES:
        try:
            found = loaded_network(name, device, torch.float32)
        except Absent as reason:
            yield Row(f"attribution, {name}", None, note=str(reason))
            continue
        yield from _method_rows(found)
    yield _patches_row(network("slim_vgg", device, torch.float32))


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
