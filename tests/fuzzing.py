"""python -m tests.fuzzing: opens thousands of damaged files, as `make fuzz` and, fewer, the tests do.

Projects, the window's session, presets, recipes, pictures that carry a recipe, and queues are changed
at random: bytes, values of their JSON, members of their archives. Each has to open or to be refused
with one sentence, in a few seconds and little memory; nothing may be run, and nothing written but
where the file is opened. A case depends on its kind, the seed and its number alone.
"""

import argparse
import base64
import copy
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.errors import BadInput, PareidoliaError
from engine.image import Picture, open_picture, save_picture
from engine.image_metadata import GIF_MARK, RECIPE_KEY, read_recipe, recipe_json, recipe_xmp
from engine.job import Inputs, Job
from engine.preset_file import Preset, read_preset, write_preset
from engine.project import read_job
from engine.techniques import TECHNIQUES
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer
from engine.work.job_files import wanted_of_file
from engine.work.losses import LossHistory
from engine.work.project_file import pack, read_thumbnail, unpack
from engine.work.project_folder import ProjectFolder, Variant
from engine.work.queue import NewJob, Queue
from gui import session

SECONDS = 20
"""For a case: a machine that does other work meanwhile may need some of them."""
MEBIBYTES = 1024
"""That all cases together may add to the memory in use."""
LONGEST = 4000
"""Letters of a sentence."""
STARTS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "pickle.find_class",
)
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, -1e308, float("nan"), float("inf"), 10**30, 2**63, "", "x" * 20_000,
    "../../outside.txt", "/dev/zero", "/etc/passwd", "\0", "\\\\host\\share\\a.png", "//host/a.png",
    "\ud800", "a\nb", [], {}, [[[[[[]]]]]], {"a": {"a": {}}}, ["x"] * 1000, "0" * 64, [1, 2, 3],
)  # fmt: skip


class Fault(Exception):
    """What a case did and must not do."""


class _Watch:
    """Notes what is started while a case runs."""

    def __init__(self) -> None:
        self.on, self.seen = False, list[str]()
        sys.addaudithook(self._heard)

    def _heard(self, event: str, _arguments: Any) -> None:
        if self.on and event in STARTS:
            self.seen.append(event)


