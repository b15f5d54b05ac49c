"""timm's networks, by their names in timm, with weights from a local file.

Names and shapes do not identify a network: timm's resnetblur18 and resnetaa50 have exactly those of
torchvision's ResNets but compute something else. So the configuration beside the weights decides,
or the user; and each tag of a network has its own mean, deviation, crop and interpolation.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput, Mention
from engine.networks.card import IMAGENET, Preprocessing
from engine.networks.contents import nothing
from engine.networks.fingerprints import IGNORED
from engine.networks.foreign.by_name import TIMM
from engine.networks.foreign.configuration import Configuration, beside, from_timm
from engine.networks.foreign.extras import needs
from engine.networks.foreign.network import Foreign
from engine.networks.formats.mapped import copied

if TYPE_CHECKING:
    from torch import Tensor, nn


SUFFIXES = (".safetensors", ".bin", ".pth", ".pt", ".ckpt", ".tar")

TWINS: Mapping[str, tuple[str, ...]] = {
    "resnet18": ("resnetblur18",),
    "resnet50": ("resnetblur50", "resnetaa50"),
}
"""torchvision's networks -> timm's with the same tensor names and shapes that compute differently."""


def architecture_beside(path: Path) -> str:
    """Return the name that timm's config.json beside a file gives, or ""."""
    found = beside(path)
    return found.architecture if found else ""


def name_in(path: Path) -> str:
    """Return timm's name of a network in a file's own name, with its tag, or "".

    Only names with a tag ("resnet50.a1_in1k") or of networks that only timm has count, since
    "resnet50.pth" may come from anywhere.
    """
    stem = re.sub(r"-[0-9a-f]{8,}$", "", path.stem)
    for name in (stem, stem.partition(".")[0]):
        base = name.partition(".")[0]
        twin = any(base in twins for twins in TWINS.values())
        if ("." in name or twin) and known(base):
            return name
    return ""


def known(name: str) -> bool:
    """Return whether timm is installed and has a network of this name."""
    from importlib.util import find_spec

    if not re.fullmatch(r"[a-z0-9_]+", name) or find_spec("timm") is None:
        return False
    from timm.models import is_model

    return bool(is_model(name))


def read(
    path: Path,
    name: str,
    tensors: "Mapping[str, Tensor]",
    release: Callable[[], None] = nothing,
) -> Foreign:
    """Return timm's network `name` with these weights, which are copied.

    `name` may carry a tag ("inception_v3.gluon_in1k"); `release` is called whenever what was read
    is no longer needed. Raises `BadInput` for names that timm lacks, for tensors that do not fit,
    and if timm is missing.
    """
    needs("timm", "timm", path)
    base, _, tag = name.partition(".")
    if not known(base):
        raise BadInput(_unknown(base))
    found = beside(path)
    own, source = _own(base, tag)
    if found and found.architecture and found.architecture != base:
        raise BadInput(
            f"{path}: {found.file} beside it says {found.architecture}, not {base}; take that name"
        )
    settings = dict(found.settings or {}) if found else {}
    network, classes = _filled(path, base, tensors, release, settings)
    preprocessing, reason = _preprocessing(found, own, source)
    told = found if found and found.preprocessing else own
    size = (found.input_size if found and found.input_size else own.input_size) or 224
    labels = found.classes if found and len(found.classes) == classes else ()
    return Foreign(
        f"{TIMM}{name}",
        f"{base} (timm)",
        network,
        preprocessing,
        reason,
        classes,
        size,
        classes=labels,
        crop=told.crop,
        interpolation=told.interpolation,
    )


def _own(base: str, tag: str) -> tuple[Configuration, str]:
    """Return what timm itself says about a network, and the tag that this is about."""
    from timm.models import get_pretrained_cfg

    for name in (f"{base}.{tag}" if tag else "", base):
        try:
            config = get_pretrained_cfg(name) if name else None
        except (RuntimeError, KeyError, ValueError):
            config = None
        if config is not None:
            said: dict[str, Any] = config.to_dict()  # type: ignore[no-untyped-call]
            label = f"{base}.{said['tag']}" if said.get("tag") else base
            return from_timm(f"timm's own configuration of {label}", {}, said), label
    return Configuration(f"timm's own configuration of {base}", base, IMAGENET, 224), base


def _preprocessing(
    found: Configuration | None, own: Configuration, source: str
) -> tuple[Preprocessing, str]:
    if found and found.preprocessing:
        return found.preprocessing, f"{found.file} beside it says so"
    return own.preprocessing or IMAGENET, f"timm's own for {source}, as no file beside it tells"


def _filled(
    path: Path,
    base: str,
    tensors: "Mapping[str, Tensor]",
    release: Callable[[], None],
    settings: Mapping[str, Any],
) -> "tuple[nn.Module, int]":
    """Return the network with these weights, and the number of its classes."""
    import timm
    import torch

    from engine.networks.assembling import check_numbers
    from engine.networks.building import WithoutWeights

    classifier, first = _places(base)
    weight = tensors.get(f"{classifier}.weight")
    classes = int(weight.shape[0]) if weight is not None else 0
    stem = tensors.get(f"{first}.weight")
    channels = int(stem.shape[1]) if stem is not None and stem.dim() == 4 else 3
    allowed: Any = {
        k: v for k, v in settings.items() if isinstance(v, (int, float, str, bool, list))
    }

    def made(quickly: bool) -> Any:
        with WithoutWeights() if quickly else nullcontext():
            return timm.create_model(
                base, pretrained=False, num_classes=classes, in_chans=channels, **allowed
            )

    try:
        network = made(True)
        if any(b.is_meta and n not in network.state_dict() for n, b in network.named_buffers()):
            network = made(False)  # buffers that no file has, and that building fills
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise BadInput(f"{path}: timm cannot build {base}: {error}") from error
    wanted = network.state_dict()
    given = {n: t for n, t in tensors.items() if n in wanted or not IGNORED.search(n)}
    given = {n: t for n, t in given.items() if not n.endswith("num_batches_tracked")}
    missing = [n for n in wanted if n not in given and not n.endswith("num_batches_tracked")]
    strange = [n for n in given if n not in wanted]
    shapes = [n for n in given if n in wanted and given[n].shape != wanted[n].shape]
    for words, names in (("lacks", missing), ("has unknown", strange), ("has another", shapes)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise BadInput(
                f"{path} is not timm's {base}: it {words} {names[0]}{more}; "
                "take the network's right name with ",
                Mention("architecture"),
            )
    ready: dict[str, Tensor] = {}
    for n, t in given.items():
        ready[n] = copied(t, torch.float32 if t.is_floating_point() else t.dtype, release)
        check_numbers(n, ready[n], path, nothing)
    ready |= {
        n: torch.zeros((), dtype=torch.long) for n in wanted if n.endswith("num_batches_tracked")
    }
    network.load_state_dict(ready, assign=True)
    return network.eval().requires_grad_(False), classes


def _places(base: str) -> tuple[str, str]:
    """Return the names of a network's classifier and of its first convolution."""
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(base)
    classifier = getattr(config, "classifier", None) or "fc"
    first = getattr(config, "first_conv", None) or "conv1"
    one = [name if isinstance(name, str) else name[0] for name in (classifier, first)]
    return one[0], one[1]


def _unknown(base: str) -> str:
    from difflib import get_close_matches

    from timm.models import list_models

    near = get_close_matches(base, list_models(), n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"timm has no network called {base!r}{hint}"
