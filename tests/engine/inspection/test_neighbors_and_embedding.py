"""Features, neighbours and maps against scikit-learn, NumPy and layers run by hand."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from engine.errors import BadInput
from engine.image import open_picture
from engine.inspection.embedding import embed, embedding, map_picture
from engine.inspection.features import Features
from engine.inspection.folder import picture_files
from engine.inspection.neighbors import neighbors
from engine.inspection.progress import finished
from engine.networks.loading import load_network
from tests.engine.hooks import hooks_of


def by_hand(network, paths):
    pictures = torch.stack([open_picture(path).tensor() for path in paths])
    with torch.no_grad():
        return pictures, network.module[:-1](network.prepare(pictures))


def test_features_are_what_goes_into_the_last_linear_layer(network, good):
    pictures, expected = by_hand(network, good)
    features = Features(network)
    assert features.name == "input of classifier"
    torch.testing.assert_close(features(pictures), expected)
    assert not hooks_of(network.module)
    maps = network.taps(pictures, ["relu3_1"])["relu3_1"]
    torch.testing.assert_close(Features(network, "relu3_1")(pictures), maps.mean((2, 3)))


def test_features_of_networks_without_a_linear_layer(data_folder):
    squeeze = load_network("squeezenet1_1", data_folder / "weights")
    assert Features(squeeze)(torch.rand(2, 3, 64, 64)).shape == (2, 512)
    body = load_network("vgg19", data_folder / "weights")
    assert Features(body)(torch.rand(1, 3, 64, 64)).shape == (1, 512)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_neighbours_are_those_of_scikit_learn(network, folder, good, metric):
    files = picture_files(folder)
    found = finished(neighbors(Features(network), good[4], files, 5, metric, side=32), print)
    assert list(found.unreadable) == [folder / "05b.png"]
    pictures, features = by_hand(network, good)
    others = [i for i in range(len(good)) if i != 4]
    for listed, vectors in ((found.features, features), (found.pixels, pictures.flatten(1))):
        vectors = vectors.double().numpy()
        oracle = NearestNeighbors(n_neighbors=5, metric=metric).fit(vectors[others])
        distance, index = oracle.kneighbors(vectors[[4]])
        assert [n.path for n in listed] == [good[others[i]] for i in index[0]]
        assert [n.distance for n in listed] == pytest.approx(list(distance[0]), rel=1e-4)


def test_a_folder_of_only_the_picture_itself_has_no_neighbours(network, good):
    with pytest.raises(BadInput, match="no picture to compare"):
        next(neighbors(Features(network), good[0], [good[0]], side=32))


def test_pca_explains_what_the_singular_values_say():
    vectors = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32) * np.arange(1, 9)
    positions, explained, _ = embed(vectors.astype(np.float32), "pca")
    u, s, _ = np.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
    np.testing.assert_allclose(explained, s**2 / (s**2).sum(), rtol=1e-4)
    np.testing.assert_allclose(np.abs(positions), np.abs(u[:, :2] * s[:2]), rtol=1e-3, atol=1e-3)


def test_tsne_keeps_groups_together_and_depends_on_nothing_but_the_seed():
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(3, 20)) * 10
    vectors = np.concatenate([c + generator.normal(size=(15, 20)) for c in centres])
    vectors = vectors.astype(np.float32)
    positions, explained, perplexity = embed(vectors, seed=3)
    assert perplexity == pytest.approx(44 / 3)
    assert explained.sum() == pytest.approx(1, abs=1e-5)
    _, nearest = NearestNeighbors(n_neighbors=6).fit(positions).kneighbors(positions)
    assert (nearest // 15 == np.arange(45)[:, None] // 15).all()
    assert np.array_equal(embed(vectors, seed=3)[0], positions)


def test_an_embedding_of_a_folder_leaves_out_what_cannot_be_read(network, folder, good):
    told = []
    steps = embedding(Features(network), picture_files(folder), "pca", side=32)
    found = finished(steps, lambda *reached: told.append(reached))
    assert found.paths == good and found.positions.shape == (12, 2)
    assert list(found.unreadable) == [folder / "05b.png"]
    assert told[-1] == (13, 13)


def test_thumbnails_lie_at_their_places(tmp_path):
    colours = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
    paths = [tmp_path / f"{name}.png" for name in colours]
    for path, colour in zip(paths, colours.values(), strict=True):
        Image.new("RGB", (40, 40), colour).save(path)
    positions = np.array([[0, 0], [10, 0], [0, 5]], np.float32)
    drawn = map_picture(paths, positions, size=120, side=20)
    assert drawn.shape == (3, 70, 120)
    centres = drawn[:, [10, 10, 60, 60], [10, 110, 10, 110]]
    torch.testing.assert_close(centres.T, torch.cat([torch.eye(3), torch.ones(1, 3)]))


@pytest.mark.parametrize(
    ("vectors", "perplexity", "words"),
    [
        (np.eye(2, 4), 30, "at least 3 pictures"),
        (np.eye(4), 0.5, "perplexity is 0.5"),
        (np.ones((5, 4)), 30, "the same"),
    ],
)
def test_bad_input(vectors, perplexity, words):
    with pytest.raises(BadInput, match=words):
        embed(vectors.astype(np.float32), perplexity=perplexity)
