"""Draws the pictures of the generated shop: a garment in its colour on a soft ground, a few kilobytes each. Needs Pillow."""

import io
from functools import lru_cache

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from app.demo.shop.outlines import HOLES, SHAPES, Outline

SIZE = 300
_SCALE = 2  # drawn larger and scaled down, for smooth edges
_FULL = SIZE * _SCALE
_SEAM = 2 * _SCALE - 1
_PATTERNS = {"sporty": "stripes", "romantic": "dots", "classic": "checks", "outdoor": "quilt", "boho": "diamonds"}
# what a pattern would only make restless
_PLAIN = frozenset({"trousers", "sneaker", "boot", "sandal", "glasses", "belt", "bag"})

Colour = tuple[int, int, int]


@lru_cache(maxsize=256)
def picture(shape: str, colour: str, style: str) -> bytes:
    """Return a PNG of a silhouette (a name in SHAPES) in a colour (`#rrggbb`), with the pattern of a style."""
    base = _parsed(colour)
    form = SHAPES.get(shape, SHAPES["tshirt"])
    mask = Image.new("L", (_FULL, _FULL))
    pen = ImageDraw.Draw(mask)
    for part in form.parts:
        pen.polygon(_pixels(part), fill=255)
    if shape in HOLES:
        pen.polygon(_pixels(HOLES[shape]), fill=0)
    canvas = _ground(base)
    _shadow(canvas, mask)
    cloth = Image.new("RGB", (_FULL, _FULL), base)
    if shape not in _PLAIN:
        _pattern(cloth, _PATTERNS.get(style, ""), base)
    _details(cloth, form.dark, _mixed(base, (0, 0, 0), 0.22))
    _details(cloth, form.light, _mixed(base, (255, 255, 255), 0.35))
    for line in form.lines:
        ImageDraw.Draw(cloth).line(_pixels(line), fill=_mixed(base, _contrast(base), 0.28), width=_SEAM, joint="curve")
    _fold(cloth, mask)
    everything = mask.copy()
    more = ImageDraw.Draw(everything)
    for part in (*form.dark, *form.light):
        more.polygon(_pixels(part), fill=255)
    for line in form.lines:
        more.line(_pixels(line), fill=255, width=_SEAM, joint="curve")
    canvas.paste(cloth, (0, 0), everything)
    small = canvas.resize((SIZE, SIZE), Image.Resampling.LANCZOS).quantize(96, dither=Image.Dither.NONE)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


def _parsed(colour: str) -> Colour:
    red, green, blue = bytes.fromhex(colour.lstrip("#"))
    return red, green, blue


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _contrast(colour: Colour) -> Colour:
    return (0, 0, 0) if sum(colour) > 300 else (255, 255, 255)


def _pixels(points: Outline) -> list[tuple[float, float]]:
    return [(x * _FULL / 100, y * _FULL / 100) for x, y in points]


def _ground(base: Colour) -> Image.Image:
    """Return a ground that is lighter than any garment's edge, with a hint of the garment's colour."""
    light, low = _mixed((247, 245, 241), base, 0.05), _mixed((237, 234, 228), base, 0.10)
    column = Image.new("RGB", (1, 24))
    for y in range(24):
        column.putpixel((0, y), _mixed(light, low, y / 23))
    return column.resize((_FULL, _FULL), Image.Resampling.BILINEAR)


def _shadow(canvas: Image.Image, mask: Image.Image) -> None:
    soft = ImageChops.offset(mask, 0, 5 * _SCALE).filter(ImageFilter.GaussianBlur(6 * _SCALE)).point(lambda v: v * 0.28)
    canvas.paste((70, 60, 50), (0, 0), soft)


def _details(cloth: Image.Image, outlines: tuple[Outline, ...], colour: Colour) -> None:
    for outline in outlines:
        ImageDraw.Draw(cloth).polygon(_pixels(outline), fill=colour)


def _pattern(cloth: Image.Image, kind: str, base: Colour) -> None:
    pen, ink, step = ImageDraw.Draw(cloth), _mixed(base, _contrast(base), 0.16), _FULL // 18
    dot, line = _FULL // 130, _FULL // 220 if kind == "quilt" else _FULL // 100
    if kind in ("stripes", "checks"):
        for y in range(0, _FULL, step * 2):
            pen.rectangle((0, y, _FULL, y + step // 2), fill=ink)
    if kind == "checks":
        for x in range(0, _FULL, step * 2):
            pen.rectangle((x, 0, x + step // 2, _FULL), fill=_mixed(base, ink, 0.8))
    if kind == "dots":
        for row, y in enumerate(range(0, _FULL, step)):
            for x in range(step // 2 * (row % 2), _FULL, step):
                pen.ellipse((x - dot, y - dot, x + dot, y + dot), fill=_mixed(base, (255, 255, 255), 0.5))
    if kind in ("quilt", "diamonds"):
        for x in range(-_FULL, 2 * _FULL, step * 2):
            pen.line((x, 0, x + _FULL, _FULL), fill=ink, width=line)
            pen.line((x, _FULL, x + _FULL, 0), fill=ink, width=line)


def _fold(cloth: Image.Image, mask: Image.Image) -> None:
    """Shade the edges, darker at the right and below, so that the garment looks round."""
    inner = ImageChops.offset(mask.filter(ImageFilter.GaussianBlur(9 * _SCALE)), -4 * _SCALE, -4 * _SCALE)
    edge = ImageChops.subtract(mask, inner).point(lambda v: v * 0.30)
    cloth.paste((20, 16, 24), (0, 0), edge)
