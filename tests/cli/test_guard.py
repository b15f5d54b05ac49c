"""The last resort: whatever is raised, one line and an exit code."""

from pathlib import Path

import pytest

from cli.guard import guarded, log_folder
from engine.errors import BadInput, Diverged, OutOfMemory, WeightsMissing


def raising(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [(BadInput, 2), (WeightsMissing, 3), (OutOfMemory, 1), (Diverged, 1)],
)
def test_errors_for_people(
    error: type[Exception], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(lambda: raising(error("what is\nwrong"))) == code
    assert capsys.readouterr() == ("", "pareidolia: what is wrong\n")


def test_mistakes_of_the_program_go_to_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAREIDOLIA_HOME", str(tmp_path / "home"))
    log = tmp_path / "home" / "logs" / "pareidolia.log"
    for word in ("first", "second"):
        assert guarded(lambda word=word: raising(KeyError(word))) == 1  # type: ignore[misc]
        out, err = capsys.readouterr()
        assert out == ""
        assert err == f"pareidolia: unexpected error (KeyError('{word}')); details in {log}\n"
    text = log.read_text("utf-8")
    assert text.count("Traceback (most recent call last)") == 2
    assert text.index("KeyError: 'first'") < text.index("KeyError: 'second'")


def test_a_log_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PAREIDOLIA_HOME", str(tmp_path / "file"))
    assert guarded(lambda: raising(KeyError("x"))) == 1
    err = capsys.readouterr().err
    assert "details in standard error" in err
    assert "KeyError: 'x'" in err


def test_other_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: 7) == 7
    assert guarded(lambda: raising(SystemExit(0))) == 0
    assert guarded(lambda: raising(SystemExit(5))) == 5
    assert guarded(lambda: raising(SystemExit())) == 0
    assert guarded(lambda: raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr() == ("", "")


def test_where_the_log_is_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAREIDOLIA_HOME", raising=False)
    assert "pareidolia" in str(log_folder())
