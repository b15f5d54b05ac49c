"""Networks from Keras's files (.h5, .keras, .weights.h5), read without Keras and without running code.

Whole models describe their layers, whatever they are; files of weights alone are recognized by the
names of their layers, as one of five networks of keras.applications.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput
from engine.networks.card import BYTES, CAFFE_VGG, HALF, UNIT, Preprocessing
from engine.networks.foreign.extras import needs
from engine.networks.foreign.network import Foreign

if TYPE_CHECKING:
    from engine.networks.foreign.keras_graph import Entry, Findings
    from engine.networks.foreign.keras_store import Store

SIGNATURE = b"\x89HDF\r\n\x1a\n"
WANTED = (
    "known without a description are VGG16, VGG19, ResNet50, InceptionV3 and MobileNetV2; "
    "save the whole model instead (model.save)"
)
MODES: Mapping[str, tuple[Preprocessing, str]] = {
    "VGG16": (CAFFE_VGG, "caffe mode, as keras.applications.vgg16 does"),
    "VGG19": (CAFFE_VGG, "caffe mode, as keras.applications.vgg19 does"),
    "ResNet50": (CAFFE_VGG, "caffe mode, as keras.applications.resnet50 does"),
    "InceptionV3": (HALF, "tf mode, as keras.applications.inception_v3 does"),
    "MobileNetV2": (HALF, "tf mode, as keras.applications.mobilenet_v2 does"),
}
SIZES = {"InceptionV3": 299}
LARGEST_CONFIG = 64 << 20


def is_keras(path: Path, start: bytes) -> bool:
    """Return whether a file that begins with `start` is one of Keras's."""
    if start.startswith(SIGNATURE):
        return True
    if not start.startswith(b"PK") or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return {"config.json", "model.weights.h5"} <= set(archive.namelist())


def read(path: Path) -> Foreign:
    """Return the network in a Keras file.

    Raises `BadInput` for damaged files, for layers that contain code or have no counterpart, and if
    h5py is missing.
    """
    needs("h5py", "keras", path)
    import h5py

    from engine.networks.foreign.unsupported import UnsupportedLayer
    from engine.networks.formats.archive import Archive, stream
    from engine.networks.formats.mapped import Mapped

    try:
        if zipfile.is_zipfile(path):
            archive = Archive(Mapped.whole(path))
            description = _json(archive.entry("config.json").bytes())
            with h5py.File(stream(archive.entry("model.weights.h5")), "r") as file:
                return _described(description, file, True, path)
        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
            if text is not None:
                return _described(_json(text), file["model_weights"], False, path)
            return _by_names(file, path)
    except UnsupportedLayer as error:
        raise BadInput(f"{path} is a Keras model with {error}; it cannot be used") from error
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, IndexError, AttributeError,
            zipfile.BadZipFile) as error:  # fmt: skip
        raise BadInput(
            f"{path} is a Keras file that is cut off or damaged; get it again"
        ) from error


def _json(text: str | bytes) -> Any:
    if len(text) > LARGEST_CONFIG:
        raise ValueError("the description is too long")
    return json.loads(text)


def _described(description: "Entry", file: Any, new: bool, path: Path) -> Foreign:
    """Build what a whole model's description says."""
    from engine.networks.foreign import keras_graph as kg
    from engine.networks.foreign.keras_names import known_as
    from engine.networks.foreign.keras_store import NewStore, OldStore

    entries, output = kg.model(description)
    store = NewStore(file) if new else OldStore(file)
    findings = kg.Findings(channels_last=kg.layout(entries))
    network = _assembled(entries, output, store, findings)
    title = known_as(findings.names)
    size = _input_size(entries, findings.channels_last) or SIZES.get(title, 224)
    return _finished(network, title, findings, size, path)


