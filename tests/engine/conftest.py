"""What all tests of the engine check."""

import re
from collections.abc import Iterator

import pytest

from engine.errors import PareidoliaError

OF_ONE_FRONT_DOOR = re.compile(r"(?<![\w-])--[a-z]|\bmain\.py\b|(?<!\.)\bpareidolia [a-z]+ [a-z]")


@pytest.fixture(autouse=True)
def sentences_of_the_engine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Fail a test in which the engine speaks of the command line's options or commands."""
    said: list[str] = []
    whole = PareidoliaError.__init__

    def noted(self: PareidoliaError, *parts: object) -> None:
        whole(self, *parts)  # type: ignore[arg-type]
        said.extend(part for part in self.parts if isinstance(part, str))

    monkeypatch.setattr(PareidoliaError, "__init__", noted)
    yield
    assert not [words for words in said if OF_ONE_FRONT_DOOR.search(words)]
