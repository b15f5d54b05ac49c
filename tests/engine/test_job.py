"""Jobs: recipes, refusals, determinism, steering, and what happens when a run goes wrong."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from engine import memory
from engine.errors import BadInput, Diverged, OutOfMemory, WeightsMissing
from engine.image import Picture, open_picture
from engine.job import Inputs, Job, Steering, enlarged, opened, prepare, run
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.settings import make
from engine.task import Frame, Task
from engine.techniques import TECHNIQUES
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer
from tests.engine.fake_technique import Fake

STYLE = make(StyleTransfer, {"iterations": 4, "smallest_scale": 32, "start": "blend"})


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network("slim_vgg")


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, str]:
    """Four small pictures of noise."""
    generator = np.random.default_rng(1)
    found = {}
    for name, size in [("photo", (30, 40)), ("sea", (50, 36)), ("fire", (44, 44)), ("x", (20, 20))]:
        pixels = generator.integers(0, 255, (*size, 3), np.uint8)
        found[name] = str(tmp_path / f"{name}.png")
        Image.fromarray(pixels).save(found[name])
    return found


@pytest.fixture
def style_job(paths: dict[str, str]) -> Job:
    styles = ((paths["sea"], 2.0), (paths["fire"], 1.0))
    inputs = Inputs(paths["photo"], styles, start=paths["x"])
    return Job(STYLE, inputs, size=48, seed=3, device="cpu", precision="fp32")


def fake_job(size: int = 8, **settings: Any) -> Job:
    return Job(Fake(**settings), size=size, device="cpu", precision="fp32")


def last_picture(job: Job, network: Network) -> Tensor:
    *_, last = run(job, network)
    return last.picture


# -- recipes ---------------------------------------------------------------------------------------


def through_json(recipe: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(json.dumps(recipe, allow_nan=False))
    return value


def test_a_recipe_gives_the_same_job(style_job: Job) -> None:
    recipe = through_json(style_job.recipe())
    again = Job.from_recipe(recipe)
    assert again.technique == style_job.technique
    assert again.recipe() == recipe
    assert replace(again, inputs=style_job.inputs) == style_job
    assert [weight for _, weight in again.inputs.styles] == [2.0, 1.0]
    assert again.inputs.guide is None
    assert isinstance(again.inputs.start, Picture)


def test_what_a_recipe_says(style_job: Job, paths: dict[str, str]) -> None:
    recipe = style_job.recipe()
    assert recipe["format"] == 1
    assert recipe["technique"] == "style-transfer"
    assert recipe["settings"]["iterations"] == 4
    assert recipe["inputs"]["content"]["path"] == paths["photo"]
    assert recipe["inputs"]["content"]["sha256"] == open_picture(paths["photo"]).sha256
    assert recipe["inputs"]["styles"][0]["weight"] == 2.0
    assert (recipe["network"], recipe["size"], recipe["seed"]) == ("slim_vgg", 48, 3)


def test_a_recipe_leads_to_its_pictures_from_everywhere(
    paths: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    job = Job(DeepDream(), Inputs("photo.png"), weights="here.pth")
    recipe = job.recipe()
    monkeypatch.chdir("/")
    again = Job.from_recipe(recipe)
    assert isinstance(again.inputs.content, Picture)
    assert again.inputs.content.sha256 == open_picture(paths["photo"]).sha256
    assert again.weights == str(tmp_path / "here.pth")


def test_an_opened_job_knows_its_precision(style_job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which one is faster is measured, and may come out otherwise when the recipe is rendered."""
    for faster, name in [(True, "bf16"), (False, "fp32")]:
        monkeypatch.setattr("engine.device.bf16_is_faster", lambda _type, f=faster: f)
        assert opened(replace(style_job, precision="auto")).recipe()["precision"] == name


def test_pictures_that_changed_or_are_gone(style_job: Job, paths: dict[str, str]) -> None:
    recipe = style_job.recipe()
    Image.new("RGB", (30, 30), "red").save(paths["sea"])
    with pytest.raises(
        BadInput, match=r"sea\.png is not the picture that the recipe was made with"
    ):
        Job.from_recipe(recipe)
    Path(paths["sea"]).unlink()
    with pytest.raises(BadInput, match=r"sea\.png"):
        Job.from_recipe(recipe)


