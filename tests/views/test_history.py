"""The history of a pipeline: totals of builds per day, the requests it sends, and its chart."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkite_orm import ConfigurationError, HistoryDay
from buildkite_orm.views.history.data import Spread
from tests.helpers import needs_matplotlib
from tests.views.timeline.builds import mimebundle

if TYPE_CHECKING:
    from pathlib import Path

    from buildkite_orm import History, PipelineRef
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)  # where the fake's clock begins
SVG = "{http://www.w3.org/2000/svg}"


def add(
    server: FakeBuildkite, ago: float, state: str = "passed", *, queued: float = 5, took: float | None = 60, **more: Any
) -> None:
    """Add a build that was created so many hours ago, was queued and took some seconds."""
    created = (NOON - timedelta(hours=ago)).timestamp()
    finished = None if took is None else created + queued + took
    times: dict[str, Any] = {
        "created_at": created,
        "scheduled_at": created,
        "started_at": created + queued,
        "finished_at": finished,
    }
    server.add_build("web", **{**times, **more}).state = state  # assigned, since the state may be a new one


def seconds(spread: Spread | None) -> tuple[float, float] | None:
    return None if spread is None else (spread.median.total_seconds(), spread.p90.total_seconds())


def of_day(history: History, day: date) -> HistoryDay:
    return next(each for each in history.days if each.date == day)


# -- what it costs


def test_it_is_one_request_per_hundred_builds(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    server.add_builds("web", 250, spacing=3600, newest=NOON - timedelta(hours=1))
    with costs(3):
        history = web.history()
    assert len(history.builds) == 250
    assert all("exclude_jobs=true" in request.line for request in server.requests)


def test_a_history_requests_only_its_days_and_filters(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    server.add_builds("web", 250, spacing=3600, newest=NOON - timedelta(hours=1), branch="main")
    with costs(1):
        assert web.history(days=2, branch="other").builds == ()
    with costs(1):
        assert len(web.history(days=2, branch="main").builds) == 12 + 24
    assert "created_from=2026-07-31T00%3A00%3A00Z" in server.requests[-1].line


@needs_matplotlib
def test_rendering_sends_no_request(server: FakeBuildkite, web: PipelineRef, costs: Costs) -> None:
    add(server, 1)
    history = web.history()
    with costs(0):
        repr(history)
        str(history)
        history.svg()
        mimebundle(history)


# -- totals of builds


def test_days_are_complete_and_in_order(server: FakeBuildkite, web: PipelineRef) -> None:
    add(server, 12)  # at midnight
    add(server, 12.001, "failed")
    add(server, 36.001)  # the day before the first one
    history = web.history(days=2)
    assert [(str(day.date), day.figures.builds) for day in history.days] == [("2026-07-31", 1), ("2026-08-01", 1)]
    assert [day.figures.failure_rate for day in history.days] == [1.0, 0.0]
    assert [day.figures.builds for day in web.history(days=4).days] == [0, 1, 1, 1]
    assert web.history(days=1).days[0].date == date(2026, 8, 1)


def test_a_day_has_durations_and_queue_times(server: FakeBuildkite, web: PipelineRef) -> None:
    for number in range(1, 12):
        add(server, number / 2, took=number * 10, queued=number)
    figures = of_day(web.history(), date(2026, 8, 1)).figures
    assert seconds(figures.duration) == (60, 100)
    assert seconds(figures.queue_time) == (6, 10)


def test_only_passed_and_failed_builds_count_for_rate_and_duration(server: FakeBuildkite, web: PipelineRef) -> None:
    add(server, 1, "passed", took=10)
    add(server, 2, "failed", took=30)
    add(server, 3, "canceled", took=9000)
    add(server, 4, "running", took=None)
    add(server, 5, "failing", took=None)
    add(server, 6, "passed", blocked=True, took=20)
    add(server, 7, "skipped", started_at=None, finished_at=None)
    add(server, 8, "hibernating", took=5)
    history = web.history(days=1)
    figures = history.figures
    assert (figures.builds, figures.passed, figures.failed, figures.failure_rate) == (8, 1, 1, 0.5)
    assert seconds(figures.duration) == (20, 28)
    data = {build.state: (build.passed, build.duration) for build in history.builds}
    assert data["canceled"] == (None, timedelta(seconds=9000))
    assert data["blocked"] == (None, None)
    assert data["running"] == (None, None)
    assert {build.state for build in history.builds if build.queue_time is None} == {"skipped"}


def test_builds_are_in_order_oldest_first(server: FakeBuildkite, web: PipelineRef) -> None:
    add(server, 1)
    add(server, 3)
    add(server, 2)
    assert [build.number for build in web.history().builds] == [2, 3, 1]


@needs_matplotlib
def test_a_pipeline_without_builds_has_a_history_all_the_same(server: FakeBuildkite, web: PipelineRef) -> None:
    server.add_pipeline("web")
    history = web.history(days=3)
    assert (history.figures.builds, history.figures.failure_rate, history.figures.duration) == (0, None, None)
    assert len(history.days) == 3
    assert repr(history) == "<History acme/web: 0 builds in 3 days>"
    assert str(history).splitlines()[0] == "acme/web: 0 builds in 3 days"
    assert ET.fromstring(history.svg()).tag == f"{SVG}svg"  # noqa: S314 - it is our own


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
@pytest.mark.parametrize("odd", [{"created_at": 7}, {"number": "x"}, {"created_at": None}, {"number": None}], ids=str)
def test_builds_without_times_are_counted(server: FakeBuildkite, web: PipelineRef, odd: dict[str, Any]) -> None:
    add(server, 1)
    add(server, 2)
    server.settings.drift = lambda data: [{**data[0], **odd}, *data[1:]] if isinstance(data, list) else data
    history = web.history()
    assert (len(history.builds), history.left_out) == (1, 1)


@pytest.mark.filterwarnings("ignore::buildkite_orm.DriftWarning")
def test_odd_states_and_times_have_no_outcome(server: FakeBuildkite, web: PipelineRef) -> None:
    add(server, 1)
    server.settings.drift = lambda data: [{**each, "state": 7, "started_at": "x"} for each in data]
    (build,) = web.history().builds
    assert (build.passed, build.queue_time) == (None, None)


@pytest.mark.parametrize("days", [0, -1])
def test_a_history_has_a_day_at_least(web: PipelineRef, days: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        web.history(days=days)


@given(st.lists(st.none() | st.timedeltas(timedelta(), timedelta(days=9))))
def test_the_spread_of_times_is_among_them(times: list[timedelta | None]) -> None:
    known = [time for time in times if time is not None]
    spread = Spread.of(times)
    assert (spread is None) == (not known)
    if spread is not None:
        second = timedelta(seconds=1)
        assert min(known) - second <= spread.median <= spread.p90 + second <= max(known) + 2 * second


# -- what it looks like


TABLE = """\
acme/web: 3 builds in 30 days, 33% of 3 failed, half within 1m 00s, 90% within 1h 48m
day        builds failed    rate   median      p90   queued      p90
2026-07-31      1      1    100%   2h 15m   2h 15m       5s       5s
2026-08-01      2      0      0%      51s      58s       5s       5s"""


@pytest.fixture
def history(server: FakeBuildkite, web: PipelineRef) -> History:
    add(server, 1, took=42)
    add(server, 2, took=60)
    add(server, 20, "failed", took=8100)
    return web.history()


def test_it_prints_as_a_table_by_day(history: History) -> None:
    assert str(history) == TABLE
    assert repr(history) == "<History acme/web: 3 builds in 30 days>"


@needs_matplotlib
def test_plots_share_no_global_state(history: History) -> None:
    figure: Any = history.plot()
    assert type(figure).__name__ == "Figure"
    assert "matplotlib.pyplot" not in sys.modules
    assert [axes.get_ylabel() for axes in figure.axes] == ["duration", "queue time", "failed"]
    durations, _, failures = figure.axes
    assert [text.get_text() for text in durations.get_legend().get_texts()] == ["passed", "failed", "median", "90%"]
    assert [bar.get_height() for bar in failures.containers[0]] == [100, 0]


@needs_matplotlib
def test_an_svg_is_reproducible_and_has_both_themes(history: History) -> None:
    svg = history.svg()
    assert svg == history.svg()
    assert "prefers-color-scheme:dark" in svg
    assert "#0102" not in svg
    assert "<metadata" not in svg
    assert "fill: #1a7f37;fill: var(--bk-good)" in svg  # for what knows no variables
    assert "\n*{" not in svg
    root = ET.fromstring(svg)  # noqa: S314 - it is our own
    assert root.attrib["role"] == "img"
    assert root.attrib["width"] == "100%"
    assert root.findtext(f"{SVG}title") == "acme/web over 30 days"
    assert root.findtext(f"{SVG}desc") == TABLE.splitlines()[0]
    texts = {"".join(each.itertext()).strip() for each in root.iter(f"{SVG}text")}
    assert {TABLE.splitlines()[0], "duration", "queue time", "2026-07-03", "1h"} <= texts


@needs_matplotlib
def test_the_name_of_a_pipeline_is_not_markup(history: History) -> None:
    hostile = replace(history, pipeline_path="organizations/acme/pipelines/%24x%5E2%24%20%3Cscript%3E%1B")
    root = ET.fromstring(hostile.svg())  # noqa: S314 - it is our own
    assert not [each for each in root.iter() if each.tag.endswith("script")]
    assert root.findtext(f"{SVG}title") == r"acme/$x^2$ <script>\x1b over 30 days"
    assert any("$x^2$ <script>" in "".join(each.itertext()) for each in root.iter(f"{SVG}text"))


@needs_matplotlib
def test_it_is_saved_as_its_name_says(history: History, tmp_path: Path) -> None:
    assert history.save_to(tmp_path / "a.svg").read_text(encoding="utf-8") == history.svg()
    assert history.save_to(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"a history is saved as \.svg or \.png"):
        history.save_to(tmp_path / "a.pdf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg"]


@needs_matplotlib
def test_a_notebook_shows_the_drawing(history: History) -> None:
    bundle = mimebundle(history)
    assert bundle == {"text/plain": TABLE, "text/html": f"<div>{history.svg()}</div>"}


def test_without_matplotlib_there_is_the_table_and_an_error_that_names_the_extra(
    history: History, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [each for each in sys.modules if each.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert mimebundle(history) == {"text/plain": TABLE}
    for draw in (history.plot, history.svg, lambda: history.save_to(tmp_path / "a.png")):
        with pytest.raises(ConfigurationError, match=r"pip install 'buildkite_orm\[plot\]'") as caught:
            draw()
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_history_shows_its_progress(
    server: FakeBuildkite, web: PipelineRef, capsys: pytest.CaptureFixture[str]
) -> None:
    server.add_builds("web", 250, spacing=3600, newest=NOON - timedelta(hours=1))
    web.history(progress=True)
    shown = re.findall(r"\d+ builds, back to \S+", capsys.readouterr().err)
    assert shown == ["100 builds, back to 2026-07-28", "200 builds, back to 2026-07-24"]  # one text per page
    web.history()
    assert capsys.readouterr().err == ""
