"""Finding the tensors in a checkpoint: state dicts, wherever they are."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from engine.networks.contents import AVERAGED, Group, Unusable
from engine.networks.formats.pickled import DescribedObject, Global
from engine.networks.formats.rebuilding import Pending

USUAL = ("state_dict", "model_state_dict", "model", "net", "network", "params", "weights")
"""Where training scripts put the state dict inside their checkpoint."""
ASIDE = ("optimizer", "optim", "scheduler", "scaler", "rng_state", "loops", "callbacks")
"""How the names begin of what is useless without the training."""
MOST_PLACES = 200_000
"""How many values are looked at: the search must end."""
DEEPEST = 16
MOST_GROUPS = 40


def groups_in(root: Any) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Return the groups of tensors in `root`, the likeliest first, and what was left out.

    Looks at every value once, so that dictionaries may contain themselves. Raises `ValueError` if
    there is more to look at than any checkpoint holds.
    """
    found: list[Group] = []
    notes: list[str] = []
    others: dict[str, None] = {}
    seen: set[int] = set()
    waiting: deque[tuple[str, Any, int]] = deque([("", root, 0)])
    while waiting:
        place, value, depth = waiting.popleft()
        if id(value) in seen or depth > DEEPEST:
            continue
        seen.add(id(value))
        if len(seen) > MOST_PLACES:
            raise ValueError("more than a checkpoint holds")
        if isinstance(value, DescribedObject):
            if tensors := dict(_tensors_of(value)):
                found.append(_group(place, tensors))
                if kind := _class(value):
                    notes.append(_object(kind))
            elif kind := _class(value):
                others[kind] = None
        elif isinstance(value, Mapping):
            if tensors := {n: t for n, t in value.items() if _is_tensor(n, t)}:
                found.append(_group(place, tensors))
            waiting.extend(
                (f"{place}.{key}" if place else key, inner, depth + 1)
                for key, inner in value.items()
                if isinstance(key, str) and not key.lower().startswith(ASIDE)
            )
        elif isinstance(value, list | tuple) and depth < 3:
            waiting.extend((f"{place}[{i}]", v, depth + 1) for i, v in enumerate(value[:100]))
    if others:
        names = ", ".join(list(others)[:3])
        notes.append(f"other Python objects in the file ({names}) were left out")
    if isinstance(root, Mapping):
        found = [_lightning(group, root) for group in found]
    found.sort(key=_rank)
    return tuple(found[:MOST_GROUPS]), tuple(notes)


def _is_tensor(name: Any, value: Any) -> bool:
    return isinstance(name, str) and isinstance(value, Pending | Unusable)


def _group(place: str, tensors: "Mapping[str, Pending | Unusable]") -> Group:
    made = {n: t if isinstance(t, Unusable) else t.tensor() for n, t in tensors.items()}
    averaged = bool(AVERAGED.search(place)) or "n_averaged" in tensors
    return Group(made, place, averaged)


def _lightning(group: Group, root: Mapping[Any, Any]) -> Group:
    """Lightning's averaging keeps the raw weights aside and the average in the usual place."""
    if "averaging_state" in root and "current_model_state" in root:
        return Group(group.tensors, group.name, group.averaged or group.name == "state_dict")
    return group


def _rank(group: Group) -> tuple[bool, int, int]:
    last = group.name.rpartition(".")[2]
    usual = USUAL.index(last) if last in USUAL else len(USUAL)
    return not group.averaged, usual if group.name else 0, -len(group.tensors)


def _tensors_of(module: DescribedObject) -> "Iterator[tuple[str, Pending | Unusable]]":
    """Yield the parameters and buffers of a pickled module (or TorchScript object) by dotted name."""
    waiting: list[tuple[str, Any, int]] = [("", module, 0)]
    looked = 0
    while waiting:
        prefix, value, depth = waiting.pop()
        looked += 1
        if looked > MOST_PLACES:
            raise ValueError("more modules than a network has")
        if (
            not isinstance(value, DescribedObject)
            or not isinstance(value.state, Mapping)
            or depth > 40
        ):
            continue
        state = value.state
        inner: dict[Any, Any] = {}
        for part in ("_parameters", "_buffers", "_modules"):
            if isinstance(state.get(part), Mapping):
                inner |= state[part]
        aside = state.get("_non_persistent_buffers_set")
        aside = aside.arguments[0] if isinstance(aside, DescribedObject) and aside.arguments else ()
        for name, part in (inner if "_modules" in state else state).items():
            if not isinstance(name, str) or name in aside:
                continue
            if isinstance(part, Pending | Unusable):
                yield prefix + name, part
            else:
                waiting.append((f"{prefix}{name}.", part, depth + 1))


def _object(kind: str) -> str:
    if kind.startswith("__torch__."):
        return "the program in it was not run"
    return f"it holds a whole object of the class {kind}, of which only the tensors were read"


def _class(value: DescribedObject) -> str:
    return value.kind.dotted if isinstance(value.kind, Global) else ""
