"""From words on the command line to a job."""

import os
from pathlib import Path
from typing import Any

import pytest

from cli.options import parse_style, preset, read_job, split_known, technique_parser
from cli.wording import worded
from engine.errors import BadInput
from engine.job import Job
from engine.preset_file import Preset, write_preset
from engine.techniques import TECHNIQUES
from engine.techniques.style_transfer import StyleTransfer


def job(command: str, *arguments: str) -> Job:
    kind = TECHNIQUES[command]
    return read_job(kind, technique_parser(kind).parse_args(arguments))


def style(*arguments: str) -> Job:
    return job("style-transfer", "photo.jpg", "--style", "sea.jpg", "-o", "out.png", *arguments)


def dream(*arguments: str) -> Job:
    return job("deep-dream", "photo.jpg", "-o", "out.png", *arguments)


def test_how_much_memory_a_run_may_take() -> None:
    assert style().memory is None
    assert style("--memory", "auto").memory is None
    assert style("--memory", "3000").memory == 3000
    for wrong in ("10", "much", "1e12", "-3", "nan"):
        with pytest.raises(BadInput) as raised:
            style(f"--memory={wrong}")
        words = worded(raised.value)
        assert words.startswith("--memory is ")
        assert "256 to" in words
        assert words.endswith("MiB, or auto")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sea.jpg", ("sea.jpg", 1.0)),
        ("sea.jpg:2", ("sea.jpg", 2.0)),
        ("sea.jpg:0.5", ("sea.jpg", 0.5)),
        ("a:b.jpg", ("a:b.jpg", 1.0)),
        ("a:b.jpg:3", ("a:b.jpg", 3.0)),
        ("C:\\pictures\\sea.jpg", ("C:\\pictures\\sea.jpg", 1.0)),
        ("C:\\pictures\\sea.jpg:1e-2", ("C:\\pictures\\sea.jpg", 0.01)),
        ("sea.jpg:", ("sea.jpg:", 1.0)),
        (":2", (":2", 1.0)),
        ("x" * 300 + ":2", ("x" * 300, 2.0)),
    ],
)
def test_weights_of_paintings(text: str, expected: tuple[str, float]) -> None:
    assert parse_style(text) == expected


def test_a_file_that_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sea:2").touch()
    assert parse_style("sea:2") == ("sea:2", 1.0)
    assert parse_style("sea:2:3") == ("sea:2", 3.0)
    Path("sea").touch()
    assert parse_style("sea:2") == ("sea", 2.0)


def test_defaults() -> None:
    made = style()
    assert made.technique == StyleTransfer()
    assert made.inputs.content == "photo.jpg"
    assert made.inputs.styles == (("sea.jpg", 1.0),)
    assert (made.network, made.weights, made.size, made.seed) == ("slim_vgg", None, 512, 0)
    assert (made.device, made.precision) == ("auto", "auto")


def test_everything_at_once() -> None:
    made = style(
        "--style", "fire.jpg:2", "--start-picture", "x.png", "--network", "vgg19", "--weights", "w",
        "--size", "300", "--seed", "-7", "--device", "cpu", "--precision", "bf16", "--iterations",
        "12", "--clamp", "off", "--style-layers", "relu1_1:2,relu2_1", "--tv-weight", "1e-3",
    )  # fmt: skip
    assert made.inputs.styles == (("sea.jpg", 1.0), ("fire.jpg", 2.0))
    assert made.inputs.start == "x.png"
    assert (made.network, made.weights, made.size, made.seed) == ("vgg19", "w", 300, -7)
    assert (made.device, made.precision) == ("cpu", "bf16")
    technique: Any = made.technique
    assert (technique.iterations, technique.clamp, technique.tv_weight) == (12, False, 1e-3)
    assert technique.style_layers == {"relu1_1": 2.0, "relu2_1": 1.0}


def test_presets_then_set_then_options() -> None:
    technique: Any = style("--preset", "gatys 2015").technique
    assert (technique.iterations, technique.optimizer) == (500, "lbfgs")
    with_set = ("--preset", "Gatys 2015", "--set", "iterations=40")
    assert vars(style(*with_set).technique) == vars(technique) | {"iterations": 40}
    # However a name is spelled, the option has the last word.
    dashes = ("--preset", "Gatys 2015", "--set", "content-weight=3", "--set", " clamp = off")
    technique = style(*dashes, "--content-weight", "5").technique
    assert (technique.content_weight, technique.clamp) == (5.0, False)
    assert vars(style(*dashes).technique)["content_weight"] == 3.0


