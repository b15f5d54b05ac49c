"""`finish`: what can be done to a result without running again, for any finished picture."""

from argparse import Namespace
from functools import partial
from pathlib import Path

from cli.options import Parser, add_setting, chosen_of, is_folder, tell
from cli.wording import program
from engine import settings
from engine.errors import BadInput
from engine.finish import Finish

SUMMARY = "a finished picture sharpened, with grain, or blended with its photo"


def parser() -> Parser:
    """Return the parser of the command."""
    made = Parser(prog=f"{program()} finish", description=SUMMARY)
    made.add_argument(
        "picture", metavar="PICTURE", type=Path, help="a picture, or a folder of them"
    )
    made.add_argument("--content", metavar="PHOTO", type=Path,
                      help="the photo that it was made from; for a folder of pictures, also a folder "
                      "of photos with the same names")  # fmt: skip
    made.add_argument("-o", "--output", metavar="OUT", required=True, type=Path)
    for entry in settings.describe(Finish).values():
        add_setting(made, entry)
    return made


def run(argv: list[str]) -> int:
    """Carry out the command; return the exit code. Raises `PareidoliaError`s."""
    options = parser().parse_args(argv)
    finish = settings.make(Finish, chosen_of(settings.describe(Finish), options))
    if finish == Finish():
        raise BadInput(
            "finish has nothing to do: give --sharpen, --grain, --strength or --recolour"
        )
    with_photo = finish.strength < 1 or finish.recolour in ("luminance", "match")
    if with_photo and options.content is None:
        raise BadInput("the colours and the strength need the photo: give --content PHOTO")
    act = partial(_finish_one, finish)
    if not is_folder(options.picture):
        return act(options)
    from cli.each_photo import for_each, of_same_name

    def content(picture: Path) -> dict[str, Path]:
        photo: Path | None = options.content
        return {} if photo is None else {"content": of_same_name(photo, picture)}

    return for_each(options, "picture", act, content)


def _finish_one(finish: Finish, options: Namespace) -> int:
    from engine.finish import Finisher, as_made
    from engine.image import from_tensor, open_picture, save_picture
    from engine.outputs import Sources, keep_apart
    from engine.work.making import check_output

    files = [path for path in (options.picture, options.content) if path is not None]
    check_output(options.output)
    keep_apart([options.output], Sources(tuple(files)))
    picture, photo = open_picture(options.picture), None
    tell(picture)
    if options.content is not None:
        photo = open_picture(options.content)
        tell(photo)
        if not Finisher(photo).fits(picture.height, picture.width):
            raise BadInput(
                f"{options.content} has {photo.width} x {photo.height} pixels and {options.picture}"
                f" {picture.width} x {picture.height}: give a photo of the same shape"
            )
    finished = Finisher(photo)(as_made(picture), finish)
    # without the recipe of `picture`, which makes that picture, not this one
    save_picture(from_tensor(finished, picture), options.output)
    print(options.output)
    return 0
