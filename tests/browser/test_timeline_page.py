"""The page of a timeline as a browser shows it: all rows, no script, no overflow, readable on dark and on light."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.pages import SCENES
from tests.views.timeline.builds import block, build, job

if TYPE_CHECKING:
    from buildkite_orm import Timeline
    from tests.browser.checks import Opened, Opener

EVIL = "<script>window.evil=1</script><img src=x onerror='window.evil=1'>\x1b[31m\u202e"
LONG = "A name that is longer than any label may be, 日本語の名前 and so on, and on, and on"


def timeline() -> Timeline:
    return build(
        job(":pipeline: Upload", 1, 3, 8, web_url="https://buildkite.com/acme/web/builds/1#a"),
        *(
            job(f"RSpec-{shard}", 9, 11 + shard, 60 - shard, group_key="tests")
            | {"name": "RSpec", "parallel_group_index": shard, "parallel_group_total": 3}
            for shard in range(3)
        ),
        job(EVIL, 9, 11, 20, state="failed", exit_status=1, web_url="javascript:window.evil=1"),
        job(LONG, 9, 11, 20, state="running"),
        job("Flaky", 9, 11, 20, state="failed", retried_in_job_id="again"),
        job("again", 21, 22, 30) | {"name": "Flaky"},
        block("Deploy?", 80),
        job("Deploy", 81, 83, 100),
        job(EVIL, state="waiting"),
        message=EVIL,
        branch=LONG,
    ).timeline()


@pytest.fixture(params=[(800, False), (800, True), (1400, False), (1400, True)], ids=str)
def opened(open_page: Opener, request: pytest.FixtureRequest) -> Opened:
    """The page, in a window of each width, light and dark."""
    width, dark = request.param
    return open_page(timeline().html(), width=width, dark=dark)


def color(opened: Opened, selector: str, name: str) -> str:
    style: str = opened.page.locator(selector).first.evaluate(f"each => getComputedStyle(each).{name}")
    return style


def contrast(one: str, other: str) -> float:
    """Compute the contrast of two colors, as the WCAG defines it."""

    def light(color: str) -> float:
        parts = [float(part) / 255 for part in re.findall(r"[\d.]+", color)[:3]]
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dim, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dim + 0.05)


def test_there_is_a_bar_for_each_row(opened: Opened) -> None:
    bars = opened.page.locator("[data-job]")
    assert bars.count() == len(timeline().rows) == 10
    assert all(bars.nth(place).bounding_box() for place in range(10))
    assert opened.page.locator(".lane").count() == 9  # the attempts of a job share one


def test_no_script_runs(opened: Opened) -> None:
    assert opened.page.evaluate("window.evil") is None
    assert opened.page.locator("script, img, iframe, link").count() == 0
    links = opened.page.locator("a").evaluate_all("all => all.map(each => each.href.baseVal ?? each.href)")
    assert set(links) == {"https://buildkite.com/acme/web/builds/1", "https://buildkite.com/acme/web/builds/1#a"}


def test_nothing_is_wider_than_the_window_nor_outside_of_the_drawing(opened: Opened) -> None:
    assert opened.fits()
    drawing = opened.page.locator(".drawing svg.bk-timeline").bounding_box()
    assert drawing is not None
    for box in opened.page.locator(".bk-timeline > text, .lane > text, [data-job]").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect().toJSON())"
    ):
        assert drawing["x"] <= box["left"] <= box["right"] <= drawing["x"] + drawing["width"]
        assert drawing["y"] <= box["top"] <= box["bottom"] <= drawing["y"] + drawing["height"]


def test_no_label_reaches_its_bars(opened: Opened) -> None:
    lanes = opened.page.locator(".lane").evaluate_all(
        """all => all.map(lane => [
          lane.querySelector("svg text").getBoundingClientRect().right,
          Math.min(...[...lane.querySelectorAll("[data-job]")].map(each => each.getBoundingClientRect().left)),
        ])"""
    )
    assert len(lanes) == 9
    assert all(label < bars for label, bars in lanes)


def test_the_critical_path_is_marked(opened: Opened) -> None:
    assert opened.page.locator(".lane.critical").count() == opened.page.locator(".band").count() == 4
    assert all(label.startswith("◆ ") for label in opened.page.locator(".critical svg text").all_text_contents())
    bold, usual = (color(opened, f"{kind} svg text", "fontWeight") for kind in (".critical", ".lane:not(.critical)"))
    assert int(bold) > int(usual)
    assert opened.page.locator(".path").bounding_box()
    assert color(opened, ".band", "fill") != color(opened, ".paper", "fill")
    assert opened.page.locator(".critical-path tr").count() == 1 + 4


def test_all_can_be_read_on_its_ground(opened: Opened) -> None:
    assert {text: ratio for text, ratio in opened.contrasts().items() if ratio < 4.5} == {}
    paper, band = (color(opened, each, "fill") for each in (".paper", ".band"))
    assert paper == color(opened, "body", "backgroundColor")
    assert all(contrast(color(opened, f".critical {each}", "fill"), band) >= 4.5 for each in ("svg text", ".soft"))
    for selector in (".waiting", ".running", ".hatch", ".path"):
        drawn = color(opened, selector, "stroke" if selector == ".path" else "fill")
        assert min(contrast(drawn, paper), contrast(drawn, band)) >= 3, selector


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_plot_of_a_history_fits_and_can_be_read(open_page: Opener, dark: bool) -> None:  # noqa: FBT001 - a case
    opened = open_page(SCENES["history"](), width=800, dark=dark)
    assert opened.fits()
    assert {text: ratio for text, ratio in opened.contrasts().items() if ratio < 4.5} == {}
