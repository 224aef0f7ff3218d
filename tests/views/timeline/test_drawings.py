"""Drawings of a timeline: as an SVG, as a page, and as bars of characters."""

from __future__ import annotations

import io
import os
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from buildkite_orm import DownloadError
from buildkite_orm.views.text_width import text_width
from tests.views.timeline.builds import Payload, block, build, job, mimebundle, payload

if TYPE_CHECKING:
    from pathlib import Path

    from buildkite_orm import Timeline

SVG = "{http://www.w3.org/2000/svg}"
EVIL = '<script>alert("x")</script>&\x1b[31m\u202eevil\x07'


def realistic_timeline(**more: Any) -> Timeline:
    return build(
        job(":pipeline: Upload", 1, 3, 8),
        job("RSpec", 9, 11, 60, group_key="tests", parallel_group_index=0, parallel_group_total=2),
        job("RSpec", 9, 14, 50, group_key="tests", parallel_group_index=1, parallel_group_total=2),
        job("Lint", 9, 11, 20, state="failed", soft_failed=True, exit_status=1),
        job("Flaky", 9, 11, 20, state="failed", retried_in_job_id="again"),
        {**job("again", 21, 22, 30), "name": "Flaky"},
        block("Deploy?", 80),
        job("Deploy", 81, 83, 100),
        job("Never", state="waiting"),
        **more,
    ).timeline()


def hostile_timeline() -> Timeline:
    return build(
        job(
            EVIL,
            1,
            3,
            8,
            web_url="javascript:alert(1)",
            agent={"id": "1", "name": EVIL},
            state="passed",
            group_key=EVIL,
        ),
        job(EVIL * 9, 1, 3, 8, web_url='https://x/"onload="alert(1)', group_key=EVIL),
        job(EVIL, state="waiting"),
        branch=EVIL,
        message=EVIL,
        web_url="javascript:alert(1)",
    ).timeline()


