"""How a technique describes its settings: once, as dataclass fields.

From these descriptions come the command-line options, the panel, presets, project files and the
metadata of exported pictures.
"""

import dataclasses
import difflib
import functools
import math
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from engine.errors import BadInput, Mention, Message

KEY = "setting"
LAYERS = ("layer", "layers")
STYLE_NETWORK = "style network"
WEIGHT_FILES = (".safetensors", ".pth", ".model", ".pt", ".onnx", ".t7")
"""The suffixes of style networks' files."""
CHANNELS = ("channels", "units")
"""The kinds of `picks` that name layers, or channels of them."""
T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """One field of a technique as users see it."""

    name: str
    kind: str
    """float, int, bool, choice, text, layers (a mapping of layer names to weights) or pictures."""
    default: Any
    label: str
    help: str
    group: str = ""
    low: float | None = None
    high: float | None = None
    step: float | None = None
    unit: str = ""
    log: bool = False
    """Whether a slider should be logarithmic."""
    choices: tuple[str, ...] = ()
    live: bool = False
    """Whether a change takes effect at the next iteration of a running job."""
    optional: bool = False
    """Whether None is allowed and means "automatic"."""
    by_itself: str = "auto"
    """The word for None, if that is allowed."""

    role: str = ""
    """For layers: what they are for, in a word, if the label does not say it."""
    each: str = ""
    """For layers: what a single one is called, if they can be given one by one."""
    flag: str = ""
    """The command-line option, if it is not the name."""
    picks: str = ""
    """What the text names: a class or layer of the network, or several layers with commas
    (layers), channels by number, units (channels, or how many of them: 6 is six, "6," the sixth),
    another network, a folder, or style networks with weights (style network)."""
    required: bool = False
    """Whether nothing can run while the text is empty."""
    formerly: tuple[str, ...] = ()
    """The names that it had in earlier versions: recipes and presets may still have them."""
    before: Any = None
    """Its value in the recipes of versions that did not have it, if that is not the default."""

    @property
    def option(self) -> str:
        """The command-line option."""
        return self.flag or "--" + self.name.replace("_", "-")

    def mention(self, value: str = "") -> Mention:
        """Return what stands for this setting in a sentence; `value`: what it is set to there."""
        return Mention(self.name, self, value)

    @property
    def names_layers(self) -> bool:
        """Whether it says which layers of the network are used."""
        return self.kind == "layers" or self.picks in LAYERS

    @property
    def names_channels(self) -> bool:
        """Whether it says which channels of a layer are used."""
        return self.picks in CHANNELS

    @property
    def range_text(self) -> str:
        """The range in words: "0 to 1 px", "one of max, average", empty when anything goes."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind not in ("float", "int"):
            return ""
        unit = f" {self.unit}" if self.unit else ""
        if self.low is not None and self.high is not None:
            if self.high - self.low >= 2**53:
                return "of up to 64 bits"
            return f"{_number(self.low)} to {_number(self.high)}{unit}"
        return f"at least {_number(self.low)}{unit}" if self.low is not None else ""

    def check(self, value: Any) -> Any:
        """Return `value` as this setting's type. Raises `BadInput` with what would be right."""
        if value is None and self.optional:
            return None
        shown = _short(value)
        wrong = Message(self.mention(), f" is {shown}; it must be {self.expects()}")
        if self.kind == "layers":
            return self._check_layers(value, wrong)
        if self.kind == "choice":
            if value not in self.choices:
                raise BadInput(wrong)
            return value
        if self.kind == "bool":
            if not isinstance(value, bool):
                raise BadInput(wrong)
            return value
        if self.kind == "text":
            if not isinstance(value, str):
                raise BadInput(wrong)
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadInput(wrong)
        if not _finite(value) or (self.kind == "int" and value != int(value)):
            raise BadInput(wrong)
        if (self.low is not None and value < self.low) or (
            self.high is not None and value > self.high
        ):
            raise BadInput(wrong)
        return int(value) if self.kind == "int" else float(value)

    def _check_layers(self, value: Any, wrong: Message) -> dict[str, float]:
        if not isinstance(value, Mapping):
            raise BadInput(wrong)
        checked = {}
        for name, weight in value.items():
            number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
            if not isinstance(name, str) or not number or not _finite(weight):
                raise BadInput(wrong)
            checked[name] = float(weight)
        return checked

    def parse(self, text: str) -> Any:
        """Return the value that `text` (from a command line) means. Raises `BadInput`."""
        text = text.strip()
        if self.optional and text.lower() in ("", "auto", "none", self.by_itself):
            return None
        if self.kind == "bool":
            words = {"on": True, "true": True, "yes": True, "1": True}
            words |= {"off": False, "false": False, "no": False, "0": False}
            return self.check(words.get(text.lower(), text))
        if self.kind == "layers":
            return self.check(parse_layers(text.split(","), self.mention()))
        if self.kind in ("int", "float"):
            try:
                return self.check(float(text))
            except ValueError:
                return self.check(text)
        return self.check(text)

    def expects(self) -> str:
        """Return what this setting takes, in words."""
        words = {
            "float": "a number",
            "int": "a whole number",
            "bool": "on or off",
            "layers": "layer names with weights, such as relu4_1:2,relu5_1",
            "text": "text",
            "choice": "",
        }[self.kind]
        extra = self.range_text
        if (self.kind in ("float", "int") and extra[:1].isdigit()) or extra[:1] == "-":
            extra = f"from {extra}"
        return f"{words} {extra}".strip() + (f", or {self.by_itself}" if self.optional else "")


