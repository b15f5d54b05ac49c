"""Jobs in files, many at a time: a list in JSON, projects, pictures with recipes, folders of them.

A job is the recipe that every picture of this program carries; what a list leaves out has its usual
value, and pictures are named by their paths alone (docs/batch.md).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.errors import BadInput, Mention, PareidoliaError
from engine.files import read_json, read_plain
from engine.image import read_recipe
from engine.image_formats import SUFFIXES, WRITTEN
from engine.job import FORMAT, MOST_CHANGES, MOST_STYLES, Job, with_inputs
from engine.named_files import check_local, digest_of, find_same
from engine.project import ENDING, MAX_BYTES
from engine.reduced import open_for
from engine.regions import MOST_REGIONS
from engine.task import Technique
from engine.work.project_schema import references

MOST_JOBS = 100_000
"""Most jobs in one list."""
KEYS = frozenset(
    ("format", "technique", "settings", "inputs", "network", "weights", "size", "seed", "device",
     "precision", "changes", "stop_after", "finish", "preprocessing", "style_networks", "preset",
     "output", "bits", "memory")
)  # fmt: skip
"""What an entry of a list may hold."""
PROJECTS = (".json", ENDING)
"""The suffixes of lists of jobs and of projects."""
INPUTS = ("content", "styles", "guide", "start", "regions")
_NONE: dict[str, Any] = {"content": None, "styles": [], "guide": None, "start": None}


@dataclass(frozen=True)
class Wanted:
    """A picture to be made."""

    recipe: dict[str, Any]
    """As `Job.recipe` gives it; pictures have absolute paths."""
    name: str
    """What the file should be called, without suffix."""
    suffix: str
    title: str
    bits: int = 8
    open_precision: bool = False
    """Whether the precision is left to the machine."""
    chosen: bool = False
    """Whether a person has chosen the name."""
    export: Mapping[str, Any] = field(default_factory=dict)
    """The settings of `engine.export.Export` that are not at their defaults."""


class DescribedJob:
    """Makes recipes of jobs without opening their pictures; remembers which files it has read."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a file; empty when it cannot be read."""
        if path not in self._digests:
            self._digests[path] = digest_of(path)
        return self._digests[path]

    def reference(self, path: Path) -> dict[str, Any]:
        """Return what a recipe says about a picture in a file."""
        whole = str(path.absolute())
        return {"path": whole, "sha256": self.digest(whole)}

    def recipe(self, job: Job, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the recipe of a job, with the pictures of `inputs` in place of its own."""
        size = job.size
        if size is None:
            size = long_side(inputs["content"])
        bare = replace(job, size=size, inputs=type(job.inputs)())
        return with_inputs(bare.recipe(), inputs)


def wanted_of_job(job: Job) -> Wanted:
    """Return a single job. Raises `BadInput`, also for a picture that was never a file."""
    recipe = job.recipe()
    inputs = recipe["inputs"]
    for reference in references(recipe):
        if reference["path"] is None:
            raise BadInput(
                "a picture of this job was never saved: save it and open it from its file"
            )
    name, title = _name(job.technique.command, inputs), _title(type(job.technique), inputs)
    return Wanted(recipe, name, ".png", title, open_precision=job.precision == "auto")


def wanted_of_sets(job: Job, folder: Path, styles: Sequence[Path] = ()) -> list[Wanted]:
    """Return each photo in a folder with each style, or the job's own ones. Raises `BadInput`."""
    found = []
    for style in styles or (None,):
        chosen = job
        if style is not None:
            chosen = replace(job, inputs=replace(job.inputs, styles=((style, 1.0),)))
        for each in wanted_of_photos(chosen, folder):
            inputs, kind = each.recipe["inputs"], type(job.technique)
            name = _name(kind.command, inputs)
            found.append(replace(each, name=name, title=_title(kind, inputs)))
    return found


def technique_of(recipe: Mapping[str, Any]) -> Technique:
    """Return the technique of a recipe with its settings; no picture is opened. Raises `BadInput`."""
    return Job.from_recipe({**recipe, "inputs": _NONE, "changes": []}).technique


def title_of(recipe: Mapping[str, Any]) -> str:
    """Return a title for the job of a recipe; empty if the recipe is damaged."""
    try:
        return _title(type(technique_of({**recipe, "size": 1})), recipe["inputs"])
    except (BadInput, KeyError, TypeError, ValueError, AttributeError):
        return ""


def photos_in(folder: Path) -> list[Path]:
    """Return the pictures in a folder, not in those below; sorted. Raises `BadInput` for none."""
    found = [p for p in _files(folder) if p.suffix.lower() in SUFFIXES]
    if not found:
        raise BadInput(f"{folder} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    return found


def wanted_of_photos(job: Job, folder: Path, suffix: str = ".png", bits: int = 8) -> list[Wanted]:
    """Return the same job for each photo in a folder. Raises `BadInput`.

    Args:
        job: what to do; its content is ignored.
        folder: the photos.
        suffix: what the pictures' names end in.
        bits: per colour.
    """
    described = DescribedJob()
    known = _references(job, described)
    found = []
    for photo in photos_in(folder):
        recipe = described.recipe(job, {**known, "content": described.reference(photo)})
        found.append(
            Wanted(recipe, photo.stem, suffix, photo.name, bits, job.precision == "auto")
        )  # fmt: skip
    return found


def wanted_of_file(path: Path) -> list[Wanted]:
    """Return the jobs in a list, a project, a picture with a recipe, or a folder of them.

    For a project file (.pareidolia) these are its starred variants, or else its present job.

    Raises `BadInput`, saying which entry of which file is wrong, and how.
    """
    if path.is_dir():
        jobs = [p for p in _files(path) if p.suffix.lower() in PROJECTS or _has_recipe(p)]
        if not jobs:
            raise BadInput(
                f"{path} holds no jobs: neither projects ({ENDING}), nor lists of jobs (.json), nor"
                " pictures that this program made; for photos give a technique, as in style-transfer"
                " FOLDER"
            )
        return [wanted for each in jobs for wanted in wanted_of_file(each)]
    if path.suffix.lower() == ENDING:
        from engine.work.project_jobs import wanted_of_project  # which takes its entries from here

        return wanted_of_project(path)
    described = DescribedJob()
    if path.suffix.lower() in SUFFIXES:
        recipe = read_recipe(path)
        if recipe is None:
            raise BadInput(
                f"{path} carries no recipe: a batch takes lists of jobs, "
                f"projects ({ENDING}) and exported pictures"
            )
        return [_wanted(recipe, path.parent, described, path.stem)]
    try:
        found = read_json(read_plain(path, MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadInput(f"{path} cannot be read as a list of jobs ({reason})") from error
    if isinstance(found, dict):
        return [_in(path, None, lambda: _wanted(found, path.parent, described, path.stem))]
    if not isinstance(found, list):
        raise BadInput(f"{path} holds no jobs: it must be a JSON list of jobs")
    if not found:
        raise BadInput(f"{path} holds an empty list: there is nothing to make")
    if len(found) > MOST_JOBS:
        raise BadInput(f"{path} holds {len(found)} jobs; at most {MOST_JOBS} are allowed")
    return [
        _in(path, number, lambda entry=entry: _wanted(entry, path.parent, described, ""))  # type: ignore[misc]
        for number, entry in enumerate(found, 1)
    ]


def wanted_of_recipe(path: Path, recipe: Mapping[str, Any], name: str) -> Wanted:
    """Return the job of a recipe that a file holds, under a name. Raises `BadInput`."""
    return _in(path, None, lambda: _wanted(dict(recipe), path.parent, DescribedJob(), name))


def _in(path: Path, number: int | None, read: Callable[[], Wanted]) -> Wanted:
    where = str(path) if number is None else f"{path}, job {number}"
    try:
        return read()
    except PareidoliaError as error:
        raise BadInput(f"{where}: ", error) from error
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise BadInput(f"{where} is damaged ({error!r})") from error


def _files(folder: Path) -> Iterator[Path]:
    try:
        inside = sorted(folder.iterdir())
        yield from (p for p in inside if not p.name.startswith(".") and p.is_file())
    except OSError as error:
        raise BadInput(f"{folder} cannot be read ({error.strerror})") from error


def _has_recipe(path: Path) -> bool:
    try:
        return path.suffix.lower() in SUFFIXES and read_recipe(path) is not None
    except PareidoliaError:
        return False


def _references(job: Job, described: DescribedJob) -> dict[str, Any]:
    """Return what a recipe says about the pictures of a job that are files."""

    def of(source: Any) -> dict[str, Any]:
        open_for(source, 1)  # what is wrong with one of them is wrong with every job
        return described.reference(Path(getattr(source, "path", None) or source))

    return replace(job.inputs, content=None).described(of)


def _wanted(entry: Any, folder: Path, described: DescribedJob, name: str) -> Wanted:
    if not isinstance(entry, dict):
        raise BadInput(f"{_short(entry)} is not a job; it must be an object with a technique")
    unknown = [key for key in entry if key not in KEYS]
    if unknown:
        raise BadInput(f"{_short(unknown[0])} is unknown in a job; there are {_listed(KEYS)}")
    size = entry.get("size", 512)
    bare = {
        "format": entry.get("format", FORMAT if "finish" in entry else 1),
        "technique": entry.get("technique"),
        "settings": {},
        "inputs": _NONE,
        "network": entry.get("network", "slim_vgg"),
        "weights": entry.get("weights"),
        "size": 1 if size == "photo" else size,
        "seed": entry.get("seed", 0),
        "device": entry.get("device", "auto"),
        "precision": entry.get("precision", "auto"),
        "memory": entry.get("memory"),
        "finish": entry.get("finish", {}),
        "preprocessing": entry.get("preprocessing"),
        "style_networks": entry.get("style_networks", ()),
        "stop_after": entry.get("stop_after"),
    }
    kind = type(Job.from_recipe(bare, folder).technique)
    chosen = entry.get("settings", {})
    if not isinstance(chosen, dict):
        raise BadInput(f"its settings are {_short(chosen)}; they must be an object")
    if "preset" in entry:
        chosen = {**_preset(kind, entry["preset"]), **_underscored(chosen)}
    job = Job.from_recipe({**bare, "settings": chosen}, folder)
    inputs = _inputs(entry.get("inputs", {}), folder, described)
    for role in ("content", "styles"):
        own = role == "styles" and any(region["style"] for region in inputs.get("regions", ()))
        if role in kind.inputs and not inputs[role] and not own:
            what = "a photo as content" if role == "content" else "at least one style"
            raise BadInput(f"{kind.command} needs {what}, and its inputs name none")
    changes = entry.get("changes", [])
    if not isinstance(changes, list) or len(changes) > MOST_CHANGES:
        raise BadInput(f"its changes should be a list of at most {MOST_CHANGES}")
    recipe = described.recipe(job, inputs)
    if size == "photo":
        recipe["size"] = long_side(inputs["content"])
    if changes:
        recipe["changes"] = changes
    stem, suffix = _output(entry.get("output"))
    bits = entry.get("bits", 8)
    if bits not in (8, 16) or isinstance(bits, bool):
        raise BadInput(f"its bits are {_short(bits)}; they must be 8 or 16")
    if bits == 16 and WRITTEN[suffix] not in ("PNG", "TIFF"):
        raise BadInput(f"{suffix} cannot hold 16 bits per channel: end its output in .png or .tiff")
    named = stem or name or _name(kind.command, inputs)
    title = _title(kind, inputs)
    return Wanted(recipe, named, suffix, title, bits, job.precision == "auto", bool(stem))


def _title(kind: type[Technique], inputs: Mapping[str, Any]) -> str:
    """Return a job's title: the photo first, then what is made of it."""
    photo = [Path(inputs["content"]["path"]).name] if inputs["content"] else []
    styles = [Path(style["path"]).name for style in inputs["styles"] if "styles" in kind.inputs]
    return " · ".join([*photo, kind.title, *styles])


def _preset(kind: Any, name: Any) -> dict[str, Any]:
    known = {preset.casefold(): chosen for preset, chosen in kind.presets.items()}
    if not isinstance(name, str) or name.casefold() not in known:
        raise BadInput(f"its preset is {_short(name)}; there are {', '.join(kind.presets)}")
    return dict(known[name.casefold()])


def _underscored(chosen: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("-", "_"): value for name, value in chosen.items()}


def _inputs(found: Any, folder: Path, described: DescribedJob) -> dict[str, Any]:
    if not isinstance(found, dict) or (unknown := [k for k in found if k not in INPUTS]):
        wrong = found if not isinstance(found, dict) else unknown[0]
        raise BadInput(f"its inputs are {_short(wrong)}; there are {', '.join(INPUTS)}")
    styles = found.get("styles", [])
    if not isinstance(styles, list) or len(styles) > MOST_STYLES:
        raise BadInput(f"its styles should be a list of at most {MOST_STYLES}")
    known: dict[str, Any] = {
        role: None if found.get(role) is None else _reference(found[role], folder, described, role)
        for role in INPUTS
        if role not in ("styles", "regions")
    }
    known["styles"] = []
    for style in styles:
        weight = _weight(style, "style") if isinstance(style, dict) else 1.0
        reference = _reference(style, folder, described, "style", ("weight",))
        known["styles"].append({**reference, "weight": weight})
    if regions := found.get("regions", []):
        if not isinstance(regions, list) or len(regions) > MOST_REGIONS:
            raise BadInput(f"its regions should be a list of at most {MOST_REGIONS}")
        known["regions"] = [_region(each, folder, described) for each in regions]
    return known


def _region(found: Any, folder: Path, described: DescribedJob) -> dict[str, Any]:
    """Return what a recipe says about a region that an entry describes."""
    known = {"mask": None, "style": None, "weight": 1.0, "kept": False, "network_style": ""}
    fits = isinstance(found, dict) and not set(found) - set(known)
    values = {**known, **found} if fits else known
    texts = isinstance(values["network_style"], str) and isinstance(values["kept"], bool)
    if values["mask"] is None or not texts:
        raise BadInput(
            f"a region is {_short(found)}; it must be an object with a mask, and perhaps style, "
            "weight, kept and network_style"
        )
    style, own = values["style"], values["network_style"]
    return {
        **({"network_style": own} if own else {}),
        "mask": _reference(found["mask"], folder, described, "mask"),
        "style": None if style is None else _reference(style, folder, described, "style"),
        "weight": _weight(found, "region"),
        "kept": values["kept"],
    }


def _weight(found: Mapping[str, Any], what: str) -> float:
    weight = found.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < 1e300:
        raise BadInput(f"a {what} has the weight {_short(weight)}; it must be a number above 0")
    return float(weight)


def _reference(
    found: Any, folder: Path, described: DescribedJob, role: str, others: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return what a recipe says about a picture that an entry names, by path or like a recipe."""
    if isinstance(found, str):
        found = {"path": found}
    if not isinstance(found, dict) or set(found) - {"path", "sha256", *others}:
        raise BadInput(f"its {role} is {_short(found)}; it must be the path of a picture")
    path, digest = found.get("path"), found.get("sha256", "")
    if path is None:
        raise BadInput(f"its {role} was never saved: save that picture and name its file")
    if not isinstance(path, str) or not isinstance(digest, str) or not path or "\0" in path:
        raise BadInput(f"its {role} is {_short(found)}; it must be the path of a picture")
    check_local(path)
    whole = str((folder / Path(path).expanduser()).absolute())
    if digest:
        here = find_same(whole, digest, folder)
        return {"path": here, "sha256": digest}
    return {"path": whole, "sha256": described.digest(whole)}


def _output(name: Any) -> tuple[str, str]:
    """Return stem and suffix of the output's name; the stem is empty if it is left open."""
    if name is None:
        return "", ".png"
    wrong = f"its output is {_short(name)}; it must be a file name, such as cat.png"
    if (
        not isinstance(name, str)
        or not name
        or name[0] in ".~"
        or set(name) & set('/\\:\0"<>|?*\n')
    ):
        raise BadInput(wrong)
    if len(name.encode("utf-8", "replace")) > 200:
        raise BadInput(f"its output's name has {len(name)} letters: choose a shorter one")
    path = Path(name)
    if path.suffix.lower() not in WRITTEN:
        raise BadInput(f"{wrong}, and end in one of {', '.join(WRITTEN)}")
    return path.stem, path.suffix


def _name(command: str, inputs: Mapping[str, Any]) -> str:
    """Return a picture's name: from its photo, and its styles or else its technique."""
    styles = "+".join(Path(style["path"]).stem for style in inputs["styles"])
    made_by = styles if command == "style-transfer" else command
    photo = Path(inputs["content"]["path"]).stem if inputs["content"] else ""
    return "_".join(part for part in (photo, made_by) if part)[:120]


def long_side(reference: Mapping[str, Any] | None) -> int:
    """Return the long side of a picture that a recipe names; 512 if it cannot be opened.

    Raises `BadInput` if there should be one but is none.
    """
    if reference is None:
        raise BadInput(
            Mention("size", value="photo"),
            " needs a photo, and there is none: give a number of pixels",
        )
    try:
        return open_for(reference["path"], 1).long_side
    except PareidoliaError:  # whoever runs the job will say what is wrong with the photo
        return 512


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:100]}…"


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
