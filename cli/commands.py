"""The sub-commands and what each of them does."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import stylize_figure
from cli.batch_options import SUMMARY as BATCH_SUMMARY
from cli.batch_options import parser as batch_parser
from cli.cluster_options import WORKER_SUMMARY, worker_parser
from cli.finish import SUMMARY as FINISH_SUMMARY
from cli.options import (
    Parser,
    add_batch_options,
    add_device,
    add_export,
    add_output_options,
    export_of,
    is_folder,
    read_job,
    split_known,
    technique_parser,
    tell,
)
from cli.project_options import RESUME, add_variant, resume_parser
from cli.stylize import add_sheet, make_sheet, wants_sheet
from cli.stylize_film import make_film, wants_film
from cli.wording import program
from engine.errors import BadInput
from engine.techniques import ROWS, TECHNIQUES

if TYPE_CHECKING:
    from engine.job import Job

HELP = {
    **{command: row.summary for command, row in ROWS.items()},
    "attribute": "a heat map: what in a photo supports a class",
    "inspect": "what is inside a network: filters, activations, patches, neighbours, "
    "a map of a folder",
    "recolour": "a finished picture with the photo's colours put back",
    "finish": FINISH_SUMMARY,
    "networks": "the catalogue: list, show, download, import, verify, remove",
    "render": "the job of a project or of an exported picture, run again: the same picture",
    "resume": RESUME,
    "batch": BATCH_SUMMARY,
    "worker": WORKER_SUMMARY,
    "train-style": "a style network of your own, trained from a painting",
    "demo": "one style transfer and one DeepDream from the sample pictures",
}


def run(argv: Sequence[str]) -> int:
    """Carry out a command line without the program's name. Raises `PareidoliaError`s."""
    if argv[0] in ("-h", "--help"):
        print(usage())
        return 0
    if argv[0] == "--version":
        print(version())
        return 0
    command = split_known(argv, list(HELP))
    rest = list(argv[1:])
    actions: dict[str, Callable[[list[str]], int]] = {
        "networks": _networks,
        "attribute": _attribute,
        "inspect": _inspect,
        "recolour": _recolour,
        "finish": _finish,
        "render": _render,
        "resume": _resume,
        "batch": _batch,
        "worker": _worker,
        "train-style": _train_style,
        "demo": _demo,
    }
    return actions[command](rest) if command in actions else _technique(command, rest)


def usage() -> str:
    """Return the overview that --help prints."""
    width = max(map(len, HELP))
    lines = [f"  {name:{width}}  {text}" for name, text in HELP.items()]
    return "\n".join(
        [
            f"usage: {program()} [COMMAND …]",
            "",
            "Without a command, it opens the window or, without a screen, makes the demo pictures.",
            "",
            "commands:",
            *lines,
            "",
            f"{program()} COMMAND --help lists every setting with its range, unit and default.",
            "",
            "Ctrl-C, SIGTERM and SIGHUP stop a run after the current iteration: the picture so far",
            "is put beside OUT, with .partial before the suffix. The exit code is then 128 plus the",
            "signal's number: 130, 143 or 129.",
        ]
    )


def version() -> str:
    """Return the program's version: as installed, or else as in pyproject.toml."""
    import importlib.metadata
    import tomllib

    try:
        return importlib.metadata.version("pareidolia")
    except importlib.metadata.PackageNotFoundError:
        file = Path(__file__).resolve().parents[1] / "pyproject.toml"
        return str(tomllib.loads(file.read_text("utf-8"))["project"]["version"])


def _technique(command: str, argv: list[str]) -> int:
    kind = TECHNIQUES[command]
    parser = technique_parser(kind)
    if command == "stylize":
        add_sheet(parser)
    options = parser.parse_args(argv)
    job = read_job(kind, options)
    if command == "stylize":
        if wants_film(options):
            return make_film(job, options)
        if wants_sheet(options):
            return make_sheet(job, options)
        stylize_figure.check(options)
    if is_folder(getattr(options, "content", None)):
        return _technique_of_folder(job, options)
    export = export_of(options)
    from cli.running import finish, run_job  # numpy and Pillow: not for --help

    if options.forecast:
        return _forecast(job, options.json)
    reel = getattr(options, "film", None)
    if reel and not 0.1 <= options.rate <= 240:
        raise BadInput(f"--rate is {options.rate:g}; it must be 0.1 to 240 frames a second")
    film = {"reel": Path(reel) if reel else None, "rate": getattr(options, "rate", 24.0)}
    about = {"quiet": options.quiet, "bits": options.bits, **film, "export": export}
    if options.project is None:
        code, figures = run_job(job, Path(options.output), **about)
        if figures and code == 0 and getattr(options, "figure", None) is not None:
            figures["speed"] = stylize_figure.draw(job, options)
            figures["speed_figure"] = str(options.figure)
        return finish(code, figures, options.json)
    from cli.projects import kept_in, tell_kept

    with kept_in(options.project, job) as keeper:
        code, figures = run_job(job, Path(options.output), keep=keeper, **about)
    tell_kept(keeper, options.project, bool(figures) and code != 0)
    return finish(code, figures, options.json)


def _technique_of_folder(job: "Job", options: Any) -> int:
    """Do the same to every photo in a folder."""
    for given, name in (
        (options.forecast, "--forecast"),
        (getattr(options, "film", None), "--film"),
        (options.project, "--project"),
    ):
        if given:
            raise BadInput(f"{name} takes one photo, and {options.content} is a folder")
    from cli.batch import BatchRun
    from engine.job import check_size
    from engine.outputs import Sources
    from engine.work.job_files import wanted_of_photos

    check_size(job.size)
    folder = Path(options.content)
    wanted = wanted_of_photos(job, folder, bits=options.bits)
    return BatchRun(options, Sources(folders=(folder,))).run(wanted)