STYLES = Setting("styles", "pictures", (), "Style", "a painting; several are blended by weight",
                 flag="--style")  # fmt: skip
START_PICTURE = Setting("start", "pictures", None, "Start picture", "for the start: picture",
                        flag="--start-picture")  # fmt: skip
"""Pictures of a job, which are not settings of its technique but are spoken of in the same way."""


def setting(default: Any, label: str, help: str, **options: Any) -> Any:
    """Return a dataclass field with its description; options are those of `Setting`.

    A mapping default becomes a default factory.
    """
    metadata = {KEY: {"label": label, "help": help, **options}}
    if isinstance(default, Mapping):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def parse_layer(text: str) -> tuple[str, float]:
    """Return (name, weight) of "NAME" or "NAME:WEIGHT" (weight 1 when absent). Raises `BadInput`."""
    name, colon, weight = text.strip().rpartition(":")
    if not colon:
        return text.strip(), 1.0
    try:
        return name, float(weight)
    except ValueError:
        raise BadInput(
            f"layer {text!r} has the weight {weight!r}; a number such as {name}:1.5 would be right"
        ) from None


def parse_layers(texts: Iterable[str], setting: Mention | str) -> dict[str, float]:
    """Return the weights of layers "NAME" or "NAME:WEIGHT"; empty texts are left out.

    Raises `BadInput`, also for a layer that occurs twice: which weight is meant?
    """
    found: dict[str, float] = {}
    for text in texts:
        if not text.strip():
            continue
        name, weight = parse_layer(text)
        if name in found:
            raise BadInput(
                setting,
                f" names the layer {name} twice, with the weights {found[name]:g} and "
                f"{weight:g}; give it once",
            )
        found[name] = weight
    return found


def parse_weighted(text: str, setting: Mention | str) -> list[tuple[str, float]]:
    """Return names with weights from "NAME[:WEIGHT], …"; other colons are part of the name.

    Raises `BadInput` for weights that are not above 0.
    """
    found = []
    for part in (each.strip() for each in text.split(",")):
        name, colon, weight = part.rpartition(":")
        try:
            number = float(weight) if colon and name else None
        except ValueError:
            number = None
        if number is None:
            found += [(part, 1.0)] if part else []
        elif 0 < number < math.inf:
            found.append((name.strip(), number))
        else:
            raise BadInput(setting, f" gives {name} the weight {weight}; it must be above 0")
    return found


def mention(technique: Any, name: str, value: object = "") -> Mention:
    """Return what stands for a technique's setting in a sentence, with its `value` if there is one.

    If the technique (class or instance) has no such setting, the bare name is worded.
    """
    described = describe(technique).get(name)
    return Mention(name, described, str(value))


def layers_of(technique: Any) -> dict[str, Setting]:
    """Return the settings of a technique (class or instance) that name layers, in order."""
    return {name: d for name, d in describe(technique).items() if d.names_layers}


def channels_of(technique: Any) -> Setting | None:
    """Return the setting of a technique (class or instance) that names channels, if there is one."""
    return next((d for d in describe(technique).values() if d.names_channels), None)


