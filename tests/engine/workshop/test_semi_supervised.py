"""K logits against K + 1 classes, label spreading against its closed form."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors, kneighbors_graph
from torch.nn import functional as F

from engine.workshop.digits import load_digits
from engine.workshop.semi_supervised import (
    error,
    feature_matching,
    few_labels,
    spread_labels,
    support_vectors,
    unsupervised_loss,
)


def logits(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 5 * torch.randn(count, 10, dtype=torch.float64, generator=generator)


def test_the_loss_is_that_of_a_softmax_with_a_further_class_whose_logit_is_0() -> None:
    real, fake = logits(30, 1), logits(20, 2)
    with_zero = [F.softmax(F.pad(each, (0, 1)), 1) for each in (real, fake)]
    wanted = -(1 - with_zero[0][:, 10]).log().mean() - with_zero[1][:, 10].log().mean()
    assert float(unsupervised_loss(real, fake)) == pytest.approx(float(wanted) / 2, rel=1e-9)


def test_classes_among_real_pictures_are_the_softmax_of_the_logits() -> None:
    """So the labelled loss is the usual one: p(y | x, real) = p(y | x) / (1 - p(generated | x))."""
    given = logits(30, 3)
    all_classes = F.softmax(F.pad(given, (0, 1)), 1)
    conditional = all_classes[:, :10] / (1 - all_classes[:, 10:])
    assert torch.allclose(conditional, F.softmax(given, 1))


def test_the_loss_is_exact_where_probabilities_round_to_0_and_1() -> None:
    sure = torch.full((4, 10), 200.0)
    assert float(unsupervised_loss(sure, -sure)) == 0
    assert float(unsupervised_loss(-sure, sure)) == pytest.approx(200, abs=3)


def test_feature_matching_compares_means() -> None:
    one, other = torch.randn(50, 7), torch.randn(40, 7)
    wanted = ((one.numpy().mean(0) - other.numpy().mean(0)) ** 2).mean()
    assert float(feature_matching(one, other)) == pytest.approx(float(wanted), rel=1e-4)
    assert float(feature_matching(one, one.flip(0))) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("count", [10, 20, 37, 200])
def test_labels_are_spread_evenly_over_the_classes(count: int) -> None:
    classes = load_digits()[1][:1000]
    known = few_labels(classes, count, torch.Generator().manual_seed(1))
    assert len(set(known.tolist())) == count
    numbers = classes[known].bincount(minlength=10)
    assert int(numbers.max() - numbers.min()) <= 1
    other = few_labels(classes, count, torch.Generator().manual_seed(2))
    assert set(other.tolist()) != set(known.tolist())


def test_a_rare_class_gives_as_many_labels_as_it_has() -> None:
    classes = torch.tensor([0] * 10 + [1])
    known = few_labels(classes, 5, torch.Generator().manual_seed(1))
    assert classes[known].bincount().tolist() == [4, 1]


def test_label_spreading_is_its_closed_form() -> None:
    """F = (1 - a)(I - a S)^-1 Y, S = D^-1/2 W D^-1/2, for which the iteration only stands."""
    pictures, classes = load_digits()
    pictures, classes, others = pictures[:400], classes[:400], pictures[400:600]
    known = few_labels(classes, 30, torch.Generator().manual_seed(1))
    x = pictures.numpy()
    graph = kneighbors_graph(x, 7, include_self=True).toarray()
    np.fill_diagonal(graph, 0)
    degrees = np.sqrt(graph.sum(0))
    degrees[degrees == 0] = 1
    normal = graph / degrees[:, None] / degrees[None]
    given = np.zeros((400, 10))
    given[known.numpy(), classes[known].numpy()] = 1
    spread = 0.8 * np.linalg.solve(np.eye(400) - 0.2 * normal, given)
    spread /= np.where(spread.sum(1) == 0, 1, spread.sum(1))[:, None]
    nearest = NearestNeighbors(n_neighbors=7).fit(x).kneighbors(others, return_distance=False)
    wanted = spread[nearest].sum(1)
    sure = np.sort(wanted, 1)
    clear = sure[:, -1] - sure[:, -2] > 0.01  # the iteration ends at a tolerance of .001
    found = spread_labels(pictures, classes, known, others).numpy()
    assert clear.mean() > 0.8
    assert np.array_equal(found[clear], wanted.argmax(1)[clear])


def test_only_known_labels_count() -> None:
    pictures, classes = load_digits()
    pictures, classes, others = pictures[:300], classes[:300], pictures[300:400]
    known = few_labels(classes, 20, torch.Generator().manual_seed(1))
    hidden = torch.zeros_like(classes)
    hidden[known] = classes[known]
    found = spread_labels(pictures, classes, known, others)
    assert torch.equal(spread_labels(pictures, hidden, known, others), found)


def test_pictures_that_no_label_reaches_are_of_the_first_class() -> None:
    """Two groups far from each other, of which one has no label."""
    places = torch.rand(40, 3, generator=torch.Generator().manual_seed(1))
    places[20:] += 100
    classes = torch.tensor([1, 2] * 20)
    found = spread_labels(places, classes, torch.tensor([0, 1]), places)
    assert set(found[20:].tolist()) == {1}


def test_more_labels_help_a_support_vector_machine() -> None:
    pictures, classes = load_digits()
    errors = []
    for count in (20, 200):
        known = few_labels(classes[:1000], count, torch.Generator().manual_seed(1))
        found = support_vectors(pictures[known], classes[known], pictures[1000:])
        errors.append(error(found, classes[1000:]))
    assert errors[1] < 8 < 12 < errors[0]


def test_an_error_is_a_percentage() -> None:
    assert error(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 3, 0])) == 25