def test_pictures_that_were_never_files(paths: dict[str, str]) -> None:
    picture = Picture(np.zeros((4, 4, 3), np.float32))
    recipe = Job(DeepDream(), Inputs(picture)).recipe()
    assert recipe["inputs"]["content"] == {"path": None, "sha256": ""}
    with pytest.raises(BadInput, match="was never a file"):
        Job.from_recipe(recipe)


def changed(recipe: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    other = copy.deepcopy(recipe)
    *path, last = place.split("/")
    inner: Any = other
    for key in path:
        inner = inner[int(key) if key.isdigit() else key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return other


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("format", 99, r"has format 99; this version reads up to 4: update Pareidolia"),
        ("format", "1", r"damaged: its format is '1'"),
        ("format", True, r"damaged: its format is True"),
        ("format", 0, r"damaged: its format is 0"),
        ("format", ..., r"damaged: its format is None"),
        ("technique", "etching", r"is for 'etching'; there are style-transfer, texture"),
        ("technique", ["deep-dream"], r"is for \['deep-dream'\]"),
        ("technique", ..., r"is for None"),
        ("settings/iteration", 3, r"no setting 'iteration'; did you mean iterations\?"),
        ("settings/iterations", "many", r"iterations= is 'many'; it must be a whole number"),
        ("settings/content_weight", -1, "content_weight= is -1"),
        ("settings", [], r"the recipe is damaged"),
        ("inputs", ..., r"the recipe is damaged"),
        ("inputs/styles", 3, r"the recipe is damaged"),
        ("inputs/styles/0/weight", "x", r"the recipe is damaged"),
        ("inputs/content", "photo.png", r"the recipe is damaged"),
        ("inputs/content/path", 7, r"the recipe is damaged"),
        ("inputs/content/path", "nowhere.png", r"nowhere\.png"),
        ("network", 19, r"damaged .*19 should be text"),
        ("weights", ["a"], r"damaged .*should be text"),
        ("size", 48.5, r"damaged .*48\.5 should be a whole number"),
        ("size", float("inf"), r"damaged .*inf should be a whole number"),
        ("seed", None, r"damaged .*None should be a whole number"),
        ("seed", ..., r"the recipe is damaged \(KeyError\('seed'\)\)"),
        ("device", 3, r"damaged .*3 should be text"),
        ("precision", False, r"damaged .*False should be text"),
    ],
)
def test_damaged_recipes(style_job: Job, place: str, value: Any, words: str) -> None:
    recipe = changed(style_job.recipe(), place, value)
    with pytest.raises(BadInput, match=words):
        Job.from_recipe(recipe)


