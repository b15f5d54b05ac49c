"""The options that say where a cluster is, and how the connection is protected."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.options import Parser
from cli.wording import program

if TYPE_CHECKING:
    from engine.work.cluster.address import SchedulerAddress

WORKER_SUMMARY = "make pictures for a batch that runs on a cluster (Dask)"


def add_cluster_options(add: Callable[..., Any]) -> None:
    """Add the options for TLS, and the one to do without."""
    add("--tls-ca", metavar="FILE", type=Path,
        help="for tls:// addresses: certificates of the authorities trusted to sign (PEM)")  # fmt: skip
    add("--tls-cert", metavar="FILE", type=Path, help="your own certificate (PEM)")
    add("--tls-key", metavar="FILE", type=Path,
        help="its private key (PEM), if it is not in the certificate's file")  # fmt: skip
    add("--insecure", action="store_true",
        help="use tcp:// to other machines: whoever can reach a scheduler or worker can run programs "
        "there, so only in a network where you trust everybody")  # fmt: skip


def read_address(text: str, options: Any) -> "SchedulerAddress":
    """Return the address with what the options say. Raises `BadInput`."""
    from engine.work.cluster.address import scheduler_address

    return scheduler_address(
        text, options.tls_ca, options.tls_cert, options.tls_key, options.insecure
    )


def worker_parser() -> Parser:
    """Return the parser of the command `worker`."""
    made = Parser(prog=f"{program()} worker", description=WORKER_SUMMARY)
    made.add_argument(
        "address", metavar="SCHEDULER", help="where the scheduler is: tcp://HOST:8786"
    )
    add_cluster_options(made.add_argument)
    made.add_argument("--quiet", action="store_true", help="say nothing when it is ready")
    return made
