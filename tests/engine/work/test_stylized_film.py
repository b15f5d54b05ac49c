"""A film stylized frame by frame: the frames of the network, the times and the sound of the film."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import BadInput
from engine.film_reader import opened_film
from engine.finish import Finish
from engine.image import from_tensor, open_picture
from engine.job import Inputs, Job, run
from engine.networks.loading import load_network
from engine.techniques.stylize import Stylize
from engine.work.stylized_film import StylizedFilm, stylize_film

av = pytest.importorskip("av")

TINY = str(Path(__file__).parents[2] / "recipes" / "tiny_style.safetensors")
HEIGHT, WIDTH = 36, 64
TIMES = (0, 40, 140, 180, 400)
"""Of frames, in ms: not at equal distances."""
RATE = 16_000


def scene(seed: int, count: int, noise: float = 0.0) -> list[np.ndarray]:
    """A still scene (H, W, 3) with grain."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (4, 7, 3)).repeat(9, 0).repeat(10, 1)[:HEIGHT, :WIDTH]
    picture = np.pad(coarse, ((0, 0), (0, WIDTH - coarse.shape[1]), (0, 0)), "edge")
    grain = rng.normal(0, 1, (count, *picture.shape)) * noise
    return [np.clip(picture + g, 0, 255).astype(np.uint8) for g in grain]


def write(
    path: Path, frames: Sequence[np.ndarray], times: Sequence[int] | None = None, sound: str = ""
) -> Path:
    """Write a film whose frames are lossless, and a sound of 440 Hz twice as long as they are."""
    clock = Fraction(1, 1000)
    times = times or [40 * n for n in range(len(frames))]
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264rgb", rate=25)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt, video.options = "rgb24", {"crf": "0"}
        video.codec_context.time_base = clock
        audio: Any = container.add_stream(sound, rate=RATE, layout="mono") if sound else None
        for pixels, at in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = at, clock
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            seconds = 2 * times[-1] / 1000
            wave = np.sin(2 * np.pi * 440 * np.arange(int(seconds * RATE)) / RATE) * 0.5
            for begin in range(0, len(wave), 1024):
                piece = wave[None, begin : begin + 1024].astype(np.float32)
                heard = av.AudioFrame.from_ndarray(piece, format="flt", layout="mono")
                heard.sample_rate, heard.pts, heard.time_base = RATE, begin, Fraction(1, RATE)
                container.mux(audio.encode(heard))
            container.mux(audio.encode())
    return path


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [round(1000 * frame.time) for frame in container.decode(video=0)]


def heard_in(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        parts = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.concatenate(parts)


def job(**settings: Any) -> Job:
    technique = Stylize(**{"style_network": TINY, **settings})
    painting = from_tensor(torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(1)))
    inputs = Inputs(None, ((painting, 1.0),))
    return Job(technique, inputs, size=None, device="cpu", precision="fp32")


def stylize(wanted: Job, source: Path, output: Path, **others: Any) -> StylizedFilm:
    return stylize_film(wanted, source, output, load_network("slim_vgg"), **others)


def frames_in(folder: Path) -> list[np.ndarray]:
    return [open_picture(path).rgb for path in sorted(folder.glob("*.png"))]


def test_times_and_sound_are_those_of_the_film(tmp_path: Path) -> None:
    clip = write(tmp_path / "a.mkv", scene(0, 5), TIMES, "aac")
    seen: list[tuple[int, int | None]] = []
    made = stylize(job(), clip, tmp_path / "b.mkv", shown=lambda *about: seen.append(about))
    assert times_of(tmp_path / "b.mkv") == list(TIMES)
    assert np.array_equal(heard_in(clip), heard_in(tmp_path / "b.mkv")), "it is copied, not encoded"
    assert (made.frames, made.size, made.stopped) == (5, (HEIGHT, WIDTH), False)
    assert [done for done, _ in seen] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("ending", "codec"), [("webm", "opus"), ("mp4", "pcm_s16le")])
def test_sound_that_the_new_file_cannot_hold_is_encoded_anew(
    tmp_path: Path, ending: str, codec: str
) -> None:
    clip = write(tmp_path / "a.mkv", scene(0, 12), None, "pcm_s16le")
    stylize(job(), clip, tmp_path / f"b.{ending}")
    with av.open(str(tmp_path / f"b.{ending}")) as container:
        stream = container.streams.audio[0]
        rate, name = stream.rate, stream.codec_context.name
    wave = heard_in(tmp_path / f"b.{ending}")
    strongest = np.abs(np.fft.rfft(wave)).argmax() * rate / len(wave)
    assert name in ("opus", "libopus", "aac", codec)
    assert abs(strongest - 440) < 3
    assert abs(len(wave) / rate - 0.88) < 0.08