# -- before a run ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"size": 0}, "size= is 0; it must be at least 1 pixel"),
        ({"size": -5}, "size= is -5"),
        ({"device": "gpu"}, "device= is 'gpu'"),
        ({"precision": "fp8"}, "precision= is 'fp8'"),
        ({"network": "vgg91"}, "no network is called 'vgg91'"),
    ],
)
def test_jobs_that_cannot_be(style_job: Job, facts: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        next(run(replace(style_job, **facts)))


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_of_styles(style_job: Job, paths: dict[str, str], weight: float) -> None:
    inputs = replace(style_job.inputs, styles=((paths["sea"], weight),))
    with pytest.raises(BadInput, match=r"the style .*sea\.png has the weight .*must be above 0"):
        prepare(replace(style_job, inputs=inputs))


def test_missing_weights(style_job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAREIDOLIA_HOME", str(tmp_path))
    monkeypatch.delenv("PAREIDOLIA_NETWORKS", raising=False)
    with pytest.raises(WeightsMissing, match=r"get them with .*'vgg16'"):
        next(run(replace(style_job, network="vgg16")))


def test_later_changes_of_the_files_do_not_matter(style_job: Job, paths: dict[str, str]) -> None:
    job = opened(style_job)
    before = job.recipe()
    Path(paths["photo"]).write_bytes(b"something else")
    assert prepare(job).content is job.inputs.content
    assert job.recipe() == before


def test_a_given_network_is_used_and_left_as_it_was(style_job: Job, network: Network) -> None:
    assert prepare(style_job, network).network is network
    task = prepare(replace(style_job, precision="bf16"), network)
    assert task.network.dtype == torch.bfloat16
    assert network.dtype == torch.float32


def test_a_loaded_network_is_not_copied(
    style_job: Job, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Network, "at", lambda self, *_: self)
    moved = prepare(replace(style_job, precision="bf16")).network
    assert moved.dtype == torch.bfloat16


# -- a run -----------------------------------------------------------------------------------------


def test_the_same_job_gives_the_same_picture(style_job: Job, network: Network) -> None:
    first = last_picture(style_job, network)
    assert first.shape == (3, 36, 48)
    assert torch.equal(first, last_picture(style_job, network))
    assert not torch.equal(first, last_picture(replace(style_job, seed=4), network))
    recipe = through_json(opened(style_job).recipe())
    assert torch.equal(first, last_picture(Job.from_recipe(recipe), network))


def test_dreams_are_repeatable_and_seeded(paths: dict[str, str], network: Network) -> None:
    technique = make(DeepDream, {"iterations": 3, "octaves": 2})
    job = Job(technique, Inputs(paths["photo"]), size=48, device="cpu", precision="fp32")
    torch.manual_seed(1)
    first = last_picture(job, network)
    torch.manual_seed(2)  # PyTorch's own generator has no say
    state = torch.get_rng_state()
    assert torch.equal(first, last_picture(job, network))
    assert torch.equal(torch.get_rng_state(), state)
    for seed in (1, -1, 10**30):
        assert not torch.equal(first, last_picture(replace(job, seed=seed), network))


def test_frames_count_and_pictures_are_made_when_asked(network: Network) -> None:
    frames = list(run(fake_job(iterations=3), network))
    assert [(f.iteration, f.total) for f in frames] == [(1, 3), (2, 3), (3, 3)]
    rendered: list[int] = []

    def render() -> Tensor:
        rendered.append(1)
        return torch.zeros(3, 1, 1)

    frame = Frame(1, 1, {}, 0.0, "", render)
    assert not rendered
    assert frame.picture is frame.picture
    assert rendered == [1]


def test_closing_stops_the_work(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[torch.device] = []
    monkeypatch.setattr("engine.device.release_memory", released.append)
    done: list[int] = []

    def step(_task: Task, _size: tuple[int, int], iteration: int) -> dict[str, float]:
        done.append(iteration)
        return {"total": 0.0}

    frames = run(fake_job(iterations=9, step=step), network)
    next(frames)
    next(frames)
    assert not released
    frames.close()  # type: ignore[attr-defined]
    assert (done, released) == ([1, 2], [torch.device("cpu")])
    assert list(frames) == []


# -- steering --------------------------------------------------------------------------------------


def test_steering_changes_live_settings_only(network: Network) -> None:
    steering = Steering()
    brightness = []
    wanted = Fake(iterations=7, strength=5.0, offset=0.5)
    for frame in run(fake_job(iterations=5), network, steering):
        brightness.append(round(float(frame.picture.mean()) * 100))
        if frame.iteration == 1:
            steering.change(Fake(strength=9.0))
            steering.change(wanted)  # the newest counts
        if frame.iteration == 3:
            steering.change(replace(wanted, strength=0.0))
    assert brightness == [1, 6, 11, 11, 11]


def test_steering_leaves_other_techniques_and_other_settings_alone() -> None:
    task = Task(Fake(), None, 8, torch.Generator())  # type: ignore[arg-type]
    steering = Steering()
    steering.apply(task, 1)
    assert task.technique == Fake()
    steering.change(DeepDream())
    steering.apply(task, 1)
    assert task.technique == Fake()
    steering.change(Fake(iterations=9, strength=2.0))
    steering.apply(task, 1)
    assert task.technique == Fake(strength=2.0)
    task.technique = Fake(strength=3.0)
    steering.apply(task, 1)
    assert task.technique == Fake(strength=3.0), "a change is taken once"


def test_weights_of_styles_are_steered_and_done_again(style_job: Job, network: Network) -> None:
    steering = Steering()
    for frame in run(style_job, network, steering):
        if frame.iteration == 2:
            steering.weigh([1.0, 1.0, 1.0])  # of other styles: left alone
        if frame.iteration == 3:
            steering.weigh([1.0, 8.0])
    assert steering.applied == [(3, {"style_weights": [1.0, 8.0]})]
    steered = replace(style_job, changes=tuple(steering.applied))
    again = Job.from_recipe(through_json(steered.recipe()))
    assert again.changes == steered.changes
    assert torch.equal(last_picture(again, network), frame.picture)
    assert not torch.equal(last_picture(style_job, network), frame.picture)


def test_a_run_that_is_done_again_can_be_steered_besides(network: Network) -> None:
    """A person who changes one setting keeps what the recipe changes by itself."""
    job = replace(fake_job(iterations=4), changes=((1, {"strength": 4.0}),))
    before = Fake(iterations=4)
    steering = Steering()
    for frame in run(job, network, steering):
        if frame.iteration == 2:
            steering.change(replace(before, offset=0.5), before)
    assert steering.applied == [(1, {"strength": 4.0})]  # the offset is not live
    assert round(float(frame.picture.mean()) * 100) == 1 + 3 * 4


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, float("nan")], ["x", 1.0], 3])
def test_damaged_weights_of_styles_are_refused(style_job: Job, weights: object) -> None:
    recipe = {**style_job.recipe(), "changes": [[1, {"style_weights": weights}]]}
    with pytest.raises(BadInput):
        Job.from_recipe(recipe)


