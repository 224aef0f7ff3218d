"""Texts that users choose, as names, branches and messages: shown as they are in every view, and never a template."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from buildkite_orm import Build, History, HistoryBuild, LogText
from buildkite_orm.models.display import Preview
from buildkite_orm.models.enums import JobFailure
from buildkite_orm.resources.builds.failures import AnnotationText, FailedJob, FailureSummary
from buildkite_orm.views.display.console import TerminalTable
from buildkite_orm.views.display.html import table_html
from buildkite_orm.views.display.plain import table_text
from buildkite_orm.views.display.tables import table_of
from buildkite_orm.views.history.data import HistoryDay, HistoryFigures
from tests.helpers import needs_matplotlib
from tests.views.timeline.builds import block, build, job, mimebundle

TEMPLATES = [
    "fill:var(--bk-x)",
    "fill:var(--bk-ink)",
    "stroke: var(--bk-good)",
    "{}",
    "{0}",
    "{width}",
    "{name!r:>{width}}",
    "%s",
    "%(name)s",
    "%",
    "$themes",
    "${tones}",
    "$",
    "$x^2$",
    "$\\frac{1}{0}$",
    "\\1",
    "\\g<0>",
    "\\g<x>",
    "[red]red[/red]",
    "[/]",
    "[link=https://evil.example]x[/link]",
    "[bold",
    "</style><script>alert(1)</script>",
    "]]>",
    "<!-- x --><svg viewBox='0'>",
    "&lt;&amp;&#x1b;",
    "*{color:red}",
    "#010203",
    "#010204 fill: #010203",
    "buildkite-orm-history-title",
    "url(#bk-hatch)",
    ":rocket: :no_such_emoji: ::",
    "a'\"`b",
    "x" * 500,
]
HARMFUL = [
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\u202egnp.exe",
    "\u2066x",
    "\u200b",
    "\x9b31m",
    "\r\n",
    "\0",
    "\ud800",
    "\ufffe",
]
texts = st.sampled_from(TEMPLATES + HARMFUL) | st.text() | st.text("{}%$\\[]<>&*#:var(--bk-x)fill;01\x1b", max_size=30)
NOT_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def build_of(text: str) -> Build:
    """Return a build that has a text wherever a user can write one."""
    named = {"step_key": text, "group_key": text, "agent": {"id": "1", "name": text}}
    return build(
        job("a", 1, 3, 8, **named) | {"name": text, "id": text or "a"},
        job("b", 1, 3, 9, state="failed", web_url=f"https://x.example/{text}", **named) | {"name": text},
        job("c", state=text) | {"name": text},
        block("d") | {"label": text},
        branch=text,
        message=text,
        commit=text,
        web_url=f"https://x.example/{text}",
        url=f"https://api.buildkite.com/v2/organizations/acme/pipelines/{text.replace('/', '')}/builds/1",
    )


def build_history(text: str) -> History:
    day = datetime(2026, 8, 1, 12, tzinfo=UTC)
    builds = (HistoryBuild(1, "passed", day, timedelta(seconds=5), timedelta(seconds=1), passed=True),)
    figures = HistoryFigures.of(builds)
    return History(f"organizations/acme/pipelines/{text}", builds, (HistoryDay(day.date(), figures),), figures)


def summary_of(text: str) -> FailureSummary:
    obj = build_of(text)
    notes = (AnnotationText(text, text, text),)
    jobs = tuple(FailedJob(each, JobFailure.FAILED, (text,), text, notes) for each in obj.embedded_jobs or ())
    return FailureSummary(obj, jobs, (), notes, text)


def printed(obj: object) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(obj)
    return re.sub("\x1b\\]8;[^\x1b]*\x1b\\\\|\x1b\\[[0-9;]*m", "", captured.get())


def views_of(text: str, *, plots: bool = True) -> dict[str, str]:
    """Return all views of objects that contain a text, by the name of the view."""
    obj, history, summary = build_of(text), build_history(text), summary_of(text)
    table = table_of(Preview(f"Builds of {text}", Build, [obj], whole=True))
    timeline, log = obj.timeline(), LogText(f"--- {text}\n{text}\n")
    plotted = {"history as SVG": history.svg()} if plots else {}
    return plotted | {
        "timeline as SVG": timeline.svg(),
        "timeline as HTML": timeline.html(),
        "timeline as text": str(timeline),
        "timeline by rich": printed(timeline),
        "timeline, a row": "\n".join(map(str, timeline.rows)),
        "timeline, its line": repr(timeline),
        "history as text": f"{history}\n{history!r}",
        "failures": f"{summary}\n{summary!r}",
        "a failed job": f"{summary.failed[0]}\n{summary.failed[0]!r}",
        "card as HTML": mimebundle(obj)["text/html"],
        "card by rich": printed(obj),
        "its line": repr(obj),
        "table as HTML": table_html(table),
        "table as text": table_text(table),
        "table by rich": printed(TerminalTable(table)),
        "log as HTML": log.html,
        "log, a match": "\n".join(map(str, log.search("", context=1))),
    }


@needs_matplotlib
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(texts)
@example("fill:var(--bk-x)")
@example("#010203")
def test_names_from_users_are_shown_escaped_in_every_view(text: str) -> None:
    for name, view in views_of(text).items():
        assert NOT_SHOWN.findall(view) == [], name
        if name.endswith("as SVG"):
            root = ET.fromstring(view)  # noqa: S314 - it is our own
            assert {each.tag.rpartition("}")[2] for each in root.iter()}.isdisjoint({"script", "foreignObject"})
        if name.endswith("HTML"):
            assert "<script" not in view


@pytest.mark.parametrize("text", [text for text in TEMPLATES if ":rocket:" not in text and len(text) < 30])
def test_template_syntax_in_names_is_not_expanded(text: str) -> None:
    views = views_of(text, plots=False)
    shown = {name: unescape(view) if name.endswith(("HTML", "SVG")) else view for name, view in views.items()}
    without = {"history as SVG", "history as text", "table by rich", "card by rich", "its line", "timeline, its line"}
    assert [name for name, view in shown.items() if text not in view and name not in without] == []


@needs_matplotlib
@pytest.mark.parametrize("text", [text for text in TEMPLATES if len(text) < 50])
def test_the_name_of_a_pipeline_is_not_a_template(text: str) -> None:
    svg, plain = build_history(text.replace("/", "")).svg(), build_history("web").svg()
    root = ET.fromstring(svg)  # noqa: S314
    titles = [each.text for each in root.iter() if each.text and "1 build in 1 day" in each.text]
    assert len([title for title in titles if text.replace("/", "")[:20] in title]) == 2  # for eyes, and for readers
    ours, theirs = ([dict(each.attrib) for each in ET.fromstring(one).iter()] for one in (svg, plain))  # noqa: S314
    assert ours == theirs
