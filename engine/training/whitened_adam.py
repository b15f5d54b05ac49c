"""Adam in coordinates in which a convolution's input patches are white.

The student has no batch norm and its activations are positive, so raw gradients are dominated by
the mean patch. Its channels mean what the teacher's mean, so the second moments of its patches
hardly change during training: measured once at the start, they give fixed coordinates V with
W = V P, P = (A + damping)^-1/2, A = E[patch patchᵀ] with a 1 for the bias. Adam runs on V: the
input half of K-FAC (Martens & Grosse 2015), at the price of two matrix products per layer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def whitening(
    second_moments: Tensor, damping: float = 3e-3, dtype: torch.dtype = torch.bfloat16
) -> Tensor:
    """Return P = (A + damping * mean eigenvalue)^-1/2, symmetric, in the precision to multiply in."""
    values, vectors = torch.linalg.eigh(second_moments.float())
    values = values.clamp_min(0) + damping * values.mean()
    return ((vectors * values.rsqrt()) @ vectors.T).to(dtype)


class WhitenedAdam:
    """Adam for convolutions in white coordinates and for a plain linear head."""

    def __init__(
        self, convolutions: Sequence[nn.Conv2d], transforms: Sequence[Tensor], head: nn.Linear
    ) -> None:
        """Take each convolution with its P of (9 C + 1)² values, bias last."""
        self.convolutions, self.transforms, self.head = convolutions, transforms, head
        self.steps = 0
        self.moments: list[tuple[Tensor, Tensor]] = []
        for weights in self._gradients_like():
            self.moments.append((torch.zeros_like(weights), torch.zeros_like(weights)))

    def _gradients_like(self) -> list[Tensor]:
        rows = [
            torch.zeros(c.out_channels, p.shape[0], device=p.device)
            for c, p in zip(self.convolutions, self.transforms, strict=True)
        ]
        return [*rows, torch.zeros_like(self.head.weight), torch.zeros_like(self.head.bias)]

    def _adam(self, i: int, gradient: Tensor, learning_rate: float) -> Tensor:
        mean, square = self.moments[i]
        mean.lerp_(gradient, 0.1)
        square.lerp_(gradient.square(), 0.01)
        corrected = square / (1 - 0.99**self.steps)
        return mean / (corrected.sqrt() + 1e-8) * (-learning_rate / (1 - 0.9**self.steps))

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Change all weights by one step from the gradients in `.grad`."""
        self.steps += 1
        for i, (conv, p) in enumerate(zip(self.convolutions, self.transforms, strict=True)):
            assert conv.bias is not None and conv.weight.grad is not None
            raw = torch.cat([conv.weight.grad.flatten(1), conv.bias.grad[:, None]], 1)  # type: ignore[index]
            scale = raw.abs().max().clamp_min(1e-30)
            white = ((raw / scale).to(p.dtype) @ p).float() * scale
            change = (self._adam(i, white, learning_rate).to(p.dtype) @ p).float()
            conv.weight += change[:, :-1].reshape(conv.weight.shape)
            conv.bias += change[:, -1]
        for i, weights in enumerate((self.head.weight, self.head.bias), len(self.convolutions)):
            assert weights.grad is not None
            weights += self._adam(i, weights.grad, learning_rate)

    def state_dict(self) -> dict[str, object]:
        """Return what a checkpoint needs."""
        return {"steps": self.steps, "moments": [list(m) for m in self.moments]}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from `state`."""
        self.steps = int(state["steps"])  # type: ignore[call-overload]
        self.moments = [(m, s) for m, s in state["moments"]]  # type: ignore[attr-defined]