def test_a_larger_job_goes_on_with_what_was_changed(style_job: Job) -> None:
    changes = ((1, {"style_weight": 9.0}), (2, {"style_weights": [1.0, 5.0]}))
    steered = replace(style_job, changes=changes, stop_after=3)
    larger = enlarged(steered, 96, "result.png")
    assert (larger.size, larger.changes, larger.stop_after) == (96, (), None)
    assert larger.inputs.start == "result.png"
    assert [weight for _, weight in larger.inputs.styles] == [1.0, 5.0]
    assert larger.technique.style_weight == 9.0  # type: ignore[attr-defined]
    assert larger.technique.start == "picture"  # type: ignore[attr-defined]
    # 32, 45 … 96: four scales for four iterations
    assert larger.technique.iterations == 1  # type: ignore[attr-defined]


def test_what_cannot_go_on_is_done_again_at_the_larger_size() -> None:
    job = replace(fake_job(iterations=4), changes=((1, {"strength": 4.0}),), stop_after=3)
    assert enlarged(job, 99, "result.png") == replace(job, size=99)


# -- when it goes wrong ----------------------------------------------------------------------------


def collect(job: Job, network: Network, error: type[Exception], words: str) -> list[Tensor]:
    """The pictures before the error, each as it was when its frame came."""
    pictures = []
    frame = None
    with pytest.raises(error, match=words):
        for frame in run(job, network):
            pictures.append(frame.picture.clone())
    if frame is not None:
        assert torch.equal(frame.render(), pictures[-1]), "the last good picture was touched"
    return pictures


def test_an_absurd_learning_rate(style_job: Job, network: Network) -> None:
    extreme = {"optimizer": "lbfgs", "learning_rate": 100.0, "clamp": False, "iterations": 100}
    values = {**extreme, "style_statistic": "gram", "loss_scaling": "raw", "averaging": 0.0}
    job = replace(style_job, technique=make(StyleTransfer, values))
    words = r"became (nan|inf|-inf) at iteration \d+; the picture before it is kept"
    pictures = collect(job, network, Diverged, words)
    assert pictures
    assert all(torch.isfinite(p).all() for p in pictures)


@pytest.mark.parametrize("technique", [STYLE, make(DeepDream, {"iterations": 3})])
def test_weights_that_became_nan(style_job: Job, technique: Any) -> None:
    broken = load_network("slim_vgg")
    job = replace(style_job, technique=technique)
    frames = run(job, broken)
    good = next(frames)
    before = good.picture.clone()
    with torch.no_grad():
        next(broken.module.parameters()).fill_(float("nan"))
    with pytest.raises(Diverged, match="became nan at iteration 2; the picture before it is kept"):
        next(frames)
    assert torch.equal(good.render(), before)
    assert torch.isfinite(before).all()
    assert collect(job, broken, Diverged, "nan at iteration 1") == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_losses_that_are_no_numbers(network: Network, value: float) -> None:
    def step(_task: Task, _size: tuple[int, int], iteration: int) -> dict[str, float]:
        return {"content": 1.0, "style": value if iteration == 3 else 1.0}

    words = f"the style became {value} at iteration 3; .*precision=fp32"
    assert len(collect(fake_job(step=step), network, Diverged, words)) == 2


