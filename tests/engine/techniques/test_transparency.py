"""Every technique that takes pictures: colours that nobody sees decide nothing."""

import numpy as np
import pytest
import torch

from engine.errors import BadInput
from engine.image import Picture
from engine.objectives.style import gram_matrix
from engine.techniques import TECHNIQUES
from engine.techniques.texture_synthesis.efros_leung import efros_leung
from engine.techniques.texture_synthesis.wei_levoy import wei_levoy


@pytest.fixture
def pair(noise_picture):
    """Two pictures that differ only in the colours under their transparent frame."""
    visible = noise_picture(32, 40, seed=3).rgb
    alpha = np.zeros((32, 40), np.float32)
    alpha[6:26, 8:34] = 1
    alpha[6, 8:34] = 0.5
    return [
        Picture(np.where(alpha[..., None] > 0, visible, np.float32(colour)), alpha)
        for colour in (0.0, (1.0, 0.0, 1.0))
    ]


def result(run, pictures_of):
    return pictures_of(run)[-1]


STYLE = {"iterations": 4, "smallest_scale": 32}


@pytest.mark.parametrize(
    ("command", "settings", "role"),
    [
        ("style-transfer", STYLE, "styles"),
        ("style-transfer", {**STYLE, "style_statistic": "gram", "colour": "match"}, "styles"),
        ("style-transfer", {**STYLE, "colour": "luminance"}, "styles"),
        ("style-transfer", STYLE, "content"),
        ("style-transfer", {**STYLE, "start": "noise", "colour": "luminance-after"}, "content"),
        ("style-transfer", {**STYLE, "start": "picture"}, "start"),
        ("texture-synthesis", {"iterations": 4, "method": "gram"}, "content"),
        ("texture-synthesis", {"method": "efros-leung", "neighbourhood": 5}, "content"),
        ("texture-synthesis", {"method": "wei-levoy", "neighbourhood": 5, "levels": 2}, "content"),
        ("deep-dream", {"iterations": 4}, "content"),
        ("deep-dream", {"iterations": 3, "objective": "mean"}, "content"),
        ("deep-dream", {"iterations": 3}, "guide"),
        ("feature-inversion", {"iterations": 3}, "content"),
        ("activation-maximization", {"iterations": 3}, "guide"),
        ("activation-maximization", {"iterations": 2, "start": "picture", "channel": "1"}, "start"),
    ],
)
def test_colours_that_nobody_sees_decide_nothing(
    task, pair, pictures_of, noise_picture, command, settings, role
):
    made = []
    for picture in pair:
        changes = {role: [(picture, 1.0)] if role == "styles" else picture}
        if command == "style-transfer" and role != "styles":
            changes["styles"] = [(noise_picture(40, 36, seed=5), 1.0)]
        if command == "activation-maximization":
            changes["content"] = None
        frame, found = result(task(TECHNIQUES[command](**settings), **changes), pictures_of)
        made.append((frame.losses, found))
    assert made[0][0] == made[1][0]
    assert torch.equal(made[0][1], made[1][1])


def test_a_see_through_style_counts_where_it_is_visible(task, tiny, noise_picture, pictures_of):
    """Half the style is another painting, under full transparency: its part of the loss is none.

    The picture made is held to the Gram matrix of the visible half alone, computed by hand.
    """
    left, right = noise_picture(32, 32, seed=1), noise_picture(32, 32, seed=2, low=0.8)
    rgb = np.concatenate([left.rgb, right.rgb], 1)
    alpha = np.zeros((32, 64), np.float32)
    alpha[:, :32] = 1
    technique = TECHNIQUES["style-transfer"](
        iterations=1, smallest_scale=4096, style_statistic="gram", loss_scaling="raw",
        content_weight=0.0, tv_weight=0.0, start="content", averaging=0.0,
        style_layers={"relu1_1": 1.0}, learning_rate=1e-5, padding="replicate",
    )  # fmt: skip
    run = task(technique, content=left, styles=[(Picture(rgb, alpha), 1.0)], size=32)
    losses = [next(iter(technique.frames(run))).losses["style"]]
    for picture in (left, Picture(rgb)):
        run.styles = [(picture, 1.0)]
        losses.append(next(iter(technique.frames(run))).losses["style"])
    cut, alone, whole = losses
    assert alone == pytest.approx(0, abs=1e-9)
    # Features at the edge see a pixel of what lies beyond it.
    assert cut < 0.02 * whole
    maps = tiny.taps(Picture(rgb).tensor()[None], ["relu1_1"], padding="replicate")["relu1_1"]
    by_hand = gram_matrix(maps[..., :31].double()) - gram_matrix(
        tiny.taps(left.tensor()[None], ["relu1_1"], padding="replicate")["relu1_1"].double()
    )
    assert cut == pytest.approx(float(by_hand.square().mean()), abs=0.02 * whole)


@pytest.mark.parametrize("grow", [efros_leung, wei_levoy])
def test_only_visible_pixels_are_put_into_a_texture(grow):
    sample = torch.rand(3, 24, 20, generator=torch.Generator().manual_seed(1)) / 2
    alpha = torch.ones(24, 20)
    alpha[:9], alpha[20:, :7] = 0, 0.4
    sample[:, alpha < 0.5] = 0.9
    arguments = (5,) if grow is efros_leung else (5, 1)
    texture = grow(sample, (14, 15), *arguments, torch.Generator().manual_seed(2), alpha=alpha)
    while texture.done < texture.total:
        texture.grow()
    made = texture.picture()
    assert float(made.max()) <= 0.5
    visible = {tuple(c) for c in sample[:, alpha >= 0.5].T.tolist()}
    assert {tuple(c) for c in made.flatten(1).T.tolist()} <= visible


@pytest.mark.parametrize("grow", [efros_leung, wei_levoy])
def test_too_little_that_is_visible_is_said(grow):
    alpha = torch.zeros(12, 12)
    alpha[4:7, 4:7] = 1
    arguments = (5,) if grow is efros_leung else (5, 1)
    with pytest.raises(BadInput, match="no neighbourhood of the sample is visible as a whole"):
        grow(torch.rand(3, 12, 12), (8, 8), *arguments, torch.Generator(), alpha=alpha)


def test_a_dream_moves_by_what_is_visible(task, pair, pictures_of):
    """The mean change of a visible pixel is the step asked for, however much is transparent."""
    technique = TECHNIQUES["deep-dream"](
        iterations=1, octaves=1, jitter=0, clip=False, step_size=2.0, layers={"relu2_1": 1.0}
    )
    picture = pair[0]
    run = task(technique, content=picture, size=40)
    moved = pictures_of(run)[0][1] - picture.tensor()
    inside = picture.tensor().amin(0).gt(0.02) & picture.tensor().amax(0).lt(0.98)
    weights = torch.tensor(picture.alpha) * inside
    mean = float((moved.abs().mean(0) * weights).sum() / weights.sum()) * 255
    assert mean == pytest.approx(2.0, rel=0.1)
