"""L-BFGS, on functions whose minimum is known and step by step beside torch's own."""

import numpy as np
import pytest
import torch

from engine.optimization.lbfgs import LBFGS


def quadratic(n, condition, seed=0):
    """Return A, b and the minimum of x A x / 2 - b x."""
    random = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(random.normal(size=(n, n)))
    matrix = basis @ np.diag(np.geomspace(1, condition, n)) @ basis.T
    b = random.normal(size=n)
    return (
        torch.from_numpy(matrix),
        torch.from_numpy(b),
        torch.from_numpy(np.linalg.solve(matrix, b)),
    )


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def slope(function):
    def gradient(x):
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            (result,) = torch.autograd.grad(function(x), x)
        return result

    return gradient


@pytest.mark.parametrize("n", [3, 6, 12])
def test_it_reaches_the_minimum_of_a_quadratic_in_about_n_steps(n):
    matrix, b, minimum = quadratic(n, condition=10)
    x = torch.zeros(n, dtype=torch.float64)
    optimizer = LBFGS(x, history=n)
    far = minimum.norm()
    for _ in range(2 * n + 6):
        optimizer.step(lambda x: matrix @ x - b)
    assert (x - minimum).norm() < 1e-3 * far
    for _ in range(n + 6):
        optimizer.step(lambda x: matrix @ x - b)
    assert (x - minimum).norm() < 1e-6 * far


def test_memory_is_what_makes_it_quick():
    matrix, b, minimum = quadratic(12, condition=100)
    errors = []
    for history in (1, 20):
        x = torch.zeros(12, dtype=torch.float64)
        optimizer = LBFGS(x, history=history)
        for _ in range(40):
            optimizer.step(lambda x: matrix @ x - b)
        errors.append(float((x - minimum).norm()))
        assert len(optimizer.pairs) == history
    assert errors[1] < 1e-2 * errors[0]


@pytest.mark.parametrize("history", [2, 5, 100])
@pytest.mark.parametrize("rate", [1.0, 0.7])
def test_the_same_steps_as_torch(history, rate):
    matrix, b, _ = quadratic(8, condition=30)
    ours, theirs = (torch.zeros(8, dtype=torch.float64) for _ in range(2))
    theirs.requires_grad_(True)
    mine = LBFGS(ours, rate, history)
    other = torch.optim.LBFGS(
        [theirs], rate, max_iter=1, tolerance_grad=0, tolerance_change=0, history_size=history
    )

    def closure():
        theirs.grad = matrix @ theirs.detach() - b
        return 0.5 * theirs @ matrix @ theirs - b @ theirs

    for _ in range(20):
        mine.step(lambda x: matrix @ x - b)
        other.step(closure)
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-7, atol=1e-9)
    assert ours.abs().max() > 0.05


@pytest.mark.parametrize(("longer", "scale"), [(0.0, 3 / 5), (0.5, 0.4**0.5), (1.0, 2 / 3)])
def test_longer_steps_go_from_one_of_barzilai_and_borweins_to_the_other(longer, scale):
    # One pair: s = (1, 1, 0), y = (1, 2, 0); so sᵀs = 2, sᵀy = 3, yᵀy = 5.
    points = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]], dtype=torch.float64)
    gradients = torch.tensor([[-1.0, -3.0, -3.0], [0.0, -1.0, -3.0]], dtype=torch.float64)
    x = points[0].clone()
    optimizer = LBFGS(x, longer_steps=longer)
    optimizer.step(lambda _: gradients[0])
    x.copy_(points[1])
    optimizer.step(lambda _: gradients[1])

    s, y = (torch.tensor(v, dtype=torch.float64) for v in ([1.0, 1.0, 0.0], [1.0, 2.0, 0.0]))
    project = torch.eye(3, dtype=torch.float64) - torch.outer(s, y) / (s @ y)
    inverse = scale * project @ project.T + torch.outer(s, s) / (s @ y)  # Nocedal & Wright, 6.17
    torch.testing.assert_close(x - points[1], -inverse @ gradients[1])
    # The third coordinate, which the pair knows nothing of, moves by the scale alone.
    assert float(x[2]) == pytest.approx(3 * scale)


def test_longer_steps_pay_where_the_gradient_is_rough():
    # A bowl with ripples too small to matter, whose slopes change at every step, as ReLUs do.
    scale = torch.from_numpy(np.geomspace(0.01, 1, 400))
    goal = torch.from_numpy(np.random.default_rng(0).normal(size=400))
    heights = []
    for longer in (0.0, 0.3):
        x = torch.zeros(400, dtype=torch.float64)
        optimizer = LBFGS(x, history=20, longer_steps=longer)
        for _ in range(60):
            optimizer.step(lambda x: scale * (x - goal) + 0.03 * (300 * x).sin())
        heights.append(float((scale * (x - goal).square()).sum() / 2))
    assert heights[1] < 0.8 * heights[0]