def test_the_first_frame_of_a_scene_is_painted_as_a_photo(tmp_path: Path) -> None:
    one, other = scene(0, 3, 1.5), scene(9, 2)
    clip = write(tmp_path / "a.mkv", [*one, *other])
    made = stylize(job(style_strength=0.8), clip, tmp_path / "frames")
    assert made.scenes == 2
    found = frames_in(tmp_path / "frames")
    assert len(found) == 5
    for number, pixels in ((0, one[0]), (3, other[0])):
        photo = from_tensor(torch.from_numpy(pixels).permute(2, 0, 1).float() / 255)
        wanted = job(style_strength=0.8)
        wanted = replace(wanted, inputs=replace(wanted.inputs, content=photo))
        *_, frame = run(wanted)
        painted = frame.picture.permute(1, 2, 0).numpy()
        assert np.abs(found[number] - painted).max() < 0.003


def test_a_steady_film_flickers_less_and_still_moves(tmp_path: Path) -> None:
    frames = scene(3, 8, 2.0)
    for n, frame in enumerate(frames):
        frame[4:16, 4 + 5 * n : 16 + 5 * n] = (250, 20, 20)
    clip = write(tmp_path / "a.mkv", frames)
    folders = {s: tmp_path / f"steady-{round(s)}" for s in (0.0, 1.0)}
    made = {s: stylize(job(steadiness=s), clip, folder) for s, folder in folders.items()}
    assert 0 < made[1.0].flicker < 0.65 * made[0.0].flicker
    steady, alone = (frames_in(folders[s]) for s in (1.0, 0.0))
    moved = slice(4, 16), slice(4 + 35, 16 + 35)
    tail, step = (
        np.abs(other[moved] - alone[-1][moved]).mean() for other in (steady[-1], alone[-2])
    )
    assert tail < 0.35 * step, "what was there before shows through what has moved"
    by_itself = [alone[n] for n in (0, 7)]
    for n, found in zip((0, 7), by_itself, strict=True):
        photo = from_tensor(torch.from_numpy(frames[n]).permute(2, 0, 1).float() / 255)
        *_, frame = run(replace(job(), inputs=replace(job().inputs, content=photo)))
        assert np.abs(found - frame.picture.permute(1, 2, 0).numpy()).max() < 0.003


def test_what_finishes_a_picture_finishes_each_frame(tmp_path: Path) -> None:
    clip = write(tmp_path / "a.mkv", scene(0, 2))
    stylize(replace(job(), finish=Finish(strength=0.0)), clip, tmp_path / "photo")
    with opened_film(clip) as film:
        for frame, found in zip(film.frames(), frames_in(tmp_path / "photo"), strict=True):
            wanted = frame.picture.permute(1, 2, 0).numpy()
            assert np.abs(found - wanted).max() < 0.005, "a strength of 0 is the film itself"


def test_a_film_that_is_stopped_keeps_what_there_is(tmp_path: Path) -> None:
    clip = write(tmp_path / "a.mkv", scene(0, 9), None, "aac")
    asked = iter([False, False, True])
    made = stylize(job(), clip, tmp_path / "b.mp4", stopped=lambda: next(asked))
    assert made.stopped
    assert made.path == tmp_path / "b.partial.mp4"
    assert len(times_of(made.path)) == 3
    assert not (tmp_path / "b.mp4").exists()
    assert heard_in(made.path).size < 0.2 * RATE


def test_sizes_are_even_and_never_enlarged(tmp_path: Path) -> None:
    odd = [frame[:33, :51] for frame in scene(0, 2)]
    clip = write(tmp_path / "a.mkv", odd)
    assert stylize(job(), clip, tmp_path / "b.mp4").size == (32, 50)
    wanted = replace(job(), size=4096)
    assert stylize(wanted, clip, tmp_path / "c.mp4").size == (32, 50)
    wanted = replace(job(), size=20)
    assert stylize(wanted, clip, tmp_path / "d.mp4").size == (12, 20)


def test_what_is_no_film_is_said_to_be_none(tmp_path: Path) -> None:
    text = tmp_path / "a.mp4"
    text.write_text("no film")
    with pytest.raises(BadInput, match=r"a\.mp4 cannot be read as a film"):
        stylize(job(), text, tmp_path / "b.mp4")
    sound = tmp_path / "c.mkv"
    with av.open(str(sound), "w") as container:
        stream: Any = container.add_stream("aac", rate=RATE, layout="mono")
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "flt", "mono")
        heard.sample_rate = RATE
        container.mux(stream.encode(heard))
        container.mux(stream.encode())
    with pytest.raises(BadInput, match="holds no pictures"):
        stylize(job(), sound, tmp_path / "b.mp4")
    clip = write(tmp_path / "d.mkv", scene(0, 2))
    with pytest.raises(BadInput, match="a film is painted in 1 pass"):
        stylize(job(iterations=2), clip, tmp_path / "b.mp4")
    with pytest.raises(BadInput, match=r"d\.mkv"):
        stylize(job(), clip, clip)
    assert not list(tmp_path.glob("b*"))
