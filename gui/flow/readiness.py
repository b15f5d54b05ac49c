"""What keeps a job from running, and which settings wait for the next run."""

from typing import Any

from PySide6.QtCore import QCoreApplication

from engine import settings
from engine.job import Inputs, Job
from engine.task import Technique
from gui.masks.files import is_blank
from gui.session import path_of


def missing(job: Job) -> str:
    """Return in a sentence what keeps the job from running; empty: nothing."""
    technique, inputs, takes = job.technique, job.inputs, job.technique.inputs
    if not inputs.content and technique.needs_content:
        return QCoreApplication.translate("RunFlow", "Open a photo first (Ctrl+I).")
    if technique.needs_styles and not inputs.has_style:
        return QCoreApplication.translate("RunFlow", "Add a style picture first (Ctrl+Shift+O).")
    for number, region in enumerate(inputs.regions if "regions" in takes else (), 1):
        if is_blank(path_of(region.mask)):
            text = "Region {0} is empty: paint it first (B), or remove it."
            return QCoreApplication.translate("RunFlow", text).format(number)
    if technique.needs_start and not inputs.start:
        return QCoreApplication.translate(
            "RunFlow", "Start is set to a picture, but there is none: choose another start."
        )
    if wanted(technique) is not None:
        if settings.describe(technique)[str(wanted(technique))].picks == "folder":
            text = "Choose a folder of photos first: Settings › Folder."
        else:
            text = "Choose a class first: type or pick its name in Settings › Class."
        return QCoreApplication.translate("RunFlow", text)
    return ""


def wanted(technique: Technique) -> str | None:
    """Return the setting that must be filled in before anything can run."""
    for name, described in settings.describe(technique).items():
        if described.required and not getattr(technique, name).strip():
            return name
    return None


def waiting(running: Job, wanted: Job) -> dict[str, str]:
    """Return the settings that take effect only in the next run, each with a note to show beside it."""
    if type(running.technique) is not type(wanted.technique):
        return {}
    word = QCoreApplication.translate("RunFlow", "next run")
    pairs: list[tuple[Any, Any, Any]] = [
        (running, wanted, settings.describe(Job)),
        (running.technique, wanted.technique, settings.describe(wanted.technique)),
    ]
    return {
        name: word
        for old, new, described in pairs
        for name, d in described.items()
        if not d.live and getattr(old, name) != getattr(new, name)
    }


def same_pictures(one: Inputs, other: Inputs) -> bool:
    """Whether two jobs take the same pictures and regions, whatever the weights of the styles."""

    def pictures(i: Inputs) -> list[Any]:
        own = i.changed(path_of).regions
        styles = (style for style, _ in i.styles)
        return [*map(path_of, (i.content, i.guide, i.start, *styles)), *own]

    return pictures(one) == pictures(other)
