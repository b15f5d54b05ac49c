"""What a batch reports as it goes: a line for each job that ends, and a bar."""

import json
import time
from pathlib import Path
from typing import Any

from cli.guard import say
from cli.running import Interrupt, progress_stream
from engine.work.queue import QueuedJob


class BatchReport:
    """Reports each job once, and remembers how all of them ended."""

    def __init__(self, folder: Path, *, quiet: bool, json: bool) -> None:
        """Report on pictures in `folder`."""
        self.folder, self.quiet, self.json = folder, quiet, json
        self.codes: list[int] = []
        """The exit code that each failed job would have had."""
        self.count = self.skipped = self.done = 0
        """All pictures, those that already existed, and those that were made."""
        self._told: set[int] = set()
        self._shown_at = 0.0

    def bar(self) -> Any:
        """Return the bar on standard error."""
        from tqdm import tqdm

        return tqdm(
            total=self.count, disable=self.quiet, file=progress_stream(), delay=1e-3,
            bar_format="{desc} |{bar}| {percentage:3.0f} % [{elapsed}]",
        )  # fmt: skip

    def tell(self, jobs: list[QueuedJob], bar: Any) -> int:
        """Report the jobs that have ended since; return how many. `bar`: None at the end."""
        ended = [j for j in jobs if j.state in ("done", "failed") and j.id not in self._told]
        if ended and bar is not None:
            bar.clear()
        for job in ended:
            self._told.add(job.id)
            self._tell_one(job)
        if bar is None:
            return len(ended)
        ready = self.skipped + self.done + len(self.codes)
        running = [job for job in jobs if job.state == "running"]
        at = ready + sum(job.iteration / job.total for job in running if job.total)
        now = time.monotonic()
        if at != bar.n or ended or now - self._shown_at >= 1:
            self._shown_at = now
            bar.n = at
            names = ", ".join(job.title for job in running[:3])
            bar.set_description_str(f"{ready} of {self.count}: {names}"[:60], refresh=False)
            bar.refresh()
        return len(ended)

    def _tell_one(self, job: QueuedJob) -> None:
        if job.state == "failed":
            self.codes.append(job.exit_code)
            file = job.title.partition(" · ")[0]
            say(job.sentence if file in job.sentence else f"{job.title}: {job.sentence}")
            if self.json:
                self._print_json("failed", self._shown(job.output), title=job.title,
                    error=job.sentence, exit_code=job.exit_code)  # fmt: skip
            return
        if job.figures.get("skipped"):
            self.tell_made(job.output)
            return
        self.done += 1
        if "note" in job.figures:
            say(f"{job.title}: {job.figures['note']}")
        path = self._shown(job.output)
        figures = {name: value for name, value in job.figures.items() if name != "output"}
        if self.json:
            self._print_json("done", path, title=job.title, **figures)
            return
        resumed = figures.get("resumed_at")
        print(
            f"{path}: {figures['iterations']} iterations in {figures['seconds']:.1f} s "
            f"({figures['network']}, {figures['device']}, {figures['precision']})"
            + (f", continued after iteration {resumed}" if resumed else ""),
            flush=True,
        )

    def tell_made(self, path: Path) -> None:
        """Report a picture that already existed."""
        self.skipped += 1
        if self.json:
            self._print_json("skipped", self._shown(path))
        else:
            print(f"{self._shown(path)}: already there", flush=True)

    def _print_json(self, state: str, output: str, **others: Any) -> None:
        print(json.dumps({"state": state, "output": output, **others}), flush=True)

    def _shown(self, path: Path) -> str:
        return str(self.folder / path.name)

    def summed_up(self, interrupt: Interrupt) -> int:
        """Report what is left and what failed; return the exit code."""
        ready = self.skipped + self.done
        if interrupt.asked:
            if not self.quiet:
                say(
                    f"stopped with {ready} of {self.count} made; run the same command again to continue"
                )
            return interrupt.exit_code
        if not self.codes:
            return 0
        if self.count > 1:
            say(f"{len(self.codes)} of {self.count} failed")
        same = set(self.codes)
        return same.pop() if len(same) == 1 else 1