def _batch(argv: list[str]) -> int:
    options = batch_parser().parse_args(argv)
    from cli import batch

    return batch.run(options)


def _worker(argv: list[str]) -> int:
    options = worker_parser().parse_args(argv)
    from cli import worker

    return worker.run(options)


def _forecast(job: "Job", as_json: bool) -> int:
    """Print what the run would take, measured over a few iterations."""
    import json

    from engine.forecasting import forecast

    found = forecast(job)
    mib = {"memory_mib": found.memory / 2**20, "available_mib": found.available / 2**20}
    if as_json:
        rounded = {name: round(value, 1) for name, value in mib.items()}
        print(json.dumps({"seconds": round(found.seconds, 1), **rounded, "fits": found.fits}))
    else:
        print(
            f"about {found.seconds:.0f} s and {mib['memory_mib']:.0f} MiB of memory "
            f"({mib['available_mib']:.0f} MiB are available)"
        )
    return 0


def _attribute(argv: list[str]) -> int:
    from cli import attribute

    return attribute.run(argv)


def _inspect(argv: list[str]) -> int:
    from cli import inspect

    return inspect.run(argv)


def _train_style(argv: list[str]) -> int:
    from cli import train_style

    return train_style.run(argv)


def _networks(argv: list[str]) -> int:
    from cli import networks

    return networks.run(argv)


def _render(argv: list[str]) -> int:
    parser = Parser(prog=f"{program()} render", description=HELP["render"])
    parser.add_argument("source", metavar="PROJECT_OR_PICTURE", type=Path)
    parser.add_argument("-o", "--output", metavar="OUT", required=True)
    add_variant(parser, "its current job")
    parser.add_argument("--bits", type=int, choices=(8, 16), default=8)
    add_export(parser)
    add_device(parser.add_argument, "as before")
    add_batch_options(parser.add_argument)
    add_output_options(parser.add_argument)
    options = parser.parse_args(argv)
    if is_folder(options.source):
        return _render_folder(options)
    export = export_of(options)
    from cli.projects import job_in
    from cli.running import finish, run_job
    from engine.outputs import Sources

    job = job_in(options.source, options.variant)
    if options.device:
        job = replace(job, device=options.device)
    code, figures = run_job(
        job, Path(options.output), quiet=options.quiet, bits=options.bits,
        read=Sources((options.source,)), export=export,
    )  # fmt: skip
    return finish(code, figures, options.json)


def _resume(argv: list[str]) -> int:
    options = resume_parser().parse_args(argv)
    from cli.projects import resume  # numpy and Pillow: not for --help

    return resume(options)


def _render_folder(options: Any) -> int:
    from cli.batch import BatchRun
    from engine.outputs import Sources
    from engine.work.job_files import wanted_of_file

    device = {"device": options.device} if options.device else {}
    wanted = [
        replace(each, recipe={**each.recipe, **device}, bits=options.bits)
        for each in wanted_of_file(options.source)
    ]
    return BatchRun(options, Sources(folders=(options.source,))).run(wanted)


def _finish(argv: list[str]) -> int:
    from cli import finish

    return finish.run(argv)


def _recolour(argv: list[str]) -> int:
    parser = Parser(prog=f"{program()} recolour", description=HELP["recolour"])
    parser.add_argument("picture", metavar="PICTURE", type=Path)
    parser.add_argument("--content", metavar="PHOTO", required=True, type=Path)
    parser.add_argument("--method", choices=("luminance", "match"), default="luminance",
                        help="luminance: keep only the picture's light and dark; match: "
                        "give it the photo's mean colour and spread")  # fmt: skip
    parser.add_argument("--strength", type=float, default=1.0, metavar="X", help="0 to 1")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, type=Path)
    options = parser.parse_args(argv)
    if not 0 <= options.strength <= 1:
        raise BadInput(f"--strength is {options.strength:g}; it must be 0 to 1")
    if not is_folder(options.picture):
        return _recolour_one(options)
    from cli.each_photo import for_each, of_same_name

    def content(picture: Path) -> dict[str, Path]:
        return {"content": of_same_name(options.content, picture)}

    return for_each(options, "picture", _recolour_one, content)


def _recolour_one(options: Any) -> int:
    from engine.image import from_tensor, open_picture, save_picture
    from engine.outputs import Sources, keep_apart
    from engine.work.making import check_output

    check_output(options.output)
    keep_apart([options.output], Sources((options.picture, options.content)))
    picture, content = open_picture(options.picture), open_picture(options.content)
    tell(picture, content)
    from engine import colour
    from engine.objectives.coverage import Coverage

    content = content.resized(size=(picture.width, picture.height))
    before, photo = (each.tensor()[None] for each in (picture, content))
    if options.method == "luminance":
        result = colour.with_luminance_of(before, photo, options.strength)
    else:
        coverages = [Coverage.of(each) for each in (picture, content)]
        seen = [each.weights(photo) if each else None for each in coverages]
        result = colour.match_colours(before, photo, options.strength, *seen)
    # without the recipe of `picture`, which makes that picture, not this one
    save_picture(from_tensor(result[0], picture), options.output)
    print(options.output)
    return 0


def _demo(argv: list[str]) -> int:
    parser = Parser(prog=f"{program()} demo", description=HELP["demo"])
    parser.add_argument(
        "--folder", type=Path, default=Path("out"), help="where they go (default: out)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(argv)
    from cli.demo import demo

    return demo(options.folder, quiet=options.quiet)


def without_a_command(why: str = "there is no display here") -> int:
    """Say in a line why there is no window, and make the demo pictures."""
    from cli.demo import demo

    print(f"{why}: making the demo pictures instead", file=sys.stderr)
    return demo(Path("out"))
