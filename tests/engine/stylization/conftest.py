"""What the tests of networks that paint share: the program's own sample photo."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

CAT = Path(__file__).parents[3] / "resources" / "pictures" / "cat.jpg"


@pytest.fixture(scope="session")
def cat() -> Tensor:
    """The sample photo, of odd sizes: (1, 3, 125, 167), RGB in [0, 1]."""
    picture = Image.open(CAT).convert("RGB").resize((167, 125), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
