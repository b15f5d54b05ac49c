"""What a project says about itself, in `project.json`: the job, the variants, how they belong together.

Such a file may come from anybody, and from any version of the program.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from engine.errors import BadInput
from engine.files import read_json
from engine.job import FORMAT as RECIPE_FORMAT

SCHEMA = 1
"""Version of `project.json`; readers refuse higher ones. 0 is a recipe: an old project, in .json."""
MAX_BYTES = 64 * 2**20
"""Most bytes of `project.json`."""
MOST_VARIANTS, MOST_MOMENTS = 1000, 10_000
"""Most variants in a project, and most moments of a variant."""
MOST_STEPS = 2**31 - 1
LONGEST_NAME, LONGEST_NOTE = 200, 20_000
"""Most characters."""
ID = re.compile(r"[0-9a-z]{1,32}")
"""A variant's id, which is also the name of its files."""
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Variant:
    """A run that a project keeps, and what a person says about it."""

    id: str
    """Lower-case letters and digits, at most 32."""
    recipe: Mapping[str, Any]
    """Recipe of the job as it was run, as `ProjectFolder.recipe_of` gives it."""
    parent: str | None = None
    """The variant that it was started from."""
    branched_at: int = 0
    """The iteration of its parent after which it was started."""
    name: str = ""
    note: str = ""
    starred: bool = False
    iteration: int = 0
    """Steps done."""
    total: int = 0
    """Steps in all."""
    seconds: float = 0.0
    """Seconds that these steps took."""
    complete: bool = False
    """Whether there is nothing left to do."""
    when: float = 0.0
    """When it was last kept, in seconds since 1970 (UTC)."""
    has_result: bool = field(default=False, compare=False)
    """What the folder holds of it; `ProjectFolder.read` tells it, `put` ignores it."""
    has_checkpoint: bool = field(default=False, compare=False)
    moments: tuple[int, ...] = field(default=(), compare=False)
    """Iterations that have a small picture, in order."""


@dataclass(frozen=True)
class Project:
    """What a project holds."""

    job: Mapping[str, Any] | None = None
    """The recipe of the current job; a size that the photo decides is "photo"."""
    variants: tuple[Variant, ...] = ()
    """In the order in which they were begun: a parent comes before its children."""
    window: Mapping[str, Any] = field(default_factory=dict)
    """Whatever the window wants to find again."""
    file: str | None = None
    """The project's file, if it was saved or opened from one."""
    unsaved: bool = False
    """Whether anything has been kept since then."""

    def variant(self, id: str) -> Variant:
        """Return a variant. Raises `BadInput`, saying which there are."""
        found = next((each for each in self.variants if each.id == id), None)
        if found is None:
            there = ", ".join(each.name or each.id for each in self.variants[:20]) or "none"
            raise BadInput(f"the project has no variant {id!r}; it has {there}")
        return found


def variant_called(project: Project, name: str) -> Variant:
    """Return the variant with a name or id. Raises `BadInput` for none, or several of that name."""
    alike = [each for each in project.variants if name.casefold() == each.name.casefold()]
    if len(alike) > 1 and not any(each.id == name for each in project.variants):
        ids = ", ".join(each.id for each in alike)
        raise BadInput(f"{len(alike)} variants are called {name!r}: say which by its id, {ids}")
    return alike[0] if len(alike) == 1 else project.variant(name)


def to_values(project: Project) -> dict[str, Any]:
    """Return a project as plain values for JSON."""
    kept = [f.name for f in fields(Variant) if f.compare]
    variants = [{name: getattr(each, name) for name in kept} for each in project.variants]
    return {
        "schema": SCHEMA,
        "job": project.job,
        "variants": variants,
        "window": dict(project.window),
        "file": project.file,
        "unsaved": project.unsaved,
    }