class Fuzz:
    """Makes cases, and sees what becomes of them, in a folder of its own."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.case, self.outside = folder / "inner" / "case", folder / "outside.txt"
        self.case.mkdir(parents=True)
        self.outside.write_text("mine")
        os.environ["PAREIDOLIA_HOME"] = str(self.case / "home")
        self.photo = folder / "photo.png"
        noise = np.random.default_rng(0).random((24, 32, 3), np.float32)
        save_picture(Picture(noise), self.photo)
        self.jobs = [
            Job(DeepDream(iterations=3), Inputs(str(self.photo)), size=32, device="cpu"),
            Job(StyleTransfer(iterations=3), Inputs(str(self.photo), ((str(self.photo), 1.0),)),
                size=32, device="cpu", changes=((1, {"content_weight": 2.0}),), stop_after=2),
        ]  # fmt: skip
        self.base = {name: getattr(self, f"_{name}")() for name in KINDS}
        self.watch = _Watch()
        self.opened = 0
        """How many cases were no worse for what was done to them."""
        self.slowest = 0.0

    # -- what is whole -------------------------------------------------------------------------

    def _projects(self) -> list[bytes]:
        made = ProjectFolder(self.folder / "project")
        made.path.mkdir()
        made.write_job(self.jobs[0])
        small = io.BytesIO()
        Image.new("RGB", (8, 8)).save(small, "JPEG")
        jpeg, losses = small.getvalue(), LossHistory()
        losses.add([(1, {"content": 2.0, "total": 3.0}), (2, {"total": 1.0})])
        for number, job in enumerate(self.jobs):
            made.put(
                Variant(f"v{number}", made.recipe_of(job), "v0" if number else None, number, total=3),
                open_picture(self.photo), jpeg, {1: jpeg}, b"checkpoint", losses,
            )  # fmt: skip
        recipe = json.dumps(self.jobs[1].recipe()).encode()
        return [pack(made, self.folder / "whole.pareidolia").read_bytes(), recipe]

    def _sessions(self) -> list[bytes]:
        mine = {"deep-dream": {"Mine": {"iterations": 7}}, "style-transfer": {"Soft": {}}}
        held = session.Session(self.jobs[1], [str(self.photo)], mine)
        held.techniques = {"deep-dream": (DeepDream(), 64)}
        session.save(held)
        return [session.file().read_bytes()]

    def _recipes(self) -> list[bytes]:
        found = [json.dumps(job.recipe()).encode() for job in self.jobs]
        found.append(json.dumps([{"technique": "deep-dream", "inputs": {"content": "p"}}]).encode())
        return found

    def _presets(self) -> list[bytes]:
        found = []
        for command, values in (
            ("deep-dream", {"octaves": 6, "layers": {"relu4_1": 1.0}, "objective": "norm"}),
            ("style-transfer", {"content_weight": 2.0, "start": "content"}),
        ):
            file = self.folder / f"{command}.preset"
            write_preset(file, Preset("Mine", command, values), TECHNIQUES)
            found.append(file.read_bytes())
        return found

    def _pictures(self) -> list[bytes]:
        found, recipe = [], self.jobs[1].recipe()
        for name in ("png", "jpg", "webp", "tif"):
            file = self.folder / f"made.{name}"
            save_picture(open_picture(self.photo), file, recipe=recipe)
            found.append(file.read_bytes())
        moving = io.BytesIO()  # the timeline's, which is a GIF with a comment
        Image.new("RGB", (8, 8)).save(
            moving, "GIF", comment=GIF_MARK + recipe_json(recipe).encode()
        )
        return [*found, moving.getvalue()]

    def _queues(self) -> list[bytes]:
        path = self.folder / "queue.sqlite"
        with closing(Queue(path)) as queue:
            queue.add(
                NewJob(job.recipe(), self.folder / f"{n}.png", "title", str(n))
                for n, job in enumerate(self.jobs)
            )
        return [path.read_bytes()]

    # -- one case ------------------------------------------------------------------------------

    def run(self, kind: str, number: int) -> str:
        """Open one damaged file; return what was said of it, "" for nothing. Raises `Fault`."""
        chance = random.Random(f"{kind} {self.seed} {number}")
        data = self._damaged(chance, kind)
        shutil.rmtree(self.case, ignore_errors=True)
        (self.case / "home").mkdir(parents=True)
        before = self._around()
        began = time.perf_counter()
        self.watch.seen.clear()
        said = ""
        try:
            with _limited(SECONDS):
                self.watch.on = True
                OPENERS[kind](data, self.case)
        except PareidoliaError as error:
            said = str(error)
        except Fault:
            raise
        except BaseException as error:
            raise Fault(f"{type(error).__name__}: {error}") from error
        finally:
            self.watch.on = False
        self.slowest = max(self.slowest, time.perf_counter() - began)
        if self._around() != before:
            raise Fault("something outside of its place was written")
        if self.watch.seen:
            raise Fault(f"it started something: {self.watch.seen}")
        if len(said) > LONGEST or (said and not said.strip()):
            raise Fault(f"a sentence of {len(said)} letters")
        self.opened += not said
        return said

    def _around(self) -> dict[str, bytes]:
        """Return what lies around the place of a case."""
        files = [*self.folder.iterdir(), *(self.folder / "inner").iterdir()]
        return {str(p): p.read_bytes() if p.is_file() else b"" for p in files}

    def _damaged(self, chance: random.Random, kind: str) -> bytes:
        data = chance.choice(self.base[kind])
        ways = [flipped, cut, inserted]
        if data[:2] == b"PK":
            ways += [repacked] * 6
        elif data[:1] in b"{[":
            ways += [revalued] * 6
        elif kind == "pictures":
            ways += [rewritten] * 6
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            way = chance.choice(ways)
            try:
                data = way(chance, data)
            except Exception:  # damaged too much before; what is raised has no common type
                data = flipped(chance, data)
        return data


def flipped(chance: random.Random, data: bytes) -> bytes:
    """Change some bytes."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 2, 8, 64))):
        if changed:
            changed[chance.randrange(len(changed))] = chance.choice((0, 255, chance.randrange(256)))
    return bytes(changed)


def cut(chance: random.Random, data: bytes) -> bytes:
    """Leave out the end, the beginning or something between."""
    start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return chance.choice((data[:start], data[start:], data[:start] + data[end:]))


def inserted(chance: random.Random, data: bytes) -> bytes:
    """Put something between: noise, or a piece of itself."""
    place = chance.randrange(len(data) + 1)
    start = chance.randrange(len(data) + 1)
    more = chance.choice((chance.randbytes(chance.randrange(1, 100)), data[start : start + 2000]))
    return data[:place] + more + data[place:]


