"""Two hundred damaged files of each kind: each opens or is refused in a sentence (see `fuzzing`)."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import fuzzing

COUNT, SEED = 200, 1


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fuzzing.Fuzz]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAREIDOLIA_HOME", "")  # it sets its own
        yield fuzzing.Fuzz(Path(tmp_path_factory.mktemp("fuzz")), SEED)


@pytest.mark.parametrize("kind", fuzzing.KINDS)
def test_damaged_files_open_or_get_a_sentence(
    fuzz: fuzzing.Fuzz, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "pareidolia")
    before, fuzz.opened = fuzzing.memory(), 0
    for number in range(COUNT):
        try:
            fuzz.run(kind, number)
        except fuzzing.Fault as fault:
            pytest.fail(f"--kind {kind} --seed {SEED} --first {number} --count 1: {fault}")
    assert fuzzing.memory() - before < fuzzing.MEBIBYTES
    # Were nothing damaged, or nothing whole enough to be read, this would show nothing.
    assert fuzz.opened > 0
    assert kind == "sessions" or fuzz.opened < COUNT
