"""The parts of the training: channel choice, start, optimizer, schedule, crops, export."""

import io
import json
import random
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F

from engine.networks.architectures.slim_vgg import slim_vgg
from engine.training.class_names import readable
from engine.training.objective import adversarial, gram_error, relative_errors
from engine.training.pictures import Crops, centre_crop, read_tar, to_batch
from engine.training.schedule import Schedule
from engine.training.slim_vgg import export
from engine.training.start import fit, patch_moments
from engine.training.teacher import Chosen, pivoted_cholesky, recognised_channels
from engine.training.whitened_adam import WhitenedAdam, whitening


@pytest.fixture
def tar(tmp_path):
    path = tmp_path / "pictures.tar"
    random_numbers = np.random.default_rng(0)
    with tarfile.open(path, "w") as archive:
        for name in ("zebra", "grand_piano"):
            for i in range(5):
                pixels = random_numbers.integers(0, 255, (40, 60, 3), dtype=np.uint8)
                data = io.BytesIO()
                Image.fromarray(pixels).save(data, "JPEG")
                info = tarfile.TarInfo(f"{name}/image_{i:04}.jpg")
                info.size = data.tell()
                data.seek(0)
                archive.addfile(info, data)
    return path


def test_pivoted_cholesky_leaves_out_what_the_chosen_explain():
    # channel 2 is twice channel 0, channel 3 is their sum with channel 1: two are independent
    x = np.random.default_rng(0).normal(size=(1000, 2))
    channels = np.stack([x[:, 0], x[:, 1], 2 * x[:, 0], x[:, 0] + x[:, 1]])
    covariance = torch.from_numpy(np.cov(channels))
    first, second = pivoted_cholesky(covariance, 2).tolist()
    assert first == 2  # the largest variance
    residual = covariance - torch.outer(covariance[:, 2], covariance[:, 2]) / covariance[2, 2]
    assert second == int(residual.diagonal().argmax())


def test_least_squares_recovers_a_convolution():
    torch.manual_seed(0)
    truth = nn.Conv2d(3, 4, 3, padding=1)
    inputs = [torch.rand(4, 3, 12, 12) for _ in range(3)]
    targets = [truth(x).detach() for x in inputs]
    student = nn.Conv2d(3, 4, 3, padding=1)
    with torch.no_grad():
        score, moments = fit(student, inputs, targets, torch.Generator().manual_seed(0))
    assert score > 0.99
    torch.testing.assert_close(student.weight, truth.weight, atol=0.02, rtol=0)
    assert moments.shape == (28, 28)
    assert moments[-1, -1] == pytest.approx(1.0)  # E[1 * 1] of the bias


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.05), (torch.float32, 1e-3)])
def test_whitening_whitens(dtype: torch.dtype, tolerance: float):
    torch.manual_seed(0)
    patches = torch.randn(5000, 6) @ torch.randn(6, 6) + 3
    moments = patches.T @ patches / 5000
    p = whitening(moments, damping=1e-6, dtype=dtype).float()
    white = patches @ p
    torch.testing.assert_close(white.T @ white / 5000, torch.eye(6), atol=tolerance, rtol=0)


def test_whitened_adam_beats_adam_on_positive_inputs():
    # a regression whose inputs share a large mean, as activations after a ReLU do
    torch.manual_seed(0)
    x = torch.rand(64, 4, 8, 8) + 2
    target = nn.Conv2d(4, 5, 3, padding=1)(x).detach()

    def remaining(white: bool) -> float:
        torch.manual_seed(1)
        conv, head = nn.Conv2d(4, 5, 3, padding=1), nn.Linear(1, 1)
        plain = torch.optim.Adam(conv.parameters(), lr=0.01, betas=(0.9, 0.99))
        rows = F.unfold(x, 3, padding=1).transpose(1, 2).flatten(0, 1)
        rows = torch.cat([rows, torch.ones(len(rows), 1)], 1)
        optimizer = WhitenedAdam([conv], [whitening(rows.T @ rows / len(rows), 1e-6)], head)
        for _ in range(60):
            conv.zero_grad()
            loss = F.mse_loss(conv(x), target)
            loss.backward()
            head.weight.grad, head.bias.grad = torch.zeros(1, 1), torch.zeros(1)
            if white:
                optimizer.step(0.01)
            else:
                plain.step()
        return float(loss.detach())

    assert remaining(white=True) < 0.5 * remaining(white=False)


