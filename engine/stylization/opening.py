"""From a file to a network that paints in one pass, whichever program wrote it."""

import os
from pathlib import Path

from engine.errors import BadInput
from engine.stylization.johnson import pytorch_examples
from engine.stylization.network import StyleNetwork


def open_style_network(path: str | os.PathLike[str]) -> StyleNetwork:
    """Return the style network in a file, on the CPU, in float32 and eval mode, with `found` set.

    How pictures are prepared for it is found out from the file. Raises `BadInput` for everything
    that is no network of a known kind.
    """
    from engine.networks.reading import read_file

    path = Path(path).expanduser()
    contents = read_file(path)
    for opened in (pytorch_examples,):
        if (network := opened(contents, path)) is not None:
            return network.eval().requires_grad_(False)
    raise BadInput(f"{path} holds no style network of a known kind")
