"""What `adversarial` says of its file is what `attribute` then sees in that file."""

import json
from pathlib import Path

import pytest

from engine.image import open_picture
from tests.cli.conftest import Program


@pytest.fixture
def photo(data_folder: Path) -> str:
    return str(data_folder / "images/photos/owl.jpg")


def said(in_process: Program, *arguments: str) -> dict[str, object]:
    done = in_process(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("output", "network", "options"),
    [
        ("fool.png", "slim_vgg", ["--size", "300"]),
        ("fool.png", "slim_vgg", ["--size", "60", "--method", "pgd", "--epsilon", "16"]),
        ("fool.tif", "slim_vgg", ["--size", "200", "--bits", "16", "--precision", "bf16"]),
        ("fool.webp", "squeezenet1_1", ["--size", "320", "--precision", "bf16"]),
        ("fool.jpg", "googlenet_bvlc", ["--size", "240"]),
    ],
)
def test_the_file_is_seen_as_it_is_said_to_be(
    in_process: Program, photo: str, data_folder: Path, monkeypatch: pytest.MonkeyPatch,
    output: str, network: str, options: list[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("PAREIDOLIA_NETWORKS", str(data_folder / "weights"))
    asked = ("--network", network, *options, "--iterations", "40", "--step", "200")
    made = said(in_process, "adversarial", photo, "-o", output, *asked)
    seen = made["seen"]
    assert isinstance(seen, dict)
    looked = said(
        in_process, "attribute", output, "--method", "gradient", "-o", "m.png",
        "--network", network,
    )  # fmt: skip
    assert looked["class"] == seen["class"]
    assert looked["name"] == seen["name"]
    assert looked["probability"] == pytest.approx(seen["probability"], rel=1e-6)
    # What `attribute` draws is at the size that was said.
    assert seen["size"] == [open_picture("m.png").width, open_picture("m.png").height]
    assert seen["fooled"] == (seen["class"] == seen["target"])
    assert seen["target"] != seen["original"]
    if output.endswith(("png", "tif")):
        assert seen["fooled"], "what the run was sure of holds for the file"
    words = str(made["verdict"])
    assert f"takes {output} for {seen['name']} (" in words
    assert made["losses"]["target probability"] == seen["target_probability"]  # type: ignore[index]
