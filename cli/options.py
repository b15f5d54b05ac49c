"""Command-line options, made from a technique's own description of its settings."""

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cli.guard import say
from cli.region_options import add_regions, regions_of
from cli.wording import program, worded
from engine import settings
from engine.errors import BadInput
from engine.export import FILE, SUFFIXES, Export
from engine.finish import Finish
from engine.settings import START_PICTURE, STYLE_NETWORK, STYLES
from engine.work.keep_times import SECONDS

if TYPE_CHECKING:
    from engine.image import Picture
    from engine.job import Job
    from engine.task import Technique


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `BadInput`, so that errors fit in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise `BadInput` with argparse's sentence."""
        raise BadInput(f"{message} (see {self.prog} --help)")


CONTENT = {
    "style-transfer": ("CONTENT", "the photo to repaint"),
    "deep-dream": ("PHOTO", "the photo to dream on"),
    "stylize": ("PHOTO_OR_FILM", "the photo, folder of photos or film to repaint"),
    "texture-synthesis": ("TEXTURE", "the texture to make more of"),
}
"""Name and help of the picture that a command works on."""


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("common options")
    add = group.add_argument
    add_output(add)
    add_network(add)
    add("--size", type=_size, default=512, metavar="PX",
        help="long side of the result in px, or photo: as large as the photo (default: 512)")  # fmt: skip
    add("--seed", type=_whole, default=0, metavar="N", help="same seed, same picture (default: 0)")
    add_device(add, "auto")
    add("--precision", default="auto", metavar="PRECISION",
        help="auto (bf16 where it is faster), fp32 or bf16 (default: auto)")  # fmt: skip
    add("--memory", default="auto", metavar="MIB",
        help="how many MiB of memory the program may take, or auto: 60 %% of what is free; a larger "
        "picture is computed in tiles (default: auto)")  # fmt: skip
    add("--preset", metavar="NAME",
        help="start from these settings: a preset's name, or a file saved as one (.preset)")  # fmt: skip
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting by its name")
    add("--project", type=Path, metavar="FILE.pareidolia",
        help="also keep the run in this project as it goes: resume continues it")  # fmt: skip
    add("--forecast", action="store_true", help="only estimate the time and memory of the run")
    add(
        "--bits",
        type=int,
        choices=(8, 16),
        default=8,
        help="bits per colour, for png and tif (default: 8)",
    )
    add_export(group)
    add_output_options(group.add_argument)


def add_output(add: Callable[..., Any]) -> None:
    """Add --output, the picture that a command writes."""
    text = "picture to write (png, jpg, webp, tif, avif, jxl)"
    add("-o", "--output", metavar="OUT", required=True, help=text)


def add_network(add: Callable[..., Any], several: bool = False) -> None:
    """Add --network and --weights; with `several`, the first may be repeated, and [] means none."""
    text = "which network (default: slim_vgg)"
    if several:
        add("--network", default=[], action="append", metavar="NAME", help=text)
    else:
        add("--network", default="slim_vgg", metavar="NAME", help=text)
    add("--weights", metavar="FILE_OR_FOLDER", help="its weights, if not in the usual places")
    text = (
        "how pictures are prepared for it: a name (imagenet, caffe, half, unit, bytes) or spelled "
    )
    text += 'out, "mean=… std=… range=… order=…" (default: as its weights need)'
    add("--preprocessing", metavar="HOW", help=text)


def add_device(add: Callable[..., Any], default: str) -> None:
    """Add --device; a default other than "auto" says in words what None means."""
    text = f"auto, cpu, cuda or mps (default: {default})"
    add("--device", default=default if default == "auto" else None, metavar="DEVICE", help=text)


def add_output_options(add: Callable[..., Any]) -> None:
    """Add the options that say what is printed."""
    add("--quiet", action="store_true", help="no progress bar")
    add(
        "--json",
        action="store_true",
        help="print figures as one line of JSON on standard output",
    )


def add_batch_options(add: Callable[..., Any]) -> None:
    """Add the options for many pictures: how many at once, retries, checkpoints, file names."""
    add("--workers", type=positive, default=1, metavar="N",
        help="for many pictures: parallel processes, which share the cores (default: 1)")  # fmt: skip
    add("--retry", type=_times, default=0, metavar="N",
        help="for many pictures: how often to retry a job that failed (default: 0)")  # fmt: skip
    add("--checkpoint-every", type=_seconds, default=SECONDS, metavar="S",
        help="for many pictures: seconds between two checkpoints of a running job, which continues "
        f"from the last one if the program is killed; 0: none (default: {SECONDS:g})")  # fmt: skip
    described = settings.describe(Export)["format"]
    add(described.option, dest="export_format", metavar="NAME",
        help=f"for many pictures: {_help(described)}")  # fmt: skip


def tell(*pictures: "Picture") -> None:
    """Print on standard error what the user should know of opened files: that one holds more pictures."""
    for picture in pictures:
        if picture.note:
            print(picture.note, file=sys.stderr)


