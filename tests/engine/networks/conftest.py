from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture(scope="session")
def photo(data_folder: Path) -> Callable[..., torch.Tensor]:
    """Centre crops of the test photographs, RGB in [0, 1], (3, side, side)."""

    def load(name: str, side: int = 224) -> torch.Tensor:
        picture = Image.open(data_folder / "images" / name).convert("RGB")
        scale = side / min(picture.size)
        width, height = (round(n * scale) for n in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
        left, top = (width - side) // 2, (height - side) // 2
        picture = picture.crop((left, top, left + side, top + side))
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255

    return load
