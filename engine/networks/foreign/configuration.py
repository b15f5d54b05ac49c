"""What a configuration file next to weights says: timm's config.json, Hugging Face's of either kind."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.networks.card import Preprocessing

LARGEST = 4 << 20
NAMES = ("config.json", "preprocessor_config.json")


@dataclass(frozen=True)
class Configuration:
    """The facts in such files; empty if they say nothing."""

    file: str
    """Name of the file that gave the preprocessing, or else the architecture."""
    architecture: str = ""
    preprocessing: Preprocessing | None = None
    input_size: int = 0
    num_classes: int = 0
    in_chans: int = 0
    classes: tuple[str, ...] = ()
    crop: float = 0.0
    """Share of the resized picture's side that is looked at; 0 if unknown."""
    interpolation: str = ""
    settings: Mapping[str, Any] | None = None
    """timm's `model_args`."""


def beside(path: Path) -> Configuration | None:
    """Return the configuration beside `path`, or None if there is none.

    It may be NAME.json with timm's keys, config.json or preprocessor_config.json. Files of these
    names that hold no configuration are ignored.
    """
    found: Configuration | None = None
    for name in (f"{path.stem}.config.json", *NAMES, f"{path.stem}.json"):
        values = _read(path.with_name(name))
        made = _configuration(name, values) if values else None
        if made is None:
            continue
        if made.preprocessing is not None and (found is None or found.preprocessing is None):
            if found is None:
                return made
            return Configuration(
                made.file, found.architecture, made.preprocessing, made.input_size, found.num_classes,
                found.in_chans, found.classes, made.crop, made.interpolation, found.settings,
            )  # fmt: skip
        found = found or made
    return found


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _configuration(name: str, values: Mapping[str, Any]) -> Configuration | None:
    try:
        prepared = values.get("pretrained_cfg")
        if "architecture" in values or isinstance(prepared, Mapping):
            return from_timm(name, values, prepared if isinstance(prepared, Mapping) else values)
        if "image_mean" in values or "id2label" in values:
            return _from_transformers(name, values)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        pass
    return None


def from_timm(name: str, values: Mapping[str, Any], prepared: Mapping[str, Any]) -> Configuration:
    """Return the configuration in timm's config.json, or in the `pretrained_cfg` of a model."""
    channels, *sides = prepared.get("input_size") or (3, 0, 0)
    labels = values.get("label_names") or prepared.get("label_names") or ()
    chosen = prepared.get("first_conv")
    settings = values.get("model_args")
    return Configuration(
        file=name,
        architecture=str(values.get("architecture") or prepared.get("architecture") or ""),
        preprocessing=_mean_and_std(prepared.get("mean"), prepared.get("std"), 1.0),
        input_size=int(sides[0]),
        num_classes=int(values.get("num_classes") or prepared.get("num_classes") or 0),
        in_chans=int(channels) if chosen is None or sides else 0,
        classes=tuple(str(label) for label in labels),
        crop=float(prepared.get("crop_pct") or 0),
        interpolation=str(prepared.get("interpolation") or ""),
        settings=settings if isinstance(settings, Mapping) else None,
    )


def _from_transformers(name: str, values: Mapping[str, Any]) -> Configuration:
    labels = values.get("id2label") or {}
    names = tuple(str(labels[key]) for key in sorted(labels, key=int))
    size = values.get("crop_size") or values.get("size") or values.get("image_size") or 0
    if isinstance(size, Mapping):
        size = size.get("height") or size.get("shortest_edge") or 0
    scale = float(values.get("rescale_factor", 1 / 255)) if values.get("do_rescale", True) else 1.0
    prepared = None
    if values.get("do_normalize", True):
        prepared = _mean_and_std(values.get("image_mean"), values.get("image_std"), 255 * scale)
    elif "rescale_factor" in values:
        prepared = Preprocessing("RGB", 255 * scale, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return Configuration(name, "", prepared, int(size), len(names), 0, names)


def _mean_and_std(
    mean: Sequence[float] | None, std: Sequence[float] | None, scale: float
) -> Preprocessing | None:
    if not mean or not std:
        return None
    means, stds = [float(n) for n in mean], [float(n) for n in std]
    if len(means) == 1 == len(stds):
        means, stds = means * 3, stds * 3
    if len(means) != 3 or len(stds) != 3 or not all(s > 0 for s in stds):
        return None
    scale = 1.0 if abs(scale - 1) < 1e-6 else scale
    return Preprocessing("RGB", scale, (means[0], means[1], means[2]), (stds[0], stds[1], stds[2]))
