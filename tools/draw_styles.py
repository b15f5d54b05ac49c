"""Draw the two style pictures that ship in resources/pictures: brush strokes and a mosaic.

Both follow a direction field, as painters' strokes and mosaicists' rows do. The mosaic is the
square-metric Voronoi diagram of Hausner, "Simulating Decorative Mosaics" (SIGGRAPH 2001). Only
numpy and Pillow; the same seed draws the same picture. Run: python tools/draw_styles.py [FOLDER]
"""

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.float64]

SIZE = 768
FINE = 2 * SIZE
"""Both pictures are drawn at twice their size and then reduced, which smooths every edge."""
MAX_BYTES = 390_000

LINEAR_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def to_oklab(rgb: Array) -> Array:
    """Turn sRGB in [0, 1] into Oklab (Ottosson 2020), where mixing two colours stays vivid."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lab: Array = np.cbrt(linear @ LINEAR_TO_LMS.T) @ LMS_TO_LAB.T
    return lab


def from_oklab(lab: Array) -> Array:
    """Turn Oklab back into sRGB, clipped to [0, 1]."""
    linear = (lab @ np.linalg.inv(LMS_TO_LAB).T) ** 3 @ np.linalg.inv(LINEAR_TO_LMS).T
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def palette(*colours: str) -> Array:
    """Return "#rrggbb" colours as rows of Oklab."""
    return to_oklab(np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours]))


def along(colours: Array, t: Array) -> Array:
    """Interpolate a palette at positions `t` in [0, 1]."""
    x = np.clip(t, 0, 1) * (len(colours) - 1)
    i = np.minimum(x.astype(int), len(colours) - 2)
    f = (x - i)[..., None]
    mixed: Array = colours[i] * (1 - f) + colours[i + 1] * f
    return mixed


def smoothstep(low: float, high: float, x: Array) -> Array:
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def soft_noise(rng: np.random.Generator, size: int, cells: Sequence[int]) -> Array:
    """Return smooth noise with unit deviation, the sum of random grids of so many cells a side."""
    total = np.zeros((size, size))
    for n in cells:
        grid = Image.fromarray(rng.normal(size=(n + 3, n + 3)).astype(np.float32))
        total += np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC)) / n**0.5
    return np.asarray((total - total.mean()) / total.std())


def unit_grid(size: int) -> tuple[Array, Array]:
    """Return y and x of pixel centres in [0, 1]."""
    ys, xs = np.mgrid[0:size, 0:size]
    return (ys + 0.5) / size, (xs + 0.5) / size


def to_picture(rgb: Array) -> Image.Image:
    """Reduce a fine picture in [0, 1] to its final size."""
    fine = Image.fromarray((np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8))
    return fine.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


# ---------------------------------------------------------------- brush strokes

FIELD = 384
SUNS = (
    (0.27, 0.29, 0.150, 1.0),
    (0.74, 0.20, 0.085, -1.0),
    (0.66, 0.60, 0.120, 1.0),
    (0.14, 0.72, 0.070, -1.0),
    (0.93, 0.86, 0.075, 1.0),
    (0.42, 0.88, 0.060, -1.0),
)
"""Centres of the swirls: x, y, radius, sense of rotation."""
NIGHT = palette("#0a1033", "#13286b", "#1c4f9c", "#1f7fb0", "#43abb0", "#a9d6bd", "#f0edc9")
EMBER = palette("#5b1638", "#a8252c", "#dd5a22", "#f29a2b", "#fbd257", "#fff6cf")
MOSS = palette("#101c2c", "#123f3c", "#2c6d3f", "#7f9a3a", "#d2b548", "#b5502f", "#5a1f3d")
BRUSHES = (
    (520, 58.0, 330.0, 26),
    (2300, 30.0, 210.0, 15),
    (5200, 16.0, 130.0, 9),
    (4200, 8.0, 80.0, 5),
)
"""From coarse to fine: strokes, width and length in pixels of the fine picture, bristles."""


def flow_and_colour(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the strokes' direction in radians `(F, F)` and their colour in Oklab `(F, F, 3)`."""
    y, x = unit_grid(FIELD)
    wander = soft_noise(rng, FIELD, (3, 6))
    stream = 0.9 * y + 0.10 * np.sin(2 * np.pi * (1.1 * x + 0.35 * y)) + 0.045 * wander
    glow = np.zeros_like(x)
    turn = np.zeros_like(x)
    for cx, cy, radius, sense in SUNS:
        r = np.hypot(x - cx, y - cy) / radius
        stream += sense * 3.2 * radius * np.exp(-((r / 1.5) ** 2) / 2)
        glow += np.exp(-(r**1.4))
        turn += sense * 0.30 * np.exp(-(r**2) / 4)
    dy, dx = np.gradient(stream)
    direction = np.arctan2(-dx, dy) + turn
    band = 0.5 + 0.5 * np.sin(2 * np.pi * 6.5 * stream + 0.9 * wander)
    sky = along(NIGHT, 0.04 + 0.74 * band**1.3 + 0.16 * smoothstep(0.05, 0.5, glow))
    ground = along(MOSS, 0.05 + 0.85 * band + 0.10 * soft_noise(rng, FIELD, (5,)))
    fire = along(EMBER, 0.98 * smoothstep(0.12, 0.95, glow + 0.13 * (band - 0.5)))
    low = smoothstep(-0.10, 0.10, y - 0.74 - 0.05 * wander)[..., None]
    colour = sky * (1 - low) + ground * low
    warm = smoothstep(0.20, 0.42, glow + 0.10 * (band - 0.5))[..., None]
    return direction, colour * (1 - warm) + fire * warm


