"""Tables and cards in a real browser: they fit, can be read, follow dark and light, and run nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import SCENES

if TYPE_CHECKING:
    from tests.browser.checks import Opener


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: make() for name, make in SCENES.items()}


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [800, 1400])
def test_it_fits_and_can_be_read(open_page: Opener, pages: dict[str, str], scene: str, dark: bool, width: int) -> None:  # noqa: FBT001
    opened = open_page(pages[scene], width=width, dark=dark)
    assert opened.fits()
    contrasts = opened.contrasts()
    assert contrasts
    assert {text: ratio for text, ratio in contrasts.items() if ratio < 4.5} == {}


def test_the_rows_are_there(open_page: Opener, pages: dict[str, str]) -> None:
    opened = open_page(pages["tables"])
    tables = opened.page.locator("table")
    rows = [tables.nth(index).locator("tbody tr").count() for index in range(tables.count())]
    assert rows == [20, 8, 13, 20, 2, 6]
    assert opened.texts("td a")[0] == "docs #32"
    assert opened.page.locator("td a").first.get_attribute("href") == "https://buildkite.com/acme/docs/builds/32"


def test_colours_follow_dark_and_light(open_page: Opener, pages: dict[str, str]) -> None:
    light, dark = (open_page(pages["tables"], dark=dark) for dark in (False, True))
    for selector in (".bk-orm", ".bk-good", ".bk-bad", ".bk-busy", ".bk-quiet", "td a"):
        assert light.color(selector) != dark.color(selector)


@pytest.mark.parametrize(
    "theme",
    ['<body data-jp-theme-light="{light}">', '<body class="{vscode}">'],
    ids=["JupyterLab", "VS Code"],
)
def test_the_theme_of_a_notebook_wins_over_the_system(open_page: Opener, pages: dict[str, str], theme: str) -> None:
    def coloured(*, dark: bool, system_dark: bool) -> str:
        body = theme.format(light=str(not dark).lower(), vscode="vscode-dark" if dark else "vscode-light")
        return open_page(f"<!doctype html>{body}{pages['failure']}", dark=system_dark).color(".bk-orm")

    light, dark = coloured(dark=False, system_dark=True), coloured(dark=True, system_dark=False)
    assert light == open_page(pages["failure"]).color(".bk-orm")
    assert dark == open_page(pages["failure"], dark=True).color(".bk-orm")


def test_the_rules_of_a_notebook_for_tables_do_not_reach_into_it(open_page: Opener, pages: dict[str, str]) -> None:
    opened = open_page(pages["jupyterlab"], dark=True)
    cell = opened.page.locator("tbody tr:first-child td").first
    look = cell.evaluate("each => [getComputedStyle(each).textAlign, getComputedStyle(each.parentElement).background]")
    assert look[0] == "left"
    assert "rgba(0, 0, 0, 0)" in look[1]


def test_text_from_the_server_is_escaped(open_page: Opener, pages: dict[str, str]) -> None:
    opened = open_page(pages["evil"])
    opened.page.locator("td").first.hover()
    assert opened.page.locator("script, img, iframe, [onmouseover], [onerror]").count() == 0
    assert any("<script>alert(1)</script>\\x1b[31m\\u202egnp" in text for text in opened.texts("td"))


def test_a_table_is_used_by_keyboard(open_page: Opener, pages: dict[str, str]) -> None:
    opened = open_page(pages["evil"], width=800)
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.className") == "bk-scroll"
