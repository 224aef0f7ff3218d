"""The text of a log: its lines, their times, their groups; as HTML, and searched."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildkite_orm import Log, LogGroup, LogLine, LogText

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

START = datetime(2026, 8, 1, 12, tzinfo=UTC)


def mark(seconds: float = 0.0) -> str:
    return f"\x1b_bk;t={int(START.timestamp() * 1000 + seconds * 1000)}\x07"


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


LOG = "".join(
    f"{line}\r\n"
    for line in (
        f"{mark(0)}~~~ Preparing working directory",
        f"{mark(0.25)}\x1b[90m$\x1b[0m git checkout -f abc",
        f"{mark(1)}\x1b[33m--- :package: Install\x1b[0m",
        f"{mark(1.5)}10%\r50%\r100%\x1b[K",
        f"{mark(9)}+++ :rspec: Test",
        f"{mark(9.5)}2 examples, 1 failure",
        f"{mark(10)}--- Report",
        f"{mark(11)}uploading",
        f"{mark(11.5)}^^^ +++",
        f"{mark(12)}error: no such file",
    )
)


# -- lines


def test_a_line_has_its_text_its_time_and_its_group() -> None:
    lines = LogText(LOG).lines
    assert len(lines) == 10
    assert lines[1] == LogLine("$ git checkout -f abc", after(0.25), "Preparing working directory")
    assert lines[3] == LogLine("100%", after(1.5), ":package: Install")
    assert str(lines[3]) == "100%"
    assert lines[9].timestamp == after(12)
    assert lines[9].timestamp is not None
    assert lines[9].timestamp.tzinfo is UTC


def test_a_log_without_marks_has_lines_without_times() -> None:
    log = LogText("hello\n--- Build\nmake\n")
    assert log.lines == [LogLine("hello"), LogLine("--- Build", None, "Build"), LogLine("make", None, "Build")]
    assert (log.groups[0].started_at, log.groups[0].duration) == (None, None)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{mark(1)}a", LogLine("a", after(1))),
        (f"a{mark(1)}b", LogLine("ab", after(1))),
        (f"{mark(1)}a{mark(2)}b", LogLine("ab", after(2))),  # the page shows the last one
        (f"{mark(1)}10%\r{mark(2)}100%", LogLine("100%", after(2))),
        (f"{mark(1)}東\r{mark(2)}京", LogLine("京", after(2))),
        ("a\x1b_bk;t=99999999999999999999\x07b", LogLine("ab")),
        ("a\x1b_bk;t=" + "9" * 5000 + "\x07b", LogLine("ab")),
        ("\x1b_bk;t=x\x07a", LogLine("a")),
        ("a\x1b_bk;t=1785585600000 which never ends", LogLine("a")),
        (f"{mark(1)[:-1]};p=np\x07a\x07", LogLine("a", after(1))),
        ("\x1b_bk;t=0\x07a", LogLine("a", datetime(1970, 1, 1, tzinfo=UTC))),
    ],
)
def test_marks_are_parsed_anywhere_in_a_line(text: str, line: LogLine) -> None:
    assert LogText(text).lines == [line]


def test_relative_marks_yield_times() -> None:
    text = f"{mark(1)}a\n\x1b_bk;dt=500\x07b\n\x1b_bk;dt=250\x07c\n{mark(9)}d\n\x1b_bk;dt=1\x07e\n"
    assert [line.timestamp for line in LogText(text).lines] == list(map(after, (1, 1.5, 1.75, 9, 9.001)))


def test_relative_marks_may_be_far_from_their_base() -> None:
    text = f"{mark(1)}a\n" + "x" * 99 * 4000 + "\n" * 4000 + "\x1b_bk;dt=500\x07b\n"
    assert LogText(text).lines[-1] == LogLine("b", after(1.5))


def test_only_ends_of_lines_end_lines() -> None:
    assert [line.text for line in LogText("a\u2028b\x85c\x1cd\r\ne").lines] == ["a\u2028bcd", "e"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "--- b", "\r", "\n", "\r\n", mark(1), "\x1b[31m", "\x1b[A", "東", "\x07"])))
def test_the_lines_are_those_of_plain(parts: list[str]) -> None:
    log = LogText("".join(parts))
    assert "\n".join(line.text for line in log.lines) == log.plain.removesuffix("\n")


def test_a_single_line_of_10_mb_is_a_line() -> None:
    text = mark(1) + '{"a": 1, "b": [2]}' * 600_000 + f"\r\n{mark(2)}done\r\n"
    first, second = LogText(text).lines
    assert (len(first.text), first.timestamp, second) == (10_800_000, after(1), LogLine("done", after(2)))


# -- groups


def test_the_groups_are_those_that_the_page_folds() -> None:
    lines = LogText(LOG).lines
    assert LogText(LOG).groups == [
        LogGroup("~~~", "Preparing working directory", (lines[1],), False, START, timedelta(seconds=1)),
        LogGroup("---", ":package: Install", (lines[3],), False, after(1), timedelta(seconds=8)),
        LogGroup("+++", ":rspec: Test", (lines[5],), True, after(9), timedelta(seconds=1)),
        LogGroup("---", "Report", (lines[7], lines[9]), True, after(10), timedelta(seconds=2)),
    ]


@pytest.mark.parametrize(
    ("line", "is_header"),
    [
        ("--- a", True),
        ("---\ta", True),
        ("--- ", True),
        ("---", False),
        ("---a", False),
        (" --- a", False),
        ("**** a", False),
        ("\x1b[31m--- \x1b[1ma", True),
        (f"{mark()}+++ a", True),
        ("progress\r\x1b[K~~~ a", True),
        ("^^^ +++", False),
    ],
)
def test_a_header_begins_its_line_as_a_terminal_shows_it(line: str, is_header: bool) -> None:  # noqa: FBT001
    assert len(LogText(f"{line}\r\n").groups) == is_header


def test_an_expand_mark_before_the_first_group_has_no_effect() -> None:
    (group,) = LogText("^^^ +++\n--- a\n").groups
    assert (group.expanded, group.lines) == (False, ())


def test_a_group_without_times_takes_them_from_its_lines() -> None:
    text = f"--- a\n{mark(1)}x\n{mark(4)}y\n--- b\nz\n"
    first, second = LogText(text).groups
    assert (first.started_at, first.duration) == (after(1), timedelta(seconds=3))
    assert (second.started_at, second.duration) == (None, None)


def test_durations_are_not_negative_if_the_clock_goes_back() -> None:
    assert LogText(f"{mark(9)}--- a\n{mark(1)}--- b\n").groups[0].duration == timedelta()


# -- as HTML


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: set[str] = set()
        self.styles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.styles += [value or "" for name, value in attrs if name == "style"]
        assert {name for name, _ in attrs} <= {"style"}

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(html: str) -> _Text:
    parser = _Text()
    parser.feed(html)
    parser.close()
    return parser


def test_html_has_the_colours_and_all_else_is_escaped() -> None:
    log = LogText('\x1b[31mred\x1b[0m <script>alert("1")</script> & \x1b[1;4mloud\x1b[0m\n')
    assert "<script>" not in log.html
    read = parsed(log.html)
    assert read.text == log.plain
    assert read.tags == {"pre", "span"}
    assert [style.partition(";")[0] for style in read.styles] == ["color: #800000", "font-weight: bold"]


def test_html_has_the_colors_of_overwritten_lines() -> None:
    log = LogText("\x1b[31mred red\x1b[0m\r\x1b[32mgr\x1b[0m\n")
    assert [style.partition(";")[0] for style in parsed(log.html).styles] == ["color: #008000", "color: #800000"]
    assert parsed(log.html).text == "grd red\n"


def test_html_has_colours_that_add_up() -> None:
    log = LogText("\x1b[31ma\x1b[0mb\x1b[31mc\x1b[1md\x1b[22;39me\x1b[48;5;196mf\x1b[7mg\n")
    spans = [re.sub(r" text-decoration[^;]*(;|$)", "", style) for style in parsed(log.html).styles]
    red, bright = "color: #800000;", "background-color: #ff0000"
    assert spans == [red, red, f"{red} font-weight: bold", bright, "color: #ff0000;"]


def test_html_has_the_colors_of_lines_that_the_cursor_moved_up_to() -> None:
    log = LogText("\x1b[31mone\x1b[0m\ntwo\n\x1b[2A\x1b[1mO\x1b[0m\n\n")
    read = parsed(log.html)
    assert read.text == log.plain == "One\ntwo\n"
    assert [style.partition(";")[0] for style in read.styles] == ["font-weight: bold", "color: #800000"]


def test_links_in_a_log_are_not_links_in_html() -> None:
    assert "javascript" not in LogText("\x1b]8;;javascript:alert(1)\x1b\\click\x1b]8;;\x1b\\").html


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["a", "<b>", "&amp;", '"', "\r", "\n", "東", "\x1b[A", "\x1b[2K", "\t", mark(1)]),
            st.builds(
                "\x1b[{}m".format, st.lists(st.integers(0, 120), max_size=4).map(lambda n: ";".join(map(str, n)))
            ),
        )
    )
)
def test_the_text_of_the_html_agrees_with_a_terminal(parts: list[str]) -> None:
    log = LogText("".join(parts))
    assert parsed(log.html).text == log.plain


def test_html_without_its_extra_names_it() -> None:
    code = """
