"""States become plain values and copies of tensors, and come back as they were, layout and all."""

import json
from typing import Any

import pytest
import torch

from engine.checkpoint import packed, unpacked
from engine.errors import BadInput


def test_a_state_comes_back() -> None:
    flat = torch.arange(3.0)
    state = {"steps": 3, "rate": 0.1, "none": None, "names": ["a", {"b": flat}], "yes": True,
             "whole": torch.tensor(2, dtype=torch.int64), "half": torch.ones(2).bfloat16(),
             "empty": torch.zeros(0, 3)}  # fmt: skip
    plain, tensors = packed(state)
    flat += 1  # what was taken is a copy
    back = unpacked(json.loads(json.dumps(plain)), tensors, "cpu")
    assert list(tensors) == ["names.1.b", "whole", "half", "empty"]
    assert torch.equal(back["names"][1].pop("b"), torch.arange(3.0))
    for name in ("whole", "half", "empty"):
        mine, theirs = back.pop(name), state[name]
        assert mine.dtype == theirs.dtype
        assert torch.equal(mine, theirs)
    assert back == {"steps": 3, "rate": 0.1, "none": None, "names": ["a", {}], "yes": True}


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (2, 3, 4, 5), (1, 1, 4, 1)])
def test_a_tensor_lies_as_it_did(shape: tuple[int, ...]) -> None:
    side_by_side = torch.rand(shape).to(memory_format=torch.channels_last)
    turned = torch.rand(shape).permute(3, 0, 2, 1)
    one_more = torch.rand(shape[2], shape[3], 3).permute(2, 0, 1)[None]
    plain, tensors = packed([side_by_side, turned, one_more])
    assert all(tensor.is_contiguous() for tensor in tensors.values())
    for mine, theirs in zip(
        unpacked(plain, tensors, "cpu"), (side_by_side, turned, one_more), strict=True
    ):
        assert torch.equal(mine, theirs)
        lasting = torch.channels_last
        assert mine.is_contiguous() == theirs.is_contiguous()
        assert mine.is_contiguous(memory_format=lasting) == theirs.is_contiguous(
            memory_format=lasting
        )
        # What is made of it lies alike, too.
        assert (mine * 2).stride() == (theirs * 2).stride()


def test_what_does_not_fill_its_memory_comes_back_by_value() -> None:
    spread, cut = torch.rand(3, 1).expand(3, 4), torch.rand(4, 4)[:, ::2]
    plain, tensors = packed([spread, cut])
    back = unpacked(plain, tensors, "cpu")
    assert torch.equal(back[0], spread)
    assert torch.equal(back[1], cut)
    back[0][0, 0] = 7.0  # memory of its own for each number
    assert torch.equal(back[0][1:], spread[1:])


def test_names_with_dots_are_told_apart() -> None:
    state = {
        "a": {"b.c": torch.zeros(1)},
        "a.b": {"c": torch.ones(1)},
        "a.b.c": torch.full((1,), 2),
    }
    back = unpacked(*packed(state), "cpu")
    found = [back["a"]["b.c"], back["a.b"]["c"], back["a.b.c"]]
    assert [float(tensor) for tensor in found] == [0, 1, 2]


def test_tensors_taken_up_are_no_longer_the_checkpoints() -> None:
    plain, tensors = packed({"x": torch.zeros(2)})
    unpacked(plain, tensors, "cpu")["x"] += 1
    assert torch.equal(tensors["x"], torch.zeros(2))


@pytest.mark.parametrize("state", [{"a": object()}, {1: 2}, {"@": "a"}, {"a": {2}}])
def test_what_is_no_state_is_refused(state: Any) -> None:
    with pytest.raises(TypeError):
        packed(state)


@pytest.mark.parametrize(
    "strides", [[10**12, 1], [-1, 1], [0, 0], [1, 1], [1], [1, 4], [1.0, 2], ["1", 2]]
)
def test_absurd_layouts_are_refused(strides: list[Any]) -> None:
    tensors = {"x": torch.zeros(2, 3)}
    with pytest.raises(BadInput, match="does not fit"):
        unpacked({"@": "x", "strides": strides}, tensors, "cpu")


def test_a_tensor_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadInput, match="does not fit"):
        unpacked([{"@": "x"}], {}, "cpu")
