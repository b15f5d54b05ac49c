"""What was read of a folder is known the next time: no picture is opened twice."""

import os
import re
import shutil
from contextlib import closing

import numpy as np
import pytest
import torch
from PIL import Image

from engine.inspection import album as albums
from engine.inspection import folder as folders
from engine.inspection import vector_cache
from engine.inspection.album import Album
from engine.inspection.embedding import embedding
from engine.inspection.features import Features
from engine.inspection.folder import picture_files, square_of
from engine.inspection.neighbors import neighbors
from engine.inspection.patches import PatchSearch
from engine.inspection.progress import finished

BROKEN = "05b.png"


@pytest.fixture
def opened(monkeypatch):
    """Names of the picture files that are opened, in their order."""
    names = []

    def noted(path, side):
        names.append(path.name)
        return square_of(path, side)

    monkeypatch.setattr(folders, "square_of", noted)
    return names


def made(network, folder, side=32, layer=""):
    return Album(Features(network, layer), picture_files(folder), folder, side=side)


def read(network, folder, **chosen):
    found = made(network, folder, **chosen)
    list(found.read())
    return found


def read_until(found, done):
    """Break a reading off once so many files are done."""
    with closing(found.read()) as steps:
        next(step for step in steps if step.done >= done)


def nearest(network, picture, files, folder):
    steps = neighbors(Features(network), picture, files, 5, folder=folder, side=32)
    return finished(steps, print)


def cache_files(home, kind="features"):
    return sorted((home / "cache").glob(f"{kind}-*.npz"))


def afresh(network, folder):
    """What a reading without any cache finds."""
    found = Album(Features(network), picture_files(folder), side=32)
    list(found.read())
    return found


