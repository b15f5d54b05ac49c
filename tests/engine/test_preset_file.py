"""Presets as files: what was shared is taken, and what is not as it was is said."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from engine import settings
from engine.errors import BadInput
from engine.preset_file import ENDING, Preset, read_preset, write_preset
from engine.settings import setting
from engine.techniques import TECHNIQUES
from engine.techniques.deep_dream import DeepDream
from engine.techniques.multifaceted import Multifaceted


@dataclass(frozen=True)
class Renamed(DeepDream):
    """A dream, one of whose settings had other names."""

    command: ClassVar[str] = "deep-dream"
    softness: float = setting(1.0, "Softness", "", low=0.0, high=9.0, formerly=("blur", "soft"))


def file_of(folder: Path, **changed: Any) -> Path:
    values = {
        "kind": "preset", "version": 1, "technique": "deep-dream", "name": "Mine",
        "settings": {"octaves": 6, "step_size": 2.5},
    }  # fmt: skip
    path = folder / f"mine{ENDING}"
    path.write_text(json.dumps(values | changed))
    return path


def test_a_preset_goes_into_a_file_and_comes_back(tmp_path: Path) -> None:
    preset = Preset("Émile's dream", "deep-dream", {"octaves": 6, "layers": {"relu4_1": 1.0}})
    path = write_preset(tmp_path / f"a{ENDING}", preset, TECHNIQUES)
    assert read_preset(path, TECHNIQUES) == preset
    assert not read_preset(path, TECHNIQUES).notes
    assert json.loads(path.read_text())["settings"]["octaves"] == 6


def test_a_folder_of_ones_own_is_not_shared(tmp_path: Path) -> None:
    preset = Preset("Pandas", "multifaceted", {"folder": "pandas", "copies": 3})
    path = write_preset(tmp_path / f"a{ENDING}", preset, TECHNIQUES)
    assert read_preset(path, TECHNIQUES).values == {"copies": 3}
    found = read_preset(
        file_of(tmp_path, technique="multifaceted", settings=dict(preset.values)), TECHNIQUES
    )
    assert found.values == {"copies": 3}
    assert [str(note) for note in found.notes] == [
        f"{settings.mention(Multifaceted, 'folder')} was left out: a folder is your own"
    ]


def test_what_has_another_name_now_is_taken_and_said(tmp_path: Path) -> None:
    path = file_of(tmp_path, settings={"blur": 3.0, "octaves": 5})
    found = read_preset(path, {"deep-dream": Renamed})
    assert found.values == {"softness": 3.0, "octaves": 5}
    assert [str(note) for note in found.notes] == ["'blur' is called softness= now"]
    assert settings.make(Renamed, {"soft": 2.0}).softness == 2.0, "a recipe's, too"


def test_what_does_not_exist_or_cannot_be_is_left_out_and_said(tmp_path: Path) -> None:
    path = file_of(tmp_path, settings={"octaves": -4, "sparkle": 1, "step-size": 2})
    found = read_preset(path, TECHNIQUES)
    assert found.values == {"step_size": 2.0}
    unknown, wrong = sorted(str(note) for note in found.notes)
    assert unknown == "DeepDream has no setting 'sparkle': it was left out"
    assert wrong == "octaves= is -4; it must be a whole number from 1 to 20: it was left out"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"kind": "lesson"}, "is not a preset"),
        ({"version": 99}, "update Pareidolia"),
        ({"version": True}, "is damaged"),
        ({"technique": "cubism"}, "is not for any technique here; there are style-transfer"),
        ({"technique": ["deep-dream"]}, "is not for any technique"),
        ({"name": "  "}, "is damaged: a name or the settings are missing"),
        ({"settings": [1]}, "is damaged: a name or the settings are missing"),
    ],
)
def test_what_is_no_preset_gets_one_sentence(
    tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    path = file_of(tmp_path, **changed)
    with pytest.raises(BadInput) as refused:
        read_preset(path, TECHNIQUES)
    assert str(refused.value).startswith(str(path))
    assert words in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 50_000, "\xff", '{"kind": 1, "kind": 2}', "null"])
def test_damaged_files_get_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / f"a{ENDING}"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match="preset"):
        read_preset(path, TECHNIQUES)
    with pytest.raises(BadInput, match="No such file"):
        read_preset(tmp_path / f"none{ENDING}", TECHNIQUES)
