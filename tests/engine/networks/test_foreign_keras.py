import json
import os
import re
import zipfile

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import pytest
import torch

from engine.errors import BadInput
from engine.networks.card import BYTES, CAFFE_VGG, HALF, UNIT
from engine.networks.importing import import_file
from engine.networks.loading import load_network
from tests.foreign_files import keras_scores, random_keras, save_old_weights

keras = pytest.importorskip("keras")
pytest.importorskip("h5py")
applications = keras.applications
# Keras's own, when it turns a PyTorch parameter into an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(3).uniform(0, 255, (64, 64, 3)).astype("f4")


def as_tensor(photo):
    return torch.from_numpy(photo.transpose(2, 0, 1)[None] / 255)


def scores(path, photo, name="keras", **more):
    network = load_network(name, path, **more)
    with torch.no_grad():
        return network, network.logits(as_tensor(photo)).numpy()


def saved(model, path):
    if path.name.endswith("_old.h5"):
        return save_old_weights(model, path)
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)
    return path


@pytest.mark.parametrize(
    ("build", "mode", "prepared", "ending"),
    [
        (applications.ResNet50, "caffe", CAFFE_VGG, "_old.h5"),
        (applications.InceptionV3, "tf", HALF, ".weights.h5"),
        (applications.MobileNetV2, "tf", HALF, ".h5"),
    ],
)
def test_networks_of_keras_applications_give_keras_scores(tmp_path, build, mode, prepared, ending):
    side = 75 if build is applications.InceptionV3 else 51
    small = {"alpha": 0.35} if build is applications.MobileNetV2 else {}
    model = random_keras(
        build(weights=None, input_shape=(side, side, 3), classes=7,
              classifier_activation=None, **small)
    )  # fmt: skip
    picture = np.random.default_rng(3).uniform(0, 255, (side, side, 3)).astype("f4")
    x = applications.imagenet_utils.preprocess_input(picture.copy(), mode=mode)[None]
    wanted = keras_scores(model, x)
    network, found = scores(saved(model, tmp_path / f"net{ending}"), picture)
    assert network.card.preprocessing == prepared
    assert len(network.classes) == 7
    assert np.abs(found - wanted).max() < 1e-4 * max(1, np.abs(wanted).max())


def test_vgg_counts_rows_as_keras_does_and_stands_for_ours(tmp_path, photo):
    model = applications.VGG16(weights=None, include_top=False, input_shape=(64, 64, 3))
    # fc1's rows are in the order height, width, channel: a bare transpose fits and is wrong.
    x = keras.layers.Flatten(name="flatten")(model.output)
    x = keras.layers.Dense(8, activation="relu", name="fc1")(x)
    x = keras.layers.Dense(8, activation="relu", name="fc2")(x)
    whole = keras.Model(model.input, keras.layers.Dense(5, name="predictions")(x))
    random_keras(whole)
    x = applications.vgg16.preprocess_input(photo.copy())[None]
    wanted = keras_scores(whole, x)
    for ending in (".keras", "_old.h5"):
        network, found = scores(saved(whole, tmp_path / f"vgg{ending}"), photo)
        assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert network.card.input_size == 64
    with torch.no_grad():
        taps = network.taps(as_tensor(photo), ["relu3_1", "block3_conv1", "conv3_1"])
    assert torch.equal(taps["relu3_1"], taps["block3_conv1"])
    assert torch.equal(taps["conv3_1"].relu(), taps["relu3_1"])
    body = saved(model, tmp_path / "body.h5")
    mine = load_network("vgg16", body)
    assert mine.card.preprocessing == CAFFE_VGG
    assert mine.card.style_layers == {f"relu{i}_1": w for i, w in zip(
        range(1, 6), (256.0, 64.0, 16.0, 4.0, 1.0), strict=True)}  # fmt: skip
    with torch.no_grad():
        out = mine.taps(as_tensor(photo), ["pool5"])["pool5"].numpy()
    reference = keras_scores(model, x).transpose(0, 3, 1, 2)
    assert np.abs(out - reference).max() < 1e-4 * reference.max()
    with pytest.raises(BadInput, match="not resnet50; try network=keras"):
        load_network("resnet50", body)


def test_vgg19_is_not_taken_for_vgg16(tmp_path, photo):
    model = random_keras(
        applications.VGG19(weights=None, include_top=False, input_shape=(64, 64, 3))
    )
    network = load_network("vgg19", saved(model, tmp_path / "vgg19.weights.h5"))
    with torch.no_grad():
        found = network.taps(as_tensor(photo), ["pool5"])["pool5"].numpy()
    x = applications.vgg19.preprocess_input(photo.copy())[None]
    wanted = keras_scores(model, x).transpose(0, 3, 1, 2)
    assert np.abs(found - wanted).max() < 1e-4 * wanted.max()