import sys
from buildkite_orm import LogText
assert "rich" not in sys.modules
sys.modules["rich.ansi"] = None
try:
    LogText("x").html
except Exception as error:
    print(type(error).__name__, error)
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "ConfigurationError a log's .html needs rich: pip install 'buildkite_orm[rich]'\n"


# -- searched


def test_a_search_matches_rendered_text() -> None:
    log = LogText("\x1b[31mer\x1b[1mror\x1b[0m: 1\nerror: 0\rfine...: 2\n")
    (found,) = log.search("error: (.)")
    assert (found.number, found.line.text, found.match[1]) == (1, "error: 1", "1")


def test_a_match_prints_with_its_context_as_grep_has_it() -> None:
    log = LogText("".join(f"line {number}\n" for number in range(1, 8)))
    first, second = log.search(re.compile("LINE [36]", re.IGNORECASE), context=2)
    assert str(first) == "1-line 1\n2-line 2\n3:line 3\n4-line 4\n5-line 5"
    assert str(second) == "4-line 4\n5-line 5\n6:line 6\n7-line 7"
    assert [line.text for line in second.after] == ["line 7"]


@given(st.text("ab", max_size=20), st.integers(0, 4))
def test_each_match_has_all_of_its_context(letters: str, context: int) -> None:
    lines = LogText("\n".join(letters)).lines
    expected = [
        (place + 1, lines[max(0, place - context) : place], lines[place + 1 : place + 1 + context])
        for place, line in enumerate(lines)
        if line.text == "a"
    ]
    found = LogText("\n".join(letters)).search("a", context=context)
    assert [(match.number, list(match.before), list(match.after)) for match in found] == expected