def test_whitened_adam_goes_on_from_a_checkpoint():
    def make():
        torch.manual_seed(0)
        conv, head = nn.Conv2d(1, 1, 1), nn.Linear(1, 2)
        return WhitenedAdam([conv], [torch.eye(2).bfloat16()], head), conv, head

    def steps(optimizer, conv, head, numbers):
        for n in numbers:
            for parameter in (*conv.parameters(), *head.parameters()):
                parameter.grad = torch.full_like(parameter, float(n))
            optimizer.step(0.1)

    whole, conv, head = make()
    steps(whole, conv, head, [1, -2, 3, 4])
    first, conv1, head1 = make()
    steps(first, conv1, head1, [1, -2])
    second, conv2, head2 = make()
    conv2.load_state_dict(conv1.state_dict())
    head2.load_state_dict(head1.state_dict())
    second.load_state_dict(first.state_dict())
    steps(second, conv2, head2, [3, 4])
    torch.testing.assert_close(conv2.weight, conv.weight)
    torch.testing.assert_close(head2.bias, head.bias)


def test_schedule():
    schedule = Schedule(1000.0)
    rates, sides = [], []
    for spent in range(0, 1000, 5):
        schedule.spent = spent
        rates.append(schedule.learning_rate)
        sides.append(schedule.side)
    assert max(rates) == pytest.approx(1e-3, rel=0.02)
    assert rates[0] < 1e-4
    assert rates[129] < 1e-6  # the first phase ends at zero …
    assert max(rates[130:]) == pytest.approx(4e-4, rel=0.02)  # … and the second warms up again
    assert rates[-1] < 2e-6
    assert sides[0] == 112
    assert sides[-1] == 128
    assert not schedule.done
    schedule.spent = 1000
    assert schedule.done


def test_reading_and_cropping(tar):
    pictures = read_tar(tar)
    assert pictures.classes == ["grand_piano", "zebra"]
    assert pictures.labels == [0] * 5 + [1] * 5
    train, held = pictures.split(0.2, seed=3)
    assert (len(train.pictures), len(held.pictures)) == (8, 2)
    assert not {id(p) for p in train.pictures} & {id(p) for p in held.pictures}
    crops, labels = Crops(train, seed=0).draw(8, 24)
    assert crops.shape == (8, 3, 24, 24)
    assert crops.min() >= 0 and crops.max() <= 1
    assert sorted(labels.tolist()) == sorted(train.labels)  # an epoch shows every picture once
    again, _ = Crops(train, seed=0).draw(8, 24)
    assert torch.equal(crops, again)


def test_centre_crop_takes_the_centre():
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255
    assert to_batch([centre_crop(Image.fromarray(pixels), 10)]).min() == 1


def test_errors_and_gram_error_by_hand():
    target = torch.zeros(1, 1, 2, 2)
    chosen = Chosen([], [], [torch.tensor([4.0])])
    (error,) = relative_errors([target + 1], [target], chosen)
    assert float(error) == pytest.approx(0.25)  # mean square 1 over variance 4
    layers = [torch.rand(2, 3, 4, 4) for _ in range(13)]
    assert float(gram_error(layers, layers)) == 0
    doubled = [2 * a for a in layers]
    assert float(gram_error(doubled, layers)) == pytest.approx(9.0)  # (4 - 1)² of each Gram matrix


def test_adversarial_pictures_stay_in_the_ball_and_raise_the_loss():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).requires_grad_(False)
    x, labels = torch.randn(4, 3, 2, 2), torch.tensor([0, 1, 2, 0])
    moved = adversarial(network, x, labels, steps=3, length=2.0, radius=3.0)
    distance = (moved - x).flatten(1).norm(dim=1)
    assert (distance <= 3.0001).all()
    assert (distance > 2).all()
    before, after = (F.cross_entropy(network(p), labels, reduction="none") for p in (x, moved))
    assert (after > before).all()


