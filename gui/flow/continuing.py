"""Whether a stopped run can be continued with the current settings, and if not, why."""

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QCoreApplication

from engine import settings
from engine.job import Inputs, Job
from engine.steering import STYLE_WEIGHTS
from gui.run.variant_entry import VariantEntry
from gui.session import path_of
from gui.wording import in_words

LEFT_OPEN = {"size": None, "precision": "auto"}
"""Values that leave a setting to the run, and so never count as a difference."""


def as_left(job: Job) -> Job:
    """Return a job with its settings as they were at the end of its run."""
    technique, styles = job.technique, job.inputs.styles
    for _, values in job.changes:
        own = {name: value for name, value in values.items() if name != STYLE_WEIGHTS}
        technique = replace(technique, **own)
        weights = values.get(STYLE_WEIGHTS)
        if weights is not None:
            styles = tuple((p, w) for (p, _), w in zip(styles, weights, strict=True))
    inputs = replace(job.inputs, styles=styles)
    return replace(job, technique=technique, inputs=inputs, changes=(), stop_after=None)


def why_not(entry: VariantEntry | None, now: Job) -> str:
    """Return in a sentence why a variant's run cannot be continued; empty: it can."""
    if entry is None or entry.running:
        return _words("There is no stopped run on the canvas.")
    if entry.complete:
        return _words("This run is complete.")
    if not entry.has_checkpoint:
        return _words("This run left nothing to continue from.")
    different = difference(entry.job, now)
    if different:
        return _words(
            "{0} has changed since this run. Press Run to start afresh, or restore its settings: "
            "Variants › More › Use these settings."
        ).format(different)
    return ""


def difference(run: Job, now: Job) -> str:
    """Return the name of a setting that differs from its value at the run's end; empty: none does."""
    run, now = as_left(run), as_left(now)
    if type(run.technique) is not type(now.technique):
        return _words("The technique")
    if (run.network, run.weights) != (now.network, now.weights):
        return _words("The network")
    if run.preprocessing != now.preprocessing:
        return _words("The preparation of pictures")
    pairs: list[tuple[Any, Any, Any]] = [
        (run.technique, now.technique, settings.describe(run.technique)),
        (run, now, settings.describe(Job)),
    ]
    for old, new, described in pairs:
        for name, each in described.items():
            value = getattr(new, name)
            left_open = name in LEFT_OPEN and value == LEFT_OPEN[name]
            if getattr(old, name) != value and not left_open:
                return in_words(each.label)
    if _pictures(run.inputs) != _pictures(now.inputs):
        return _words("A picture")
    return ""


def _pictures(inputs: Inputs) -> list[Any]:
    styles = [(path_of(picture), weight) for picture, weight in inputs.styles]
    regions = inputs.changed(path_of).regions
    return [path_of(inputs.content), styles, path_of(inputs.guide), path_of(inputs.start), regions]


def settings_of(entry: VariantEntry) -> dict[str, Any]:
    """Return the fields that take a job back to a variant's settings, as they were at its end."""
    job = as_left(entry.job)
    inputs = job.inputs.changed(path_of)
    own = {name: getattr(job, name) for name in settings.describe(Job)}
    return {
        **own,
        "technique": job.technique,
        "inputs": inputs,
        "network": job.network,
        "weights": job.weights,
        "preprocessing": job.preprocessing,
        "finish": entry.finish,
    }


def _words(text: str) -> str:
    return QCoreApplication.translate("Continuing", text)
