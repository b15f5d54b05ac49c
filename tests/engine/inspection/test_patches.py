"""The best places against a search by hand; broken off and taken up; what lies where."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import BadInput
from engine.image import open_picture
from engine.inspection.folder import square_of
from engine.inspection.patches import PatchSearch, patch_picture

LAYERS = ["relu2_1", "relu4_1"]


def search(network, folder, layers=LAYERS, best=3, side=32, batch=4):
    return PatchSearch(network, folder, layers, best=best, side=side, batch=batch)


def finished(*arguments, **named):
    found = search(*arguments, **named)
    for _ in found.run():
        pass
    return found


def rows(found, layer, channel):
    return [(p.path, p.y, p.x, p.box) for p in found.patches(layer, channel)]


def test_the_best_places_are_those_of_a_search_by_hand(network, folder, good):
    found = finished(network, folder)
    assert list(found.unreadable) == [folder / "05b.png"]
    for layer in LAYERS:
        with torch.no_grad():
            maps = [network.taps(open_picture(p).tensor(), [layer])[layer][0].numpy() for p in good]
        for channel in (0, 5, 63):
            peaks = sorted(((m[channel].max(), i) for i, m in enumerate(maps)), reverse=True)[:3]
            patches = found.patches(layer, channel)
            values = [float(v) for v, _ in peaks]
            assert [p.value for p in patches] == pytest.approx(values, rel=1e-3, abs=1e-3)
            assert len({p.path for p in patches}) == 3
            if values[2] > 0.1 and min(-np.diff(values)) > 0.01:
                assert [p.path for p in patches] == [good[i] for _, i in peaks]
            for p in patches:
                own = maps[good.index(p.path)][channel]
                assert own[p.y, p.x] == pytest.approx(own.max(), rel=1e-3, abs=1e-3)


def test_broken_off_and_taken_up_it_finds_the_same_and_reads_no_picture_twice(
    network, folder, monkeypatch
):
    read = []
    from engine.inspection import folder as folders

    monkeypatch.setattr(folders, "square_of", lambda p, s: read.append(p) or square_of(p, s))
    first = search(network, folder)
    running = first.run()
    next(running), next(running), next(running)
    running.close()
    assert first.done == 8
    read.clear()
    second = finished(network, folder)
    assert second.done == 13 == len(second.files)
    assert sorted(read) == second.files[8:]
    read.clear()
    third = finished(network, folder)
    assert not read and list(third.unreadable) == [folder / "05b.png"]
    third.cache_file.unlink()
    afresh = finished(network, folder)
    assert len(read) == 13
    for layer in LAYERS:
        for channel in (0, 7, 33):
            assert rows(second, layer, channel) == rows(third, layer, channel)
            assert rows(third, layer, channel) == rows(afresh, layer, channel)


def test_what_is_kept_belongs_to_these_pictures_weights_and_layers(network, folder):
    key = search(network, folder).cache_file
    assert search(network, folder).cache_file == key
    assert search(network, folder, ["relu2_1"]).cache_file != key
    assert search(network, folder, side=48).cache_file != key
    assert search(network.at("cpu", torch.bfloat16), folder).cache_file != key
    other = network.at("cpu", torch.float64).at("cpu", torch.float32)
    other.module.conv1_1.bias.data[3] += 1e-3
    assert search(other, folder).cache_file != key
    os.utime(folder / "01.png", ns=(1, 1))
    assert search(network, folder).cache_file != key


def test_a_damaged_cache_is_passed_over(network, folder):
    found = finished(network, folder)
    found.cache_file.write_bytes(found.cache_file.read_bytes()[:500])
    assert search(network, folder).done == 0


def test_a_box_lies_where_the_thing_is(network, tmp_path):
    """One colourful thing on gray, in a photo that is scaled and cut: the best box holds it."""
    made = tmp_path / "one"
    made.mkdir()
    canvas = np.full((96, 160, 3), 128, np.uint8)
    thing = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8).repeat(3, 0).repeat(3, 1)
    canvas[60:78, 100:118] = thing
    Image.fromarray(canvas).save(made / "a.png")
    found = finished(network, made, ["relu2_2"], side=64)
    inside = 0
    channels = found.strongest("relu2_2", 10)
    for channel in channels:
        (patch,) = found.patches("relu2_2", channel)
        top, left, bottom, right = patch.box
        assert 0 <= top < bottom <= 96 and 32 <= left < right <= 128
        inside += top < 78 and bottom > 60 and left < 118 and right > 100
        assert max(patch_picture(patch, 40).shape) == 40
        # 14 pixels of 64, where 96 were
        assert right - left in (21, 22)
    assert inside == 10


def test_squares_of_reduced_and_turned_photos(tmp_path):
    """A large JPEG is decoded smaller; its square is still that of the whole picture."""
    ramp = np.linspace(0, 255, 1200)[None, :, None].repeat(800, 0).repeat(3, 2).astype(np.uint8)
    image = Image.fromarray(ramp)
    exif = Image.Exif()
    exif[274] = 6  # to be turned right by a quarter
    image.save(tmp_path / "turned.jpg", exif=exif)
    image.save(tmp_path / "plain.jpg")
    picture, square = square_of(tmp_path / "plain.jpg", 50)
    assert (square.top, square.left, square.side) == (0, 200, 800)
    expected = torch.linspace(200 / 1200, 1000 / 1200, 50)
    assert (picture[0, 20] - expected).abs().max() < 0.02
    picture, square = square_of(tmp_path / "turned.jpg", 50)
    assert (square.top, square.left, square.side) == (200, 0, 800)
    assert (picture[0, :, 20] - expected).abs().max() < 0.02


def test_bad_input(network, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="holds no pictures"):
        search(network, tmp_path / "empty")
    with pytest.raises(BadInput, match="is not a folder"):
        search(network, folder / "01.png")
    with pytest.raises(BadInput, match="no layer 'relu9_1'"):
        search(network, folder, ["relu9_1"])
    with pytest.raises(BadInput, match="no channel 64; it has 0 to 63"):
        search(network, folder).patches("relu2_1", 64)
