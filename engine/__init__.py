"""The engine: networks run backwards, one idea of the field per file; imports no Qt.

`engine.load_network`, `engine.run`, `engine.look` and `engine.stylize` are found here, imported when
first used: the command line's help and the window's first second do without torch.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.job import Inputs, Job, run
    from engine.looking.asking import look
    from engine.networks.loading import load_network
    from engine.stylization.stylize import stylize
    from engine.task import Frame

# Before torch allocates anything: on Linux its large tensors then lie on large pages. Every
# iteration takes them anew from the system (`engine.device.return_large_blocks`), which with small
# pages takes 7 % of the time of VGG-19 at 512 pixels, and with large ones nothing.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

_PLACES = {
    "Frame": "engine.task",
    "Inputs": "engine.job",
    "Job": "engine.job",
    "load_network": "engine.networks.loading",
    "look": "engine.looking.asking",
    "run": "engine.job",
    "stylize": "engine.stylization.stylize",
}

__all__ = ["Frame", "Inputs", "Job", "load_network", "look", "run", "stylize"]


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
