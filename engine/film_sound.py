"""The sound of a film, written along with other pictures: copied if the new file can hold it as it is."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

USUAL = {"mp4": "aac", "matroska": "aac", "webm": "libopus"}
"""The codec for sound that a container cannot hold as it is."""
KNOWN_IN_WEBM = ("opus", "vorbis")


class Sound:
    """The first sound track of a film; a context manager. A film without one is silent."""

    def __init__(self, path: Path) -> None:
        """Open nothing yet: `begin` does."""
        self.path = path
        self._open = ExitStack()
        self._container: Any = None
        self._source: Any = None
        self._stream: Any = None
        self._resampler: Any = None
        self._packets: Any = None
        self._next: Any = None
        self._start = Fraction(0)

    def __enter__(self) -> Self:
        """Return the sound; its file is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._open.close()

    def begin(self, container: Any) -> None:
        """Add a track for it to a film being written, before anything else is in that."""
        import av

        found = self._open.enter_context(av.open(str(self.path.absolute())))
        if not found.streams.audio:
            return
        self._container, self._source = container, found.streams.audio[0]
        self._start = Fraction(found.start_time or 0, 1_000_000)
        name, kind = self._source.codec_context.name, container.format.name
        held = KNOWN_IN_WEBM if kind == "webm" else container.supported_codecs
        if name in held:
            self._stream = container.add_stream_from_template(self._source)
        else:
            rate = 48_000 if kind == "webm" else self._source.codec_context.sample_rate
            self._stream = container.add_stream(USUAL[kind], rate=rate)
            self._stream.layout = self._source.codec_context.layout
            self._resampler = av.AudioResampler(
                format=self._stream.codec_context.format, layout=self._stream.layout, rate=rate
            )
        self._packets = found.demux(self._source)
        self._take()

    def write(self, until: Fraction) -> None:
        """Write what is heard up to a time, in seconds from the film's beginning."""
        while self._next is not None and self._time(self._next) <= until:
            self._put(self._next)
            self._take()

    def finish(self, whole: bool) -> None:
        """Write what the encoder still holds and, if `whole`, all the sound that is left."""
        while whole and self._next is not None:
            self._put(self._next)
            self._take()
        if self._resampler is not None:
            for frame in self._resampler.resample(None):
                self._container.mux(self._stream.encode(frame))
            self._container.mux(self._stream.encode())

    def _take(self) -> None:
        """Read the next packet; None: there is no more that can be read."""
        import av

        self._next = None
        while self._next is None:
            try:
                packet = next(self._packets)
            except (StopIteration, av.FFmpegError):
                return
            if packet.dts is not None:
                self._next = packet

    def _time(self, packet: Any) -> Fraction:
        return Fraction(packet.dts * packet.time_base) - self._start

    def _put(self, packet: Any) -> None:
        import av

        offset = round(self._start / packet.time_base)
        if self._resampler is None:
            packet.dts -= offset
            if packet.pts is not None:
                packet.pts -= offset
            packet.stream = self._stream
            self._container.mux(packet)
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:  # a damaged part: silence is better than no film
            return
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= round(self._start / frame.time_base)
            for part in self._resampler.resample(frame):
                self._container.mux(self._stream.encode(part))