def test_layers_of_a_dream() -> None:
    technique: Any = dream("--layer", "relu4_3", "--layer", "relu5_1:-0.5").technique
    assert technique.layers == {"relu4_3": 1.0, "relu5_1": -0.5}
    technique = dream("--layer", "layer1.0.relu#2:2").technique
    assert technique.layers == {"layer1.0.relu#2": 2.0}
    technique = dream("--layers", "a,b:2", "--guide", "g.png").technique
    assert technique.layers == {"a": 1.0, "b": 2.0}
    assert dream("--guide", "g.png").inputs.guide == "g.png"
    technique = dream("--set", "layers=inception_4c/output:2").technique
    assert technique.layers == {"inception_4c/output": 2.0}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "iterations"], "--set 'iterations' is not KEY=VALUE"),
        (["--set", "iteration=3"], "no setting 'iteration'; did you mean iterations?"),
        (["--set", "size=3"], "no setting 'size'; there are iterations"),
        (["--set", "iterations=x"], "is 'x'; it must be a whole number from 1 to 100000"),
        (["--iterations", "1.5"], "is 1.5; it must be a whole number"),
        (["--iterations", "0"], "is 0"),
        (["--content-weight", "nan"], "--content-weight"),
        (["--clamp", "maybe"], "is 'maybe'; it must be on or off"),
        (["--optimizer", "sgd"], "it must be one of adam, lbfgs"),
        (["--preset", "Best of"], "--preset 'Best of' does not exist; there are Best"),
        (
            ["--style-layers", "relu3_1:1, relu3_1:-1"],
            "--style-layers names the layer relu3_1 twice, with the weights 1 and -1; give it once",
        ),
        (["--content-layers", "relu4_2,relu4_2"], "--content-layers names the layer relu4_2 twice"),
        (["--set", "style-layers=a,b,a:2"], "--style-layers names the layer a twice"),
        (["--set", "iterations=3", "--set", "iterations=5"], "--set gives iterations twice"),
        (["--style-layers", "relu1_1:x"], "layer 'relu1_1:x' has the weight 'x'"),
        (["--size", "big"], "'big' is not a whole number"),
        (["--seed", "1.0"], "'1.0' is not a whole number"),
        (["--bits", "12"], "--bits"),
        (["--layer", "relu1_1"], "relu1_1"),
        (["extra.jpg"], "unrecognized arguments: extra.jpg"),
    ],
)
def test_what_is_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(BadInput) as raised:
        style(*arguments)
    assert words in worded(raised.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--layer", "relu3_1:1", "--layer", "relu3_1:-1"],
            "--layer names the layer relu3_1 twice",
        ),
        (["--layer", "relu3_1", "--layers", "relu4_1"], "--layers and --layer give the same"),
    ],
)
def test_layers_of_a_dream_stand_once(arguments: list[str], words: str) -> None:
    with pytest.raises(BadInput) as raised:
        job("deep-dream", "p.jpg", "-o", "o.png", *arguments)
    assert words in worded(raised.value)


def test_what_has_to_be_there() -> None:
    with pytest.raises(BadInput, match=r"required: --style \(see python main\.py style-transfer -"):
        job("style-transfer", "photo.jpg", "-o", "out.png")
    with pytest.raises(BadInput, match=r"required: -o/--output"):
        job("deep-dream", "photo.jpg")
    with pytest.raises(BadInput, match=r"required: PHOTO"):
        job("deep-dream", "-o", "out.png")


def test_presets_are_valid_and_found_however_written() -> None:
    for kind in TECHNIQUES.values():
        for name, values in kind.presets.items():
            assert preset(kind, name.upper()) == values
            arguments = ["-o", "o.png", "--preset", name]
            if "content" in kind.inputs:
                arguments.insert(0, "p.jpg")
            if kind is StyleTransfer:
                arguments += ["--style", "s.jpg"]
            made = job(kind.command, *arguments)
            assert {k: getattr(made.technique, k) for k in values} == values


def test_commands_that_do_not_exist() -> None:
    assert split_known(["deep-dream", "x"], ["deep-dream", "render"]) == "deep-dream"
    with pytest.raises(BadInput, match=r"no command 'deepdream'; did you mean deep-dream\?"):
        split_known(["deepdream"], ["deep-dream", "render"])
    with pytest.raises(BadInput, match=r"no command '7'; there are deep-dream, render"):
        split_known(["7"], ["deep-dream", "render"])


def test_paths_with_a_null_character() -> None:
    assert parse_style("a\0b:2") == ("a\0b", 2.0)
    assert os.sep


def test_a_presets_file_is_taken_and_what_it_says_otherwise_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "soft.preset"
    write_preset(path, Preset("Soft", "style-transfer", {"tv_weight": 7.0}), TECHNIQUES)
    path.write_text(path.read_text().replace('"tv_weight"', '"sparkle": 1, "tv_weight"'))
    technique: Any = style("--preset", str(path), "--iterations", "9").technique
    assert (technique.tv_weight, technique.iterations) == (7.0, 9)
    said = capsys.readouterr().err
    assert said == f"pareidolia: {path}: Style transfer has no setting 'sparkle': it was left out\n"
    write_preset(path, Preset("Deep", "deep-dream", {}), TECHNIQUES)
    with pytest.raises(BadInput, match="is for deep-dream; this is style-transfer"):
        style("--preset", str(path))
