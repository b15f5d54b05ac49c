#!/bin/sh
# Pillow 13.0.0: does its wheel read TIFF files that are compressed by WebP, as its tables say?
#
# Guess before running: Pillow's TIFF plugin lists code 50001 as "webp" and bundles libwebp, so such
# files are read, and written with compression="webp"; if not, `open` refuses them.
# Seen: `open` succeeds with the right mode and size; only `load` fails, with "decoder error -2", the
# words of damaged data; writing fails as darkly. That libtiff was built without WebP is told by
# libtiff alone, on the process' standard error. Deflate and Zstandard work in the same wheel.
# The strips are whole WebP files, which the very same Pillow decodes one by one.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/stderr" || { cat "$folder/stderr"; exit 1; }
import io
import struct
import sys

import PIL
from PIL import Image, TiffImagePlugin, features

print("pillow", PIL.__version__, "libtiff", features.version("libtiff"), "webp", features.check("webp"))
image = Image.new("RGB", (64, 16), (200, 30, 30))
strip = io.BytesIO()
image.save(strip, "WEBP", lossless=True)
strip = strip.getvalue()

# One strip by hand: TIFF 6.0, compression 50001 as libtiff has defined it.
bits, entries = 8 + 2 + 9 * 12 + 4, [
    (256, 3, 1, 64), (257, 3, 1, 16), (258, 3, 3, 8 + 2 + 9 * 12 + 4), (259, 3, 1, 50001),
    (262, 3, 1, 2), (273, 4, 1, 8 + 2 + 9 * 12 + 4 + 6), (277, 3, 1, 3), (278, 3, 1, 16),
    (279, 4, 1, len(strip)),
]
data = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
for tag, kind, count, value in entries:
    data += struct.pack("<HHI", tag, kind, count)
    data += struct.pack("<HH" if kind == 3 and count == 1 else "<I", *([value, 0] if kind == 3 and count == 1 else [value]))
data += bytes(4) + struct.pack("<3H", 8, 8, 8) + strip

seen = {"listed": TiffImagePlugin.COMPRESSION_INFO.get(50001)}
opened = Image.open(io.BytesIO(data))
seen["open"] = opened.mode, opened.size
try:
    opened.load()
    seen["load"] = "works"
except OSError as error:
    seen["load"] = str(error)
for compression in ("webp", "zstd"):
    try:
        image.save(io.BytesIO(), "TIFF", compression=compression)
        seen[f"save as {compression}"] = "works"
    except OSError as error:
        seen[f"save as {compression}"] = str(error)
with Image.open(io.BytesIO(data[bits + 6 :])) as part:
    seen["the strip alone"] = part.getpixel((5, 5))
expected = {
    "listed": "webp",
    "open": ("RGB", (64, 16)),
    "load": "decoder error -2",  # guessed: works, or `open` refuses
    "save as webp": "encoder error -2 when writing image file",  # guessed: works
    "save as zstd": "works",
    "the strip alone": (200, 30, 30),
}
for name, value in seen.items():
    print(f"{name}: {value}" + ("" if value == expected[name] else f", was {expected[name]}"))
sys.exit(seen != expected)
PYTHON
echo "standard error, meanwhile:"
cat "$folder/stderr"
grep -q "not configured" "$folder/stderr"
