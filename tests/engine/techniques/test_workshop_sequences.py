"""Sequences: the networks, the alignment map, what is measured, going on, the pictures."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.job import Inputs, Job
from engine.networks.network import Network
from engine.task import Task
from engine.techniques.workshop_sequences import Sequences, learning
from engine.techniques.workshop_sequences.learning import Aligned, Classify, Lesson, Unaligned
from engine.techniques.workshop_sequences.networks import (
    STOP,
    WRITER,
    alignment,
    context,
    labelling_layout,
    moments,
    whole,
    written,
    written_logits,
)
from engine.techniques.workshop_sequences.views import picture
from engine.workshop.strips import Strips
from tests.engine.continuing import check_goes_on

TaskMaker = Callable[..., Task[Sequences]]
LESSONS = {"classify": Classify, "aligned": Aligned, "unaligned": Unaligned}
TASKS = tuple(LESSONS)


def lesson(task: TaskMaker, name: str, **settings: Any) -> Lesson:
    return LESSONS[name](task(Sequences(task=name, **settings), content=None))


def loaded(module: nn.Module, values: list[Tensor]) -> nn.Module:
    module.double()
    with torch.no_grad():
        for own, given in zip(module.parameters(), values, strict=True):
            own.copy_(given)
    return module


def test_labels_are_those_of_pytorchs_bidirectional_gru() -> None:
    """The mean state over time, then a linear layer."""
    layout = labelling_layout("both", 10)
    parts = layout.parts(layout.start(torch.Generator().manual_seed(1)).double())
    values = list(parts.values())
    reader = loaded(nn.GRU(8, 32, batch_first=True, bidirectional=True), values[:8])
    out = loaded(nn.Linear(64, 10), values[8:])
    x = torch.rand(5, 12, 8, generator=torch.Generator().manual_seed(2)).double()
    states = reader(x)[0]
    assert torch.allclose(whole(parts, x), out(states.mean(1)), atol=1e-12)
    assert torch.allclose(moments(parts, x), out(states), atol=1e-12)


def test_forward_only_knows_nothing_of_what_comes_after() -> None:
    x = torch.rand(2, 9, 8, generator=torch.Generator().manual_seed(2))
    changed = x.clone()
    changed[:, 5] += 1
    for direction, same in (("forward", True), ("both", False)):
        layout = labelling_layout(direction, 11)
        parts = layout.parts(layout.start(torch.Generator().manual_seed(1)))
        one, other = moments(parts, x), moments(parts, changed)
        assert torch.equal(one[:, :5], other[:, :5]) == same
        assert not torch.equal(one[:, 5:], other[:, 5:])


@pytest.fixture(scope="module")
def writer() -> dict[str, Tensor]:
    vector = WRITER.start(torch.Generator().manual_seed(1)).double()
    return WRITER.parts(3 * vector)


def logits_of_modules(parts: dict[str, Tensor], x: Tensor, symbols: Tensor) -> Tensor:
    values = list(parts.values())
    reader = loaded(nn.GRU(8, 96, batch_first=True), values[:4])
    decoder = loaded(nn.GRU(32, 96, batch_first=True), values[4:8])
    words, out = loaded(nn.Embedding(11, 32), values[8:9]), loaded(nn.Linear(96, 11), values[9:])
    stop = torch.full((len(x), 1), STOP)
    before = torch.cat([stop, symbols[:, :-1]], 1)
    _, state = reader(x)
    return out(decoder(words(before), state)[0])


def test_encoder_and_decoder_are_those_of_modules(writer: dict[str, Tensor]) -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(4, 20, 8, generator=generator).double()
    symbols = torch.randint(11, (4, 3), generator=generator)
    for turned, read in ((False, x), (True, x.flip(1))):
        found = written_logits(writer, context(writer, x, turned), symbols)
        assert torch.allclose(found, logits_of_modules(writer, read, symbols), atol=1e-9)
    best = written(writer, x, False, 6)
    logits = written_logits(writer, context(writer, x, False), best)
    for row, wanted in zip(best.tolist(), logits.argmax(2).tolist(), strict=True):
        end = row.index(STOP) + 1 if STOP in row else 6
        assert row[:end] == wanted[:end]
        assert set(row[end:]) <= {STOP}


def test_the_alignment_map_is_the_slope_by_finite_differences(writer: dict[str, Tensor]) -> None:
    """Of log p, divided by 1 - p: every number of the columns is changed a little, one by one."""
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(1, 4, 8, generator=generator).double()
    symbols = torch.tensor([[3, 7]])
    found = alignment(writer, x, False, symbols)
    assert found.shape == (1, 2, 4)

    def logs(at: Tensor) -> Tensor:
        both = written_logits(writer, context(writer, at, False), symbols).log_softmax(2)
        return both.gather(2, symbols[..., None])[0, :, 0]

    step, wanted = 1e-6, torch.zeros(2, 4).double()
    for column in range(4):
        for row in range(8):
            there, back = x.clone(), x.clone()
            there[0, column, row] += step
            back[0, column, row] -= step
            wanted[:, column] += ((logs(there) - logs(back)) / (2 * step)).abs().detach()
    wanted /= (1 - logs(x).exp()).detach()[:, None]
    assert torch.allclose(found[0], wanted, rtol=1e-5, atol=1e-8)
    assert float(wanted.max()) > 1e-3


@pytest.mark.parametrize("name", TASKS)
def test_what_is_measured_is_not_learned_from(task: TaskMaker, name: str) -> None:
    made = lesson(task, name)
    (learned, digits), (rest, others) = made.learned, made.rest
    assert (len(learned), len(rest)) == (len(digits), len(others)) == (1000, 797)
    assert set(digits.tolist()) == set(others.tolist()) == set(range(10))
    both = torch.cat([learned, rest])
    assert len(both.unique(dim=0)) == 1797


def test_errors_of_answers_that_are_known(task: TaskMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lesson(task, "aligned")
    labels, starts = made.measured.labels, made.measured.starts

    def all_but_the_first_column(parts: object, x: Tensor) -> Tensor:
        wrong = labels.clone()
        wrong.scatter_(1, starts, (labels.gather(1, starts) + 1) % 10)
        return nn.functional.one_hot(wrong, 11).float()

    monkeypatch.setattr(learning, "moments", all_but_the_first_column)
    made.measure()
    assert made.held.curve == pytest.approx([1] + [0] * 7)
    assert made.held.numbers["error"] == pytest.approx(0.1)


def test_alignment_and_exactness_of_answers_that_are_known(
    task: TaskMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lesson(task, "unaligned")
    strips: Strips = made.measured[2]
    assert strips.digits.shape[1] == 3

    def last_column(parts: object, x: Tensor, turned: bool, symbols: Tensor) -> Tensor:
        return nn.functional.one_hot(strips.starts + 7, x.shape[1]).float()

    def right_but_for_zeros(parts: object, x: Tensor, turned: bool, most: int) -> Tensor:
        return nn.functional.pad(strips.digits, (0, 1), value=STOP).clamp_min(1)

    monkeypatch.setattr(learning, "alignment", last_column)
    monkeypatch.setattr(learning, "written", right_but_for_zeros)
    assert made.alignment(strips) == 1
    assert made.exact(strips) == float((strips.digits > 0).all(1).float().mean())
    monkeypatch.setattr(
        learning, "alignment", lambda *a: last_column(*a).roll(1, 2)
    )  # fmt: skip
    assert made.alignment(strips) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps", "below"), [("classify", 200, 0.4), ("aligned", 120, 0.5)]
)
def test_it_learns(task: TaskMaker, name: str, steps: int, below: float) -> None:
    settings = Sequences(task=name, iterations=steps)
    losses = [frame.losses for frame in settings.frames(task(settings, content=None))]
    assert losses[0]["error"] > 0.8 > below > losses[-1]["error"]


def test_writing_is_learned_a_little(task: TaskMaker) -> None:
    """Some of what is written is known soon: how long it is, and that it ends."""
    settings = Sequences(task="unaligned", iterations=60, longest=1)
    losses = [frame.losses for frame in settings.frames(task(settings, content=None))]
    assert losses[0]["loss"] == pytest.approx(2.4, abs=0.3)
    assert losses[-1]["loss"] < 1.5
    assert set(losses[-1]) == {
        "loss", "exact, 1 digit", "exact, 2 digits", "exact, 3 digits", "exact, 5 digits", "alignment",
    }  # fmt: skip


@pytest.mark.parametrize("side", [1, 7, 48, 301])
@pytest.mark.parametrize("name", TASKS)
def test_the_picture_has_the_size_that_was_asked_for(task: TaskMaker, name: str, side: int) -> None:
    made = lesson(task, name)
    made.held.numbers = {"error": 0.5, "alignment": 0.5}
    made.held.curve = [0.5] * 8
    shown = picture(made, side)
    assert shown.shape == (3, side, side)
    assert 0 <= float(shown.min()) <= float(shown.max()) <= 1


@pytest.mark.parametrize("name", TASKS)
def test_the_picture_shows_the_example_that_was_chosen(task: TaskMaker, name: str) -> None:
    made = lesson(task, name)
    made.held.numbers = {"error": 0.5, "alignment": 0.5}
    made.held.curve = [0.5] * 8
    first = picture(made, 300)
    made.task.technique = replace(made.task.technique, example=5)
    second = picture(made, 300)
    made.task.technique = replace(made.task.technique, length=7)
    third = picture(made, 300)
    assert not torch.equal(first, second)
    assert torch.equal(second, third) == (name == "classify")


@pytest.mark.parametrize("name", TASKS)
def test_it_goes_on_bit_for_bit_also_when_steered(tiny: Network, name: str) -> None:
    technique = Sequences(task=name, iterations=6)
    wishes = {2: lambda s: s.change(replace(technique, example=7, learning_rate=0.01, length=2))}
    job = Job(technique, Inputs(), size=96, device="cpu", precision="fp32")
    whole_run = check_goes_on(job, tiny, (1, 4), wishes)
    assert len(whole_run) == 6


def test_the_last_iteration_is_always_measured(task: TaskMaker) -> None:
    settings = Sequences(iterations=3)
    frames = list(settings.frames(task(settings, content=None)))
    errors = [frame.losses["error"] for frame in frames]
    assert errors[0] == errors[1] != errors[2]