def many(count: int) -> Timeline:
    """Return a timeline of three steps with many shards, and as many single jobs."""
    third = count // 3
    shards = [
        job(f"s{step}-{each}", 1, 3, 20 + each / 10, step={"id": f"step-{step}"}) | {"name": f"Step {step}"}
        for step in range(3)
        for each in range(third // 3)
    ]
    single = [job(f"single {each}", 1, 3, 5 + each / 20) for each in range(count - len(shards) - 1)]
    return build(job("first", 0, 0.5, 1), *shards, *single).timeline()


def root_of(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - it is our own


def texts(root: ET.Element) -> list[str]:
    return ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]


# -- the SVG


def test_an_svg_has_a_described_group_for_each_row() -> None:
    timeline = realistic_timeline()
    root = root_of(timeline.svg())
    assert root.attrib["role"] == "img"
    assert root.findtext(f"{SVG}title") == "Timeline of acme/web #1"
    assert "8 jobs in 1m 40s. Critical path: " in (root.findtext(f"{SVG}desc") or "")
    labels = [each.attrib["data-job"] for each in root.iter(f"{SVG}g") if "data-job" in each.attrib]
    assert sorted(labels) == sorted(row.job.id for row in timeline.rows)


def test_an_svg_marks_the_critical_path_by_more_than_colour() -> None:
    root = root_of(realistic_timeline().svg())
    lanes = [each for each in root.iter(f"{SVG}g") if "critical" in each.attrib.get("class", "")]
    labels = ["".join(next(lane.iter(f"{SVG}text")).itertext()) for lane in lanes]
    assert [label[0] for label in labels] == ["◆"] * 4
    assert any("RSpec 1/2" in label for label in labels)
    (path,) = [each for each in root.iter(f"{SVG}path") if each.attrib.get("class") == "path"]
    assert path.attrib["d"].count("M") == 3


def test_an_svg_has_attempts_in_one_lane_and_groups_below_their_name() -> None:
    labels = texts(root_of(realistic_timeline().svg()))
    assert sum("Flaky" in label for label in labels) == 1
    assert "Flaky (attempt 2)" in labels
    assert labels.index("tests") < labels.index("RSpec 2/2")


def test_a_group_of_one_has_no_heading() -> None:
    timeline = build(job("a", 1, 2, 3, group_key="tests"), job("b", 1, 2, 3)).timeline()
    assert "tests" not in texts(root_of(timeline.svg()))
    assert "tests" not in str(timeline)


def test_tooltips_describe_the_jobs() -> None:
    titles = [each.text or "" for each in root_of(realistic_timeline().svg()).iter(f"{SVG}title")]
    assert "Lint: failed softly (exit status 1), waited 2s, ran 9s" in titles
    assert "Deploy?: unblocked, was blocked 20s, on the critical path" in titles
    assert any(title.startswith("The build: created 2026-08-01 12:00:00 UTC") for title in titles)


def test_bars_are_within_the_drawing_and_have_a_minimum_width() -> None:
    for timeline in (realistic_timeline(), many(500), build(job("a", 0, 0, 0)).timeline()):
        root = root_of(timeline.svg())
        width, height = map(float, root.attrib["viewBox"].split()[2:])
        for bar in root.iter(f"{SVG}rect"):
            x, y = float(bar.attrib.get("x", 0)), float(bar.attrib.get("y", 0))
            assert 0 <= x <= x + float(bar.attrib["width"]) <= width
            assert 0 <= y <= y + float(bar.attrib["height"]) <= height
            assert float(bar.attrib["width"]) >= 2


def test_the_legend_explains_the_drawing() -> None:
    labels = texts(root_of(build(job("a", 1, 3, 8, state="canceled")).timeline().svg()))
    assert labels[-3:] == ["waiting for an agent", "finished otherwise", "◆ ┄ critical path"]
    assert texts(root_of(build().timeline().svg()))[-1] == "1m 40s"
    meanings = {"waiting for an agent", "passed", "failed", "blocked", "◆ ┄ critical path"}
    assert meanings <= set(texts(root_of(realistic_timeline().svg())))


def test_an_svg_notes_the_jobs_that_it_does_not_show() -> None:
    assert "1 job not shown: not started, or without times." in texts(root_of(realistic_timeline().svg()))


def test_an_svg_of_five_hundred_jobs_stays_readable() -> None:
    timeline = many(500)
    root = root_of(timeline.svg())
    labels = texts(root)
    assert float(root.attrib["viewBox"].split()[3]) < 1600
    assert {"◆ Step 0 x 55", "Step 1 x 55", "Step 2 x 55"} <= set(labels)
    (rest,) = [label for label in labels if label.startswith("…and ")]
    assert rest.startswith("…and 278 more jobs, of up to ")
    shown = sum("data-job" in each.attrib for each in root.iter(f"{SVG}g"))
    assert shown + 278 == len(timeline.rows) == 500
    assert "◆ first" in labels


def test_an_svg_has_both_themes_and_no_external_files() -> None:
    svg = realistic_timeline().svg()
    assert "prefers-color-scheme:dark" in svg
    assert 'style="fill:#1a7f37;fill:var(--bk-good)"' in svg  # for what knows no variables
    assert "<script" not in svg
    assert "@import" not in svg
    assert 'src="' not in svg


# -- what the server says, harmless


def test_an_svg_of_hostile_names_is_valid_and_has_no_unsafe_links() -> None:
    root = root_of(hostile_timeline().svg())
    assert not [each for each in root.iter() if each.tag.endswith("script")]
    assert not list(root.iter(f"{SVG}a"))
    assert not [name for each in root.iter() for name in each.attrib if name.startswith("on")]
    assert "\u202e" not in hostile_timeline().svg()


def test_links_lead_to_the_pages_of_the_jobs() -> None:
    timeline = build(job("a", 1, 2, 3, web_url="https://buildkite.com/acme/web/builds/1#a")).timeline()
    root = root_of(timeline.svg())
    assert {each.attrib["href"] for each in root.iter(f"{SVG}a")} == {
        "https://buildkite.com/acme/web/builds/1",
        "https://buildkite.com/acme/web/builds/1#a",
    }
    assert all(each.attrib["rel"] == "noopener noreferrer" for each in root.iter(f"{SVG}a"))


class _Page(HTMLParser):
    """Collects the elements of a page, their attributes and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_of_hostile_names_has_no_script() -> None:
    page = _Page(hostile_timeline().html())
    assert {"script", "iframe", "img", "link", "object"} & set(page.tags) == set()
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not [value for name, value in page.attributes if name == "href" and not (value or "").startswith("http")]
    assert '<script>alert("x")</script>&\\x1b[31m\\u202eevil' in page.text
    assert "\x1b" not in page.text


def test_hostile_names_are_escaped_in_the_terminal() -> None:
    shown = str(hostile_timeline())
    assert all(line.isprintable() for line in shown.splitlines())
    assert repr(hostile_timeline()).isprintable()


# -- the page


def test_a_page_has_the_critical_path() -> None:
    page = _Page(realistic_timeline(message="Fix the login\n\nIt broke.").html())
    assert "acme/web #1 passed" in page.text
    assert "Fix the login\n" in page.text
    assert "1m 40s in all:" in page.text
    assert page.tags.count("tr") == 1 + 4
    assert "Never: waiting" in page.text
    assert ("http-equiv", "Content-Security-Policy") in page.attributes


# -- bars


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("COLUMNS", "80")
    return monkeypatch


@pytest.mark.usefixtures("columns")
def test_bars_are_below_each_other_and_fill_the_terminal() -> None:
    lines = str(realistic_timeline()).splitlines()
    assert lines[0] == "acme/web #1 passed on main, 1m 40s"
    assert lines[1] == "critical path ◆: 1m 11s running, 6s waiting, 20s blocked, 3s between"
    assert [line[:13] for line in lines[4:7]] == ["tests", "  ◆ RSpec 1/2", "    RSpec 2/2"]
    bars = {line.strip("◆ ")[:5]: line for line in lines[3:]}
    assert bars["Deplo"].index("─") > bars["Flaky"].rindex("█")
    assert bars["Flaky"][32:70].strip() == "─▓▓▓▓███"  # attempts, in order
    assert any("▒▒▒" in line for line in lines)
    assert {text_width(line) for line in lines if "█" in line} == {79}


@pytest.mark.parametrize("width", ["1", "40", "80", "500"])
def test_bars_fit_any_terminal(monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    widest = max(text_width(line) for line in str(realistic_timeline()).splitlines())
    assert widest <= min(max(int(width), 40), 120) - 1
    assert "(attempt 2)" in str(realistic_timeline())


@pytest.mark.usefixtures("columns")
def test_a_note_follows_the_bars_if_some_are_hidden() -> None:
    lines = str(many(500)).splitlines()
    assert len(lines) < 50
    assert lines[-1].startswith("…and ")


def test_bars_are_ascii_on_an_ascii_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    shown = str(build(job("größe", 1, 10, 90), block("go"), finished=95, blocked=True).timeline())
    assert shown.isascii()
    assert "#####" in shown
    assert "*" in shown
    assert "gr??e" in shown


@pytest.mark.usefixtures("columns")
def test_rich_prints_the_same_in_colour() -> None:
    from rich.console import Console  # noqa: PLC0415 - as a user does

    file = io.StringIO()
    Console(file=file, force_terminal=True, width=79, color_system="standard").print(realistic_timeline())
    assert "\x1b[32m" in file.getvalue()
    plain = io.StringIO()
    Console(file=plain, width=79).print(realistic_timeline())
    assert [line.rstrip() for line in plain.getvalue().splitlines()] == str(realistic_timeline()).splitlines()


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("columns")
@pytest.mark.parametrize("no_color", [False, True])
def test_ipython_prints_bars_with_colors_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
    no_color: bool,  # noqa: FBT001 - a case
) -> None:
    monkeypatch.setattr(sys, "stdout", _Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1") if no_color else monkeypatch.delenv("NO_COLOR", raising=False)
    shown = mimebundle(realistic_timeline())["text/plain"]
    assert ("\x1b[32m" in shown) == (not no_color)
    assert "█" in shown


def test_without_rich_the_bars_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name in ("rich.console", "rich.text", "emoji"):
        monkeypatch.setitem(sys.modules, name, None)
    timeline = realistic_timeline()
    assert mimebundle(timeline)["text/plain"] == str(timeline)
    assert ":pipeline: Upload" in str(timeline)


def test_a_notebook_shows_the_drawing() -> None:
    timeline = realistic_timeline()
    bundle = mimebundle(timeline)
    assert bundle["text/html"].startswith("<div><svg ")
    assert bundle["text/plain"] == str(timeline)


# -- in words


def test_a_timeline_has_a_line() -> None:
    assert repr(realistic_timeline()) == "<Timeline acme/web #1: 8 jobs in 1m 40s>"
    assert repr(build(job("a", 1, 2, 3)).timeline()) == "<Timeline acme/web #1: 1 job in 1m 40s>"


# -- saving


def test_it_is_saved_as_its_name_says(tmp_path: Path) -> None:
    timeline = realistic_timeline()
    assert timeline.save_to(tmp_path / "new" / "a.svg") == tmp_path / "new" / "a.svg"
    assert (tmp_path / "new" / "a.svg").read_text(encoding="utf-8") == timeline.svg()
    timeline.save_to(str(tmp_path / "a.HTML"))
    assert (tmp_path / "a.HTML").read_text(encoding="utf-8") == timeline.html()


def test_it_is_saved_anew(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text("old" * 100_000)
    realistic_timeline().save_to(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == realistic_timeline().svg()
    assert os.listdir(tmp_path) == ["a.svg"]  # noqa: PTH208 - hidden ones too


@pytest.mark.parametrize("name", ["a.png", "a", "", "folder/"])
def test_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"a timeline is saved as \.svg or \.html"):
        realistic_timeline().save_to(f"{tmp_path}/{name}")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.svg").mkdir()
    (tmp_path / "a.svg" / "picture.svg").mkdir()
    with pytest.raises(DownloadError, match="cannot write"):
        realistic_timeline().save_to(tmp_path / "a.svg")
    assert list((tmp_path / "a.svg").iterdir()) == [tmp_path / "a.svg" / "picture.svg"]


def test_odd_data_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    odd: Payload = payload(job("", 1, 2, 3, step={"id": 7}, group_key=""), state="passed", branch=None, message=None)
    print(build(**{name: odd[name] for name in ("branch", "message")}).timeline())  # noqa: T201
    assert "acme/web #1 passed on None" in capsys.readouterr().out
