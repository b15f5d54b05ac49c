"""Jobs in files: projects, and the recipes that exported pictures carry."""

from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.files import read_json, read_plain, write_json
from engine.film import CODECS, read_note
from engine.image import Picture, read_recipe
from engine.image_metadata import RECIPE_LIMIT
from engine.job import Inputs, Job
from engine.outputs import Sources, keep_apart
from engine.settings import folders

ENDING = ".pareidolia"
"""The suffix of a project file; old ones, with a job and nothing else, end in .json."""
MAX_BYTES = 64 * 2**20
"""Most bytes of a project's file."""


def read_job(path: Path) -> Job:
    """Return the job of a project file (.json), or of a picture's recipe.

    Raises `BadInput`, saying what is wrong with the file or with a picture that it names.
    """
    if path.suffix.lower() != ".json":
        recipe = _of_film(path) if path.suffix.lower() in CODECS else read_recipe(path)
        if recipe is None:
            raise BadInput(f"{path} carries no recipe; only pictures that this program wrote do")
        return Job.from_recipe(recipe, path.parent)
    try:
        recipe = read_json(read_plain(path, MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadInput(f"{path} cannot be read as a project ({reason})") from error
    if not isinstance(recipe, dict):
        raise BadInput(f"{path} is not a project; a project is one JSON object")
    return Job.from_recipe(recipe, path.parent)


def _of_film(path: Path) -> dict[str, Any] | None:
    """Return the recipe in a video's comment, if that holds one."""
    try:
        recipe = read_json(read_note(path)[:RECIPE_LIMIT])
    except (ValueError, RecursionError):
        return None
    return recipe if isinstance(recipe, dict) and "technique" in recipe else None


def write_project(path: Path, job: Job) -> Path:
    """Write a job as a project; return the path. Raises `BadInput`. Reads the job's pictures."""
    if path.suffix.lower() != ".json":
        raise BadInput(f"{path} could not be opened again: end a project's name in .json")
    return write_json(path, job.recipe())


def sources(job: Job) -> Sources:
    """Return everything that a job reads: pictures, weights, folders that its settings name."""
    files = _files(job.inputs)
    named = [Path(text).expanduser() for text in folders(job.technique).values()]
    weights = (Path(job.weights),) if job.weights else ()
    return Sources((*files, *weights), folders=tuple(named))


def check_apart(output: Path, inputs: Inputs) -> None:
    """Refuse, by `BadInput`, to overwrite a picture of the job: its recipe would lead nowhere."""
    keep_apart([output], Sources(_files(inputs)))


def _files(inputs: Inputs) -> tuple[Path, ...]:
    paths = (p.path if isinstance(p, Picture) else p for p in inputs.sources)
    return tuple(Path(path) for path in paths if path)
