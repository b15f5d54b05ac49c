"""How visible each place of a picture is: what is invisible has no influence.

Sums over positions of a layer weight each by the mean opacity of the part of the picture that lies
there, so that a see-through picture counts only where it can be seen.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.image import Picture


class Coverage:
    """The opacity of a picture, on the grid of the layer that looks at it."""

    def __init__(self, alpha: Tensor) -> None:
        """Take opacities (1, 1, H, W) in [0, 1], some of them above 0."""
        self.alpha = alpha.float().cpu()
        self._weights: dict[tuple[int, int], Tensor] = {}

    @classmethod
    def of(cls, picture: Picture) -> "Coverage | None":
        """Return a picture's coverage; None if all of it is opaque."""
        if picture.alpha is None or not picture.see_through:
            return None
        return cls(torch.tensor(picture.alpha)[None, None])

    def rolled(self, shift: list[int]) -> "Coverage":
        """Return the coverage of the picture rolled by `shift`: rows and columns."""
        return Coverage(self.alpha.roll(shift, (2, 3)))

    def at(self, size: tuple[int, int]) -> "Coverage":
        """Return the coverage of the picture resized to `size` (height, width)."""
        return Coverage(F.interpolate(self.alpha, size, mode="area"))

    def weights(self, like: Tensor) -> Tensor:
        """Return (1, 1, H, W) weights of mean 1 for maps (N, C, H, W), on their device.

        float32, or float64 for such maps.
        """
        return self.weights_on((like.shape[-2], like.shape[-1]), like)

    def weights_on(self, size: tuple[int, int], like: Tensor) -> Tensor:
        """Return the weights on a grid of `size` (height, width), on the device of maps `like`."""
        found = self._weights.get(size)
        if found is None:
            on_grid = F.interpolate(self.alpha, size, mode="area")
            found = on_grid / on_grid.mean().clamp_min(1e-12)
            self._weights[size] = found
        kind = torch.float64 if like.dtype == torch.float64 else torch.float32
        return found.to(like.device).to(kind)

    def scaled(self, maps: Tensor) -> Tensor:
        """Return maps (N, C, H, W) times the square roots of the weights, for sums of products of two."""
        return maps * self.weights(maps).sqrt().to(maps.dtype)

    def mean(self, maps: Tensor) -> Tensor:
        """Return the weighted mean over positions, (N, C), of maps (N, C, H, W)."""
        weights = self.weights(maps)
        return (maps.to(weights.dtype) * weights).mean((2, 3))

    def visible(self, maps: Tensor) -> Tensor:
        """Return (1, C, 1, positions): maps (1, C, H, W) where at least half as visible as the most."""
        weights = self.weights(maps).flatten()
        return maps.flatten(2)[..., weights >= weights.max() / 2].unsqueeze(2)
