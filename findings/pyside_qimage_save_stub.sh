#!/usr/bin/env bash
# PySide6's stubs say that QImage.save takes its format as bytes; given bytes, it refuses the call.
#
# QImage.save(device, format: bytes | bytearray | memoryview | None, …) is what QtGui.pyi declares,
# and what the error message lists under "Found signature"; the method takes "PNG" and no b"PNG".
# Who follows a type checker breaks a program that works. QPixmap.save, declared with str, is right.
# The guess was that b"PNG" cures the complaint of a type checker about save(buffer, "PNG").
# Exits with 0 while this is so, with 1 when it has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check PySide6-Essentials==6.11.3 mypy==1.18.2
cd "$place"
cat > typed.py <<'PYTHON'
from PySide6.QtCore import QBuffer, QIODevice
from PySide6.QtGui import QImage, QPixmap


def saved_as_text(image: QImage, buffer: QBuffer) -> bool:
    return image.save(buffer, "PNG")


def saved_as_bytes(image: QImage, buffer: QBuffer) -> bool:
    return image.save(buffer, b"PNG")


def pixmap_as_text(picture: QPixmap, buffer: QBuffer) -> bool:
    return picture.save(buffer, "PNG")
PYTHON
"$place/venv/bin/mypy" --no-error-summary typed.py > checked.txt || true
cat checked.txt
QT_QPA_PLATFORM=offscreen "$place/venv/bin/python" - <<'PYTHON'
import sys
from pathlib import Path

import PySide6
from PySide6.QtCore import QBuffer, QIODevice
from PySide6.QtGui import QImage
from typed import saved_as_bytes, saved_as_text

print("PySide6", PySide6.__version__)
checked = Path("checked.txt").read_text()
refused = [line for line in checked.splitlines() if "No overload variant" in line]
print("expected: what the stubs allow works, what they refuse does not")
image = QImage(4, 4, QImage.Format.Format_RGB32)
works = {}
for way in (saved_as_text, saved_as_bytes):
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    try:
        works[way.__name__] = way(image, buffer)
    except (TypeError, ValueError) as error:
        works[way.__name__] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    print("seen:", way.__name__, works[way.__name__])
text_refused = len(refused) == 1 and refused[0].startswith("typed.py:6")
same = text_refused and works["saved_as_text"] is True and works["saved_as_bytes"] is not True
print("the stub refuses what works and allows what does not" if same else "the behaviour has changed")
sys.exit(not same)
PYTHON
