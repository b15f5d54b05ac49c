"""An interrupted training as a file: how far it got, and its order and pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine import settings
from engine.checkpoint import Checkpoint, State, packed, unpacked
from engine.checkpoint_bytes import from_bytes, to_bytes
from engine.errors import BadInput
from engine.files import read_plain, replacing
from engine.training.styles.settings import Order, StyleTraining, checkpoint_of, output_of

KIND = "style network"
MOST = 1 << 30
"""Bytes of a checkpoint."""


@dataclass(frozen=True)
class Digests:
    """SHA-256 of what a training learns from, by name."""

    paintings: Mapping[str, str]
    photos: Mapping[str, str]
    judge: str
    base: str = ""
    """Of the network that styles are added to."""


@dataclass(frozen=True)
class Kept:
    """What a checkpoint holds."""

    order: Order
    digests: Digests
    state: State
    path: Path

    def check(self, now: Digests) -> None:
        """Raise `BadInput` if a picture or network has changed since the training began."""
        if now.judge != self.digests.judge:
            raise BadInput(
                f"{self.path} was begun with other weights of the network that judges: get them back, "
                "or begin anew"
            )
        if now.base != self.digests.base:
            raise BadInput(
                f"{self.order.add_to} is another network than when {self.path} was begun: put that one "
                "back, or begin anew"
            )
        for name, digest in self.digests.paintings.items():
            if now.paintings.get(name) != digest:
                raise BadInput(
                    f"{name} is another picture than when {self.path} was begun: put that one back, "
                    "or begin anew"
                )
        if now.photos != self.digests.photos:
            folder = self.order.settings.photos or "the program's own folder"
            raise BadInput(
                f"{folder} holds other photos than when {self.path} was begun: put those back, or "
                "begin anew"
            )


def keep(order: Order, digests: Digests, state: State) -> None:
    """Write the checkpoint next to where the network will be. Raises `BadInput` if it cannot."""
    numbers, tensors = packed(state)
    checkpoint = Checkpoint(state["step"], state["spent"], numbers, tensors)
    belongs = {
        "kind": KIND,
        "order": {
            "output": str(order.output.absolute()),
            "paintings": [str(path.absolute()) for path in order.paintings],
            "settings": {
                **settings.values(order.settings),
                **settings.placed(order.settings, lambda text: str(Path(text).expanduser().absolute())),
            },
            "add_to": None if order.add_to is None else str(order.add_to.absolute()),
            "device": order.device,
            "precision": order.precision,
        },
        "paintings": dict(digests.paintings),
        "photos": dict(digests.photos),
        "judge": digests.judge,
        "base": digests.base,
    }  # fmt: skip
    with replacing(order.checkpoint) as file:
        file.write(to_bytes(checkpoint, belongs))


def read_kept(path: Path) -> Kept:
    """Return the training that is kept beside a network, or in a checkpoint's own file.

    The network is written next to the checkpoint, wherever that is now. Raises `BadInput` if there
    is none.
    """
    output = output_of(Path(path).expanduser())
    place = checkpoint_of(output)
    try:
        data = read_plain(place, MOST)
    except OSError as error:
        if output.is_file():
            raise BadInput(
                f"{output} has no unfinished training beside it ({place.name}): it is finished"
            ) from error
        raise BadInput(f"{place} cannot be read ({error.strerror}): name a network whose training "
                       "was broken off") from error  # fmt: skip
    try:
        checkpoint, belongs = from_bytes(data)
        if belongs.get("kind") != KIND:
            raise BadInput("it is not the training of a style network")
        order = belongs["order"]
        made = Order(
            output,
            tuple(Path(each) for each in order["paintings"]),
            settings.make(StyleTraining, order["settings"]),
            None if order["add_to"] is None else Path(order["add_to"]),
            str(order["device"]),
            str(order["precision"]),
        )
        digests = Digests(dict(belongs["paintings"]), dict(belongs["photos"]), belongs["judge"],
                          str(belongs["base"]))  # fmt: skip
        state = unpacked(checkpoint.numbers, checkpoint.tensors, "cpu")
    except BadInput as error:
        raise BadInput(f"{place} cannot be gone on with: ", error) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{place} is damaged: begin the training anew") from error
    return Kept(made, digests, state, place)


def changed(
    kept: Kept, minutes: float | None = None, steps: int | None = None, **others: Any
) -> Kept:
    """Return it with another total of minutes or steps; `others` are fields of the order."""
    own = kept.order.settings
    if minutes is not None or steps is not None:
        own = replace(own, minutes=minutes, steps=steps)
    return replace(kept, order=replace(kept.order, settings=own, **others))
