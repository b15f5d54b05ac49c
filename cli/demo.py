"""The demo for machines without a screen: a style transfer and a dream of the sample photo."""

from pathlib import Path

from cli.running import run_job
from engine.errors import BadInput
from engine.job import Inputs, Job
from engine.settings import make
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer

SAMPLES = Path(__file__).resolve().parent.parent / "resources" / "pictures"


def demo(folder: Path, *, quiet: bool = False) -> int:
    """Make `style.png` and `dream.png` in `folder` with the shipped network; print where they are."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be created ({error.strerror}); use another --folder"
        ) from error
    preview = make(StyleTransfer, StyleTransfer.presets["Fast preview"])
    photo = str(SAMPLES / "cat.jpg")
    jobs = {
        "style.png": Job(preview, Inputs(photo, ((str(SAMPLES / "brush_strokes.jpg"), 1.0),))),
        "dream.png": Job(DeepDream(), Inputs(photo)),
    }
    for name, job in jobs.items():
        code, _ = run_job(job, folder / name, quiet=quiet)
        if code:
            return code
        print(folder / name)
    return 0
