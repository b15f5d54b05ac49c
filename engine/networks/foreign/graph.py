"""A network as other programs store it: named layers, each fed with the outputs of others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class GraphNode:
    """One call of one layer."""

    key: str
    """The name of the result; a layer that is called twice has two steps with different keys."""
    layer: str
    """The layer's own name."""
    module: nn.Module
    inputs: tuple[str, ...]
    """Keys of earlier steps, or the network's input."""


class Graph(nn.Module):
    """Runs layers in order; takes one picture batch and returns one tensor.

    The layers are children under their own names (a dot, which PyTorch keeps for itself, becomes an
    underscore), so that they are found and tapped like those of any other network.
    """

    def __init__(self, steps: Sequence[GraphNode], source: str, output: str) -> None:
        """Take the steps that `output` needs; `source` is the key of the network's input.

        Raises `KeyError` for a key that no earlier step has.
        """
        super().__init__()
        self.single = False
        """Whether pictures go through one by one, as the network was written to."""
        needed = _needed(steps, source, output)
        names: dict[int, str] = {}
        self.source, self.output = source, output
        self.plan: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = []
        last = {key: place for place, step in enumerate(needed) for key in step.inputs}
        for place, step in enumerate(needed):
            if id(step.module) not in names:
                names[id(step.module)] = self._adopt(step)
            done = tuple(k for k in dict.fromkeys(step.inputs) if last[k] == place and k != output)
            self.plan.append((step.key, names[id(step.module)], step.inputs, done))

    def _adopt(self, step: GraphNode) -> str:
        base = name = step.layer.replace(".", "_") or "layer"
        count = 1
        while hasattr(self, name):  # taken by PyTorch's modules or by another layer
            count += 1
            name = f"{base}_{count}"
        self.add_module(name, step.module)
        return name

    def forward(self, x: Tensor) -> Tensor:
        """Return what the last step gives for a batch of pictures."""
        if self.single and len(x) > 1:
            return torch.cat([self(one[None]) for one in x])
        values = {self.source: x}
        for key, name, inputs, done in self.plan:
            values[key] = self._modules[name](*(values[i] for i in inputs))  # type: ignore[misc]
            for finished in done:
                values.pop(finished, None)
        return values[self.output]


def _needed(steps: Sequence[GraphNode], source: str, output: str) -> list[GraphNode]:
    """Return the steps on the way to `output`, in their order."""
    wanted = {output}
    kept: list[GraphNode] = []
    for step in reversed(steps):
        if step.key in wanted:
            kept.append(step)
            wanted.update(step.inputs)
    known = {source, *(step.key for step in kept)}
    if missing := wanted - known:
        raise KeyError(sorted(missing)[0])
    return kept[::-1]


def in_order(steps: Iterable[GraphNode], source: str) -> list[GraphNode]:
    """Return steps ordered so that each follows its inputs; raise `KeyError` if that fails."""
    waiting, known, ordered = list(steps), {source}, []
    while waiting:
        ready = [step for step in waiting if known.issuperset(step.inputs)]
        if not ready:
            raise KeyError(next(i for i in waiting[0].inputs if i not in known))
        ordered += ready
        known.update(step.key for step in ready)
        waiting = [step for step in waiting if step.key not in known]
    return ordered
