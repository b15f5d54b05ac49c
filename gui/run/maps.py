"""Live maps of what the network looks at, computed on a thread of their own; a run goes first.

During a run, maps are made at most twice a second, and rarely enough to take at most a tenth of the time.
"""

import time
from collections.abc import Generator
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtGui import QImage

from engine.errors import PareidoliaError
from gui.background import Background
from gui.pixels import to_image
from gui.run.latest import LatestOnly
from gui.run.looking import NetworkView
from gui.run.map_answers import MapsAnswer, MapsRequest
from gui.run.networks import Networks

AT_MOST_EVERY = 0.5
"""Seconds between two maps during a run."""
SHARE = 0.1
"""The share of the time that maps may take during a run."""
PARTIAL_EVERY = 0.2
"""Seconds between two states of a growing map."""

Answers = Generator[MapsAnswer | None, None, MapsAnswer]


class MapsWorker:
    """Answers requests; for one thread at a time."""

    def __init__(self, networks: Networks) -> None:
        self.view = NetworkView(networks)

    def answers(self, question: MapsRequest) -> Answers:
        """Yield unfinished answers, with None between them; return the whole one.

        Never raises: maps are an extra, and the window says why there are none.
        """
        began = time.perf_counter()
        try:
            answer = yield from self._answers(question)
        except PareidoliaError as error:
            answer = MapsAnswer(question=question, error=error)
        except Exception as error:
            answer = MapsAnswer(
                question=question, error=PareidoliaError(f"{type(error).__name__}: {error}")
            )
        return replace(answer, seconds=time.perf_counter() - began)

    def _answers(self, question: MapsRequest) -> Answers:
        request, images = question.request, tuple[QImage, ...]()
        early = request.slow or (
            request.activations is not None and question.method("saliency") is not None
        )
        told, answer = MapsAnswer(question=question), MapsAnswer(question=question)
        for found in self.view.look(question.query, request, PARTIAL_EVERY):
            grid = found.activations
            if grid is not None and grid.tiles is not None and not images:
                images = tuple(map(to_image, grid.tiles))
            answer = MapsAnswer.of(question, found, images)
            if not found.unfinished:
                return answer
            new = answer.occlusion is not told.occlusion or len(answer.maps) > len(told.maps)
            yield answer if early and (new or not told.top) else None
            told = answer
        return answer

    def answer(self, question: MapsRequest) -> MapsAnswer:
        """Return the whole answer."""
        states = self.answers(question)
        while True:
            try:
                next(states)
            except StopIteration as end:
                found: MapsAnswer = end.value
                return found


class MapsController(QObject):
    """Takes requests, of which only the newest counts; lives in the GUI thread."""

    answered = Signal(object)
    """`MapsAnswer`, perhaps unfinished."""

    def __init__(self, networks: Networks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.run_active = False
        self.live = False
        """Whether a camera or film keeps changing the picture."""
        self._worker = MapsWorker(networks)
        self._background = Background(self, threads=1)
        self._latest = LatestOnly(
            self._background, self._on_answered, self._on_failed, self, self.answered.emit
        )
        self._pending: MapsRequest | None = None
        self._under_way: MapsRequest | None = None
        self._not_before = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._send)

    @property
    def busy(self) -> bool:
        """Whether a request is waiting or being answered."""
        return self._pending is not None or self._latest.busy

    def ask(self, question: MapsRequest) -> None:
        """Have a request answered when the worker is free and its turn has come.

        It stops an occlusion under way. If pictures keep arriving, it does so only if other maps are
        wanted, or none would ever be finished.
        """
        self._pending = question
        now = self._under_way
        if now is not None:
            moving = self.run_active or self.live
            other = question.image.cacheKey() != now.image.cacheKey() and not moving
            self._latest.given_up = other or not question.asks_for_the_same(now)
        self._schedule()

    def forget(self) -> None:
        """Drop a request that has not been started."""
        self._pending = None
        self._timer.stop()

    def close(self) -> None:
        """End the thread after its current step."""
        self.forget()
        self._latest.given_up = True
        self._background.close()

    @Slot()
    def _send(self) -> None:
        if self._pending is None or self._latest.busy:
            return
        self._under_way, self._pending = self._pending, None
        self._latest.ask(partial(self._worker.answers, self._under_way))

    def _on_answered(self, answer: MapsAnswer | None) -> None:
        """Pass on an answer; None: it was stopped before there was anything to show."""
        self._under_way = None
        seconds = 0.0 if answer is None else answer.seconds
        pause = max(AT_MOST_EVERY - seconds, seconds / SHARE - seconds) if self.run_active else 0.0
        self._not_before = time.monotonic() + max(0.0, pause)
        if answer is not None:
            self.answered.emit(answer)
        self._schedule()

    def _on_failed(self, error: BaseException) -> None:
        self._under_way = None
        raise error

    def _schedule(self) -> None:
        if self._pending is None or self._latest.busy:
            return
        wait = self._not_before - time.monotonic() if self.run_active else 0.0
        self._timer.start(max(0, round(wait * 1000)))
