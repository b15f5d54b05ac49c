"""The figure that explains a job's result, where the technique has one."""

import torch

from engine.image import Picture
from engine.job import Inputs, Job, prepare, run
from engine.networks.loading import load_network
from engine.techniques.adversarial import Adversarial
from tests.cli.conftest import noise


def photo() -> Picture:
    import numpy as np

    return Picture(np.asarray(noise(48, 64, 3, 5), np.float32) / 255)


def test_an_adversarial_example_is_explained_by_four_pictures() -> None:
    network = load_network("slim_vgg")
    job = Job(Adversarial(target="pizza", iterations=2), Inputs(photo()), size=64, device="cpu")
    *_, frame = run(job, network)
    picture = frame.picture.clone()
    figure = job.technique.figure(prepare(job, network), picture)
    assert figure.width > 4 * 64
    found = torch.from_numpy(figure.rgb.transpose(2, 0, 1).copy())
    windows = found.unfold(1, 48, 1).unfold(2, 64, 1)  # (3, y, x, 48, 64)
    differences = (windows - picture[:, None, None]).abs().amax((0, 3, 4))
    assert float(differences.min()) < 1e-6, "the adversarial picture stands in it, bit for bit"
