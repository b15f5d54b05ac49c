#!/bin/sh
# pillow-jxl-plugin 1.3.8: what happens to a colour profile and to an orientation on saving?
#
# Guess before running: as with Pillow's own formats, `icc_profile=` is written into the file and read
# back, and an EXIF orientation turns the picture for every reader.
# Seen: the profile is dropped without a word, and reading gives an sRGB profile in its place, so that
# linear light or Display P3 come back as other colours. The orientation stays in EXIF alone, while the
# codestream says "upright", which is what counts (ISO/IEC 18181-2): the picture lies on its side in
# readers that keep to the standard, and stands upright only in those that turn by EXIF. pillow-heif
# moves the same orientation to where its format wants it. In a JPEG that is packed without loss the
# pixels come back as the JPEG's, to be turned by EXIF: a reader of JPEG XL through Pillow has to
# know which of the two it holds.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
    pillow==13.0.0 pillow-heif==1.8.1 pillow-jxl-plugin==1.3.8 packaging==26.3
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import io
import sys
from importlib.metadata import version

import pillow_heif
import pillow_jxl  # noqa: F401
from PIL import Image, ImageCms

pillow_heif.register_heif_opener()
for name in ("pillow", "pillow-heif", "pillow-jxl-plugin"):
    print(name, version(name))
seen = {}

# A valid profile: LittleCMS's sRGB with the tone curve made a straight line.
srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
curve = srgb.index(b"para")
linear = srgb[:curve] + b"curv" + bytes(28) + srgb[curve + 32 :]
image = Image.new("RGB", (60, 40), (55, 120, 200))
for kind in ("JXL", "HEIF", "AVIF"):
    file = io.BytesIO()
    image.save(file, kind, icc_profile=linear, **({"lossless": True} if kind == "JXL" else {}))
    with Image.open(io.BytesIO(file.getvalue())) as again:
        seen[f"{kind} keeps the profile"] = again.info.get("icc_profile") == linear

exif = Image.Exif()
exif[274] = 6  # a quarter turn: 60 x 40 is to be shown as 40 x 60
for kind in ("JXL", "HEIF"):
    file = io.BytesIO()
    options = {"lossless": True, "use_container": True} if kind == "JXL" else {}
    image.save(file, kind, exif=exif.tobytes(), **options)
    with Image.open(io.BytesIO(file.getvalue())) as again:
        seen[f"{kind} decodes to"] = again.size, again.getexif().get(274)
photo = f"{sys.argv[1]}/photo.jpg"
image.save(photo, exif=exif)
with Image.open(photo) as jpeg:
    file = io.BytesIO()
    jpeg.save(file, "JXL", lossless_jpeg=True)
with Image.open(io.BytesIO(file.getvalue())) as again:
    seen["JPEG inside JXL decodes to"] = again.size, again.getexif().get(274)

expected = {
    "JXL keeps the profile": False,  # guessed: True
    "HEIF keeps the profile": True,
    "AVIF keeps the profile": True,
    "JXL decodes to": ((60, 40), 6),  # guessed: ((40, 60), 1), the turn in the codestream
    "HEIF decodes to": ((40, 60), 1),
    "JPEG inside JXL decodes to": ((60, 40), 6),
}
for name, value in seen.items():
    print(f"{name}: {value}" + ("" if value == expected[name] else f", was {expected[name]}"))
sys.exit(seen != expected)
PYTHON
