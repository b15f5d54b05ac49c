"""The engine: networks run backwards, one idea of the field per file; imports no Qt.

`engine.load_network`, `engine.run`, `engine.look`, `engine.stylize` and `engine.draw_texture` are found
here and imported on first use, so that the command line's help and the window's start need no torch.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.job import Inputs, Job, run
    from engine.looking.asking import look
    from engine.networks.loading import load_network
    from engine.stylization.stylize import stylize
    from engine.stylization.texture_network import draw_texture
    from engine.task import Frame

# Set before torch allocates anything: on Linux its large tensors then lie on large pages. Every
# iteration takes them anew from the system (`engine.device.return_large_blocks`), which costs 7 %
# of the time of VGG-19 at 512 pixels with small pages, and nothing with large ones.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

_PLACES = {
    "Frame": "engine.task",
    "Inputs": "engine.job",
    "Job": "engine.job",
    "draw_texture": "engine.stylization.texture_network",
    "load_network": "engine.networks.loading",
    "look": "engine.looking.asking",
    "run": "engine.job",
    "stylize": "engine.stylization.stylize",
}

__all__ = ["Frame", "Inputs", "Job", "draw_texture", "load_network", "look", "run", "stylize"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first asked for."""
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    try:
        return import_module(f"engine.{name}")  # engine.objectives without an import of its own
    except ModuleNotFoundError as error:
        if error.name != f"engine.{name}":
            raise
        raise AttributeError(f"module 'engine' has no attribute {name!r}") from None