def _size(text: str) -> int | None:
    """Return a number of pixels; None: as large as the photo."""
    return None if text.strip().lower() == "photo" else _whole(text)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def positive(text: str) -> int:
    """Return a whole number from 1 upwards, for argparse."""
    value = _whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is too small: it must be 1 or more")
    return value


def _times(text: str) -> int:
    if text.strip() == "0":
        return 0
    try:
        return positive(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of times: it must be 0 or more"
        ) from None


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds: it must be 0 or more"
        )
    return value


def is_folder(text: str | Path | None) -> bool:
    """Whether a folder was given in place of a photo."""
    try:
        return text is not None and Path(text).is_dir()
    except (OSError, ValueError):
        return False


def technique_parser(kind: "type[Technique]") -> Parser:
    """Return the parser of a technique's command, with every setting as an option."""
    parser = Parser(
        prog=f"{program()} {kind.command}",
        description=f"{kind.title}. Presets: {', '.join(kind.presets)}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    described = settings.describe(kind)
    add = parser.add_argument
    if "content" in kind.inputs:
        metavar, text = CONTENT.get(kind.command, ("PHOTO", "the photo to work on"))
        if kind.content_optional:
            add("content", metavar=metavar, help=f"{text}; a network for a texture needs none",
                nargs="?")  # fmt: skip
        else:
            add("content", metavar=metavar, help=text)
    if "styles" in kind.inputs:
        required = not kind.styles_optional and "regions" not in kind.inputs
        add(STYLES.option, dest="style", action="append", default=[], required=required,
            metavar="PAINTING[:WEIGHT]", help=STYLES.help)  # fmt: skip
    if "start" in kind.inputs:
        add(START_PICTURE.option, dest="start_picture", metavar="PHOTO", help=START_PICTURE.help)
    if "guide" in kind.inputs:
        add("--guide", metavar="PHOTO", help="a picture whose features to bring out")
    groups: dict[str, Any] = {}
    if "regions" in kind.inputs:
        groups["Regions"] = add_regions(parser, kind)
    for entry in described.values():
        if entry.each:
            text = "a layer to amplify; may be repeated"
            add(f"--{entry.each}", dest=f"each_{entry.name}", action="append", default=[],
                metavar="NAME[:WEIGHT]", help=text)  # fmt: skip
    if kind.film:
        add("--film", metavar="FOLDER_OR_VIDEO",
            help="where the frames go: a folder, or a file that ends in .mp4, .mkv or .webm")  # fmt: skip
        add("--rate", type=float, default=24.0, metavar="N", help="frames a second (default: 24)")
    _add_common(parser)
    if "content" in kind.inputs:
        add_batch_options(add)
    for entry in (*described.values(), *settings.describe(Finish).values()):
        if entry.group not in groups:
            groups[entry.group] = parser.add_argument_group(entry.group.lower() or "settings")
        add_setting(groups[entry.group], entry)
    return parser


def add_setting(parser: Any, entry: settings.Setting, kind: str = "setting") -> None:
    """Add the option of a setting to a parser, or to a group of one."""
    action = _Several if entry.picks == STYLE_NETWORK else None
    parser.add_argument(
        entry.option, dest=f"{kind}_{entry.name}", metavar=_metavar(entry), help=_help(entry),
        **({"action": action} if action else {}),
    )  # fmt: skip


class _Several(argparse.Action):
    """Joins the values of a repeated option, with commas."""

    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        """Add the option's new value."""
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, f"{before}, {values}" if before else values)


def chosen_of(
    described: Mapping[str, settings.Setting], options: argparse.Namespace, kind: str = "setting"
) -> dict[str, Any]:
    """Return the settings that were given as options, parsed. Raises `BadInput`."""
    return {
        name: entry.parse(text)
        for name, entry in described.items()
        if (text := getattr(options, f"{kind}_{name}")) is not None
    }


def add_export(parser: Any) -> None:
    """Add the options that say how a picture becomes a file."""
    for name in FILE:
        add_setting(parser, settings.describe(Export)[name], "export")


def export_of(options: argparse.Namespace) -> Export:
    """Return how a single picture becomes a file. Raises `BadInput`."""
    if getattr(options, "export_format", None) is not None:
        mention = settings.describe(Export)["format"].mention()
        raise BadInput(mention, " is for many pictures: for a single one, end -o in its format")
    return settings.make(Export, _export_chosen(options))


