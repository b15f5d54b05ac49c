"""A convolution's filters: the first layer's in colour, deeper ones slice by slice."""

from dataclasses import dataclass

from torch import Tensor, nn

from engine.errors import BadInput
from engine.inspection.tiling import around_gray
from engine.networks.colours import in_rgb
from engine.networks.network import Network


@dataclass(frozen=True, eq=False)
class Filters:
    """The weights of one convolution."""

    layer: str
    weight: Tensor
    """(out, in, h, w) float32; three input channels are red, green, blue where `coloured`."""
    coloured: bool
    """Whether the layer looks at the picture itself."""

    def pictures(self, together: bool = True) -> Tensor:
        """Return the filters as pictures (out, 3, h, w) in [0, 1], weight zero as grey.

        With `together`, all filters share a scale; otherwise each has its own. Raises `BadInput`
        for a layer that does not look at the picture itself.
        """
        if not self.coloured:
            raise BadInput(
                f"{self.layer} looks at {self.weight.shape[1]} channels, not at red, green and "
                "blue; its filters are shown as slices"
            )
        return around_gray(self.weight, together)

    def slices(
        self, most_out: int = 16, most_in: int = 16, together: bool = True, first_in: int = 0
    ) -> Tensor:
        """Return the first filters' slices in grey: (out, in, h, w) in [0, 1], zero as 0.5.

        The inputs shown begin at `first_in`. With `together`, all these slices share a scale;
        otherwise each filter (all its slices) has its own.
        """
        return around_gray(self.weight[:most_out, first_in : first_in + most_in], together)


def filters(network: Network, layer: str = "") -> Filters:
    """Return the filters of a convolution; by default of the first.

    Raises `BadInput` for layers that are not convolutions.
    """
    convolutions = {
        name: module
        for name, module in network.module.named_modules()
        if isinstance(module, nn.Conv2d)
    }
    called = [call.split("#")[0] for call in network.calls()]
    order = [name for name in dict.fromkeys(called) if name in convolutions]
    if not order:
        raise BadInput(f"{network.card.name} has no convolution, so no filters")
    name = network.resolve(layer).split("#")[0] if layer else order[0]
    if name not in convolutions:
        # The last convolution that runs before what was asked for.
        before = [c for c in called[: called.index(name)] if c in convolutions]
        near = before[-1] if before else order[0]
        raise BadInput(f"{layer} has no filters: it is not a convolution; the nearest is {near}")
    weight = convolutions[name].weight.detach().float().cpu()
    coloured = name == order[0] and weight.shape[1] == 3
    if coloured:
        weight = in_rgb(weight, network.card.preprocessing, 1)
    return Filters(layer or name, weight, coloured)
