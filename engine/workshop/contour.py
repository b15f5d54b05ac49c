"""Where values on a grid cross 0: marching squares."""

import torch
from torch import Tensor


def crossings(values: Tensor) -> Tensor:
    """Return the line where `values` (rows, columns) are 0, as pieces with ends (N, 2, 2).

    Ends are (column, row), interpolated between neighbours. In a cell whose corners alternate in
    sign, the value in its middle says which corners belong together.
    """
    signs = values > 0
    a, b, c, d = signs[:-1, :-1], signs[:-1, 1:], signs[1:, 1:], signs[1:, :-1]
    crossed = (a != b) | (b != c) | (c != d)
    found = []
    for row, column in crossed.nonzero().tolist():
        corners = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)]
        heights = [float(values[y, x]) for x, y in corners]
        ends = []
        for first in range(4):
            second = (first + 1) % 4
            low, high = heights[first], heights[second]
            if (low > 0) != (high > 0):
                share = low / (low - high)
                (x, y), (to_x, to_y) = corners[first], corners[second]
                ends.append((x + share * (to_x - x), y + share * (to_y - y)))
        if len(ends) == 4 and (sum(heights) > 0) != (heights[0] > 0):
            ends = ends[1:] + ends[:1]  # the middle parts the first corner from the third
        found += [ends[i : i + 2] for i in range(0, len(ends), 2)]
    return torch.tensor(found, dtype=torch.float32).reshape(-1, 2, 2)