def from_json(text: bytes, source: str) -> Project:
    """Return the project that `project.json`, or an older project file, holds.

    Args:
        text: the JSON.
        source: what messages call the file.

    Raises:
        BadInput: it is damaged, or of a newer version.
    """
    try:
        values = read_json(text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise BadInput(f"{source} cannot be read as a project ({reason})") from error
    if not isinstance(values, dict):
        raise BadInput(f"{source} is not a project; a project is one JSON object")
    values = _migrated(values, source)
    try:
        return _project(values)
    except KeyError as error:
        raise BadInput(f"{source} is damaged as a project (it lacks {error})") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadInput(f"{source} is damaged as a project ({error})") from error


def _migrated(values: dict[str, Any], source: str) -> dict[str, Any]:
    """Return the values as this version writes them."""
    if "schema" in values or not ("format" in values or "technique" in values):
        schema = values.get("schema")
    else:
        schema = 0
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 0:
        raise BadInput(f"{source} is damaged as a project (its schema is {_short(schema)})")
    if schema > SCHEMA:
        raise BadInput(
            f"{source} was made by a newer version of Pareidolia (its schema is {_short(schema)}, "
            f"and this version reads up to {SCHEMA}): update Pareidolia"
        )
    for step in range(schema, SCHEMA):
        values = MIGRATIONS[step](values, source)
    return values


def _from_recipe(values: dict[str, Any], source: str) -> dict[str, Any]:
    version = values.get("format")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BadInput(f"{source} is damaged: the format of its recipe is {_short(version)}")
    if version > RECIPE_FORMAT:
        raise BadInput(
            f"{source} was made by a newer version of Pareidolia (its format is {_short(version)}, "
            f"and this version reads up to {RECIPE_FORMAT}): update Pareidolia"
        )
    return {"schema": 1, "job": values, "variants": []}


MIGRATIONS: dict[int, Callable[[dict[str, Any], str], dict[str, Any]]] = {0: _from_recipe}
"""What leads from each schema to the next."""


def _project(values: dict[str, Any]) -> Project:
    job, listed = values["job"], values["variants"]
    if not isinstance(listed, list) or len(listed) > MOST_VARIANTS:
        raise ValueError(f"its variants should be a list of at most {MOST_VARIANTS}")
    variants = tuple(_variant(each) for each in listed)
    before: set[str] = set()
    for each in variants:
        if each.id in before:
            raise ValueError(f"two of its variants have the id {each.id}")
        if each.parent is not None and each.parent not in before:
            raise ValueError(f"the variant {each.id} comes before the one that it was started from")
        before.add(each.id)
    file = values.get("file")
    if file is not None and (not isinstance(file, str) or "\0" in file):
        raise ValueError(f"its file is {_short(file)}")
    return Project(
        None if job is None else _recipe(job, "job"),
        variants,
        _table(values.get("window", {}), "window"),
        file,
        _flag(values.get("unsaved", False), "unsaved"),
    )


def _variant(values: Any) -> Variant:
    values = _table(values, "variant")
    id, parent = values["id"], values.get("parent")
    for each in (id, parent):
        if each is not None and not (isinstance(each, str) and ID.fullmatch(each)):
            raise ValueError(f"{_short(each)} is not the id of a variant")
    if id is None:
        raise ValueError("a variant has no id")
    return Variant(
        id,
        _recipe(values["recipe"], f"variant {id}"),
        parent,
        _steps(values.get("branched_at", 0), "branched_at"),
        _text(values.get("name", ""), LONGEST_NAME, "name"),
        _text(values.get("note", ""), LONGEST_NOTE, "note"),
        _flag(values.get("starred", False), "starred"),
        _steps(values.get("iteration", 0), "iteration"),
        _steps(values.get("total", 0), "total"),
        _number(values.get("seconds", 0.0), "seconds"),
        _flag(values.get("complete", False), "complete"),
        _number(values.get("when", 0.0), "when"),
    )


def _recipe(value: Any, what: str) -> dict[str, Any]:
    """Return a recipe, checked as far as its pictures' names go; the rest is read with the job."""
    recipe = _table(value, f"recipe of its {what}")
    for reference in references(recipe):
        if not isinstance(reference, dict):
            raise ValueError(f"the recipe of its {what} names a picture by {_short(reference)}")
        path, digest = reference.get("path"), reference.get("sha256")
        if not isinstance(digest, str) or not (digest == "" or DIGEST.fullmatch(digest)):
            raise ValueError(f"the recipe of its {what} names a picture by {_short(digest)}")
        if path is not None and (not isinstance(path, str) or "\0" in path):
            raise ValueError(f"the recipe of its {what} names a picture by {_short(path)}")
    return recipe


def references(recipe: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what a recipe says about each of its pictures: `path`, `sha256`, for styles `weight`."""
    inputs = recipe.get("inputs")
    if inputs is None:
        return
    styles, regions = (inputs.get(name) or [] for name in ("styles", "regions"))
    for named, what in ((styles, "styles"), (regions, "regions")):
        if not isinstance(named, list):
            raise ValueError(f"its {what} are {_short(named)}")
    own = (region.get(picture) for region in regions for picture in ("mask", "style"))
    each = (inputs.get("content"), *styles, inputs.get("guide"), inputs.get("start"), *own)
    yield from (reference for reference in each if reference is not None)


def _table(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"its {what} should be an object and is {_short(value)}")
    return value


def _text(value: Any, longest: int, what: str) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise ValueError(f"a {what} should be text of at most {longest} characters")
    return value


def _flag(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{what} is {_short(value)}, not true or false")
    return value


def _steps(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_STEPS:
        raise ValueError(f"{what} is {_short(value)}; it must be a number of iterations")
    return value


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} is {_short(value)}, not a number")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{what} is {_short(value)}; it must be a number from 0")
    return float(value)


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        return "something nested too deeply"
    return text if len(text) <= 60 else f"{text[:57]}…"