def own_model(end="softmax"):
    layers = keras.layers
    start = x = keras.Input((64, 64, 3))
    x = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomZoom(0.1)], name="more")(x)
    x = applications.mobilenet_v2.preprocess_input(x)
    x = inner = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="first")(x)
    x = layers.SeparableConv2D(6, (3, 5), padding="same", depth_multiplier=2)(x)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.Add()([x, inner])
    y = layers.AveragePooling2D(3, 1, padding="same")(x)
    z = layers.MaxPooling2D(2, 1, padding="same")(x)
    x = layers.Concatenate()([y, z])
    x = layers.ZeroPadding2D(((1, 0), (2, 1)))(x)
    x = layers.DepthwiseConv2D(4, strides=2, padding="same", depth_multiplier=2)(x)
    x = layers.ReLU(max_value=4, negative_slope=0.1, threshold=0.5)(x)
    x = layers.Flatten()(x)
    return keras.Model(start, layers.Dense(4, activation=end)(layers.Dropout(0.5)(x)))


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_network_of_ones_own_with_preprocessing_and_augmentation_inside(
    tmp_path, photo, ending, monkeypatch
):
    monkeypatch.setenv("PAREIDOLIA_HOME", str(tmp_path / "home"))
    model = random_keras(own_model())
    network, found = scores(saved(model, tmp_path / f"own{ending}"), photo)
    probabilities = np.exp(found) / np.exp(found).sum()
    assert np.abs(probabilities - keras_scores(model, photo[None])).max() < 1e-5
    assert np.ptp(found) > 0.5
    assert network.card.preprocessing == BYTES
    assert re.search(r"random_flip\w*, random_zoom\w*: left out", network.card.notes)
    assert "its softmax was left out" in network.card.notes
    assert "first" in {layer.name for layer in network.layers()}
    card = import_file(tmp_path / f"own{ending}", "mine")
    with torch.no_grad():
        assert np.abs(load_network("mine").logits(as_tensor(photo)).numpy() - found).max() < 1e-6
    assert card.content_layers and card.style_layers and card.dream_layers


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_mean_over_windows_counts_only_what_is_inside(stride):
    """TensorFlow's rule; Keras on PyTorch repeats the border where padding is uneven."""
    from engine.networks.foreign.layers import SameAvgPool2d, SameMaxPool2d

    x = np.random.default_rng(0).normal(0, 1, (1, 2, 10, 13))
    means = SameAvgPool2d((3, 3), (stride, stride))(torch.from_numpy(x)).numpy()
    tops = SameMaxPool2d((3, 3), (stride, stride))(torch.from_numpy(x)).numpy()
    assert means.shape[2:] == (-(-10 // stride), -(-13 // stride))
    padding = [max((n - 1) * stride + 3 - size, 0) // 2
               for n, size in zip(means.shape[2:], x.shape[2:], strict=True)]  # fmt: skip
    for row in range(means.shape[2]):
        for column in range(means.shape[3]):
            top, left = row * stride - padding[0], column * stride - padding[1]
            window = x[0, :, max(top, 0) : top + 3, max(left, 0) : left + 3]
            assert np.allclose(means[0, :, row, column], window.mean((1, 2)))
            assert np.allclose(tops[0, :, row, column], window.max((1, 2)))


def test_gray_pictures_and_a_preprocessing_that_overrules(tmp_path, photo):
    layers = keras.layers
    model = random_keras(
        keras.Sequential(
            [keras.Input((64, 64, 1)), layers.Conv2D(4, 3), layers.Activation("relu"),
             layers.GlobalAveragePooling2D(), layers.Dense(3)]
        )
    )  # fmt: skip
    path = saved(model, tmp_path / "gray.keras")
    gray = photo @ np.float32([0.299, 0.587, 0.114])
    network, found = scores(path, photo)
    assert np.abs(found - keras_scores(model, gray[None, :, :, None] / 255)).max() < 1e-5
    assert network.card.preprocessing.order == "gray"
    assert network.card.preprocessing.scale == UNIT.scale
    _, found = scores(path, photo, preprocessing="mean=100 std=50 range=255 order=gray")
    wanted = keras_scores(model, (gray[None, :, :, None] - 100) / 50)
    assert np.abs(found - wanted).max() < 1e-4


def test_channels_first(tmp_path, photo):
    """Keras turns what it flattens only if the layer says so; kernels lie as always."""
    layers = keras.layers
    first = {"data_format": "channels_first"}
    for flatten in (layers.Flatten(), layers.Flatten(**first)):
        start = keras.Input((3, 64, 64))
        x = layers.Conv2D(5, 3, strides=4, padding="same", activation="relu", **first)(start)
        x = layers.BatchNormalization(axis=1)(x)
        model = random_keras(keras.Model(start, layers.Dense(4)(flatten(x))))
        _, found = scores(saved(model, tmp_path / "first.keras"), photo)
        wanted = keras_scores(model, photo.transpose(2, 0, 1)[None] / 255)
        assert np.abs(found - wanted).max() < 1e-4


def test_programs_in_a_file_are_not_run(tmp_path):
    start = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3)(start)
    x = keras.layers.Lambda(lambda t: t * 2, name="twice")(x)
    saved(keras.Model(start, x), path := tmp_path / "code.keras")
    with pytest.raises(BadInput, match="the layer twice, a Lambda: a program, which is not run"):
        load_network("keras", path)


def test_files_that_are_no_networks(tmp_path):
    import h5py

    with h5py.File(path := tmp_path / "numbers.h5", "w") as file:
        file["x"] = np.ones(3)
    with pytest.raises(BadInput, match="not which; known without a description are VGG16"):
        load_network("keras", path)
    model = random_keras(own_model())
    whole = saved(model, tmp_path / "own.h5").read_bytes()
    (cut := tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"cut\.h5 is a Keras file that is cut off or damaged"):
        load_network("keras", cut)
    saved(model, path := tmp_path / "own.keras")
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        weights = archive.read("model.weights.h5")
    config["config"]["layers"][-1]["config"]["activation"] = "unheard_of"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights)
    with pytest.raises(BadInput, match=r"the activation unheard_of \(dense.*\); it cannot be used"):
        load_network("keras", path)
