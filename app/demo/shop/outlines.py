"""Outlines of garments on a square of 100 by 100, as Pillow draws them: the whole, and the details on top."""

from collections.abc import Sequence
from typing import NamedTuple

Point = tuple[float, float]
Outline = Sequence[Point]


class Shape(NamedTuple):
    """`parts` are filled with the garment's colour, `dark` and `light` with a shade of it, `lines` are seams."""

    parts: tuple[Outline, ...]
    dark: tuple[Outline, ...] = ()
    light: tuple[Outline, ...] = ()
    lines: tuple[Outline, ...] = ()


def _mirrored(*half: Point) -> Outline:
    """Return the outline whose right half, from the top down, is given as (distance from the middle, height)."""
    return [*((50 + x, y) for x, y in half), *((50 - x, y) for x, y in reversed(half))]


def smooth(points: Outline, steps: int = 8) -> list[Point]:
    """Return a closed Catmull-Rom curve through the points."""
    curve = []
    count = len(points)
    for i in range(count):
        a, b, c, d = (points[(i + j) % count] for j in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            curve.append(tuple(
                0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t * t + (3 * q - p - 3 * r + s) * t * t * t)
                for p, q, r, s in zip(a, b, c, d, strict=True)
            ))  # fmt: skip
    return [(x, y) for x, y in curve]


def _ellipse(x: float, y: float, rx: float, ry: float) -> Outline:
    ring = ((1, 0), (0.707, 0.707), (0, 1), (-0.707, 0.707), (-1, 0), (-0.707, -0.707), (0, -1), (0.707, -0.707))
    return smooth([(x + rx * dx, y + ry * dy) for dx, dy in ring])


def _body(length: float, sleeve: Sequence[Point], neck: float = 7, width: float = 18) -> Outline:
    return _mirrored((neck, 18), (16, 20), *sleeve, (width - 0.5, 38), (width, length), (0, length + 1.5))


_SHORT_SLEEVE: Sequence[Point] = ((31, 33), (25, 41), (18, 35))
_LONG_SLEEVE: Sequence[Point] = ((22, 25), (32, 66), (25.5, 69), (18, 40))
_HEM: Outline = [(31, 76), (69, 76), (69, 80.5), (50, 82), (31, 80.5)]
_NECK = _ellipse(50, 18.5, 7.4, 4.2)


def _cuffs() -> tuple[Outline, ...]:
    right = [(82, 63), (75.2, 66), (75.6, 69), (82.2, 66.2)]
    return right, [(100 - x, y) for x, y in right]


def _sole(x: float) -> Outline:
    return smooth(
        [(x, 18), (x + 10, 24), (x + 12, 40), (x + 9, 56), (x + 10, 72), (x, 83), (x - 10, 72), (x - 9, 56), (x - 12, 40), (x - 10, 24)]
    )


def _strap(x: float, y: float, half: float = 5) -> Outline:
    return smooth([(x - 14, y + 2), (x, y - half), (x + 14, y + 2), (x + 13, y + half + 3), (x, y + half), (x - 13, y + half + 3)], 6)