def test_too_large_for_the_memory_there_is(
    style_job: Job, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda _device: 2 * memory.UPFRONT)
    words = r"slim_vgg at 6000 pixels needs more memory than is free on cpu; size=(\d+) would fit"
    with pytest.raises(OutOfMemory, match=words) as raised:
        next(run(replace(style_job, size=6000), network))
    fitting = int(str(raised.value).split("size=")[1].split()[0])
    assert 100 < fitting < 3000
    next(run(replace(style_job, size=48), network))


def failing(error: Exception) -> Callable[..., dict[str, float]]:
    def step(_task: Task, _size: tuple[int, int], iteration: int) -> dict[str, float]:
        if iteration == 2:
            raise error
        return {"total": 1.0}

    return step


def test_memory_that_runs_out_on_the_way(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[torch.device] = []
    monkeypatch.setattr("engine.device.release_memory", released.append)
    error = RuntimeError(
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    )
    words = r"slim_vgg at 64 pixels needs more memory .*; size=48 would fit"
    assert len(collect(fake_job(64, step=failing(error)), network, OutOfMemory, words)) == 1
    assert released == [torch.device("cpu")]


def test_other_errors_pass(network: Network) -> None:
    error = RuntimeError("a mistake in the program")
    collect(fake_job(step=failing(error)), network, RuntimeError, "a mistake in the program")


def test_recipes_are_for_every_technique() -> None:
    for command, kind in TECHNIQUES.items():
        recipe = Job(kind()).recipe()
        assert Job.from_recipe(through_json(recipe)) == Job(kind())
        assert recipe["technique"] == command


def test_a_steered_and_stopped_run_is_repeated_by_its_recipe(network: Network) -> None:
    steering = Steering()
    job = fake_job(iterations=9)
    frames = run(job, network, steering)
    for frame in frames:
        picture = frame.picture
        if frame.iteration in (2, 4):
            steering.change(Fake(strength=float(frame.iteration)))
        if frame.iteration == 6:
            break
    frames.close()  # type: ignore[attr-defined]
    assert steering.applied == [(2, {"strength": 2.0}), (4, {"strength": 4.0})]
    steered = replace(job, changes=tuple(steering.applied), stop_after=6)
    recipe = json.loads(json.dumps(steered.recipe()))
    assert recipe["changes"] == [[2, {"strength": 2.0}], [4, {"strength": 4.0}]]
    assert recipe["stop_after"] == 6
    *_, again = run(steered, network)
    assert again.iteration == 6
    assert torch.equal(again.picture, picture)


@pytest.mark.parametrize("changes", [[[1, {"nothing": 1}]], [["one", {}]], [1], "x"])
def test_damaged_changes_are_refused(network: Network, changes: object) -> None:
    recipe = {**Job(DeepDream()).recipe(), "changes": changes}
    with pytest.raises(BadInput):
        Job.from_recipe(recipe)


@pytest.mark.parametrize("place", ["format", "technique", "network", "seed", "device"])
def test_a_damaged_recipe_of_any_length_is_refused_in_a_short_sentence(place: str) -> None:
    recipe = {**Job(DeepDream()).recipe(), place: ["x" * 20_000]}
    with pytest.raises(BadInput) as caught:
        Job.from_recipe(recipe)
    assert len(str(caught.value)) < 600


def test_a_recipe_says_how_much_memory_the_run_was_given(style_job: Job) -> None:
    assert "memory" not in style_job.recipe()
    recipe = replace(style_job, memory=3000).recipe()
    assert recipe["memory"] == 3000
    assert recipe["format"] == style_job.recipe()["format"]
    assert Job.from_recipe(recipe).memory == 3000
    with pytest.raises(BadInput, match="memory"):
        Job.from_recipe({**recipe, "memory": 3})
    with pytest.raises(BadInput, match="the recipe is damaged"):
        Job.from_recipe({**recipe, "memory": "3000"})
