"""Descriptions of settings: what they say, what they take, what they refuse and in which words."""

from dataclasses import dataclass, fields

import pytest

from engine import settings
from engine.errors import BadInput
from engine.settings import Setting, describe, make, parse_layer, setting
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer


@dataclass(frozen=True)
class Example:
    rate: float = setting(
        0.5, "Rate", "How fast.", low=0.0, high=2.0, step=0.1, unit="px", log=True, live=True
    )
    count: int = setting(3, "Count", "How many.", low=1, group="Run")
    free_number: float = setting(1.0, "Free", "Anything.")
    exact: bool = setting(True, "Exact", "Whether.")
    kind_of_mean: str = setting("max", "Kind", "Which.", choices=("max", "average"))
    note: str = setting("", "Note", "Words.")
    layers: dict[str, float] = setting({"relu1_1": 1.0}, "Layers", "Where.")
    own_layers: dict[str, float] | None = setting(None, "Own layers", "Where, or by itself.")
    depth: int | None = setting(None, "Depth", "How deep.", low=0, high=9)
    not_a_setting: str = "internal"


KNOWN = describe(Example)


# ---------------------------------------------------------------- what is described


def test_settings_are_described_in_order_with_their_kinds():
    assert {name: s.kind for name, s in KNOWN.items()} == {
        "rate": "float",
        "count": "int",
        "free_number": "float",
        "exact": "bool",
        "kind_of_mean": "choice",
        "note": "text",
        "layers": "layers",
        "own_layers": "layers",
        "depth": "int",
    }
    assert [s.name for s in KNOWN.values()] == list(KNOWN)
    assert {name for name, s in KNOWN.items() if s.optional} == {"own_layers", "depth"}


def test_a_description_carries_everything_that_was_said():
    assert KNOWN["rate"] == Setting(
        "rate", "float", 0.5, "Rate", "How fast.", "", 0.0, 2.0, 0.1, "px", True, (), True, False
    )
    assert KNOWN["count"].group == "Run"
    assert KNOWN["kind_of_mean"].option == "--kind-of-mean"
    assert KNOWN["layers"].default == {"relu1_1": 1.0}
    assert describe(Example(rate=2.0)) == KNOWN  # of an instance: the defaults all the same


def test_a_mapping_default_is_not_shared():
    one, other = Example(), Example()
    one.layers["relu2_1"] = 2.0
    assert other.layers == {"relu1_1": 1.0}


@pytest.mark.parametrize(
    ("name", "text", "expects"),
    [
        ("rate", "0 to 2 px", "a number from 0 to 2 px"),
        ("count", "at least 1", "a whole number at least 1"),
        ("free_number", "", "a number"),
        ("exact", "", "on or off"),
        ("kind_of_mean", "one of max, average", "one of max, average"),
        ("note", "", "text"),
        ("layers", "", "layer names with weights, such as relu4_1:2,relu5_1"),
        ("own_layers", "", "layer names with weights, such as relu4_1:2,relu5_1, or auto"),
        ("depth", "0 to 9", "a whole number from 0 to 9, or auto"),
    ],
)
def test_ranges_and_expectations_in_words(name, text, expects):
    assert KNOWN[name].range_text == text
    assert KNOWN[name].expects() == expects


# ---------------------------------------------------------------- what is taken


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rate", "1.5", 1.5),
        ("rate", " 2 ", 2.0),
        ("rate", "1e-3", 0.001),
        ("count", "7", 7),
        ("count", "1e3", 1000),
        ("free_number", "-12.5", -12.5),
        ("exact", "on", True),
        ("exact", "TRUE", True),
        ("exact", "yes", True),
        ("exact", "1", True),
        ("exact", "off", False),
        ("exact", "False", False),
        ("exact", "no", False),
        ("exact", "0", False),
        ("kind_of_mean", "average", "average"),
        ("note", "12, 40", "12, 40"),
        ("note", "none", "none"),
        ("layers", "relu1_1:2,relu2_1", {"relu1_1": 2.0, "relu2_1": 1.0}),
        ("layers", "relu1_1 : -0.5 ,", None),
        ("layers", "", {}),
        ("own_layers", "auto", None),
        ("own_layers", "", None),
        ("own_layers", "inception_4c/output", {"inception_4c/output": 1.0}),
        ("depth", "None", None),
        ("depth", "4", 4),
    ],
)
def test_parse(name, text, value):
    if value is None and not KNOWN[name].optional:
        value = {"relu1_1 ": -0.5}
    parsed = KNOWN[name].parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "checked"),
    [
        ("rate", 1, 1.0),
        ("rate", 0.0, 0.0),
        ("rate", 2.0, 2.0),
        ("count", 5.0, 5),
        ("exact", False, False),
        ("layers", {"a": 1}, {"a": 1.0}),
        ("depth", None, None),
    ],
)
def test_check_returns_the_settings_own_type(name, value, checked):
    result = KNOWN[name].check(value)
    assert result == checked
    assert type(result) is type(checked)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relu4_1", ("relu4_1", 1.0)),
        ("relu4_1:2", ("relu4_1", 2.0)),
        (" relu4_1:-1e-1 ", ("relu4_1", -0.1)),
        ("branch:conv:3", ("branch:conv", 3.0)),
        ("layer#2:0.5", ("layer#2", 0.5)),
    ],
)
def test_parse_layer(text, expected):
    assert parse_layer(text) == expected


