"""Running moments and what counts as still, against closed forms."""

import pytest
import torch

from engine.stylization.adain import RunningMoments
from engine.stylization.steady import is_cut, stillness

SHARE = 0.25


def test_moments_move_towards_a_frames_own_by_a_share_each_time() -> None:
    """After n frames of a step from 0 to 1 the rest is (1 - share)^n, as of any such mean."""
    dark, bright = torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4)
    running = RunningMoments(None, SHARE)
    running.of(dark)
    for n in range(1, 6):
        running = RunningMoments(running.noted, SHARE)
        mean, variance = running.of(bright)
        assert mean.flatten().tolist() == pytest.approx([1 - (1 - SHARE) ** n] * 2)
        assert variance.flatten().tolist() == pytest.approx([0, 0])


def test_the_first_frame_has_its_own_moments() -> None:
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    normalized = RunningMoments(None, SHARE).normalize(x, epsilon=0.0)
    wanted = torch.nn.functional.instance_norm(x, eps=0.0)
    assert torch.allclose(normalized, wanted, atol=1e-5)


def test_stillness_falls_from_one_to_nothing_at_four_levels() -> None:
    before = torch.full((1, 3, 9, 9), 0.5)
    for change, still in ((0, 1.0), (1, 0.75), (2, 0.5), (4, 0.0), (40, 0.0)):
        now = before + change / 255
        assert stillness(before, now).flatten().tolist() == pytest.approx([still] * 81, abs=1e-3)


def test_grain_is_no_movement_and_a_moved_edge_is() -> None:
    generator = torch.Generator().manual_seed(0)
    scene = torch.rand(1, 3, 64, 64, generator=generator)
    grain = (torch.randn(2, 3, 64, 64, generator=generator) * 2 / 255).split(1)
    assert stillness(scene + grain[0], scene + grain[1]).mean() > 0.5
    edge = torch.zeros(1, 3, 64, 64)
    edge[..., 32:] = 1
    moved = stillness(edge, edge.roll(2, 3))
    assert moved[0, 0, :, 31:35].max() == 0
    assert moved[0, 0, :, 8:28].min() == 1


def test_a_cut_is_another_scene_and_not_a_movement() -> None:
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(2, 3, 9, 16, generator=generator)
    one, other = torch.nn.functional.interpolate(rough, (90, 160), mode="bilinear").split(1)
    assert is_cut(one, other)
    assert not is_cut(one, one.roll(3, 3))
    assert not is_cut(one, (one * 0.9).clamp(0, 1))
    assert is_cut(one, one[..., :80])
