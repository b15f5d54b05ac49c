import json
import subprocess
import sys

import pytest
import safetensors.torch
import torch

from cli.networks import run
from engine.errors import BadInput, PareidoliaError
from engine.networks import catalogue, weights
from engine.networks import download as download_module
from engine.networks.architectures.slim_vgg import slim_vgg


@pytest.fixture(autouse=True)
def alone(home, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "shipped")


@pytest.fixture
def birds(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "birds.safetensors"
    safetensors.torch.save_file(slim_vgg(3).state_dict(), path)
    return path


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_list(capsys, home):
    home.mkdir(parents=True)
    (home / "vgg16-397923af.pth").write_bytes(b"x" * 3 * 2**20)
    assert run(["list"]) == 0
    rows = lines(capsys)
    assert rows[0].split() == ["NAME", "TITLE", "STATE", "SIZE", "LICENCE"]
    assert len(rows) == 1 + len(catalogue.names())
    assert rows[1].startswith("slim_vgg ") and "no weights" in rows[1]
    assert rows[3].startswith("vgg16 ") and " here " in rows[3] and "3.0 MiB" in rows[3]
    assert "can be downloaded" in rows[2] and "548.1 MiB" in rows[2]
    assert run(["list", "--here"]) == 0
    assert [row.split()[0] for row in lines(capsys)] == ["NAME", "vgg16"]


def test_list_as_json(capsys):
    assert run(["list", "--json"]) == 0
    (line,) = lines(capsys)
    rows = json.loads(line)
    assert [row["name"] for row in rows] == catalogue.names()
    assert rows[1].keys() == {"name", "title", "state", "bytes", "licence"}


def test_list_is_quick_and_loads_no_torch():
    code = (
        "import sys; from cli.networks import run; run(['list']); "
        "assert not {'torch', 'torchvision', 'numpy', 'tqdm'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, stdout=subprocess.DEVNULL)


def test_show(capsys):
    assert run(["show", "googlenet_bvlc"]) == 0
    text = "\n".join(lines(capsys))
    assert "BGR, (x * 255 - (104, 117, 123)) / (1, 1, 1)" in text
    assert "inception_4c/output" in text and "unrestricted use" in text


def test_show_tells_about_the_file_that_is_here(capsys, data_folder, monkeypatch):
    monkeypatch.setenv("PAREIDOLIA_NETWORKS", str(data_folder / "weights"))
    assert run(["show", "vgg19", "--json"]) == 0
    facts = json.loads(lines(capsys)[0])
    assert facts["preprocessing"]["order"] == "BGR"
    assert facts["classes"] == [] and facts["path"].endswith("vgg19_features.safetensors")


def test_show_layers(capsys):
    assert run(["show", "vgg16", "--layers", "--json"]) == 0
    layers = {row["name"]: row for row in json.loads(lines(capsys)[0])["all_layers"]}
    assert layers["features.20"]["shape"] == [512, 28, 28]
    assert layers["features.20"]["field_name"] == "relu4_2"
    assert run(["show", "vgg16", "--layers"]) == 0
    assert "features.20  relu4_2  ReLU  512 x 28 x 28" in lines(capsys)


def test_import_verify_remove(capsys, birds, home):
    assert run(["import", str(birds), "--name", "finches"]) == 0
    (line,) = lines(capsys)
    assert line.startswith(
        "imported as finches: SlimVGG (half-width VGG-19, 101 classes) “finches”, "
        "imported from birds.safetensors: a safetensors file with 3 classes; pictures are prepared"
    )
    assert run(["verify"]) == 0
    assert "as its card says" in lines(capsys)[0]
    (home / "finches.safetensors").write_bytes(b"broken")
    assert run(["verify", "--json"]) == 1
    (result,) = json.loads(lines(capsys)[0])
    assert result["name"] == "finches" and result["ok"] is False
    assert run(["remove", "finches"]) == 0
    assert len(lines(capsys)) == 2
    assert run(["verify"]) == 0
    assert lines(capsys) == ["no weights on this machine"]


def test_import_with_preprocessing(capsys, birds):
    assert run(["import", str(birds), "--preprocessing", "caffe-vgg", "--json"]) == 0
    assert json.loads(lines(capsys)[0])["preprocessing"]["order"] == "BGR"


def test_download_shows_a_bar_on_standard_error(capsys, monkeypatch, tmp_path):
    def pretend(card, progress, timeout):
        assert timeout == 5
        progress(0, 2048)
        progress(2048, 2048)
        return tmp_path / card.file

    monkeypatch.setattr(download_module, "download", pretend)
    assert run(["download", "resnet18", "alexnet", "--timeout", "5"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == f"resnet18: {tmp_path / 'resnet18-f37072fd.pth'}"
    assert "alexnet" in err and "2.00k/2.00k" in err
    assert run(["download", "resnet18", "--timeout", "5", "--quiet", "--json"]) == 0
    out, err = capsys.readouterr()
    assert list(json.loads(out)) == ["resnet18"] and err == ""


def test_an_unknown_name_among_several_downloads_nothing(monkeypatch):
    monkeypatch.setattr(download_module, "download", lambda *_: pytest.fail("contacted"))
    with pytest.raises(BadInput, match="no network is called 'resnet19'"):
        run(["download", "resnet18", "resnet19"])


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "required"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["download"], "NAME"),
        (["download", "vgg16", "--timeout", "0"], "greater than 0"),
        (["show", "vgg99"], "did you mean vgg19"),
        (["import", "nowhere.pth"], "does not exist"),
        (["import", "x", "--preprocessing", "zero"], "no preprocessing is called 'zero'"),
        (["list", "--frob"], "unrecognized arguments: --frob"),
    ],
)
def test_errors_are_one_line_for_the_caller(argv, says, capsys):
    with pytest.raises(PareidoliaError, match=says) as error:
        run(argv)
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)
    assert capsys.readouterr() == ("", "")


def test_help(capsys):
    with pytest.raises(SystemExit) as end:
        run(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for word in ("list", "show", "download", "import", "verify", "remove"):
        assert word in text
