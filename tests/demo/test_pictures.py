"""Pictures: every silhouette draws as a small PNG in its colour."""

import io

import numpy as np
import pytest
from PIL import Image

from app.demo.shop.outlines import SHAPES
from app.demo.shop.pictures import SIZE, picture
from app.demo.shop.vocabulary import CATEGORIES, COLOURS, FABRICS_OF, STYLES


def test_every_category_and_colour_has_what_is_needed_to_draw_it() -> None:
    assert {c.shape for c in CATEGORIES} == set(SHAPES) == set(FABRICS_OF)
    assert {colour for style in STYLES for colour in style.colours} <= set(COLOURS)


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_a_picture_is_small_square_and_mostly_of_its_colour(shape: str) -> None:
    data = picture(shape, "#2f55b8", "minimal")
    assert len(data) < 15_000
    drawn = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int64)
    assert drawn.shape == (SIZE, SIZE, 3)
    near = np.abs(drawn - np.array([0x2F, 0x55, 0xB8])).max(axis=2) < 40
    assert 0.02 < near.mean() < 0.6
    assert drawn[0, 0].min() > 225, "the ground is light"


def test_styles_and_colours_differ_and_the_same_look_is_the_same_picture() -> None:
    looks = [picture("dress", colour, style) for colour in ("#2f55b8", "#b02a44") for style in ("minimal", "romantic", "classic")]
    assert len(set(looks)) == 6
    picture.cache_clear()
    assert picture("dress", "#2f55b8", "minimal") == looks[0]
