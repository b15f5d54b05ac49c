"""The folder read last is read once, by one reader at a time, and only if that was asked for."""

import pytest

from engine.inspection.albums import Albums
from engine.inspection.embedding import folder_map
from engine.inspection.layout import embed
from engine.inspection.neighbors import near_pictures
from engine.inspection.progress import FolderNotRead, finished


def test_two_readers_share_an_album_and_the_second_waits_for_the_first(network, folder):
    albums = Albums()
    first, second = albums.read(folder, network, "Neighbours"), albums.read(folder, network, "Map")
    reached = next(first)
    waiting = next(second)
    assert (waiting.done, waiting.total) == (reached.done, reached.total) == (13, 13)
    assert waiting.waits_for == "Neighbours"
    album = finished(first, print)
    assert finished(second, print) is album


def test_nothing_is_read_that_nobody_asked_for(network, folder):
    (folder / "05b.png").unlink()  # what cannot be read is tried again
    with pytest.raises(FolderNotRead, match="12 of 12 pictures have not been read"):
        next(Albums().read(folder, network, may_read=False))
    finished(Albums().read(folder, network), print)
    assert finished(Albums().read(folder, network, may_read=False), print).done == 12


def test_a_map_and_neighbours_come_from_one_reading(network, folder, good):
    from engine.image import open_picture

    albums = Albums()
    laid_out = finished(folder_map(albums.read(folder, network), folder, "pca", 30.0, 0), print)
    vectors = finished(albums.read(folder, network), print).vectors()
    assert (laid_out.embedding.positions == embed(vectors, "pca")[0]).all()
    assert laid_out.labels == ["" if path.parent == folder else "below" for path in good]
    assert laid_out.title.startswith(
        "PCA of slim_vgg's features (input of classifier): the first two"
    )
    near = finished(
        near_pictures(albums.read(folder, network), open_picture(good[4]), 3, "l2"), print
    )
    assert len(near.found.features) == 3 and near.pictures == 12
    assert good[4] not in near.pixels, "the same picture is left out"