def test_export_centres_the_classifier_and_keeps_the_answers(tar, tmp_path):
    torch.manual_seed(0)
    network = slim_vgg(2).eval()
    export(network, read_tar(tar), tmp_path / "out.safetensors")
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        assert json.loads(file.metadata()["classes"]) == ["grand_piano", "zebra"]
        weight = file.get_tensor("classifier.weight")
    assert weight.dtype == torch.float16
    torch.testing.assert_close(weight.float().mean(0), torch.zeros(256), atol=1e-4, rtol=0)
    exported = slim_vgg(2).eval()
    from safetensors.torch import load_file

    exported.load_state_dict(
        {k: v.float() for k, v in load_file(tmp_path / "out.safetensors").items()}
    )
    picture = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            exported(picture).softmax(1), network(picture).softmax(1), atol=1e-3, rtol=0
        )


def test_an_empty_tar_is_refused(tmp_path):
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(ValueError, match="holds no JPEG pictures"):
        read_tar(tmp_path / "empty.tar")


def test_readable_class_names():
    assert readable("grand_piano") == "grand piano"
    assert readable("water_lilly") == "water lily"


def test_random_crop_never_leaves_the_picture():
    from engine.training.pictures import random_crop

    rng = random.Random(0)
    picture = Image.new("RGB", (20, 17), "white")
    for _ in range(200):
        crop = random_crop(picture, 8, rng, 0.62)
        assert crop.size == (8, 8)
        assert np.asarray(crop).min() == 255


def test_the_channels_that_weights_mean_are_recognised_in_any_order():
    torch.manual_seed(0)
    student = slim_vgg(3)
    rgb = torch.rand(4, 3, 48, 48)
    orders, alive = [], []

    def teacher(pictures):
        x, out = pictures, []
        generator = torch.Generator().manual_seed(1)
        orders.clear()
        alive.clear()
        for name, layer in student.named_children():
            x = layer(x)
            if name.startswith("relu"):
                other = torch.rand(x.shape, generator=generator)
                order = torch.randperm(2 * x.shape[1], generator=generator)
                both = torch.cat([3 * x + 0.1 * x.std() * torch.rand_like(x), other], 1)
                out.append(both[:, order])
                orders.append(order.argsort()[: x.shape[1]])
                alive.append((x > 0).float().mean((0, 2, 3)) > 0.05)
        return out

    found, scores = recognised_channels(student, teacher, [(rgb, rgb)])
    # Untrained layers have dead channels, which correlate with nothing: they may be anything.
    for own, order, there in zip(found.channels[:8], orders, alive, strict=False):
        assert int(there.sum()) > 5
        assert torch.equal(own[there], order[there])
    assert min(scores[:3]) > 0.8
    means = torch.cat([m.flatten() for m in found.means[:1]])
    wanted = teacher(rgb)[0].mean((0, 2, 3))[found.channels[0]]
    torch.testing.assert_close(means, wanted, rtol=0.05, atol=0.01)


def test_moments_of_patches_are_those_of_all_places():
    torch.manual_seed(0)
    student, pictures = slim_vgg(3), torch.rand(2, 3, 16, 16)
    found = patch_moments(student, [pictures])
    assert [len(m) for m in found] == [
        layer.in_channels * 9 + 1 for layer in student.children() if isinstance(layer, nn.Conv2d)
    ]
    padded = F.pad(pictures.double(), (1, 1, 1, 1))
    shifted = [padded[:, :, y : y + 16, x : x + 16] for y in range(3) for x in range(3)]
    rows = torch.stack(shifted, 2).flatten(1, 2).permute(0, 2, 3, 1).flatten(0, 2)
    rows = torch.cat([rows, torch.ones_like(rows[:, :1])], 1)
    torch.testing.assert_close(found[0].double(), rows.T @ rows / len(rows), rtol=1e-4, atol=1e-5)
