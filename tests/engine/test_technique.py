"""What every technique declares is so; and to be asked about a run takes nothing from it."""

import pkgutil
from pathlib import Path

import pytest
import torch

from engine.job import Inputs, Job, prepare
from engine.networks import loading
from engine.networks.network import Network
from engine.project import read_job
from engine.settings import describe
from engine.task import Steps, Technique
from engine.techniques import TECHNIQUES
from engine.techniques.adversarial import Adversarial
from engine.work.making import MakeRequest, make
from tests.cli.conftest import noise

RECIPES = Path(__file__).parents[1] / "recipes"


@pytest.mark.parametrize(("command", "kind"), TECHNIQUES.items(), ids=TECHNIQUES)
def test_what_it_has_is_what_it_declares(command: str, kind: type[Technique]) -> None:
    assert kind.command == command
    steps = pkgutil.resolve_name(kind.steps)
    assert issubclass(steps, Steps)
    for name, declared in (
        ("figure", kind.has_figure), ("verdict", kind.has_verdict), ("enlarged", kind.goes_on),
    ):  # fmt: skip
        assert (getattr(steps, name) is not getattr(Steps, name)) == declared, name
    assert "start" in kind.inputs or not kind().begun_with_picture().needs_start
    if kind.film:
        assert kind(**{kind.film: 7}).film_frames == 7
        assert describe(kind)[kind.film].kind == "int"
    else:
        assert kind().film_frames == 1


@pytest.mark.parametrize("command", TECHNIQUES)
def test_stages_and_labels_draw_nothing(command: str, home: Path) -> None:
    task = prepare(read_job(RECIPES / f"{command}.json"))
    before = task.generator.get_state()
    assert task.technique.stages(task)
    task.technique.labels(task)
    assert torch.equal(task.generator.get_state(), before)


def test_a_command_reads_its_network_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the file is looked at again and a figure is made."""
    read: list[str] = []
    load = loading.load_network

    def counting(name: str, *arguments: object, **others: object) -> Network:
        read.append(name)
        return load(name, *arguments, **others)

    monkeypatch.setattr(loading, "load_network", counting)
    photo = tmp_path / "photo.png"
    noise(48, 64, 3, 5).save(photo)
    job = Job(Adversarial(iterations=1), Inputs(photo), size=64, device="cpu")
    made = make(MakeRequest(job, tmp_path / "out.png"), lambda: False, lambda _job, frames: frames)
    assert "verdict" in made.figures
    assert (tmp_path / "out.figure.png").exists()
    assert read == ["slim_vgg"]
