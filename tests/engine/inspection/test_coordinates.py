"""The numbers of a map of a folder, read back by others."""

import csv
from pathlib import Path

import numpy as np
import pytest

from engine.errors import BadInput
from engine.inspection.embedding import Embedding, write_coordinates

PLACES = np.array([[0.1, -2.0], [1e-17, 3.5]])


def found(folder: Path, elsewhere: Path) -> Embedding:
    paths = [folder / "cats" / "a, b.jpg", elsewhere / "dog.jpg"]
    return Embedding(paths, PLACES, np.array([0.75, 0.25]), 0.0, {})


def test_as_a_table(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "in", tmp_path / "out"
    path = write_coordinates(tmp_path / "map.csv", folder, found(folder, elsewhere))
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["picture", "label", "x", "y"]
    assert [row[0] for row in rows] == ["cats/a, b.jpg", str(elsewhere / "dog.jpg")]
    assert rows[0][1] == "cats"
    assert np.array_equal(np.array([row[2:] for row in rows], float), PLACES), "to the last digit"


def test_as_arrays(tmp_path: Path) -> None:
    made = found(tmp_path / "in", tmp_path / "out")
    with np.load(write_coordinates(tmp_path / "map.npz", tmp_path / "in", made)) as read:
        assert read["pictures"][0] == "cats/a, b.jpg"
        assert np.array_equal(read["positions"], PLACES)
        assert read["explained"].tolist() == [0.75, 0.25]


def test_another_suffix_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"neither \.csv nor \.npz"):
        write_coordinates(tmp_path / "map.txt", tmp_path, found(tmp_path, tmp_path))
    assert not list(tmp_path.iterdir())