def many_exported(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Return how many pictures become files: what differs from the defaults, and any suffix.

    Raises `BadInput`.
    """
    from engine.export_files import formats_here

    chosen, entry = _export_chosen(options), settings.describe(Export)["format"]
    settings.make(Export, chosen)
    if options.export_format is None:
        return chosen, ""
    name = entry.parse(options.export_format)
    if name not in formats_here():
        raise BadInput(entry.mention(), f" is {name}, which cannot be written on this machine")
    return chosen, SUFFIXES[name]


def _export_chosen(options: argparse.Namespace) -> dict[str, Any]:
    described = {name: settings.describe(Export)[name] for name in FILE}
    return chosen_of(described, options, "export")


def _metavar(entry: settings.Setting) -> str:
    words = {"float": "X", "int": "N", "bool": "on|off", "layers": "NAME[:WEIGHT],…"}
    if entry.picks == STYLE_NETWORK:
        return "NAME_OR_FILE[:WEIGHT]"
    if entry.picks == "folder":
        return "FOLDER"
    return words.get(entry.kind, "NAME")


def _help(entry: settings.Setting) -> str:
    default = entry.default
    if isinstance(default, bool):
        default = "on" if default else "off"
    elif default is None:
        default = "auto"
    elif default == "":
        default = "empty"
    details = [entry.range_text, f"default: {default}"]
    text = f"{entry.help} ({'; '.join(d for d in details if d)})"
    return text.replace("%", "%%")


def read_job(kind: "type[Technique]", options: argparse.Namespace) -> "Job":
    """Return the job that the options describe: the preset, then --set, then the options themselves."""
    from engine.job import Inputs, Job

    described = settings.describe(kind)
    chosen = preset(kind, options.preset) if options.preset else {}
    named: set[str] = set()
    for pair in options.set:
        key, equals, text = pair.partition("=")
        if not equals:
            raise BadInput(f"--set {pair!r} is not KEY=VALUE, such as --set iterations=300")
        name = key.strip().replace("-", "_")
        if name in named:
            raise BadInput(f"--set gives {key.strip()} twice; give it once")
        named.add(name)
        chosen[name] = described[name].parse(text) if name in described else text
    for name, entry in described.items():
        text = getattr(options, f"setting_{name}")
        each = getattr(options, f"each_{name}", [])
        if text is not None and each:
            raise BadInput(
                f"{entry.option} and --{entry.each} give the same setting; use one of them"
            )
        if text is not None:
            chosen[name] = entry.parse(text)
        if each:
            chosen[name] = settings.parse_layers(each, f"--{entry.each}")
    inputs = Inputs(
        getattr(options, "content", None),
        tuple(parse_style(text) for text in getattr(options, "style", [])),
        getattr(options, "guide", None),
        getattr(options, "start_picture", None),
        regions_of(kind, options),
    )
    if "styles" in kind.inputs and not kind.styles_optional and not inputs.has_style:
        required = f"the following arguments are required: {STYLES.option}"
        raise BadInput(f"{required} (see {program()} {kind.command} --help)")
    finish = chosen_of(settings.describe(Finish), options)
    return Job(
        settings.make(kind, chosen), inputs, options.network, options.weights, options.size,
        options.seed, options.device, options.precision, finish=Finish(**finish),
        memory=settings.describe(Job)["memory"].parse(options.memory),
    )  # fmt: skip


def preset(kind: "type[Technique]", name: str) -> dict[str, Any]:
    """Return the settings of a preset by its name, in any capitalization, or of a file."""
    from engine.preset_file import ENDING  # not needed for --help

    if Path(name).suffix.lower() == ENDING:
        return _shared_preset(kind, Path(name))
    wanted = {known.casefold(): values for known, values in kind.presets.items()}
    if name.casefold() not in wanted:
        raise BadInput(f"--preset {name!r} does not exist; there are {', '.join(kind.presets)}")
    return dict(wanted[name.casefold()])


def _shared_preset(kind: "type[Technique]", path: Path) -> dict[str, Any]:
    """Return the settings in a preset's file; say what is read differently from what it says."""
    from engine.preset_file import read_preset
    from engine.techniques import TECHNIQUES

    found = read_preset(path, TECHNIQUES)
    if found.technique != kind.command:
        raise BadInput(f"--preset {path} is for {found.technique}; this is {kind.command}")
    for note in found.notes:
        say(f"{path}: {worded(note)}")
    return dict(found.values)


def parse_style(text: str) -> tuple[str, float]:
    """Return (path, weight) of PAINTING[:WEIGHT]; a colon not followed by a number belongs to the path.

    So does a colon in the name of an existing file, unless there is also a file named without the weight.
    """
    path, colon, weight = text.rpartition(":")
    if colon and path and (is_file(path) or not is_file(text)):
        try:
            return path, float(weight)
        except ValueError:
            pass
    return text, 1.0


def is_file(text: str) -> bool:
    """Whether a file of this name exists."""
    try:
        return Path(text).is_file()
    except OSError:  # too long for a file name
        return False


def split_known(argv: Sequence[str], names: Sequence[str]) -> str:
    """Return the command at the front, or raise `BadInput` that lists the valid ones."""
    if argv[0] in names:
        return argv[0]
    import difflib

    within = [name for name in names if argv[0] in name.split("-")]
    near = within or difflib.get_close_matches(argv[0], names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    raise BadInput(f"there is no command {argv[0]!r}; {hint}")