SHAPES: dict[str, Shape] = {
    "tshirt": Shape((_body(80, _SHORT_SLEEVE),), (_NECK,), (), (((32, 78), (68, 78)),)),
    "top": Shape(
        (smooth(_mirrored((0, 31), (8, 28), (14, 24), (17, 40), (15, 58), (20, 80), (0, 82)), 6),),
        (), (), (((41, 27), (40, 14)), ((59, 27), (60, 14)), ((37, 44), (50, 47), (63, 44))),
    ),
    "shirt": Shape(
        (_body(84, _LONG_SLEEVE),), (_mirrored((0, 24), (7, 18), (0, 17)), *_cuffs()),
        ([(43, 17), (50, 25), (43, 29), (38.5, 20)], [(57, 17), (50, 25), (57, 29), (61.5, 20)]),
        (((50, 26), (50, 85)), ((56, 42), (64, 42), (64, 50), (56, 50), (56, 42))),
    ),
    "knit": Shape(
        (_body(80, _LONG_SLEEVE, 8, 19),), (_ellipse(50, 18.5, 8.4, 4.6), _HEM, *_cuffs()), (), (((42, 23), (50, 26), (58, 23)),),
    ),
    "coat": Shape(
        (_body(90, ((23, 26), (33, 70), (26, 73), (19, 42)), 8, 21),), (_mirrored((0, 42), (8, 18), (0, 16)),),
        ([(42, 17), (50, 44), (43, 40), (36, 27), (38, 19)], [(58, 17), (50, 44), (57, 40), (64, 27), (62, 19)]),
        (((50, 44), (50, 91)), ((56, 62), (66, 60)), ((44, 62), (34, 60))),
    ),
    "dress": Shape(
        (smooth(_mirrored((0, 26), (7, 21), (11, 13), (14, 24), (10, 45), (18, 64), (29, 88), (0, 91)), 6),),
        ([(40, 43.5), (60, 43.5), (60.4, 47), (39.6, 47)],), (), (((45, 50), (38, 87)), ((55, 50), (62, 87)), ((50, 50), (50, 89))),
    ),
    "skirt": Shape(
        (_mirrored((12, 20), (27, 80), (14, 83), (0, 84)),), (_mirrored((12, 19), (13, 24), (0, 25)),),
        (), (((45, 26), (38, 81)), ((55, 26), (62, 81)), ((50, 26), (50, 83))),
    ),
    "trousers": Shape(
        (_mirrored((14, 12), (17, 26), (16, 90), (4, 90), (0.4, 38)),), (_mirrored((14, 11), (14.6, 16), (0, 16)),),
        (), (((50, 16), (50, 38)), ((38, 17), (35, 27)), ((62, 17), (65, 27)), ((34, 87), (46, 87)), ((54, 87), (66, 87))),
    ),
    "shorts": Shape(
        (_mirrored((16, 22), (21, 66), (3, 69), (0.4, 46)),), (_mirrored((16, 21), (16.6, 27), (0, 27)),),
        (), (((50, 27), (50, 46)), ((37, 28), (34, 39)), ((63, 28), (66, 39))),
    ),
    "bag": Shape(
        (smooth([(24, 44), (50, 41), (76, 44), (80, 62), (79, 82), (50, 85), (21, 82), (20, 62)], 6),),
        ([(22, 46), (50, 42.5), (78, 46), (75, 60), (50, 65), (25, 60)],), (_ellipse(50, 64, 2.6, 2.6),),
        (smooth([(34, 45), (36, 25), (50, 18), (64, 25), (66, 45), (64, 26), (50, 20), (36, 26)], 5),),
    ),
    "hat": Shape(
        (smooth([(24, 66), (27, 44), (38, 30), (50, 27), (62, 30), (73, 44), (76, 66), (50, 68)], 6), _ellipse(50, 23, 8, 8)),
        (smooth([(22, 66), (50, 62), (78, 66), (78, 76), (50, 79), (22, 76)], 6),), (),
        tuple(((x, 66), (x, 77)) for x in range(28, 76, 6)),
    ),
    "scarf": Shape(
        (smooth([(28, 30), (50, 22), (72, 30), (70, 44), (50, 50), (30, 44)], 6), [(36, 42), (52, 46), (50, 86), (34, 84)]),
        ([(50, 44), (64, 40), (70, 76), (56, 80)], smooth([(35, 32), (50, 28), (65, 32), (50, 38)], 6)), (),
        tuple(((x, 84), (x - 0.5, 89)) for x in range(36, 51, 3)),
    ),
    "belt": Shape(
        (_ellipse(50, 52, 33, 20),), (), ([(43, 63), (57, 63), (57, 75), (43, 75)],),
        (((46, 66), (54, 66), (54, 72), (46, 72), (46, 66)), ((50, 69), (58, 69))),
    ),
    "socks": Shape(
        (smooth([(30, 18), (46, 18), (46, 58), (58, 68), (57, 77), (46, 80), (33, 74), (31, 56)], 5),
         smooth([(52, 24), (68, 24), (68, 62), (80, 72), (79, 81), (68, 84), (55, 78), (53, 60)], 5)),
        ([(30.6, 18), (45.6, 18), (45.8, 25), (30.8, 25)], [(52.6, 24), (67.6, 24), (67.8, 31), (52.8, 31)]),
    ),
    "glasses": Shape(
        (smooth([(16, 42), (30, 40), (45, 43), (44, 58), (34, 64), (21, 61)], 6),
         smooth([(84, 42), (70, 40), (55, 43), (56, 58), (66, 64), (79, 61)], 6),
         [(44, 44), (50, 42.5), (56, 44), (56, 47), (50, 45.5), (44, 47)]),
        (), ([(21, 45), (31, 43.5), (25, 59)], [(60, 45), (70, 43.5), (64, 60)]), (((16, 43), (12, 40)), ((84, 43), (88, 40))),
    ),
    "sneaker": Shape(
        (smooth([(13, 44), (24, 38), (33, 44), (48, 47), (64, 58), (84, 62), (89, 70), (88, 74), (14, 74), (12, 60)], 6),),
        ([(13, 48), (26, 41), (30, 50), (16, 60)],), ([(12, 73), (89, 72), (90, 79), (86, 81), (15, 81), (12, 79)],),
        (((44, 48), (50, 55)), ((50, 50), (56, 57)), ((56, 54), (61, 61)), ((30, 73), (44, 60), (60, 73))),
    ),
    "boot": Shape(
        (smooth([(32, 18), (56, 18), (56, 48), (66, 58), (82, 62), (86, 72), (85, 76), (31, 76), (32, 48)], 6),),
        ([(30, 75), (86, 75), (86, 81), (50, 81), (48, 79), (46, 84), (30, 84)],), ([(46, 19), (55, 19), (55, 44), (47, 44)],),
        (((33, 26), (56, 26)),),
    ),
    "sandal": Shape(
        (_sole(32), _sole(68)),
        (_strap(32, 40), _strap(68, 40), _strap(32, 58, 3.2), _strap(68, 58, 3.2)), (_ellipse(32, 73, 6, 7), _ellipse(68, 73, 6, 7)),
        (((32, 30), (32, 38)), ((68, 30), (68, 38))),
    ),
}  # fmt: skip

HOLES: dict[str, Outline] = {"belt": _ellipse(50, 50, 29, 14.5)}
"""Parts of a silhouette through which the background shows."""
