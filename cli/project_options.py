"""Options for projects."""

from pathlib import Path

from cli.options import Parser, add_export, add_output_options
from cli.wording import program

RESUME = "an interrupted run continued from its project: the same picture as without a break"


def resume_parser() -> Parser:
    """Return the parser of the command `resume`."""
    parser = Parser(prog=f"{program()} resume", description=RESUME)
    add = parser.add_argument
    add("project", metavar="PROJECT", type=Path, nargs="?",
        help="a project file (.pareidolia), or the folder of a project")  # fmt: skip
    add("--recovered", action="store_true",
        help="instead of PROJECT: the newest unfinished run of a killed window")  # fmt: skip
    add("--list", action="store_true",
        help="only list what killed windows left, newest first")  # fmt: skip
    add("-o", "--output", metavar="OUT", type=Path,
        help="picture file to write too (default: the picture is only kept in the project)")  # fmt: skip
    add_variant(parser, "the most recently kept unfinished run")
    add("--bits", type=int, choices=(8, 16), default=8,
        help="bits per colour of OUT, for png and tif (default: 8)")  # fmt: skip
    add_export(parser)
    add_output_options(add)
    return parser


def add_variant(parser: Parser, default: str) -> None:
    """Add --variant; `default` says in words what happens without it."""
    parser.add_argument("--variant", metavar="NAME",
        help=f"which variant of a project, by its name or id (default: {default})")  # fmt: skip
