"""What a search for patches shows on its way, and of other channels when it has ended."""

import numpy as np
import pytest
from PIL import Image

from engine.inspection import patch_finder
from engine.inspection.patch_finder import FoundPatches, PatchFinder, ShownChannels
from engine.inspection.patches import PatchSearch
from engine.inspection.progress import FolderNotRead, Progress

LAYER = "relu1_1"
STRONGEST = ShownChannels(by_number=False, count=3)


def finder(network, folder, rows=STRONGEST):
    return PatchFinder(lambda: network, folder, LAYER, rows, np.copy)


def carried_out(steps):
    states = []
    while True:
        try:
            states.append(next(steps))
        except StopIteration as end:
            return states, end.value


def test_it_shows_the_searchs_own_patches_and_the_pixels_they_were_cut_from(network, folder):
    search = PatchSearch(network, folder, [LAYER])
    list(search.run())
    search.cache_file.unlink()
    states, found = carried_out(finder(network, folder).run())
    assert {type(state) for state in states} <= {Progress, FoundPatches, type(None)}
    assert (found.done, found.total, found.taken_up) == (13, 13, 0)
    assert list(found.unreadable) == [folder / "05b.png"]
    assert [channel for channel, _ in found.channels] == search.strongest(LAYER, 3)
    for channel, patches in found.channels:
        assert [patch for patch, _ in patches] == search.patches(LAYER, channel)
    patch, pixels = found.channels[0][1][0]
    top, left, bottom, right = patch.box
    with Image.open(patch.path) as opened:
        cut = np.asarray(opened.convert("RGB"), float)[top:bottom, left:right]
    assert np.abs(pixels.mean((0, 1)) - cut.mean((0, 1))).max() < 4


def test_other_channels_are_looked_at_without_reading(network, folder):
    made = finder(network, folder, ShownChannels(by_number=True, count=2))
    _, found = carried_out(made.run())
    assert [channel for channel, _ in found.channels] == [0, 1]
    made.rows = ShownChannels(by_number=True, count=1, only=found.of + 5)
    states, found = carried_out(made.look())
    assert [channel for channel, _ in found.channels] == [found.of - 1], "there is none beyond it"
    assert not any(states)


def test_what_has_been_found_is_shown_on_the_way(network, folder, monkeypatch):
    monkeypatch.setattr(patch_finder, "SHOW_EVERY", -1.0)
    for i in range(20, 40):
        Image.new("RGB", (32, 32), (i, 90, 200)).save(folder / f"{i}.png")
    states, found = carried_out(finder(network, folder).run())
    early = next(state for state in states if isinstance(state, FoundPatches) and state.done == 16)
    assert early.total == found.total == 33
    assert len(early.channels) == 3


def test_nothing_is_read_that_nobody_asked_for_and_a_search_broken_off_goes_on(network, folder):
    made = finder(network, folder)
    with pytest.raises(FolderNotRead) as refused:
        next(made.run(may_read=False))
    assert (refused.value.done, refused.value.total) == (0, 13)
    steps = made.run()
    next(step for step in steps if isinstance(step, Progress) and step.done)
    steps.close()
    _, found = carried_out(finder(network, folder).run(may_read=False))
    assert found.taken_up == 13