def describe(technique: Any) -> dict[str, Setting]:
    """Return the settings of a technique (class or instance) by field name, in order."""
    return dict(_described(technique if isinstance(technique, type) else type(technique)))


@functools.cache  # a recipe may hold thousands of changes
def _described(described: type) -> dict[str, Setting]:
    hints = get_type_hints(described)
    found = {}
    for f in fields(described):
        if KEY not in f.metadata:
            continue
        default = f.default if f.default is not MISSING else f.default_factory()  # type: ignore[operator]
        kind, optional = _kind(hints[f.name])
        options = dict(f.metadata[KEY])
        if options.get("choices"):
            kind = "choice"
        found[f.name] = Setting(f.name, kind, default, optional=optional, **options)
    return found


def _kind(hint: Any) -> tuple[str, bool]:
    optional = False
    if get_origin(hint) is types.UnionType:
        inner = [a for a in get_args(hint) if a is not type(None)]
        hint, optional = inner[0], True
    if get_origin(hint) is dict:
        return "layers", optional
    return {float: "float", int: "int", bool: "bool", str: "text"}[hint], optional


def make(kind: type[T], values: Mapping[str, Any]) -> T:
    """Return a technique of class `kind` with checked `values`. Raises `BadInput` for unknown names."""
    known = describe(kind)
    former = {old: name for name, entry in known.items() for old in entry.formerly}
    checked = {}
    for name, value in values.items():
        key = name.replace("-", "_")
        key = former.get(key, key)
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
            raise BadInput(f"there is no setting {_short(name)}{hint}")
        checked[key] = known[key].check(value)
    return kind(**checked)


def completed(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's settings with what stood for those that its version did not have yet.

    A recipe names all settings that its version had; a person's list, only some.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"settings are {_short(values)}, not names with values")
    known = describe(kind)
    if 2 * len(values) < len(known):
        return dict(values)
    added = {n: d.before for n, d in known.items() if d.before is not None and n not in values}
    return {**values, **added}


def folders(technique: Any) -> dict[str, str]:
    """Return the settings of a technique that name a folder, except empty ones."""
    return {
        name: text.strip()
        for name, described in describe(technique).items()
        if described.picks == "folder" and (text := getattr(technique, name)).strip()
    }


def placed(technique: Any, place: Callable[[str], str]) -> dict[str, str]:
    """Return the settings of a technique that name files or folders, with `place` applied to each.

    A style network that is given by a mere name stays as it is.
    """
    found = {name: place(text) for name, text in folders(technique).items()}
    for name, described in describe(technique).items():
        text = getattr(technique, name) if described.picks == STYLE_NETWORK else ""
        if text.strip():
            parts = parse_weighted(text, described.mention())
            found[name] = ", ".join(
                (place(part) if names_file(part) else part)
                + ("" if weight == 1 else f":{weight!r}")
                for part, weight in parts
            )
    return found


def is_own(described: Setting, value: Any) -> bool:
    """Return whether a value means nothing on another machine: a folder, a file of a network."""
    if described.picks == "folder":
        return True
    if described.picks != STYLE_NETWORK or not isinstance(value, str):
        return False
    return any(names_file(name) for name, _ in parse_weighted(value, described.mention()))


def names_file(text: str) -> bool:
    """Return whether a network is given by its file's path instead of by a name."""
    return "/" in text or "\\" in text or text.lower().endswith(WEIGHT_FILES)


def chosen_layers(technique: Any) -> dict[str, Mapping[str, float] | None]:
    """Return the settings of a technique that give layers weights; None: by default."""
    return {
        name: getattr(technique, name)
        for name, described in describe(technique).items()
        if described.kind == "layers"
    }


def values(technique: Any) -> dict[str, Any]:
    """Return the settings of a technique as plain values for JSON."""
    return {
        name: dict(v) if isinstance(v := getattr(technique, name), Mapping) else v
        for name in describe(technique)
    }


def _short(value: Any) -> str:
    """Return any value, wherever it came from, in a form that fits into a sentence."""
    text = repr(value)
    return text if len(text) <= 500 else f"{text[:100]}…"


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond floating point
        return False


def _number(value: float | None) -> str:
    if value is not None and abs(value) >= 1e6 and value == int(value):
        return f"{value:,.0f}"
    return f"{value:g}"
