"""Gradients of a network's losses with respect to a picture that is too large to run as a whole.

The network's parts run in tiles (see `engine.networks.parts`); losses are those of the whole picture
(see `engine.objectives.summed`). What the last part needs for its gradient may be kept, if there is
memory; the parts before it run twice, the second time only as far as layers are compared (see
`engine.networks.replay`).
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from engine.networks.boxes import Box, Place
from engine.networks.low_memory import layout_of
from engine.networks.network import Network
from engine.networks.parts import Part, Rewiring, TileVisit, run_part
from engine.networks.replay import Record
from engine.networks.tile_plan import TilePlan
from engine.objectives.coverage import Coverage
from engine.objectives.summed import Summed, moments_share, smoothness_share

Weighed = Mapping[str, Sequence[tuple[float, Summed]]]
"""By layer: losses with their coefficients."""
Pause = Callable[[], None]
"""Called between two tiles; may raise to end the work there."""

NOT_REWIRED = Rewiring()


def _no_pause() -> None:
    pass


class Tiled:
    """A network that looks at pictures of one size in tiles."""

    def __init__(
        self,
        network: Network,
        plan: TilePlan,
        names: Sequence[str],
        rewiring: Rewiring = NOT_REWIRED,
        pause: Pause = _no_pause,
    ) -> None:
        """`names` are the layers that losses are about."""
        self.network, self.plan, self._pause = network, plan, pause
        self._rewiring = rewiring
        self._wanted: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            self._wanted.setdefault(network.resolve(name), []).append(name)

    def _run(
        self,
        part: Part,
        x: Tensor,
        core: Box,
        seen: Box,
        visit: TileVisit,
        aside: list[Tensor] | None = None,
        record: Record | None = None,
    ) -> Tensor:
        own = {name: keys for name, keys in self._wanted.items() if name in part.jumps}
        first = part is self.plan.parts[0]
        return run_part(
            self.network, part, x, core, seen, own, visit, first=first, rewiring=self._rewiring,
            aside=[] if aside is None else aside, record=record,
        )  # fmt: skip

    def _tiles(self, part: Part) -> list[tuple[Box, Box]]:
        torus = self._rewiring.padding == "circular" and self._rewiring.everywhere
        return part.tiles(self.plan.area_of(part), torus)

    # -- without gradients ----------------------------------------------------------------

    @torch.no_grad()
    def look(self, picture: Tensor, visit: TileVisit) -> None:
        """Show `visit` every layer's activations, tile by tile, for a picture (1, 3, H, W)."""
        x = picture
        for part in self.plan.parts:
            x = self._forward(part, x, visit, part is not self.plan.parts[-1])

    def _forward(
        self,
        part: Part,
        x: Tensor,
        visit: TileVisit,
        onward: bool,
        records: list[Record] | None = None,
    ) -> Tensor:
        """Return what a part gives for all of its input (1, C, H, W); `x` itself if not `onward`.

        `records` gets one of each tile.
        """
        made: Tensor | None = None
        for core, seen in self._tiles(part):
            self._pause()
            record = None if records is None else Record()
            given = self._run(part, seen.taken(x), core, seen, visit, record=record)
            if records is not None and record is not None:
                records.append(record)
            if not onward:
                continue
            place = part.place(part.links[-1].name, core, seen)
            if made is None:
                made = torch.empty(
                    1, *part.out, device=given.device, dtype=given.dtype
                ).contiguous(memory_format=torch.channels_last)  # fmt: skip
            place.box.of(made).copy_(place.local.of(given))
        return x if made is None else made

    def moments(
        self, picture: Tensor, coverage: Coverage | None
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Return each layer's mean (1, C) and second moments (1, C, C) of a picture (1, 3, H, W)."""
        found: dict[str, tuple[Tensor, Tensor]] = {}

        def visit(name: str, features: Tensor, place: Place) -> Tensor:
            mean, second = moments_share(place.local.of(features), place, coverage)
            if name in found:
                before = found[name]
                mean, second = mean + before[0], second + before[1]
            found[name] = mean, second
            return features

        self.look(picture, visit)
        return found

    def maps(self, picture: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """Return the whole activations (1, C, H, W) of the layers `names` of a picture."""
        found: dict[str, Tensor] = {}

        def visit(name: str, features: Tensor, place: Place) -> Tensor:
            if name in names:
                if name not in found:
                    shape = (1, features.shape[1], *place.whole)
                    found[name] = features.new_empty(shape).contiguous(
                        memory_format=torch.channels_last
                    )
                place.box.of(found[name]).copy_(place.local.of(features))
            return features

        self.look(picture, visit)
        return found

    # -- with gradients -------------------------------------------------------------------

    def gradient(
        self, picture: Tensor, losses: Weighed, smoothness: float = 0.0
    ) -> tuple[dict[str, list[Tensor]], Tensor, Tensor]:
        """Return each loss's value, the picture's smoothness and the gradient of the weighted sum.

        `smoothness` is the coefficient of the picture's own (see `priors.smoothness`).
        """
        parts = self.plan.parts
        sums: dict[str, list[list[Tensor]]] = {}
        records: dict[int, list[Record]] = {}
        given = [picture.detach()]
        tiled = parts[:-1] if self.plan.keeps_last else parts
        values: dict[str, list[Tensor]] = {}
        if not (len(tiled) == len(parts) == 1 and _linear(losses)):
            with torch.no_grad():
                for part in tiled:
                    onward = part is not parts[-1]
                    kept = records.setdefault(id(part), [])
                    out = self._forward(part, given[-1], _collect(losses, sums), onward, kept)
                    if onward:
                        given.append(out)
        ahead: Tensor | None = None
        if self.plan.keeps_last:
            ahead = self._kept(parts[-1], given.pop(), losses, values)
        slopes = {}
        for name, all_sums in sums.items():
            own = losses[name]
            values[name] = [
                loss.value(*s).detach() for (_, loss), s in zip(own, all_sums, strict=True)
            ]
            slopes[name] = [
                loss.slopes(s, factor) for (factor, loss), s in zip(own, all_sums, strict=True)
            ]
        smooth = picture.new_zeros(())
        sums = {}
        for part in reversed(tiled):
            first = part is parts[0]
            ahead, more = self._backward(
                part, given.pop(), ahead, losses, slopes, sums, smoothness if first else 0.0,
                records.pop(id(part), None),
            )  # fmt: skip
            smooth = smooth + more
        if ahead is None:
            raise ValueError("there is no part to take a gradient of")
        for name, all_sums in sums.items():  # of linear losses, collected on the way back
            values[name] = [
                loss.value(*s) for (_, loss), s in zip(losses[name], all_sums, strict=True)
            ]
        return values, smooth, ahead

    def _kept(
        self, part: Part, x: Tensor, losses: Weighed, values: dict[str, list[Tensor]]
    ) -> Tensor:
        """Return the gradient with respect to what the last part takes, run as a whole."""
        height, width = part.size
        whole = Box(0, height, 0, width)
        terms: list[Tensor] = []

        def visit(name: str, features: Tensor, place: Place) -> Tensor:
            del place
            self._pause()
            if features.requires_grad:
                features.register_hook(self._pause_on_the_way_back)
            values[name] = []
            for factor, loss in losses.get(name, ()):
                features, value = loss.whole(features)
                values[name].append(value.detach())
                terms.append(factor * value)
            return features

        self._pause()
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(True)
            self._run(part, leaf, whole, whole, visit)
            (gradient,) = torch.autograd.grad(torch.stack(terms).sum(), leaf)
        return gradient

    def _pause_on_the_way_back(self, gradient: Tensor) -> None:
        del gradient
        self._pause()

    def _backward(
        self,
        part: Part,
        x: Tensor,
        ahead: Tensor | None,
        losses: Weighed,
        slopes: Mapping[str, Sequence[tuple[Tensor, ...]]],
        sums: dict[str, list[list[Tensor]]],
        smoothness: float,
        records: list[Record] | None,
    ) -> tuple[Tensor, Tensor]:
        """Return the gradient with respect to what a part takes, and its smoothness.

        `ahead` is the gradient with respect to what it gives. The sums of losses that have no slopes
        yet, being linear, go into `sums`. `records` are used up.
        """
        gradient = torch.zeros_like(x)
        smooth = x.new_zeros(())
        for i, (core, seen) in enumerate(self._tiles(part)):
            self._pause()
            record = None
            if records is not None:
                record, records[i] = records[i], Record()
            terms: list[Tensor] = []
            ends: list[Tensor] = []

            def visit(
                name: str,
                features: Tensor,
                place: Place,
                terms: list[Tensor] = terms,
                ends: list[Tensor] = ends,
            ) -> Tensor:
                known = slopes.get(name)
                for i, (factor, loss) in enumerate(losses.get(name, ())):
                    if known is not None:
                        features, term = loss.passing(features, place, known[i])
                    else:
                        own = loss.sums(place.local.of(features), place)
                        _add(sums, losses, name, i, [s.detach() for s in own])
                        term = factor * loss.value(*own)
                    if term is not None:
                        terms.append(term)
                if part.links:
                    ends.clear()  # what comes after has the gradients of all before
                ends.append(features)
                return features

            with torch.enable_grad():
                leaf = seen.taken(x).detach().requires_grad_(True)
                aside: list[Tensor] = []
                given = self._run(part, leaf, core, seen, visit, aside, record)
                outputs: list[Tensor] = []
                grads: list[Tensor | None] = []
                if smoothness:
                    count = x.shape[-1] * x.shape[-2]
                    share = smoothness_share(leaf, core.within(seen), count)
                    smooth = smooth + share.detach()
                    terms.append(smoothness * share)
                if terms:
                    outputs.append(sum(terms[1:], terms[0]))
                    grads.append(None)
                if ahead is not None:
                    place = part.place(part.links[-1].name, core, seen)
                    outputs.append(given)
                    grads.append(_placed(place, ahead, given))
                else:  # gradients of moments join on the way back, if somebody sets out
                    aside += ends
                outputs += aside
                grads += [torch.zeros_like(end) for end in aside]
                (own,) = torch.autograd.grad(outputs, leaf, grads)
            seen.add_to(gradient, own)
        return gradient, smooth


def _placed(place: Place, gradient: Tensor, given: Tensor) -> Tensor:
    """Return the gradient of what a tile gives: zero in its margin, which other tiles answer for."""
    own = place.box.of(gradient)
    if given.shape == own.shape:
        return own
    found = torch.empty(
        given.shape, dtype=own.dtype, device=own.device, memory_format=layout_of(gradient)
    ).zero_()  # fmt: skip
    place.local.of(found).copy_(own)
    return found


def _linear(losses: Weighed) -> bool:
    return all(loss.linear for each in losses.values() for _, loss in each)


def _add(
    sums: dict[str, list[list[Tensor]]], losses: Weighed, name: str, i: int, own: Sequence[Tensor]
) -> None:
    each = sums.setdefault(name, [[] for _ in losses[name]])
    each[i] = [a + b for a, b in zip(each[i], own, strict=True)] if each[i] else list(own)


def _collect(losses: Weighed, sums: dict[str, list[list[Tensor]]]) -> TileVisit:
    def visit(name: str, features: Tensor, place: Place) -> Tensor:
        for i, (_, loss) in enumerate(losses.get(name, ())):
            _add(sums, losses, name, i, loss.sums(place.local.of(features), place))
        return features

    return visit
