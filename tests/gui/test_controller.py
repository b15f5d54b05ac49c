"""Runs on the engine's thread: order of signals, pause, step, stop, steering, floods, endings."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from PySide6.QtCore import QObject, Slot
from pytestqt.qtbot import QtBot

from engine.job import Inputs, Job, prepare
from engine.task import Task, Technique
from engine.techniques.style_transfer import StyleTransfer
from gui.run.controller import RunController, State
from gui.run.mailbox import Mailbox, PreviewImage
from gui.run.networks import Networks
from gui.run.worker import RunResult
from tests.engine.fake_technique import Fake

NETWORKS = Networks()


@pytest.fixture
def controller(qtbot: QtBot) -> Iterator[RunController]:
    made = RunController(NETWORKS, history_bytes=1 << 20)
    yield made
    assert made.close()


class Heard(QObject):
    """Writes down what a controller says, and in which thread."""

    def __init__(self, controller: RunController) -> None:
        super().__init__()
        self.states: list[State] = []
        self.points: list[tuple[int, dict[str, float]]] = []
        self.shown: list[PreviewImage] = []
        self.results: list[RunResult | None] = []
        self.failures: list[tuple[str, str]] = []
        self.steered: list[tuple[int, dict[str, Any]]] = []
        self.threads: set[int] = set()
        controller.state_changed.connect(self.on_state)
        controller.points.connect(self.on_points)
        controller.shown.connect(self.on_shown)
        controller.ended.connect(self.on_ended)
        controller.failed.connect(self.on_failed)
        controller.steered.connect(self.on_steered)

    @Slot(object)
    def on_state(self, state: State) -> None:
        self.states.append(state)
        self.threads.add(threading.get_ident())

    @Slot(list)
    def on_points(self, points: list[tuple[int, dict[str, float]]]) -> None:
        self.points += points

    @Slot(object)
    def on_shown(self, shown: PreviewImage) -> None:
        self.shown.append(shown)

    @Slot(object)
    def on_ended(self, result: RunResult | None) -> None:
        self.results.append(result)

    @Slot(str, str)
    def on_failed(self, sentence: str, details: str) -> None:
        self.failures.append((sentence, details))

    @Slot(int, object)
    def on_steered(self, iteration: int, values: dict[str, Any]) -> None:
        self.steered.append((iteration, values))


def job(step: Callable[..., dict[str, float]] | None = None, size: int = 16, **values: Any) -> Job:
    technique = Fake(**values) if step is None else Fake(step=step, **values)
    return Job(technique, size=size, device="cpu", precision="fp32")


def pausing(seconds: float) -> Callable[..., dict[str, float]]:
    def step(_task: object, _size: tuple[int, int], iteration: int) -> dict[str, float]:
        time.sleep(seconds)
        return {"total": 1.0 / iteration}

    return step


def until_idle(qtbot: QtBot, controller: RunController) -> None:
    qtbot.waitUntil(lambda: controller.state is State.IDLE, timeout=20_000)


def test_a_run_tells_everything_in_the_windows_thread(
    qtbot: QtBot, controller: RunController
) -> None:
    heard = Heard(controller)
    controller.start(job(iterations=300))
    until_idle(qtbot, controller)
    assert heard.states == [State.PREPARING, State.RUNNING, State.IDLE]
    assert [i for i, _ in heard.points] == list(range(1, 301)), "no number is lost"
    assert heard.shown[-1].iteration == 300
    (result,) = heard.results
    assert result is not None
    assert result.complete
    assert result.job.stop_after is None
    assert result.picture.rgb.max() == pytest.approx(1.0), "300 steps of a hundredth, clipped"
    assert heard.threads == {threading.get_ident()}


def test_a_run_is_prepared_once(
    qtbot: QtBot, controller: RunController, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[Job] = []

    def counting(wanted: Job, *network: object) -> object:
        prepared.append(wanted)
        return prepare(wanted, *network)  # type: ignore[arg-type]

    monkeypatch.setattr("gui.run.worker.prepare", counting)
    monkeypatch.setattr("engine.job.prepare", counting)
    controller.start(job(iterations=3))
    until_idle(qtbot, controller)
    assert len(prepared) == 1


def test_stop_ends_after_the_iteration_and_keeps_the_picture(
    qtbot: QtBot, controller: RunController
) -> None:
    heard = Heard(controller)
    controller.start(job(pausing(0.01), iterations=1000))
    qtbot.waitUntil(lambda: len(heard.points) >= 5, timeout=20_000)
    controller.stop()
    assert controller.state is State.STOPPING
    until_idle(qtbot, controller)
    (result,) = heard.results
    assert result is not None
    assert not result.complete
    assert 5 <= result.iteration < 1000
    assert result.job.stop_after == result.iteration
    assert heard.points[-1][0] == result.iteration
    assert result.picture.rgb.mean() == pytest.approx(result.iteration / 100, abs=1e-4)


@pytest.mark.parametrize("first", [1, 4])
def test_stop_ends_between_two_tiles(qtbot: QtBot, controller: RunController, first: int) -> None:
    """A step of a large picture takes minutes: what was made before it is kept, and can go on."""
    slow = threading.Event()

    def step(task: Task[Technique], _size: tuple[int, int], iteration: int) -> dict[str, float]:
        for _ in range(4000 if iteration == first else 0):
            slow.set()
            task.between_tiles()
            time.sleep(0.01)
        return {"total": 1.0}

    heard = Heard(controller)
    controller.start(job(step, iterations=1000))
    qtbot.waitUntil(slow.is_set, timeout=20_000)
    controller.stop()
    until_idle(qtbot, controller)
    assert not heard.failures
    (result,) = heard.results
    if first == 1:
        assert result is None
        return
    assert result is not None
    assert not result.complete
    assert result.iteration == result.job.stop_after == 3
    assert result.checkpoint is not None
    assert result.picture.rgb.mean() == pytest.approx(0.03, abs=1e-4)
    assert controller.history.moments()[-1].iteration == 3


def test_pause_holds_step_does_one_and_resume_goes_on(
    qtbot: QtBot, controller: RunController
) -> None:
    heard = Heard(controller)
    controller.start(job(pausing(0.005), iterations=400))
    qtbot.waitUntil(lambda: len(heard.points) >= 3, timeout=20_000)
    controller.pause()
    qtbot.wait(120)
    held = len(heard.points)
    qtbot.wait(120)
    assert len(heard.points) == held, "nothing happens while it is held"
    assert heard.shown[-1].iteration == held, "what is on screen is the newest"
    for _ in range(3):
        controller.step(job())
        held += 1
        qtbot.waitUntil(lambda held=held: heard.shown[-1].iteration == held, timeout=5000)
    assert controller.state is State.PAUSED
    controller.resume()
    qtbot.waitUntil(lambda: len(heard.points) > held + 3, timeout=5000)
    controller.stop()
    until_idle(qtbot, controller)


def test_the_time_of_a_run_is_without_its_pauses(qtbot: QtBot, controller: RunController) -> None:
    heard, began = Heard(controller), time.perf_counter()
    controller.start(job(pausing(0.002), iterations=5000))
    qtbot.waitUntil(lambda: len(heard.points) >= 2, timeout=20_000)
    controller.pause()
    qtbot.wait(80)  # the iteration under way ends
    held = time.perf_counter()
    qtbot.wait(300)
    held = time.perf_counter() - held
    controller.stop()
    until_idle(qtbot, controller)
    (result,) = heard.results
    assert result is not None
    assert 0 < result.seconds < time.perf_counter() - began - held


def test_a_paused_run_can_be_stopped(qtbot: QtBot, controller: RunController) -> None:
    heard = Heard(controller)
    controller.start(job(pausing(0.002), iterations=5000))
    qtbot.waitUntil(lambda: len(heard.points) >= 2, timeout=20_000)
    controller.pause()
    qtbot.wait(80)
    held = len(heard.points)
    controller.stop()
    until_idle(qtbot, controller)
    (result,) = heard.results
    assert result is not None
    assert result.iteration == held


def test_step_with_nothing_running_begins_a_held_run(
    qtbot: QtBot, controller: RunController
) -> None:
    heard = Heard(controller)
    controller.step(job(iterations=10))
    qtbot.waitUntil(lambda: len(heard.points) == 1, timeout=20_000)
    assert controller.state is State.PAUSED
    qtbot.wait(80)
    assert len(heard.points) == 1
    controller.stop()
    until_idle(qtbot, controller)


def test_live_settings_take_effect_and_are_part_of_the_result(
    qtbot: QtBot, controller: RunController
) -> None:
    heard = Heard(controller)
    controller.start(job(pausing(0.005), iterations=60, strength=0.1))
    qtbot.waitUntil(lambda: len(heard.points) >= 3, timeout=20_000)
    controller.steer(Fake(strength=0.5, offset=0.9, iterations=7))
    until_idle(qtbot, controller)
    ((iteration, values),) = heard.steered
    assert values == {"strength": 0.5}
    (result,) = heard.results
    assert result is not None
    assert result.job.changes == ((iteration, {"strength": 0.5}),)
    wanted = (0.1 * iteration + 0.5 * (60 - iteration)) / 100
    assert result.picture.rgb.mean() == pytest.approx(wanted, abs=1e-4)


def test_bad_input_is_one_sentence_and_the_next_run_works(
    qtbot: QtBot, controller: RunController
) -> None:
    heard = Heard(controller)
    controller.start(Job(StyleTransfer(), Inputs("no such photo.jpg"), device="cpu"))
    until_idle(qtbot, controller)
    ((sentence, details),) = heard.failures
    assert "no such photo.jpg" in sentence
    assert not details
    assert heard.results == [None]
    controller.start(job(iterations=3))
    until_idle(qtbot, controller)
    assert heard.results[-1] is not None


def test_an_unexpected_error_keeps_the_last_good_picture(
    qtbot: QtBot, controller: RunController
) -> None:
    def step(_task: object, _size: tuple[int, int], iteration: int) -> dict[str, float]:
        if iteration == 4:
            raise ZeroDivisionError("a bug")
        return {"total": 1.0}

    heard = Heard(controller)
    controller.start(job(step, iterations=9))
    until_idle(qtbot, controller)
    ((sentence, details),) = heard.failures
    assert "a bug" in sentence
    assert "Traceback" in details
    (result,) = heard.results
    assert result is not None
    assert result.iteration == 3
    assert not result.complete


def test_divergence_keeps_the_last_good_picture(qtbot: QtBot, controller: RunController) -> None:
    def step(_task: object, _size: tuple[int, int], iteration: int) -> dict[str, float]:
        return {"total": float("nan") if iteration == 6 else 1.0}

    heard = Heard(controller)
    controller.start(job(step, iterations=9))
    until_idle(qtbot, controller)
    assert "iteration 6" in heard.failures[0][0]
    assert heard.results[0] is not None
    assert heard.results[0].picture.rgb.mean() == pytest.approx(0.05, abs=1e-4)


def test_fifty_runs_in_a_row_leave_nothing_behind(qtbot: QtBot, controller: RunController) -> None:
    heard = Heard(controller)
    threads = threading.active_count()
    for number in range(50):
        controller.start(job(iterations=40))
        if number % 2:
            qtbot.wait(2)
            controller.stop()
        until_idle(qtbot, controller)
    assert len(heard.results) == 50
    assert threading.active_count() <= threads + 1
    assert len(controller.history.moments()) <= 40


def test_a_slow_window_is_not_flooded(qtbot: QtBot, controller: RunController) -> None:
    class Slow(QObject):
        count = 0

        @Slot(object)
        def on_shown(self, _shown: PreviewImage) -> None:
            self.count += 1
            time.sleep(0.05)

    slow, heard = Slow(), Heard(controller)
    controller.shown.connect(slow.on_shown)
    gc.collect()
    before = psutil.Process().memory_info().rss
    controller.history.budget = 1
    controller.start(job(pausing(0.0005), size=512, iterations=1500))
    qtbot.waitUntil(lambda: len(heard.points) > 300, timeout=20_000)
    controller.stop()
    shown = slow.count
    until_idle(qtbot, controller)
    assert slow.count - shown <= 2, "no queue of pictures is painted after the stop"
    assert slow.count < len(heard.points) / 2
    grown = psutil.Process().memory_info().rss - before
    assert grown < 150 << 20


def test_two_runs_at_once_are_not_possible(qtbot: QtBot, controller: RunController) -> None:
    heard = Heard(controller)
    controller.start(job(pausing(0.005), iterations=30))
    controller.start(job(iterations=3))
    until_idle(qtbot, controller)
    assert len(heard.results) == 1
    assert heard.points[-1][0] == 30


def test_closing_during_a_run_ends_the_thread(qtbot: QtBot) -> None:
    controller = RunController(NETWORKS)
    heard = Heard(controller)
    controller.start(job(pausing(0.01), iterations=10_000))
    qtbot.waitUntil(lambda: len(heard.points) >= 2, timeout=20_000)
    assert controller.close()
    assert controller._thread.isFinished()


def test_a_forecast_is_made_and_given_up(qtbot: QtBot, controller: RunController) -> None:
    from engine.forecasting import Forecast

    with qtbot.waitSignal(controller.forecast_made, timeout=20_000) as answered:
        controller.ask_forecast(job(pausing(0.001), iterations=50))
    (forecast,) = answered.args
    assert isinstance(forecast, Forecast)
    assert forecast.seconds > 0
    controller.ask_forecast(job(pausing(0.02), iterations=500))
    controller.cancel_forecast()
    with qtbot.assertNotEmitted(controller.forecast_made, wait=300):
        pass


def test_numbers_are_kept_and_pictures_replaced_in_the_mailbox() -> None:
    box = Mailbox()
    assert box.put((1, {"total": 1.0}))
    assert not box.put((2, {"total": 0.5})), "said once until it is taken"
    shown, points = box.take()
    assert shown is None
    assert [i for i, _ in points] == [1, 2]
    assert box.put((3, {}))
