"""A run that was broken off goes on as if it had not been: steered, stopped, finished, as before."""

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.checkpoint import Checkpoint
from engine.errors import BadInput
from engine.finish import Finish
from engine.job import Job, prepare, run
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.steering import Steering
from engine.task import Frame
from engine.work.checkpoint_file import decode, encode
from tests.engine.fake_technique import Fake

SIX = Fake(iterations=6, sides=(4,))
"""Two stages of three steps."""


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network("slim_vgg")


def job(**changes: Any) -> Job:
    return replace(Job(SIX, size=8, device="cpu", precision="fp32"), **changes)


def drawn(
    wanted: Job, network: Network, past: Checkpoint | None = None, after: int = 0,
    wishes: dict[int, Fake] | None = None,
) -> tuple[list[tuple[Frame, Tensor]], Checkpoint | None, Steering]:  # fmt: skip
    """Return the frames with their pictures, up to one `after` which it is broken off, if any.

    Wishes are what a person asks for while the picture after an iteration is there.
    """
    steering, found, checkpoint = Steering(), [], None
    frames = run(wanted, network, steering, past)
    for frame in frames:
        found.append((frame, frame.picture.clone()))
        if frame.iteration in (wishes or {}):
            steering.change(wishes[frame.iteration])  # type: ignore[index]
        if frame.iteration == after:
            assert frame.checkpoint is not None
            data = encode(frame.checkpoint(), wanted, prepare(wanted, network))
            checkpoint = decode(data).checkpoint
            break
    frames.close()
    return found, checkpoint, steering


def same(one: list[tuple[Frame, Tensor]], other: list[tuple[Frame, Tensor]]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b)
        and (f.iteration, f.total, f.losses, f.stage, f.note)
        == (g.iteration, g.total, g.losses, g.stage, g.note)
        for (f, a), (g, b) in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("after", [1, 2, 3, 5])
def test_steered_before_at_and_after_the_checkpoint(network: Network, after: int) -> None:
    wishes = {n: replace(SIX, strength=float(n + 1)) for n in (1, 2, 3, 4, 5)}
    whole, _, steering = drawn(job(), network, wishes=wishes)
    _, past, _ = drawn(job(), network, after=after, wishes=wishes)
    # The wish at the iteration itself had not yet taken effect: it is a person's to say again.
    again = Steering()
    again.change(wishes[after])
    rest = []
    for frame in run(job(), network, again, past):
        rest.append((frame, frame.picture.clone()))
        if frame.iteration in wishes:
            again.change(wishes[frame.iteration])
    assert same(rest, whole[after:])
    assert again.applied == steering.applied


@pytest.mark.parametrize("after", [1, 2, 3, 4, 5])
def test_changes_of_the_job_are_made_once(network: Network, after: int) -> None:
    changed = job(changes=tuple((n, {"strength": n + 1.0}) for n in (1, 2, 3, 3, 5)))
    whole, _, steering = drawn(changed, network)
    _, past, _ = drawn(changed, network, after=after)
    rest, _, again = drawn(changed, network, past)
    assert same(rest, whole[after:])
    assert again.applied == steering.applied == [(n, dict(v)) for n, v in changed.changes]


def test_a_steered_run_goes_on_as_the_job_that_it_became(network: Network) -> None:
    """The window's job of a result has its changes: they are in the checkpoint too."""
    wishes = {2: replace(SIX, strength=5.0), 4: replace(SIX, strength=0.5)}
    whole, _, steering = drawn(job(), network, wishes=wishes)
    _, past, broken = drawn(job(), network, after=5, wishes=wishes)
    assert broken.applied == steering.applied
    rest, _, again = drawn(job(changes=tuple(broken.applied)), network, past)
    assert same(rest, whole[5:])
    assert again.applied == steering.applied


def test_a_stop_counts_from_the_beginning(network: Network) -> None:
    _, past, _ = drawn(job(), network, after=3)
    rest, _, _ = drawn(job(stop_after=5), network, past)
    assert [frame.iteration for frame, _ in rest] == [4, 5]
    assert drawn(job(stop_after=3), network, past)[0] == []


def test_of_a_finished_run_nothing_is_left(network: Network) -> None:
    _, past, _ = drawn(job(), network, after=6)
    assert drawn(job(), network, past)[0] == []


def test_a_result_is_finished_as_it_is_wished_now(network: Network) -> None:
    gray = Finish(recolour="gray", recolour_strength=0.5)
    whole, _, _ = drawn(job(finish=gray), network)
    _, past, _ = drawn(job(), network, after=4)
    assert same(drawn(job(finish=gray), network, past)[0], whole[4:])


def test_again_and_again(network: Network) -> None:
    whole, _, _ = drawn(job(), network)
    past = None
    for after in range(1, 7):
        found, past, _ = drawn(job(), network, past, after)
        assert same(found, whole[after - 1 : after])


def test_a_checkpoint_can_be_gone_on_from_twice(network: Network) -> None:
    """As variants are."""
    _, past, _ = drawn(job(), network, after=2)
    first, _, _ = drawn(job(), network, past)
    assert same(drawn(job(), network, past)[0], first)


def test_seconds_go_on(network: Network) -> None:
    _, past, _ = drawn(job(), network, after=2)
    assert past is not None
    rest, _, _ = drawn(job(), network, replace(past, seconds=1000.0))
    assert all(1000 < frame.seconds < 2000 for frame, _ in rest)


def test_it_is_too_late_for_a_checkpoint_when_the_next_step_is_done(network: Network) -> None:
    frames = run(job(), network)
    first = next(frames)
    next(frames)
    assert first.checkpoint is not None
    with pytest.raises(ValueError, match="iteration 1 is over"):
        first.checkpoint()


def test_a_checkpoint_that_does_not_fit_is_refused(network: Network) -> None:
    _, past, _ = drawn(job(), network, after=5)
    assert past is not None
    for wrong in (
        replace(past, iteration=7), replace(past, iteration=0), replace(past, tensors={}),
        replace(past, numbers={"kept": {}, "changes": []}), replace(past, numbers={}),
        replace(past, numbers={**past.numbers, "changes": [[1, {"nothing": 2}]]}),
        replace(past, numbers={**past.numbers, "changes": [1]}),
        replace(past, tensors={**past.tensors, "generator": torch.zeros(3, dtype=torch.uint8)}),
    ):  # fmt: skip
        with pytest.raises(BadInput, match="does not fit this run"):
            drawn(job(), network, wrong)


def test_what_was_taken_up_is_let_go(network: Network) -> None:
    _, past, _ = drawn(job(), network, after=2)
    assert past is not None
    frames = run(job(), network, None, past)
    next(frames)
    tensors = [weakref.ref(tensor) for tensor in past.tensors.values()]
    del past
    gc.collect()
    assert not any(tensor() is not None for tensor in tensors)