def test_a_negative_context_is_refused_at_once(bk: Buildkite, costs: Costs) -> None:
    with pytest.raises(ValueError, match="context=-1: must be 0 or more"):
        LogText("").search("a", context=-1)
    with costs(0), pytest.raises(ValueError, match="context=-1: must be 0 or more"):
        bk.organization("acme").job("1").log().search("a", context=-1)


# -- of a job


@pytest.fixture
def log(server: FakeBuildkite, bk: Buildkite) -> Log:
    record = server.add_build("web", jobs=[{"name": "Test"}]).jobs[0]
    server.set_log(record, LOG.encode() + b"\xff broken \xe6\x9d\n")
    return bk.organization("acme").job(record.id).log().fetch()


def test_a_log_that_was_fetched_is_read_without_another_request(log: Log, costs: Costs) -> None:
    with costs(0):
        assert log.plain == LogText(LOG).plain + "\ufffd broken \ufffd\n"
        assert log.lines[:10] == LogText(LOG).lines
        assert [group.title for group in log.groups][-2:] == [":rspec: Test", "Report"]
        assert parsed(log.html).text == log.plain
        assert [match.line.text for match in log.search("failure")] == ["2 examples, 1 failure"]


def test_a_log_is_parsed_once_and_again_after_a_reload(server: FakeBuildkite, log: Log) -> None:
    assert log.lines is log.lines
    job = server.build("web", 1).jobs[0]
    server.set_log(job, b"new\n")
    assert log.reload().plain == "new\n"


def test_a_log_that_was_read_is_copied_and_pickled_as_before(log: Log) -> None:
    plain = log.plain
    for twin in (copy.copy(log), copy.deepcopy(log), pickle.loads(pickle.dumps(log))):  # noqa: S301 - its own
        assert twin.plain == plain
    assert log.dump().keys() == {"url", "content", "size", "header_times"}


def test_groups_begin_at_the_header_times_of_the_server(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        log = bk.organization("acme").pipeline("web").builds(state="passed")[0].jobs()[0].log().fetch()
    began = [group.started_at for group in log.groups]
    assert len(began) > 3
    assert [at and int(at.timestamp() * 1000) * 1_000_000 for at in began] == log.header_times
