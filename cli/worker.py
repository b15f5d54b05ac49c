"""The command `worker`: this machine makes pictures for others until told to stop."""

from types import FrameType
from typing import Any

from cli.cluster_options import read_address
from cli.guard import say
from cli.interrupting import Ended, handled, let_go_of_terminal


class _Ending:
    """The first signal ends the work, a second one at once."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self.number:
            raise Ended(number)
        self.number = number
        let_go_of_terminal(number)


def run(options: Any) -> int:
    """Carry out the command; return the exit code. Raises `PareidoliaError`s."""
    where = read_address(options.address, options)
    from engine.work.cluster.offering import offer

    ending = _Ending()
    with handled(ending):
        offer(where, (lambda _: None) if options.quiet else say, lambda: bool(ending.number))
    return 128 + ending.number if ending.number else 0