def revalued(chance: random.Random, data: bytes) -> bytes:
    """Change values of a JSON text; now and then nest it deep or say something twice."""
    values = json.loads(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        holders = [one for one in _holders(values) if one]
        if not holders:
            break
        holder = chance.choice(holders)
        keys: list[Any] = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = chance.choice(keys)
        what = chance.randrange(4)
        if what == 0:
            del holder[key]
        elif what == 1 and isinstance(holder, dict):
            holder[chance.choice(("", "x", "__class__", "schema", "path"))] = holder.pop(key)
        elif what == 2:
            holder[key] = copy.deepcopy(chance.choice(list(_holders(values))))
        else:
            holder[key] = copy.deepcopy(chance.choice(ODD))
    text = json.dumps(values)
    special = chance.randrange(40)
    if special == 0:
        text = text.replace("null", "[" * 50_000, 1)
    elif special == 1:
        text = "{" + text[1:-1] + ", " + text[1:]
    return text.encode("utf-8", "surrogatepass")


def _holders(values: Any) -> Iterator[Any]:
    if isinstance(values, (dict, list)):
        yield values
        for one in values.values() if isinstance(values, dict) else values:
            yield from _holders(one)


def repacked(chance: random.Random, data: bytes) -> bytes:
    """Change what an archive holds and how it is called."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    number = chance.randrange(len(members))
    name, held = members[number]
    what = chance.randrange(6)
    if what == 0:
        odd = (
            "../outside.txt",
            "/x.txt",
            "inputs/x.py",
            "thumbnails/v9.jpg",
            "project.json",
            "a\\b",
        )
        members[number] = chance.choice(odd), held
    elif what == 1:
        members[number] = name, flipped(chance, held)
    elif what == 2:
        members[number] = name, chance.choice(members)[1]
    elif what == 3:
        members[number] = name, bytes(chance.choice((0, 10, 2**22)))
    elif what == 4:
        del members[number]
    if what >= 4:
        members = [(n, revalued(chance, h) if n == "project.json" else h) for n, h in members]
    out = io.BytesIO()
    with zipfile.ZipFile(
        out, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    ) as made:
        warnings.simplefilter("ignore", UserWarning)  # of a name that stands there twice
        for n, h in members:
            info = zipfile.ZipInfo(n)
            if what == 5 and chance.random() < 0.1:
                info.external_attr = 0o120777 << 16
            made.writestr(info, h)
    return out.getvalue()


def rewritten(chance: random.Random, data: bytes) -> bytes:
    """Change the recipe in a picture, or how it is written there; the rest of the file is whole."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        recipe = read_recipe(file.name)
    text = revalued(chance, json.dumps(recipe).encode()).decode("utf-8", "replace")
    odd = chance.randrange(12)
    if odd == 0:
        text = bomb()
    elif odd == 1:
        packed = base64.b64encode(flipped(chance, zlib.compress(text.encode())))
        text = f"zlib:{packed.decode()}"
    elif odd == 2:
        text = flipped(chance, text.encode()).decode("utf-8", "replace")
    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as picture:
        if picture.format == "PNG":
            notes, packed_too = PngInfo(), chance.random() < 0.5
            # A text whose chunk unpacks to more than Pillow takes is the bomb here.
            text = " " * 2**24 if odd == 0 and packed_too else text
            notes.add_itxt(RECIPE_KEY, text, zip=packed_too)
            if chance.random() < 0.2:
                notes.add_text(RECIPE_KEY, text.encode("latin-1", "replace"))
            picture.save(out, "PNG", pnginfo=notes)
        elif picture.format == "GIF":
            picture.save(out, "GIF", comment=GIF_MARK + text.encode("utf-8", "replace"))
        else:
            packet = recipe_xmp(text) or b""
            if odd == 3:
                packet = packet.replace(b"?>", ENTITIES, 1).replace(b"recipe>", b"recipe>&a9;", 1)
            packet = flipped(chance, packet) if odd == 4 else packet
            picture.save(out, picture.format, xmp=packet[: 2**15] if odd == 5 else packet)
    return out.getvalue()


ENTITIES = (
    b'?><!DOCTYPE x [<!ENTITY a0 "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n + 1, b"&a%d;" % n * 10) for n in range(9))
    + b"]>"
)
"""In the head of an XMP packet: what grows to gigabytes if somebody asks for it."""


@cache
def bomb() -> str:
    """Return a recipe, as it is packed for a JPEG, that unpacks to far more than any may have."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(2**20)) for _ in range(64)] + [packer.flush()]
    return f"zlib:{base64.b64encode(b''.join(parts)).decode()}"


# -- opening -----------------------------------------------------------------------------------


def open_project(data: bytes, case: Path) -> None:
    """Open a project and look at all that is in it."""
    path = case / ("case.pareidolia" if data[:1] != b"{" else "case.json")
    path.write_bytes(data)
    read_thumbnail(path)
    folder = ProjectFolder(case / "opened")
    folder.path.mkdir()
    project = unpack(path, folder)
    if project.job is not None:
        folder.write_job(folder.job())
    for variant in project.variants:
        folder.job(variant.id)
        if variant.has_result:
            folder.result(variant.id)
        with suppress(BadInput):
            folder.losses(variant.id)
    pack(folder, case / "again.pareidolia")


def open_session(data: bytes, _case: Path) -> None:
    """Start the window's session, and save it: what cannot be read is as at the first start."""
    session.file().write_bytes(data)
    session.save(session.load())


def open_preset(data: bytes, case: Path) -> None:
    """Import a preset, and save it to a file again."""
    path = case / "case.preset"
    path.write_bytes(data)
    preset = read_preset(path, TECHNIQUES)
    if any(len(str(note)) > LONGEST or not str(note).strip() for note in preset.notes):
        raise Fault("a note is too long, or empty")
    TECHNIQUES[preset.technique](**preset.values)
    write_preset(case / "again.preset", preset, TECHNIQUES)


def open_picture_with_recipe(data: bytes, case: Path) -> None:
    """Read the recipe in a picture as a project and as a batch's job."""
    heads = {b"\x89P": "png", b"\xff\xd8": "jpg", b"RI": "webp", b"GI": "gif"}
    _open_recipe(case / f"case.{heads.get(data[:2], 'tif')}", data)


def open_recipe(data: bytes, case: Path) -> None:
    """Read a recipe as a project and as a batch's list."""
    _open_recipe(case / "case.json", data)


def _open_recipe(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        read_job(path)
    except PareidoliaError as error:
        if len(str(error)) > LONGEST:
            raise Fault(f"a sentence of {len(str(error))} letters") from error
    wanted_of_file(path)


def open_queue(data: bytes, case: Path) -> None:
    """Open a queue, as a batch does that goes on with it."""
    path = case / "case.sqlite"
    path.write_bytes(data)
    with closing(Queue(path, check=True)) as queue:
        for entry in queue.entries():
            Job.from_recipe(queue.recipe(entry.id))
            queue.thumbnail(entry.id)


OPENERS: dict[str, Callable[[bytes, Path], None]] = {
    "projects": open_project,
    "sessions": open_session,
    "presets": open_preset,
    "recipes": open_recipe,
    "pictures": open_picture_with_recipe,
    "queues": open_queue,
}
KINDS = tuple(OPENERS)


@contextmanager
def _limited(seconds: int) -> Iterator[None]:
    def late(_number: int, _frame: Any) -> None:
        raise Fault(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def memory() -> float:
    """Return the most memory that this process had so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Run the cases that the command line asks for; return 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing")
    parser.add_argument("--count", type=int, default=3000, help="cases of each kind")
    parser.add_argument("--kind", choices=KINDS, help="only these")
    parser.add_argument("--seed", type=int, default=24)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    options = parser.parse_args()
    import logging

    logging.getLogger("pareidolia").addHandler(logging.NullHandler())
    logging.getLogger("pareidolia").propagate = False
    faults = 0
    with tempfile.TemporaryDirectory() as made:
        fuzz, before = Fuzz(Path(made), options.seed), memory()
        for kind in (options.kind,) if options.kind else KINDS:
            fuzz.opened, fuzz.slowest, began = 0, 0.0, time.perf_counter()
            for number in range(options.first, options.first + options.count):
                try:
                    fuzz.run(kind, number)
                except Fault as fault:
                    faults += 1
                    again = f"--kind {kind} --seed {options.seed} --first {number} --count 1"
                    print(f"FAULT {again}: {fault}", flush=True)
            print(
                f"{kind}: {options.count} cases from seed {options.seed}, {fuzz.opened} opened, the rest "
                f"refused in a sentence; {time.perf_counter() - began:.0f} s, the slowest "
                f"{fuzz.slowest:.2f} s, memory +{memory() - before:.0f} MiB", flush=True,
            )  # fmt: skip
        grown = memory() - before
    if grown > MEBIBYTES:
        faults += 1
        print(f"FAULT memory grew by {grown:.0f} MiB")
    print(f"{faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