def test_the_first_step_is_no_longer_than_the_learning_rate():
    steep = torch.zeros(4, dtype=torch.float64)
    gradient = torch.tensor([1.0, -2.0, 4.0, 3.0], dtype=torch.float64)
    LBFGS(steep, 0.5).step(lambda _: gradient)
    torch.testing.assert_close(steep, -0.5 * gradient / 10)
    shallow = torch.zeros(4, dtype=torch.float64)
    LBFGS(shallow, 0.5).step(lambda _: gradient / 100)
    torch.testing.assert_close(shallow, -0.5 * gradient / 100)


def test_with_longer_steps_the_first_is_visible_however_steep_it_is():
    gradient = torch.tensor([1.0, -2.0, 4.0, 3.0], dtype=torch.float64)
    for steepness in (1e-6, 1.0, 1e9):
        x = torch.full((4,), 0.5, dtype=torch.float64)
        LBFGS(x, 0.5, longer_steps=0.3).step(lambda _, s=steepness: s * gradient)
        torch.testing.assert_close(x - 0.5, -0.5 * 4e-3 * gradient / 10)  # 0.0005 on average
    flat = torch.ones(4)
    LBFGS(flat, longer_steps=0.3).step(torch.zeros_like)
    assert torch.equal(flat, torch.ones(4))


def test_nothing_moves_where_there_is_no_slope():
    x = torch.ones(3)
    optimizer = LBFGS(x)
    for _ in range(3):
        optimizer.step(torch.zeros_like)
    assert torch.equal(x, torch.ones(3))


def test_every_step_goes_downhill_also_where_the_function_bends_the_other_way():
    random = np.random.default_rng(4)
    x = torch.from_numpy(random.normal(0, 3, 20))
    optimizer = LBFGS(x, 0.1)
    for _ in range(60):
        before, gradient = x.clone(), slope(lambda x: (x.sin() * x.roll(1)).sum())(x)
        optimizer.step(lambda _, g=gradient: g)
        assert (x - before) @ gradient < 0


def test_pairs_without_curvature_are_left_out():
    x = torch.full((5,), 0.1, dtype=torch.float64)
    optimizer = LBFGS(x)
    for _ in range(4):
        optimizer.step(lambda x: -2 * x)  # of -x², whose curvature is negative everywhere
    assert not optimizer.pairs
    optimizer.step(lambda x: 20 * x)
    assert len(optimizer.pairs) == 1


def test_a_clamped_step_is_remembered_as_it_was_made():
    matrix, b, _ = quadratic(4, condition=5)
    x = torch.zeros(4, dtype=torch.float64)
    optimizer = LBFGS(x)
    for _ in range(8):
        before = x.clone()
        optimizer.step(lambda x: matrix @ x - b)
        x.clamp_(-0.1, 0.1)
        if (x - before).norm() < 1e-8:
            break
        last, slope_before = x - before, matrix @ before - b
        optimizer_copy = LBFGS(x.clone())
        optimizer_copy.pairs = optimizer.pairs.copy()
        optimizer_copy.gradient, optimizer_copy.point = slope_before, before
        optimizer_copy.step(lambda x: matrix @ x - b)
        moved, change, _ = optimizer_copy.pairs[-1]
        torch.testing.assert_close(moved, last)
        torch.testing.assert_close(change, matrix @ last)


def test_it_finds_the_minimum_within_bounds():
    # Separable, so the bounded minimum is the clamped one.
    scale = torch.tensor([1.0, 2.0, 5.0, 10.0], dtype=torch.float64)
    goal = torch.tensor([0.5, 2.0, -1.0, 0.25], dtype=torch.float64)
    x = torch.full((4,), 0.9, dtype=torch.float64)
    optimizer = LBFGS(x)
    for _ in range(60):
        optimizer.step(lambda x: scale * (x - goal))
        x.clamp_(0, 1)
    torch.testing.assert_close(x, goal.clamp(0, 1), atol=1e-3, rtol=0)


def test_it_gets_along_the_valley_of_rosenbrock():
    x = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    optimizer = LBFGS(x, 0.5)
    for _ in range(300):
        optimizer.step(slope(rosenbrock))
    torch.testing.assert_close(x, torch.ones(2, dtype=torch.float64), atol=1e-3, rtol=0)


def test_pictures_of_any_memory_layout_keep_their_pixels():
    goal = torch.from_numpy(np.random.default_rng(0).random((1, 3, 4, 5)))
    weight = torch.from_numpy(np.random.default_rng(1).random((1, 3, 4, 5))) + 0.5
    results = []
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.zeros(1, 3, 4, 5, dtype=torch.float64)
        optimizer = LBFGS(x)
        for _ in range(30):
            optimizer.step(
                lambda x, layout=layout: (weight * (x - goal)).contiguous(memory_format=layout)
            )
        results.append(x)
    torch.testing.assert_close(results[0], goal, atol=1e-6, rtol=0)
    assert torch.equal(results[0], results[1])
