"""Sentences about what was found in a weight file."""

import os
from collections.abc import Iterable, Iterator, Mapping

from engine.networks.card import IMAGENET, UNIT, Card, Preprocessing
from engine.networks.contents import Contents
from engine.networks.identify import Identified
from engine.networks.own_head import has_guess

KNOWN = "torchvision's classifiers, BVLC GoogLeNet, Oxford's VGG, SlimVGG and fast style networks"


def readable(text: str) -> str:
    """Return text that can be printed and written: halves of characters become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def description(contents: Contents, one: Identified, card: Card) -> str:
    """Return what was found, what was left out and how pictures are prepared, in one line."""
    return readable("; ".join((*_parts(contents, one), preparation(card))))


def _parts(contents: Contents, one: Identified) -> Iterator[str]:
    found = one.found
    if found.num_classes:
        count = "1 output" if found.num_classes == 1 else f"{found.num_classes} classes"
        yield f"{contents.kind} with {count}"
    else:
        yield contents.kind + ("" if found.complete else " without a classifier")
    yield from one.notes
    if found.head:
        guess = ", with ReLU taken to stand between its layers" if has_guess(found.head) else ""
        yield f"instead of {found.last_layer} it has its own head{guess}"
    if found.channels == 1:
        yield "it takes grey pictures"
    if found.input_size:
        size = found.input_size
        yield f"its position embeddings are for pictures of {size} x {size} pixels"
    if found.unread:
        yield (
            f"its own head ({summary(found.unread)}) was left out, since names and shapes do not "
            "tell how it works"
        )
    if found.left_out:
        yield f"left out: {summary(found.left_out)}"
    yield from contents.notes


def summary(names: Iterable[str], most: int = 3) -> str:
    """Return some tensor names; many that share a prefix are given by the prefix."""
    tops: dict[str, list[str]] = {}
    for name in names:
        tops.setdefault(name.partition(".")[0], []).append(name)
    words = [
        inner[0] if len(inner) == 1 else f"{top}.* ({len(inner)} tensors)"
        for top, inner in tops.items()
    ]
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def preparation(card: Card) -> str:
    """Return how pictures are prepared, and why."""
    why = f" ({card.preprocessing_source})" if card.preprocessing_source else ""
    return f"pictures are prepared as {formula(card.preprocessing)}{why}"


def formula(p: Preprocessing) -> str:
    """Return in words what a preprocessing does."""
    if (p.order, p.scale, p.mean, p.std) == ("RGB", 1.0, IMAGENET.mean, IMAGENET.std):
        return "RGB with ImageNet's mean and deviation"
    if p == UNIT:
        return "RGB from 0 to 1"
    if p.scale == 255 and set(p.std) == {1.0}:
        minus = f" minus {_numbers(p, p.mean)}" if any(p.mean) else ""
        return f"{p.order} from 0 to 255{minus}"
    scaled = "x" if p.scale == 1 else f"x * {p.scale:g}"
    return f"{p.order}, ({scaled} - {_numbers(p, p.mean)}) / {_numbers(p, p.std)}"


def _numbers(p: Preprocessing, values: tuple[float, ...]) -> str:
    if p.order == "gray":
        return f"{values[0]:g}"
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"


def unknown(path: str | os.PathLike[str], contents: Contents) -> str:
    """Return the sentence for a file of no known network, with what is in it."""
    shapes: Mapping[str, tuple[int, ...]] = contents.groups[0].shapes if contents.groups else {}
    inside = f" ({len(shapes)} tensors, the first is {next(iter(shapes))})" if shapes else ""
    kinds = f"known are {KNOWN}"
    more = "; ".join((kinds, *contents.notes))
    return readable(f"{path} holds the weights of no known network{inside}; {more}")
