import hashlib
import threading
import time
from dataclasses import replace

import pytest

from engine.errors import BadInput, DownloadCancelled, DownloadFailed
from engine.networks import catalogue, checksums
from engine.networks import download as download_module
from engine.networks.download import download
from tests.download_server import CONTENT, DownloadServer


@pytest.fixture
def card(server, home):
    return replace(
        catalogue.built_in("squeezenet1_1"),
        url=server.url("/squeezenet1_1-b8a52dc0.pth"),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )


@pytest.fixture
def part(home, card):
    home.mkdir(parents=True)
    return home / f"{card.file}.part"


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_whole_file(server, card, home):
    steps = []
    path = download(card, lambda done, total: steps.append((done, total)))
    assert path == home / "squeezenet1_1-b8a52dc0.pth"
    assert path.read_bytes() == CONTENT
    assert files(home) == [path.name]
    assert steps[0] == (0, len(CONTENT)) and steps[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert "Range" not in server.requests[0]


@pytest.mark.parametrize("digits", [8, 10])
def test_published_first_digits(server, card, digits):
    assert download(replace(card, sha256=card.sha256[:digits])).read_bytes() == CONTENT


def test_sha1(server, card):
    card = replace(card, sha256=hashlib.sha1(CONTENT).hexdigest())
    assert download(card).read_bytes() == CONTENT


def test_a_file_that_is_there_is_not_fetched_again(server, card):
    first = download(card)
    assert download(card) == first
    assert len(server.requests) == 1


def test_a_damaged_file_is_replaced(server, card, home):
    home.mkdir(parents=True)
    (home / card.file).write_bytes(CONTENT[:100])
    assert download(card).read_bytes() == CONTENT


def test_broken_connections_are_taken_up_again(server, card):
    server.cuts = [400_000, 300_000]
    steps = []
    assert download(card, lambda done, total: steps.append((done, total))).read_bytes() == CONTENT
    assert [r.get("Range") for r in server.requests] == [None, "bytes=400000-", "bytes=700000-"]
    assert server.requests[1]["If-Range"] == '"v1"'
    assert {total for _, total in steps} == {len(CONTENT)}


def test_the_next_call_goes_on(server, card, home):
    server.cuts = [400_000, 0, 0, 0]
    with pytest.raises(
        DownloadFailed, match=r"was interrupted \(0\.4 MiB have been kept\).*again to resume"
    ):
        download(card)
    assert files(home) == [f"{card.file}.part", f"{card.file}.part.version"]
    server.requests.clear()
    assert download(card).read_bytes() == CONTENT
    assert [r.get("Range") for r in server.requests] == ["bytes=400000-"]
    assert files(home) == [card.file]


def test_a_server_without_ranges_starts_over(server, card):
    server.ranges = False
    server.cuts = [400_000]
    assert download(card).read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_a_changed_file_starts_over(server, card, part):
    part.write_bytes(b"x" * 1000)
    part.with_name(part.name + ".version").write_text('"v0"')
    assert download(card).read_bytes() == CONTENT
    assert server.requests[0]["If-Range"] == '"v0"'


def test_without_etag(server, card):
    server.etag = ""
    server.cuts = [400_000]
    assert download(card).read_bytes() == CONTENT
    assert "If-Range" not in server.requests[1]


def test_weak_etags_are_not_relied_on(server, card):
    server.etag = 'W/"v1"'
    server.cuts = [400_000]
    assert download(card).read_bytes() == CONTENT
    assert "If-Range" not in server.requests[1]


def test_everything_had_arrived(server, card, part):
    part.write_bytes(CONTENT)
    assert download(card).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_more_than_everything_had_arrived(server, card, part):
    part.write_bytes(CONTENT + b"more")
    assert download(card).read_bytes() == CONTENT


def test_another_range_than_asked_for(server, card):
    server.cuts = [400_000]
    server.lie = 7
    with pytest.raises(DownloadFailed, match="a different part of the file"):
        download(card)


@pytest.mark.parametrize("resumed", [False, True])
def test_a_wrong_file_is_deleted(server, card, home, part, resumed):
    server.content = CONTENT[:-1] + b"?"
    if resumed:
        part.write_bytes(CONTENT[:1000])
    with pytest.raises(DownloadFailed, match=r"is not the weights of squeezenet1_1.*deleted"):
        download(card)
    assert files(home) == []


def test_a_stall_ends(server, card, home, monkeypatch):
    monkeypatch.setattr(download_module, "RETRIES", 1)
    server.stall_at = 0
    start = time.monotonic()
    with pytest.raises(DownloadFailed, match=r"nothing came for 0\.2 seconds"):
        download(card, timeout=0.2)
    assert time.monotonic() - start < 5


def test_what_came_before_a_stall_is_kept(server, card, home):
    server.stall_at = 500_000
    with pytest.raises(DownloadFailed, match=r"0\.5 MiB have been kept"):
        download(card, timeout=0.2)
    server.stall_at = None
    assert download(card).read_bytes() == CONTENT
    assert server.requests[-1]["Range"] == "bytes=500000-"


def test_a_server_that_recovers(server, card):
    server.statuses = [503, 500]
    assert download(card).read_bytes() == CONTENT


def test_file_not_found(server, card, home):
    server.statuses = [404]
    with pytest.raises(DownloadFailed, match="the server says 404 Not Found") as error:
        download(card)
    assert error.value.exit_code == 1
    assert len(server.requests) == 1


def test_nobody_listens(server, card):
    with DownloadServer() as other:
        nowhere = other.url("/x.pth")
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1.*refused"):
        download(replace(card, url=nowhere), timeout=2)


def test_cancelling_keeps_what_came(server, card, home):
    done = []

    def progress(now, _total):
        done.append(now)

    with pytest.raises(DownloadCancelled, match="can be resumed"):
        download(card, progress, cancel=lambda: any(done))
    size = (home / f"{card.file}.part").stat().st_size
    assert 0 < size < len(CONTENT)
    assert download(card).read_bytes() == CONTENT
    assert server.requests[-1]["Range"] == f"bytes={size}-"


def test_full_disk(server, card, home, monkeypatch):
    class Usage:
        free = 1_000_000

    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(DownloadFailed, match=r"has 1 MiB left, but the download needs 1 MiB"):
        download(card)


def test_folder_that_cannot_be_made(server, card, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadFailed, match="cannot be written"):
        download(card, folder=tmp_path / "file" / "below")


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "ftp://x/y"])
def test_only_the_web(home, card, url):
    with pytest.raises(BadInput, match="cannot be downloaded"):
        download(replace(card, url=url))


