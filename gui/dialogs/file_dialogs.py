"""File dialogs, each starting in its own last folder; saving asks until the name is valid."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QStandardPaths
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from engine.errors import BadInput
from engine.files import check_place
from engine.outputs import keep_apart
from gui.dialogs.open_sources import sources
from gui.window_settings import window_settings
from gui.wording import worded

Check = Callable[[Path, str], None]
"""Gets the path and the chosen kind of file; raises `BadInput` if it cannot be written there."""

ALSO = {".jpeg": ".jpg", ".tiff": ".tif"}


def first_folder() -> str:
    """Return where a dialog starts if it was never used: the user's pictures."""
    pictures = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
    return pictures if pictures and Path(pictures).is_dir() else str(Path.home())


def last_folder(use: str) -> str:
    """Return the folder where the dialog for `use` was last used, if it still exists."""
    kept = window_settings().value(f"folders/{use}")
    return kept if isinstance(kept, str) and Path(kept).is_dir() else first_folder()


def remember_folder(use: str, folder: Path) -> None:
    """Let the next dialog for `use` start in this folder."""
    window_settings().setValue(f"folders/{use}", str(folder))


def file_to_open(parent: QWidget, use: str, title: str, kinds: str) -> Path | None:
    """Ask for a file; None: none was chosen. Each `use` has a last folder of its own."""
    path, _ = QFileDialog.getOpenFileName(parent, title, last_folder(use), kinds)
    if not path:
        return None
    remember_folder(use, Path(path).parent)
    return Path(path)


def files_to_open(parent: QWidget, use: str, title: str, kinds: str) -> list[Path]:
    """Ask for several files; none: nobody chose any."""
    paths, _ = QFileDialog.getOpenFileNames(parent, title, last_folder(use), kinds)
    if paths:
        remember_folder(use, Path(paths[0]).parent)
    return [Path(path) for path in paths]


def folder_to_open(parent: QWidget, use: str, title: str, present: str = "") -> Path | None:
    """Ask for a folder, starting at the current one, or else where the last one was chosen."""
    begin = present if present and Path(present).is_dir() else last_folder(use)
    path = QFileDialog.getExistingDirectory(parent, title, begin)
    if not path:
        return None
    remember_folder(use, Path(path).parent)
    return Path(path)


def file_to_save(
    parent: QWidget,
    use: str,
    title: str,
    name: str,
    kinds: str,
    check: Check | None = None,
    own: Path | None = None,
) -> tuple[Path, str] | None:
    """Ask where to save until the answer will do, or the user gives up (None).

    Args:
        parent: the window that the dialog belongs to.
        use: each has a last folder of its own.
        title: of the dialog.
        name: the suggested file name, or a whole path.
        kinds: the formats it can be saved in, such as "PNG (*.png);;JPEG (*.jpg)"; "*" alone is a folder.
        check: an additional check.
        own: a file that may be overwritten, though it was read.

    Returns:
        The path, with the suffix of the chosen kind where none was typed, and that kind.
    """
    suffixes = suffixes_of(kinds)
    begin = Path(name) if Path(name).is_absolute() else Path(last_folder(use)) / name
    while True:
        typed, chosen = QFileDialog.getSaveFileName(parent, title, str(begin), kinds)
        if not typed:
            return None
        path = Path(typed)
        suffix = next(iter(suffixes_of(chosen)), "") or next(iter(suffixes), "")
        if not path.suffix:
            path = path.with_name(path.name + suffix)
        try:
            check_savable(path, suffixes)
            if own is None or path != own:
                keep_apart([path], sources())
            if check is not None:
                check(path, chosen)
        except BadInput as error:
            QMessageBox.warning(parent, title, worded(error))
            begin = _better(path, begin, suffixes, suffix)
            continue
        if path == Path(typed) or not path.exists() or _replaces(parent, title, path):
            remember_folder(use, path.parent)
            return path, chosen
        begin = path


def suffixes_of(kinds: str) -> list[str]:
    """Return the suffixes in a dialog's kinds: [".png", ".jpg"] of "PNG (*.png);;JPEG (*.jpg)"."""
    return list(dict.fromkeys(re.findall(r"\*(\.[^\s);]+)", kinds)))


def check_savable(path: Path, suffixes: list[str]) -> None:
    """Check that a file could be written there, in one of these formats.

    Raises:
        BadInput: what is wrong with the folder or the name.
    """
    folder = path.parent
    if not folder.is_dir():
        raise BadInput(_words("The folder {0} does not exist.").format(folder))
    if not os.access(folder, os.W_OK):
        raise BadInput(_words("You have no permission to write to the folder {0}.").format(folder))
    if suffixes and not _ends_in(path, suffixes):
        text = _words("{0} cannot be saved as {1}: end its name in {2}.")
        raise BadInput(text.format(path.stem, path.suffix, _listed(suffixes)))
    if suffixes:
        check_place(path)


def _ends_in(path: Path, suffixes: list[str]) -> bool:
    known = [*suffixes, *(other for other, usual in ALSO.items() if usual in suffixes)]
    return path.name.lower().endswith(tuple(known))


def _listed(suffixes: list[str]) -> str:
    if len(suffixes) == 1:
        return suffixes[0]
    return _words("{0} or {1}").format(", ".join(suffixes[:-1]), suffixes[-1])


def _better(path: Path, begin: Path, suffixes: list[str], suffix: str) -> Path:
    """Return what to suggest after a refusal: the typed name, mended if possible."""
    folder = path.parent if path.parent.is_dir() else begin.parent
    if not suffixes or _ends_in(path, suffixes):
        return folder / path.name
    a_format = path.suffix[1:].isalpha()  # and not the 2 of "cat 1.2"
    return folder / ((path.stem if a_format else path.name) + suffix)


def _replaces(parent: QWidget, title: str, path: Path) -> bool:
    """Ask before replacing a file that the dialog did not ask about, as the suffix came later."""
    words = _words("{0} exists. Replace it?").format(path.name)
    return QMessageBox.question(parent, title, words) == QMessageBox.StandardButton.Yes


def _words(text: str) -> str:
    return QCoreApplication.translate("FileDialogs", text)
