"""Imported style networks are kept under a name, as one file, and paint as they did."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from cli import networks as command
from engine.errors import BadInput
from engine.networks.architectures.slim_vgg import slim_vgg
from engine.networks.card import Card
from engine.networks.importing import import_file, verify
from engine.networks.style_cards import KEY, remove_style_network, style_card, style_cards
from engine.stylization.importing import import_network, import_style_network
from engine.stylization.opening import open_style_network
from engine.stylization.painter import Painter
from engine.stylization.painter_file import write_painter
from tests.engine.stylization.test_johnson import weights
from tests.engine.stylization.test_tensorflow import checkpoint


def imported(name: str, tmp_path: Path) -> Path:
    """The example program's network in a file of this name."""
    torch.save(weights(), tmp_path / name)
    return tmp_path / name


def test_a_network_is_kept_and_paints_as_before(home: Path, tmp_path: Path, cat: Tensor) -> None:
    path = imported("udnie.pth", tmp_path)
    card = import_style_network(path)
    assert card is not None and card == style_card("udnie") and style_cards()[-1] == card
    assert (card.kind, card.styles, card.paints) == ("single", ("udnie",), "one style")
    assert card.path == home / "udnie.safetensors"
    before, after = open_style_network(path), open_style_network(card.path)
    assert before.found == after.found == card.found
    with torch.no_grad():
        assert torch.equal(before(cat, before.style()), after(cat, after.style()))
    assert [(result.name, result.ok) for result in verify() if result.path == card.path] == [
        ("udnie", True)
    ]
    assert import_style_network(path) == card  # the same again
    assert remove_style_network("udnie") == [card.path] and not card.path.exists()
    assert style_card("udnie") is None and remove_style_network("udnie") == []


def test_every_plan_survives_its_file(home: Path, tmp_path: Path, cat: Tensor) -> None:
    checkpoint(tmp_path / "wave")
    card = import_style_network(tmp_path / "wave" / "manifest.json")
    assert card is not None and card.name == "wave" and "research" in card.licence
    before, after = open_style_network(tmp_path / "wave"), open_style_network(card.path)
    assert isinstance(before, Painter) and isinstance(after, Painter)
    with torch.no_grad():
        assert torch.equal(before(cat, before.style()), after(cat, after.style()))


def test_files_of_this_program_are_copied_as_they_are(home: Path, tmp_path: Path) -> None:
    network = open_style_network(imported("one.pth", tmp_path))
    assert isinstance(network, Painter)
    path = tmp_path / "shared.safetensors"
    write_painter(network, path, {"judge": "slim_vgg"})
    card = import_style_network(path, "mine")
    assert card is not None and (card.name, card.kind) == ("mine", "single")
    assert card.path.read_bytes() == path.read_bytes()
    assert import_style_network(path, "mine") == card


def test_names_that_are_taken(home: Path, tmp_path: Path) -> None:
    path = imported("udnie.pth", tmp_path)
    import_style_network(path)
    other = weights()
    other["deconv3.conv2d.bias"] += 1
    torch.save(other, tmp_path / "other.pth")
    with pytest.raises(BadInput, match="another style network is already called udnie"):
        import_style_network(tmp_path / "other.pth", "udnie")
    for name in ("slim_vgg", "resnet18"):
        with pytest.raises(BadInput, match="is the name of another network"):
            import_style_network(path, name)
    with pytest.raises(BadInput, match="cannot be a network's name"):
        import_style_network(path, "a/b")
    torch.manual_seed(0)
    safetensors.torch.save_file(slim_vgg(3).state_dict(), tmp_path / "mine.safetensors")
    with pytest.raises(BadInput, match="udnie is the name of a style network"):
        import_file(tmp_path / "mine.safetensors", "udnie")


def test_networks_that_judge_go_their_own_way(home: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "mine.safetensors"
    safetensors.torch.save_file(slim_vgg(3).state_dict(), path)
    assert import_style_network(path) is None
    assert isinstance(import_network(path), Card)
    with pytest.raises(BadInput, match="does not exist"):
        import_network(tmp_path / "none.pth")
    with pytest.raises(BadInput, match="no style network in two files"):
        import_network(tmp_path)
    assert style_cards() == [] or all(card.path.parent != home for card in style_cards())


def test_files_of_this_program_that_are_damaged(tmp_path: Path) -> None:
    network = open_style_network(imported("one.pth", tmp_path))
    assert isinstance(network, Painter)
    path = tmp_path / "kept.safetensors"
    write_painter(network, path, {"judge": "slim_vgg"})
    with safetensors.safe_open(path, "pt") as file:
        card = json.loads(file.metadata()[KEY])
    assert card["judge"] == "slim_vgg"
    tensors = safetensors.torch.load_file(path)
    for change, words in (
        ({"format": 2}, "later version"),
        ({"plan": {}}, "does not say what its network is made of"),
        ({"plan": card["plan"] | {"lines": [["explode", 3]]}}, "does not say what"),
        ({"plan": card["plan"] | {"lines": card["plan"]["lines"][:-1]}}, "one of its tensors"),
    ):
        safetensors.torch.save_file(tensors, path, {KEY: json.dumps(card | change)})
        with pytest.raises(BadInput, match=words):
            open_style_network(path)


def test_the_command_line(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = imported("candy.pth", tmp_path)
    assert command.run(["import", str(path)]) == 0
    assert "imported as candy: a network for one style" in capsys.readouterr().out
    assert command.run(["list", "--here"]) == 0
    shown = capsys.readouterr().out.partition("Style networks")[2]
    assert "PAINTS" in shown and "candy" in shown and "one style" in shown
    assert command.run(["list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["candy"]["kind"], rows["candy"]["state"]) == ("single", "imported")
    assert command.run(["show", "candy"]) == 0
    assert "RGB from 0 to 255" in capsys.readouterr().out
    assert command.run(["remove", "candy"]) == 0
    assert "candy.safetensors" in capsys.readouterr().out and style_card("candy") is None