def same(one, other):
    assert one.paths == other.paths
    # Batches of another size are rounded otherwise.
    np.testing.assert_allclose(one.vectors(), other.vectors(), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(one.pixels(), other.pixels())


def test_the_second_reading_opens_no_good_picture(network, folder, good, opened):
    first = read(network, folder)
    assert len(opened) == 13
    opened.clear()
    second = made(network, folder)
    assert second.done == 12
    told = []
    finished(second.read(), lambda done, total: told.append((done, total)))
    assert opened == [BROKEN]  # it may be whole by now
    assert told == [(12, 13), (13, 13)]
    assert second.paths == good and list(second.unreadable) == [folder / BROKEN]
    same(second, first)
    (folder / BROKEN).unlink()
    opened.clear()
    read(network, folder)
    assert not opened


def test_neighbours_and_map_share_what_was_read(network, folder, good, opened):
    (folder / BROKEN).unlink()
    files = picture_files(folder)
    before = nearest(network, good[4], files, folder)
    opened.clear()
    mapped = finished(embedding(Features(network), files, "pca", folder=folder, side=32), print)
    assert nearest(network, good[4], files, folder) == before
    assert not opened and mapped.paths == good


def test_changed_and_new_files_are_read_alone_and_removed_ones_dropped(network, folder, opened):
    (folder / BROKEN).unlink()
    read(network, folder)
    Image.new("RGB", (32, 32), (200, 30, 30)).save(folder / "03.png")
    shutil.copy(folder / "00.png", folder / "below" / "0new.png")
    (folder / "07.png").unlink()
    opened.clear()
    found = read(network, folder)
    assert sorted(opened) == ["03.png", "0new.png"]
    same(found, afresh(network, folder))
    shutil.copystat(folder / "00.png", folder / "03.png")  # the same length is no proof either
    opened.clear()
    read(network, folder)
    assert opened == ["03.png"]
    opened.clear()
    (folder / "00.png").unlink()
    same(read(network, folder), afresh(network, folder))
    with np.load(cache_files(folder.parent / "home")[0]) as arrays:
        assert len(arrays["vectors"]) == 11


def test_a_reading_broken_off_goes_on_from_there(network, folder, opened, monkeypatch):
    (folder / BROKEN).unlink()
    plain = folders.batches
    monkeypatch.setattr(albums, "batches", lambda files, side: plain(files, side, 4))
    first = made(network, folder)
    read_until(first, 8)
    opened.clear()
    second = made(network, folder)
    assert second.done == 8
    list(second.read())
    assert sorted(opened) == [path.name for path in second.files[8:]]
    same(second, afresh(network, folder))


def test_nothing_another_window_has_read_meanwhile_is_lost(network, folder, opened, monkeypatch):
    (folder / BROKEN).unlink()
    plain = folders.batches
    monkeypatch.setattr(albums, "batches", lambda files, side: plain(files, side, 4))
    first = made(network, folder)
    shutil.copy(folder / "00.png", folder / "zz.png")  # which the first one does not know of
    whole = read(network, folder)
    # Since then one has changed, and one has gone.
    Image.new("RGB", (32, 32), (200, 30, 30)).save(folder / "08.png")
    (folder / "below" / "10.png").unlink()
    read_until(first, 4)
    opened.clear()
    third = made(network, folder)
    assert third.done == 11
    list(third.read())
    assert opened == ["08.png"]
    same(third, afresh(network, folder))
    assert len(whole.paths) == 13
    with np.load(cache_files(folder.parent / "home")[0]) as arrays:
        assert len(arrays["vectors"]) == 12


def test_what_two_windows_keep_at_two_sides_is_kept_at_the_smaller_one(
    network, folder, monkeypatch
):
    (folder / BROKEN).unlink()
    plain = folders.batches
    monkeypatch.setattr(albums, "batches", lambda files, side: plain(files, side, 4))
    larger = made(network, folder)
    with monkeypatch.context() as scarce:
        scarce.setattr(albums, "PIXEL_BYTES", 3 * 16 * 16 * 20)
        smaller = made(network, folder)
        read_until(smaller, 8)
    read_until(larger, 4)
    assert (larger.pixels().shape, smaller.pixels().shape) == ((4, 32, 32, 3), (8, 16, 16, 3))
    found = made(network, folder)
    assert (found.done, found.side) == (8, 16)
    np.testing.assert_array_equal(found.paths, smaller.paths)
    np.testing.assert_allclose(found.pixels(), smaller.pixels(), atol=2)  # rounded once more


def test_an_error_on_the_way_loses_nothing(network, folder, opened, monkeypatch):
    plain = folders.batches
    monkeypatch.setattr(albums, "batches", lambda files, side: plain(files, side, 4))

    def interrupt(done, _total):
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finished(made(network, folder).read(), interrupt)
    assert made(network, folder).done == 7  # of 8; one cannot be read


def test_what_was_read_on_the_way_is_saved_before_a_crash(network, folder, home, monkeypatch):
    plain, seen = folders.batches, []
    monkeypatch.setattr(albums, "batches", lambda files, side: plain(files, side, 4))
    monkeypatch.setattr(albums, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(albums, "SHARE", 0)
    steps = made(network, folder).read()
    finished(steps, lambda done, _: seen.append((done, len(cache_files(home)))))
    assert seen == [(4, 0), (8, 1), (12, 1), (13, 1)]


@pytest.mark.parametrize(
    "how",
    ["cut", "junk", "empty", "flipped", "other format", "pixels", "vectors", "no side", "width"],
)
def test_a_damaged_cache_is_read_anew_and_said_in_the_log(
    network, folder, home, opened, caplog, how
):
    caplog.set_level("INFO", "pareidolia.inspection")
    first = read(network, folder)
    (file,) = cache_files(home)
    whole = file.read_bytes()
    if how in ("other format", "pixels", "vectors", "no side", "width"):
        with np.load(file) as arrays:
            parts = dict(arrays)
        if how in parts:
            parts[how] = parts[how][:-1]
        elif how == "no side":
            parts["pixels"] = parts["pixels"][..., :0, :0]
        elif how == "width":
            parts["vectors"] = parts["vectors"][:, :-1]
        else:
            parts["state"] = np.array(re.sub(r'"format": \d+', '"format": 0', str(parts["state"])))
        np.savez(file, **parts)
    elif how == "flipped":
        middle = len(whole) // 2
        file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    else:
        file.write_bytes({"cut": whole[:900], "junk": b"no file of ours", "empty": b""}[how])
    opened.clear()
    second = read(network, folder)
    assert len(opened) == 13
    same(second, first)
    assert ("cannot be used" in caplog.text) == (how != "other format")
    assert made(network, folder).done == 12, "it was written anew"


def test_it_belongs_to_these_weights_layer_size_precision_and_folder(network, folder, tmp_path):
    read(network, folder)
    assert made(network, folder / "." / "below" / "..").done == 12
    assert made(network, folder, layer="relu3_1").done == 0
    assert made(network, folder, side=48).done == 0
    assert made(network.at("cpu", torch.bfloat16), folder).done == 0
    other = network.at("cpu", torch.float64).at("cpu", torch.float32)
    other.module.conv1_1.bias.data[3] += 1e-3
    assert made(other, folder).done == 0
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert made(network, tmp_path / "elsewhere").done == 0


def test_a_folder_that_grows_beyond_its_room_is_kept_smaller(network, folder, good, monkeypatch):
    read(network, folder)
    plenty = albums.PIXEL_BYTES
    monkeypatch.setattr(albums, "PIXEL_BYTES", 3 * 16 * 16 * 20)
    found = read(network, folder)
    assert found.side == 16 and found.pixels().shape == (12, 16, 16, 3)
    means = found.pixels().mean((1, 2)) / 255
    whole = torch.stack([square_of(path, 32)[0] for path in good]).mean((2, 3)).numpy()
    np.testing.assert_allclose(means, whole, atol=0.01)
    os.utime(good[0], (1, 1))
    read(network, folder)
    monkeypatch.setattr(albums, "PIXEL_BYTES", plenty)
    os.utime(good[0], (2, 2))
    again = read(network, folder)  # where there is room again, what is kept stays of use
    assert again.paths == good and again.pixels().shape == (12, 16, 16, 3)


def test_the_caches_used_least_recently_give_way(network, folder, home, monkeypatch):
    (folder / BROKEN).unlink()
    read(network, folder)
    (first,) = cache_files(home)
    read(network, folder, layer="relu3_1")
    (second,) = set(cache_files(home)) - {first}
    together = first.stat().st_size + second.stat().st_size
    second.unlink()
    search = PatchSearch(network, folder, ["relu1_1"], side=32)
    list(search.run())
    for age, file in enumerate((search.cache_file, first)):
        os.utime(file, (1000 - age, 1000 - age))
    made(network, folder)  # uses the first: now the patches are the oldest
    left = home / "cache" / ".0123456789abcdef.part"
    left.write_bytes(b"of a crash")
    os.utime(left, (1000, 1000))
    monkeypatch.setattr(vector_cache, "LIMIT", together)
    read(network, folder, layer="relu3_1")
    assert first.exists() and not search.cache_file.exists() and not left.exists()
    assert len(cache_files(home)) == 2
    monkeypatch.setattr(vector_cache, "LIMIT", 1)
    list(PatchSearch(network, folder, ["relu2_1"], side=32).run())
    assert not cache_files(home) and len(cache_files(home, "patches")) == 1


def test_a_data_folder_that_cannot_be_written_costs_nothing_else(network, folder, monkeypatch):
    blocked = folder.parent / "blocked"
    blocked.write_text("a file where the folder would be")
    monkeypatch.setenv("PAREIDOLIA_HOME", str(blocked))
    assert read(network, folder).vectors().shape[0] == 12


def test_a_file_that_goes_between_listing_and_reading_is_told(network, folder, good):
    files = picture_files(folder)
    good[2].unlink()
    found = Album(Features(network), files, folder, side=32)
    list(found.read())
    assert good[2] in found.unreadable and len(found.paths) == 11