def test_checksums(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checksums.sha256(path) == known
    assert checksums.matches(path, known) and checksums.matches(path, known[:8].upper())
    assert checksums.matches(path, "a9993e364706816aba3e25717850c26c9cd0d89d")
    assert not checksums.matches(path, known[1:9])
    assert not checksums.matches(path, "")


@pytest.mark.parametrize("length", ["9" * 5000, "9" * 30, str(10**12)])
def test_an_absurd_length_is_refused(server, card, home, length):
    server.length = length
    with pytest.raises(DownloadFailed, match=r"sends more than \d+ MiB, but the weights of"):
        download(card)
    assert len(server.requests) == 1
    assert list(home.iterdir()) == []


def test_a_length_that_is_no_number_tells_nothing(server, card):
    server.length = "²"
    assert download(card).read_bytes() == CONTENT


def test_a_body_without_end_is_given_up(server, card, home, monkeypatch):
    monkeypatch.setattr(download_module, "SLACK", 200_000)
    server.length = ""
    server.content = bytes(3_000_000)
    card = replace(card, bytes=1_500_000)
    with pytest.raises(DownloadFailed, match="sends more than 2 MiB, but the weights of"):
        download(card)
    assert list(home.iterdir()) == []


def test_one_download_at_a_time(server, card, home):
    server.stall_at = 500_000
    first = []
    stop = threading.Event()

    def fetch():
        with pytest.raises(DownloadCancelled):
            download(card, lambda done, _: first.append(done), timeout=0.2, cancel=stop.is_set)

    thread = threading.Thread(target=fetch)
    thread.start()
    while not any(first):
        time.sleep(0.01)
    with pytest.raises(DownloadFailed, match="is already being downloaded"):
        download(card)
    stop.set()
    server.stall_at = None
    server.released.set()
    thread.join()
    # What came is kept, the lock is not.
    assert sorted(p.suffix for p in home.iterdir()) == [".part", ".version"]
    assert download(card).read_bytes() == CONTENT