def follow(direction: Array, start: Array, length: float, step: float = 6.0) -> Array:
    """Walk from `start` (x, y in fine pixels) along the field; return the points `(n, 2)`."""
    points = [start]
    heading = None
    for _ in range(max(3, int(length / step))):
        at = np.clip(points[-1] * FIELD / FINE, 0, FIELD - 1).astype(int)
        angle = direction[at[1], at[0]]
        move = np.array([np.cos(angle), np.sin(angle)])
        heading = move if heading is None else 0.6 * heading + 0.4 * move * np.sign(heading @ move)
        points.append(points[-1] + step * heading / (np.hypot(*heading) + 1e-9))
    return np.array(points)


def paint_stroke(
    draws: tuple[ImageDraw.ImageDraw, ImageDraw.ImageDraw],
    rng: np.random.Generator,
    path: Array,
    width: float,
    bristles: int,
    lab: Array,
) -> None:
    """Draw one stroke, bristle by bristle: its colour, and how high its paint stands."""
    tangent = np.gradient(path, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    swell = np.sin(np.linspace(0.25, np.pi - 0.15, len(path))) ** 0.45
    loaded = np.cumsum(rng.normal(size=bristles))
    loaded = (loaded - loaded.mean()) / (loaded.std() + 1e-9)
    thickness = max(2, round(1.5 * width / bristles))
    for i in rng.permutation(bristles):
        across = (i + 0.5) / bristles - 0.5
        first = int(rng.exponential(0.035) * len(path) + 0.5 * across**2 * len(path) * 0.4)
        last = len(path) - int(rng.exponential(0.08) * len(path) + across**2 * len(path) * 0.5)
        if last - first < 2:
            continue
        line = path + normal * (across * width * swell)[:, None]
        shade = lab + np.array([0.030 * loaded[i] + rng.normal(0, 0.012), *rng.normal(0, 0.006, 2)])
        points = [(float(a), float(b)) for a, b in line[first:last]]
        r, g, b = (int(255 * v + 0.5) for v in from_oklab(shade))
        draws[0].line(points, (r, g, b), thickness, "curve")
        height = 128 + 30 * loaded[i] + rng.normal(0, 22) - 130 * across**2
        draws[1].line(points, int(np.clip(height, 0, 255)), thickness, "curve")


def brush_strokes(seed: int = 11) -> Image.Image:
    """Paint a night of swirling light in oil, from the broadest brush to the finest."""
    rng = np.random.default_rng(seed)
    direction, colour = flow_and_colour(rng)
    ground = Image.fromarray((from_oklab(colour - [0.08, 0, 0]) * 255).astype(np.uint8))
    canvas = ground.resize((FINE, FINE), Image.Resampling.BICUBIC)
    relief = Image.new("L", (FINE, FINE), 90)
    draws = (ImageDraw.Draw(canvas), ImageDraw.Draw(relief))
    for layer, (count, width, length, bristles) in enumerate(BRUSHES):
        for start in rng.uniform(-40, FINE + 40, (count, 2)):
            path = follow(direction, start, length * rng.uniform(0.6, 1.3))
            at = np.clip(path[len(path) // 2] * FIELD / FINE, 0, FIELD - 1).astype(int)
            lab = colour[at[1], at[0]] + rng.normal(0, (0.045, 0.014, 0.018))
            if layer == len(BRUSHES) - 1:  # last touches: lights, darks, a few of pure colour
                lab = lab + np.array([rng.choice([-0.10, 0.09, 0.14]), 0, 0])
                if rng.random() < 0.06:
                    lab = along(EMBER, np.array(rng.uniform(0.3, 0.8)))
            paint_stroke(draws, rng, path, width * rng.uniform(0.75, 1.25), bristles, lab)
    height = np.asarray(relief, np.float64) / 255
    light = (height - np.roll(height, (2, 2), (0, 1))) * 0.20  # from the upper left
    rgb = np.asarray(canvas, np.float64) / 255
    lab = to_oklab(rgb)
    lab[..., 0] += np.clip(light, -0.11, 0.11)
    return to_picture(from_oklab(lab))


# ---------------------------------------------------------------- mosaic

TILES = 2700
SETTLE = 512
"""Side of the grid on which the tiles find their places."""
ROUNDS = 28
GROUT = np.array([0.27, 0.012, 0.018])
SEA = palette("#0c1f52", "#17479e", "#1f86c9", "#2fb8bd", "#e9e4c9", "#1b6aa8")
LAND = palette("#6b1530", "#c3272b", "#ee6c1f", "#f7b52c", "#f4e3b2", "#d9481f")
LEAF = palette("#123b2d", "#1f7a4c", "#78b33c", "#d9cf4a", "#efe8c6", "#2c9c76")
RINGS = palette("#fff4cf", "#ffd24a", "#f6a11f", "#e85a1c", "#b81f2d", "#f9d97a", "#4a1238")
ROSE = palette("#fff1df", "#f7b8b0", "#e4567f", "#a91e63", "#f4c04a", "#1d2a6b", "#2d0f3f")
MEDALLIONS = (
    (0.31, 0.33, 0.235, 12, "sun"),
    (0.80, 0.27, 0.115, 8, "rose"),
    (0.74, 0.71, 0.165, 10, "rose"),
    (0.19, 0.80, 0.105, 8, "sun"),
    (0.985, 0.97, 0.13, 9, "sun"),
    (0.56, 0.06, 0.06, 6, "rose"),
)
"""Centre x, y, radius, petals, colours."""


def design(rng: np.random.Generator, size: int) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return the rows' direction in radians, the colour in Oklab, a label per flat region."""
    y, x = unit_grid(size)
    wave = soft_noise(rng, size, (2, 4))
    field = y + 0.10 * np.sin(2 * np.pi * (0.9 * x + 0.15)) + 0.05 * wave
    rows = 17 * field
    for cx, cy, radius, *_ in MEDALLIONS:  # the bands flow around the medallions
        r = np.hypot(x - cx, y - cy)
        rows += 5.0 * (radius / 0.2) * np.exp(-((r / (1.9 * radius)) ** 2))
    band = np.floor(rows).astype(int)
    low = field > 0.60 + 0.03 * np.sin(9 * x)
    green = low & (field > 0.88)
    colour = np.where(low[..., None], LAND[band % 6], SEA[band % 6])
    colour = np.where(green[..., None], LEAF[band % 6], colour)
    dy, dx = np.gradient(rows)
    direction = np.arctan2(dy, dx)
    label = band + 100 * low + 100 * green
    for n, (cx, cy, radius, petals, kind) in enumerate(MEDALLIONS):
        ey, ex = y - cy, x - cx
        r, angle = np.hypot(ex, ey), np.arctan2(ey, ex)
        petal = 0.07 * np.cos(petals * angle) * smoothstep(0.2, 0.75, r / radius)
        t = r / radius + petal * (r < 0.93 * radius)
        ring = np.clip(np.floor(t * 7), 0, 6).astype(int)
        inside = r < radius
        colours = RINGS if kind == "sun" else ROSE
        colour = np.where(inside[..., None], colours[ring], colour)
        direction = np.where(r < radius * 1.12, angle, direction)
        label = np.where(inside, 1000 * (n + 1) + ring, label)
    return direction, colour, label


def nearest_tile(
    seeds: Array, angles: Array, stretch: Array, size: int, reach: float
) -> tuple[NDArray[np.int64], Array, Array]:
    """Return per pixel the nearest tile, its distance and the second nearest's, in tile sides.

    `seeds` are (x, y) in [0, 1]; a tile's distance is the rounded square turned by its angle.
    """
    owner = np.full((size, size), -1)
    best = np.full((size, size), 9.0)
    second = np.full((size, size), 9.0)
    side = size / len(seeds) ** 0.5
    window = int(reach * side) + 1
    for i, (x, y) in enumerate(seeds * size):
        left, top = max(int(x) - window, 0), max(int(y) - window, 0)
        where = np.s_[top : int(y) + window + 1, left : int(x) + window + 1]
        b, s, o = best[where], second[where], owner[where]
        dx = (np.arange(left, left + b.shape[1]) + 0.5 - x)[None, :] / side
        dy = (np.arange(top, top + b.shape[0]) + 0.5 - y)[:, None] / side
        c, d = np.cos(angles[i]), np.sin(angles[i])
        u, v = (c * dx + d * dy) * stretch[i], (c * dy - d * dx) / stretch[i]
        distance = (u**6 + v**6) ** (1 / 6)
        closer = distance < b
        s[:] = np.where(closer, b, np.minimum(s, distance))
        o[closer] = i
        b[:] = np.where(closer, distance, b)
    return owner, best, second


def mosaic(seed: int = 5) -> Image.Image:
    """Lay a mosaic of suns, roses and waves, its rows following the drawing."""
    rng = np.random.default_rng(seed)
    direction, colour, label = design(rng, SETTLE)
    edge = np.zeros(label.shape, bool)
    for axis in (0, 1):
        edge |= (label != np.roll(label, 1, axis)) | (label != np.roll(label, -1, axis))
    weight = np.where(edge, 0.02, 1.0).ravel()
    y, x = (a.ravel() for a in unit_grid(SETTLE))
    seeds = rng.uniform(0, 1, (TILES, 2))
    stretch = np.ones(TILES)

    def at(values: Array) -> Array:
        i = np.clip(seeds * SETTLE, 0, SETTLE - 1).astype(int)
        return np.asarray(values[i[:, 1], i[:, 0]])

    for _ in range(ROUNDS):  # Lloyd's: every tile moves to the middle of its own ground
        owner, _, _ = nearest_tile(seeds, at(direction), stretch, SETTLE, 1.9)
        flat = owner.ravel()
        ground = weight * (flat >= 0)
        flat = np.maximum(flat, 0)
        mass = np.bincount(flat, ground, TILES)
        middle = np.stack([np.bincount(flat, ground * a, TILES) for a in (x, y)], 1)
        seeds = np.where(mass[:, None] > 1, middle / np.maximum(mass, 1e-9)[:, None], seeds)

    tones = at(colour)
    tones = tones + rng.normal(0, (0.042, 0.012, 0.014), (TILES, 3))
    tones[:, 1:] *= rng.uniform(0.85, 1.12, (TILES, 1))
    angles = at(direction) + rng.normal(0, 0.07, TILES)
    stretch = np.exp(rng.normal(0, 0.06, TILES))
    owner, best, second = nearest_tile(seeds, angles, stretch, FINE, 1.6)
    owner = np.maximum(owner, 0)
    inset = np.minimum((second - best) / 2, 0.64 - best) + 0.008 * soft_noise(rng, FINE, (160, 330))
    stone = smoothstep(0.040, 0.070, inset)[..., None]
    dome = smoothstep(0.03, 0.20, inset)
    bevel = np.clip((dome - np.roll(dome, (3, 3), (0, 1))) * 0.35, -0.10, 0.12)
    tilt = rng.normal(0, 0.07, (TILES, 2))
    ys, xs = unit_grid(FINE)
    offset = np.stack([xs, ys], 2) - seeds[owner]
    sheen = (offset * tilt[owner]).sum(2) * TILES**0.5
    grain = 0.010 * soft_noise(rng, FINE, (90, 300))
    lab = tones[owner]
    lab[..., 0] += bevel + sheen + grain
    grout = np.broadcast_to(GROUT, lab.shape).copy()
    grout[..., 0] += 0.03 * soft_noise(rng, FINE, (60, 400))
    return to_picture(from_oklab(grout * (1 - stone) + lab * stone))


# ---------------------------------------------------------------- files


def save(picture: Image.Image, path: Path) -> None:
    """Save as JPEG with the best quality that stays under MAX_BYTES."""
    for quality in range(94, 60, -2):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, subsampling=0)
        if buffer.tell() <= MAX_BYTES:
            break
    path.write_bytes(buffer.getvalue())


def main() -> None:
    """Draw both pictures into the folder given, or into resources/pictures."""
    default = Path(__file__).parent.parent / "resources" / "pictures"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    save(brush_strokes(), folder / "brush_strokes.jpg")
    save(mosaic(), folder / "mosaic.jpg")


if __name__ == "__main__":
    main()