def _by_names(file: Any, path: Path) -> Foreign:
    """Build one of Keras's own networks from a file that holds weights alone."""
    from engine.networks.foreign import keras_graph as kg
    from engine.networks.foreign.keras_names import description, recounted
    from engine.networks.foreign.keras_store import NewStore, OldStore

    notes: list[str] = []
    if "layers" in file:
        group = file
        found = _new_names(group)
        for inner in group["layers"].values() if not found else ():
            if "layers" in inner and (found := _new_names(inner)):
                notes.append(
                    "the layers around it were left out, since the file does not tell them"
                )
                group = inner
                break
        new = NewStore(group)
        store: Store = new
        names = new.own_names() if found else {}
    else:
        old = OldStore(file)
        store = old
        names = {name: name for name in old.names()}
    counted = recounted(names)
    known = description({**names, **counted})
    if known is None:
        raise BadInput(f"{path} holds weights of a Keras model, but not which; {WANTED}")
    title, entries = known
    renamed = _Renamed(store, {n: names.get(counted.get(n, n), n) for n in {**names, **counted}})
    findings = kg.Findings()
    output = f"{entries[-1]['name']}#0"
    size = SIZES.get(title, 224)
    first = renamed.arrays("fc1", "Dense", {}, "").get("kernel") if "fc1" in names else None
    if first is not None:  # a VGG for other pictures, recognized by the size of its first matrix
        size = round((first.shape[0] / 512) ** 0.5 * 32)
        del first  # most of the network's memory
    network = _assembled(entries, output, renamed, findings)
    return _finished(network, title, findings, size, path, notes)


def _new_names(group: Any) -> bool:
    from engine.networks.foreign.keras_names import description, recounted
    from engine.networks.foreign.keras_store import NewStore

    names = NewStore(group).own_names()
    return description({**names, **recounted(names)}) is not None


class _Renamed:
    """A store accessed by the names of our description."""

    def __init__(self, store: Any, names: Mapping[str, str]) -> None:
        self.store, self.names = store, names

    def below(self, name: str, kind: str, place: str) -> Any:
        return self.store.below(name, kind, place)

    def arrays(self, name: str, kind: str, config: Mapping[str, Any], _place: str) -> Any:
        theirs = self.names.get(name, name)
        return self.store.arrays(theirs, kind, config, theirs)


def _assembled(
    entries: "Sequence[Entry]", output: str, store: Any, findings: "Findings"
) -> "tuple[Any, str]":
    from engine.networks.foreign import keras_graph as kg

    entries, output, ending = kg.last_activation(entries, output)
    return kg.build(entries, store, output, findings), ending


def _finished(
    made: "tuple[Any, str]",
    title: str,
    findings: "Findings",
    size: int,
    path: Path,
    notes: Sequence[str] = (),
) -> Foreign:
    from engine.networks.foreign.probing import classes_of

    network, ending = made
    network.eval().requires_grad_(False)
    classes = classes_of(network, size, path)
    said = list(notes)
    if ending:
        said.append(f"its {ending} was left out: scores are read before that layer")
    if findings.left_out:
        said.append(f"only training needs {', '.join(findings.left_out)}: left out")
    if findings.own_input:
        preprocessing, reason = BYTES, "the network scales its pictures itself"
    elif title:
        preprocessing, reason = MODES[title]
    else:
        preprocessing, reason = UNIT, "nothing in the file says, and most courses divide by 255"
    names = vgg_aliases(findings.names) if title.startswith("VGG") else {}
    stands = title.lower() if title.startswith("VGG") and classes in (0, 1000) else ""
    own = title if title else "a network of one's own"
    return Foreign(
        "keras", f"{own} (Keras)", network, preprocessing, reason, classes, size, tuple(said),
        names, stands,
    )  # fmt: skip


def vgg_aliases(names: Sequence[str]) -> dict[str, str]:
    """Return the field's names of VGG's layers -> Keras's (whose convolutions contain the ReLU)."""
    found = {}
    for name in names:
        block, _, part = name.removeprefix("block").partition("_")
        if name.startswith("block") and part.startswith("conv"):
            number = part.removeprefix("conv")
            found[f"conv{block}_{number}"] = f"{name}.conv"
            found[f"relu{block}_{number}"] = name
        elif name.startswith("block") and part == "pool":
            found[f"pool{block}"] = name
    return found


def _input_size(entries: "Sequence[Entry]", channels_last: bool) -> int:
    """Return the side of the pictures that a model was made for, or 0 if it takes any."""
    for entry in entries:
        config = entry["config"]
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        if shape and len(shape) == 4:
            sides = shape[1:3] if channels_last else shape[2:4]
            return int(sides[0] or 0)
        if "layers" in config and (inner := _input_size(config["layers"], channels_last)):
            return inner
    return 0
