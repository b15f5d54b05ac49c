"""What multifaceted visualization starts from: averages of photos that look alike to a network."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.errors import BadInput
from engine.figure import Tile, rows
from engine.image import Picture, open_picture
from engine.image_formats import SUFFIXES
from engine.networks.classes import find_class
from engine.networks.network import Network
from engine.networks.square import middle_square
from engine.parameterization.sheet import GRAY, tiles_of
from engine.settings import mention
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.ascent import steps as ascent_steps
from engine.techniques.ascent.steps import GAP, side_of
from engine.techniques.class_visualization.steps import Logits
from engine.techniques.multifaceted.settings import Multifaceted

Floats = npt.NDArray[np.float64]

SAME = 1e-4
"""Fraction of the largest feature: smaller differences come from the order of additions."""
BATCH = 16
COMPONENTS = 50
"""Principal components that t-SNE is given, as in the paper."""
PERPLEXITY = 30.0
FEW = 5
"""Number of photos below which a t-SNE map means nothing: their components are grouped as they
are."""


@dataclass(frozen=True)
class Facet:
    """A group of photos that look alike to the network."""

    members: int
    """How many photos it has."""
    mean: Tensor
    """(3, side, side): the mean of those nearest to its centre."""


def photos(folder: str, least: int) -> list[Path]:
    """Return the pictures in `folder`, at least `least` of them. Raises `BadInput`."""
    setting = mention(Multifaceted, "folder")
    if not folder.strip():
        raise BadInput(setting, " is empty; choose a folder with photos of the class")
    place = Path(folder.strip()).expanduser()
    if not place.is_dir():
        raise BadInput(
            f"there is no folder {place}; ", setting, " takes one with photos of the class"
        )
    found = sorted(p for p in place.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if len(found) < least:
        raise BadInput(f"{place} holds {len(found)} pictures; {least} facets need at least as many")
    return found


def square(path: Path, side: int) -> Tensor:
    """Return the central square of a photo, (1, 3, side, side) in [0, 1]."""
    return middle_square(open_picture(path, short_side=2 * side), side)[None]


@torch.no_grad()
def features_of(network: Network, layer: str, files: list[Path]) -> Floats:
    """Return (files, channels): features of the photos' central squares, averaged over positions."""
    found = []
    for first in range(0, len(files), BATCH):
        side = network.card.input_size
        batch = torch.cat([square(path, side) for path in files[first : first + BATCH]])
        features = network.taps(batch, [layer])[layer].float()
        found.append(features.flatten(2).mean(2) if features.dim() > 2 else features)
    return torch.cat(found).cpu().double().numpy()


def grouped(features: Floats, count: int, seed: int) -> list[list[int]]:
    """Return `count` groups of rows, large ones first, each ordered by distance from its centre.

    PCA, then t-SNE to a plane, then k-means there. Raises `BadInput` if fewer rows than that are
    different.
    """
    differ = different(features)
    if differ < count:
        raise BadInput(
            f"{count} facets need at least as many photos that differ for the network; there are"
            f" {differ}: add photos, or ask for fewer facets"
        )
    if differ == 1:
        return [list(range(len(features)))]
    from sklearn.cluster import KMeans  # type: ignore[import-untyped]
    from sklearn.decomposition import PCA  # type: ignore[import-untyped]
    from sklearn.manifold import TSNE  # type: ignore[import-untyped]

    plane = PCA(min(COMPONENTS, *features.shape), random_state=seed).fit_transform(features)
    if len(features) >= FEW:
        # exact: sums in one order, so that the same photos make the same groups
        near = min(PERPLEXITY, (len(features) - 1) / 3)
        plane = TSNE(2, perplexity=near, random_state=seed, method="exact").fit_transform(plane)
    found = KMeans(count, n_init=10, random_state=seed).fit(plane.astype(np.float64))
    distance = np.linalg.norm(plane - found.cluster_centers_[found.labels_], axis=1)
    groups = [np.flatnonzero(found.labels_ == i) for i in range(count)]
    groups.sort(key=len, reverse=True)
    return [group[np.argsort(distance[group], kind="stable")].tolist() for group in groups]


def different(features: Floats) -> int:
    """Return how many rows differ by more than rounding, which depends on a row's neighbours."""
    step = max(float(np.abs(features).max()), 1e-30) * SAME
    return len(np.unique(np.round(features / step), axis=0))


def facets(task: Task[Multifaceted], side: int) -> list[Facet]:
    """Return the groups of the task's photos, with means of `side` pixels.

    The seed of the grouping is the first thing drawn from the task's generator.
    """
    settings = task.technique
    network = task.network
    layer = settings.layer.strip() or (network.card.layers[-1] if network.card.layers else "")
    if not layer:
        raise BadInput(f"{network.card.name} suggests no layers; give ", mention(settings, "layer"))
    network.resolve(layer)
    files = photos(settings.folder, settings.copies)
    seed = int(torch.randint(2**31, (1,), generator=task.generator))
    groups = grouped(features_of(network, layer, files), settings.copies, seed)
    found = []
    for group in groups:
        nearest = [square(files[i], side) for i in group[: settings.nearest]]
        found.append(Facet(len(group), torch.cat(nearest).mean(0)))
    return found


def lines(task: Task[Multifaceted], picture: Tensor) -> list[tuple[str, list[Tile]]]:
    """Return the facets from the sheet `picture`, and below them the means they began from."""
    settings = task.technique
    side = side_of(settings.copies, task)
    found = facets(task, side)
    made = tiles_of(picture, settings.copies, gap=GAP)
    return [
        ("facet", [Tile(p, f"{f.members} photos") for p, f in zip(made, found, strict=True)]),
        ("mean", [Tile(f.mean) for f in found]),
    ]


class MultifacetedSteps(Steps[Multifaceted]):
    """Multifaceted visualization: a sheet of a picture per facet."""

    def stages(self, task: Task[Multifaceted]) -> list[Stage]:
        """Return the one stage of the run."""
        return ascent_steps.stages(task, task.technique.copies)

    def frames(self, task: Task[Multifaceted]) -> Iterator[Frame]:
        """Yield a frame per iteration, once the photos have been sorted."""
        target = find_class(task.network, task.technique.target)
        goal = Logits(task.network, [target], task.technique.copies)
        side = side_of(goal.count, task)
        if task.checkpoint is None:
            start = torch.stack([facet.mean for facet in facets(task, side)])
        else:  # which holds what they have become: the photos need not be there any more
            start = torch.full((goal.count, 3, side, side), GRAY)
        yield from ascent_steps.frames(task, goal, start)

    def figure(self, task: Task[Multifaceted], picture: Tensor) -> Picture:
        """Return the sheet as a figure, above what each facet began from."""
        name = task.network.classes[find_class(task.network, task.technique.target)]
        return rows(lines(task, picture), title=name)