def test_checked_layers_are_a_copy():
    given = {"a": 1.0}
    KNOWN["layers"].check(given)["b"] = 2.0
    assert given == {"a": 1.0}


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rate", "fast"),
        ("rate", ""),
        ("rate", "-0.1"),
        ("rate", "2.01"),
        ("rate", "nan"),
        ("rate", "inf"),
        ("rate", "1,5"),
        ("free_number", "1e999"),
        ("count", "0"),
        ("count", "2.5"),
        ("count", "many"),
        ("count", "inf"),
        ("count", "-inf"),
        ("count", "nan"),
        ("exact", "maybe"),
        ("exact", "2"),
        ("kind_of_mean", "median"),
        ("kind_of_mean", "MAX"),
        ("layers", "relu1_1:nan"),
        ("layers", "relu1_1:inf"),
        ("depth", "10"),
    ],
)
def test_bad_words_are_refused_with_what_would_be_right(name, text):
    with pytest.raises(BadInput) as caught:
        KNOWN[name].parse(text)
    said = str(caught.value)
    assert said.startswith(f"{name}= is ")
    assert said.endswith(f"; it must be {KNOWN[name].expects()}")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", "1.0"),
        ("rate", None),
        ("rate", True),
        ("rate", [1.0]),
        ("rate", float("nan")),
        ("free_number", 10**400),
        ("free_number", float("-inf")),
        ("count", 2.5),
        ("count", float("inf")),
        ("count", 10**400),
        ("count", False),
        ("exact", 1),
        ("exact", "on"),
        ("exact", None),
        ("kind_of_mean", None),
        ("kind_of_mean", 3),
        ("kind_of_mean", ["max"]),
        ("note", 12),
        ("layers", None),
        ("layers", ["relu1_1"]),
        ("layers", {"relu1_1": "2"}),
        ("layers", {"relu1_1": True}),
        ("layers", {"relu1_1": 10**400}),
        ("layers", {1: 2.0}),
        ("own_layers", "relu1_1"),
        ("depth", -1),
    ],
)
def test_bad_values_are_refused(name, value):
    with pytest.raises(BadInput) as caught:
        KNOWN[name].check(value)
    expected = f"{name}= is {value!r}; it must be {KNOWN[name].expects()}"
    assert str(caught.value) == expected


def test_some_refusals_word_for_word():
    with pytest.raises(BadInput) as caught:
        KNOWN["rate"].parse("3")
    assert str(caught.value) == "rate= is 3.0; it must be a number from 0 to 2 px"
    with pytest.raises(BadInput) as caught:
        KNOWN["kind_of_mean"].parse("median")
    assert str(caught.value) == "kind_of_mean= is 'median'; it must be one of max, average"
    with pytest.raises(BadInput) as caught:
        KNOWN["layers"].parse("relu4_1:much,relu5_1")
    assert (
        str(caught.value)
        == "layer 'relu4_1:much' has the weight 'much'; a number such as relu4_1:1.5 would be right"
    )


# ---------------------------------------------------------------- making and reading


def test_make_checks_every_value():
    made = make(Example, {"rate": 1, "kind-of-mean": "average", "own_layers": None})
    assert made == Example(rate=1.0, kind_of_mean="average")
    with pytest.raises(BadInput, match=r"^rate= is 9; it must be"):
        make(Example, {"rate": 9})


def test_make_knows_its_settings_by_name():
    with pytest.raises(BadInput) as caught:
        make(Example, {"deptH": 1})
    assert str(caught.value) == "there is no setting 'deptH'; did you mean depth?"
    with pytest.raises(BadInput) as caught:
        make(Example, {"zzz": 1})
    assert str(caught.value) == f"there is no setting 'zzz'; there are {', '.join(KNOWN)}"
    with pytest.raises(BadInput, match="there is no setting 'not_a_setting'"):
        make(Example, {"not_a_setting": "x"})


def test_values_go_round():
    example = make(Example, {"layers": {"a": 2}, "depth": 3, "note": "x"})
    plain = settings.values(example)
    assert list(plain) == list(KNOWN)
    assert make(Example, plain) == example
    plain["layers"]["b"] = 1.0  # a copy
    assert example.layers == {"a": 2.0}


# ---------------------------------------------------------------- the techniques' own


@pytest.mark.parametrize("technique", [StyleTransfer, DeepDream])
def test_techniques_describe_themselves_rightly(technique):
    described = describe(technique)
    assert list(described) == [f.name for f in fields(technique)]
    assert technique() == make(technique, settings.values(technique()))
    for s in described.values():
        assert s.label
        assert s.help.endswith(".")
        assert s.check(s.default) == s.default
        if s.kind in ("int", "float"):
            assert s.low is not None
            assert s.high is not None
            assert s.low < s.high
            assert not s.log or s.low >= 0


@pytest.mark.parametrize("technique", [StyleTransfer, DeepDream])
def test_presets_can_be_made(technique):
    made = [make(technique, values) for values in technique.presets.values()]
    assert made[0] == technique()
    assert len(set(map(repr, made))) == len(made)
