"""A unit inside a network by name, as people write it; `Unit` itself needs torch."""

import re
from dataclasses import dataclass

from engine.errors import BadInput


@dataclass(frozen=True)
class UnitName:
    """One unit inside a network, as people name it; `engine.attribution.Unit` needs torch."""

    layer: str
    """As the layer tree names it."""
    channel: int
    position: tuple[int, int] | None = None
    """Row and column in the layer's map; None: where the channel is highest."""

    @classmethod
    def parse(cls, text: str) -> "UnitName":
        """Return the unit of LAYER:CHANNEL or LAYER:CHANNEL:ROW,COLUMN, counted from 0.

        Raises `BadInput` for anything else.
        """
        found = _UNIT.fullmatch(text)
        if found is None:
            raise BadInput(
                f"{text.strip()!r} is not a unit; write LAYER:CHANNEL or LAYER:CHANNEL:ROW,COLUMN "
                "in whole numbers from 0, for example relu4_2:17:12,5"
            )
        row, column = found["row"], found["column"]
        position = None if row is None else (int(row), int(column))
        return cls(found["layer"], int(found["channel"]), position)

    def __str__(self) -> str:
        """Return what `parse` takes."""
        place = "" if self.position is None else f":{self.position[0]},{self.position[1]}"
        return f"{self.layer}:{self.channel}{place}"

    @property
    def words(self) -> str:
        """The unit in words: "relu4_2 channel 17 at 12, 5"."""
        place = "" if self.position is None else f" at {self.position[0]}, {self.position[1]}"
        return f"{self.layer} channel {self.channel}{place}"


_BETWEEN_UNITS = re.compile(r",(?!\s*[0-9]+\s*(?:,|$))")
"""A comma that is not the one between a unit's row and column."""


def units_of(text: str) -> tuple[UnitName, ...]:
    """Return the units of "relu4_2:17, inception_4c:5:3,3". Raises `BadInput` for anything else."""
    return tuple(UnitName.parse(part) for part in _BETWEEN_UNITS.split(text) if part.strip())


_NUMBER = r"\s*[0-9]{1,9}\s*"
_UNIT = re.compile(
    rf"\s*(?P<layer>[^:\s]+)\s*:(?P<channel>{_NUMBER})(:(?P<row>{_NUMBER}),(?P<column>{_NUMBER}))?"
)
