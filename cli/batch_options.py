"""The options of the command `batch`."""

from pathlib import Path

from cli.cluster_options import add_cluster_options
from cli.options import Parser, add_batch_options, add_export, add_output_options
from cli.wording import program

SUMMARY = "many jobs, one after another or in parallel; resumes where it was interrupted"


def parser() -> Parser:
    """Return the parser of the command `batch`."""
    made = Parser(prog=f"{program()} batch", description=SUMMARY)
    made.add_argument("jobs", metavar="JOBS.json|PROJECT|FOLDER", type=Path, nargs="*",
        help="a list of jobs, a project (its starred variants, or else its job), an exported picture, "
        "or a folder of these; none: whatever is unfinished for this output folder")  # fmt: skip
    made.add_argument("-o", "--output", metavar="FOLDER", required=True,
        help="where the pictures go; created if missing")  # fmt: skip
    add_batch_options(made.add_argument)
    add_export(made)
    made.add_argument("--scheduler", metavar="ADDRESS",
        help="address of a Dask scheduler whose workers make them: tcp://HOST:8786")  # fmt: skip
    add_cluster_options(made.add_argument)
    add_output_options(made.add_argument)
    return made
