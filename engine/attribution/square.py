"""What an occlusion covers with, and which maps it makes."""

from dataclasses import dataclass

FILLS = ("mean", "gray", "black", "blur")
"""What an occlusion covers with; mean: the colour that the network's preprocessing subtracts."""
SHOWN = ("drop", "probability", "label")
"""The maps that one occlusion makes: the drop, and Zeiler and Fergus's figure 7 (d) and (e)."""


@dataclass(frozen=True)
class Square:
    """What an occlusion covers at a time, relative to the picture's size."""

    side: float = 1 / 7
    """The square's side, as a fraction of the picture's short side."""
    step: float = 1 / 2
    """How far it moves, as a fraction of its own side."""
    fill: str = "mean"
    """One of `FILLS`."""

    def pixels(self, size: tuple[int, int], window: int = 0) -> tuple[int, int]:
        """Return side and step in a picture (height, width); `window`: the side, if given."""
        window = window or max(1, round(min(size) * self.side))
        return window, max(1, int(window * self.step))
