"""The pictures of the documentation: each is on a page, and is up to date."""

from __future__ import annotations

import re

import pytest

from docs.make_pictures import DRAWINGS, MADE_WITH, PICTURES, draw, made_with
from tests.docs.page import PAGES
from tests.helpers import needs_matplotlib


@needs_matplotlib
@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_up_to_date(name: str) -> None:
    if MADE_WITH.read_text() != made_with():
        pytest.skip("other versions of what draws it would draw it otherwise")
    assert (PICTURES / name).read_text(encoding="utf-8") == draw(name), "stale: run python docs/make_pictures.py"


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_runs_and_loads_nothing(name: str) -> None:
    drawing = (PICTURES / name).read_text(encoding="utf-8")
    assert not re.search(r"<script|url\(['\"]?http|<image|@import|\son\w+=", drawing)


def test_every_picture_is_on_a_page_and_every_page_has_its_pictures() -> None:
    shown = {
        (page.parent / path).resolve()
        for page in PAGES
        for path in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    assert shown == set(PICTURES.iterdir()) - {MADE_WITH}
