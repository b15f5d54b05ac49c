#!/bin/sh
# PyAV 18.1.0 (FFmpeg 8): does a finished MP4 of `movflags=hybrid_fragmented` keep time?
#
# Guess before running: the flag writes fragments while it goes, so that a file that breaks off can be
# played, and a usual index at the end; a finished file is then like one without the flag.
# Seen: its pictures come two frames (0.08 s at 25 a second) later than in a usual file, and its sound
# does not: they are out of step. x264's pictures are not in the order of their times, so the first one
# is written with a delay that an edit list takes back; the index at the end has none, because the one at
# the beginning was written before the delay was known. With `delay_moov` as well it has one. A file of
# fragments alone (`frag_keyframe+empty_moov`) has the same delay.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check av==18.1.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from fractions import Fraction

import av
import numpy as np

print("av", av.__version__, "libavformat", *av.library_versions["libavformat"])


def written(flags):
    path = f"{sys.argv[1]}/film.mp4"
    numbers = np.random.default_rng(0)
    options = {"movflags": flags, "frag_duration": "1000000"} if flags else {}
    with av.open(path, "w", format="mp4", options=options) as film:
        video = film.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        audio = film.add_stream("aac", rate=48_000)
        audio.layout = "mono"
        for i in range(75):
            pixels = (numbers.random((120, 160, 3)) * 30 + i).astype(np.uint8)
            film.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.float32), "fltp", "mono")
            tone.sample_rate, tone.pts, tone.time_base = 48_000, 1920 * i, Fraction(1, 48_000)
            film.mux(audio.encode(tone))
        film.mux(video.encode())
        film.mux(audio.encode())
    first = {}
    for kind in ("video", "audio"):
        with av.open(path) as film:
            frame = next(film.decode(**{kind: 0}))
            first[kind] = round(float(frame.pts * frame.time_base), 3)
    return first["video"], first["audio"]


kinds = ("", "hybrid_fragmented", "hybrid_fragmented+delay_moov", "frag_keyframe+empty_moov")
seen = {flags: written(flags) for flags in kinds}
expected = {
    "": (0.0, 0.0),
    "hybrid_fragmented": (0.08, 0.0),  # guessed: (0.0, 0.0)
    "hybrid_fragmented+delay_moov": (0.0, 0.0),
    "frag_keyframe+empty_moov": (0.08, 0.0),
}
for flags, times in seen.items():
    print(f"{flags or 'no flags'}: first picture at {times[0]} s, first sound at {times[1]} s")
sys.exit(0 if seen == expected else "what PyAV does has changed")
PYTHON
