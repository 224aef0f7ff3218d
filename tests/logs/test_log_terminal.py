"""The text of a log in a terminal, compared with recorded output of Buildkite's renderer and with pyte."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import pyte
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyte import modes

from buildkite_orm import LogText
from buildkite_orm.logs.terminal import COLUMNS, ROWS, Terminal, plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyte.screens import Char

ROOT = Path(__file__).resolve().parents[2]
WIDE_SCREEN = 2000

# -- pyte, as far as it is right


def pytes(text: str, rows: int, columns: int) -> str:
    """Return what pyte shows, with lines that have left its screen; a line feed begins a new line, as in a log."""
    screen = pyte.HistoryScreen(columns, rows, history=10_000)
    screen.set_mode(modes.LNM)
    pyte.Stream(screen).feed(text)
    lines = [*screen.history.top, *(screen.buffer[row] for row in range(rows))]
    return comparable("\n".join(shown_cells(line) for line in lines))


def shown_cells(line: Mapping[int, Char]) -> str:
    """Read a line of pyte's screen."""
    return "".join(line[column].data for column in range(max(line, default=-1) + 1))


def comparable(text: str) -> str:
    """Bring to one form what shows no difference: blanks at the ends of lines, and empty lines at the end."""
    return "\n".join(line.rstrip() for line in text.split("\n")).rstrip("\n")


# -- generated logs

words = st.sampled_from(
    ["abc", "x", "hello world", "größe", "█▉", "✓", "100%", "[==>  ]"]  # of one column for pyte too
)
ends = st.sampled_from(["\r\n", "\n", "\r\n", "\r\r\n"])
colors = st.sampled_from(["\x1b[31m", "\x1b[0m", "\x1b[1;38;5;208m", "\x1b[m", "\x1b[48;2;1;2;3m"])
silent = st.sampled_from(["\x1b]0;a title\x07", "\x1b]8;;https://x.example\x1b\\", "\x1b[?25l", "\x1b(B", "\x07", "\0"])
in_line = st.one_of(
    st.sampled_from(["\r", "\b", "\x1b[K", "\x1b[0K", "\x1b[1K", "\x1b[2K", "\x1b[2K\r", "\r\x1b[K"]),
    st.builds("\x1b[{}{}".format, st.sampled_from(["", 1, 2, 7]), st.sampled_from("CDGXa")),
)
between_lines = st.one_of(
    st.builds("\x1b[{}{}".format, st.sampled_from(["", 1, 2, 7]), st.sampled_from("ABEFe")),
    st.sampled_from(["\x1b[J", "\x1b[1J", "\x1b[2J"]),
    st.builds("\x1b7{}\x1b8".format, words),
    st.builds("\x1b[3A\x1b[2K\r{}\x1b[3B\r".format, words),
)
anything = st.lists(st.one_of(words, words, ends, colors, silent, in_line, between_lines), max_size=60).map("".join)
text_line = st.lists(st.one_of(words, colors), max_size=6).map("".join)
progress = st.lists(st.one_of(words, colors, in_line), max_size=12).map("".join)
layers = st.builds("\x1b[{0}A\x1b[2K\r{1}\x1b[{0}B".format, st.integers(1, 120), words)
realistic_lines = st.lists(st.tuples(st.one_of(text_line, text_line, progress, layers), ends), max_size=130)


def logged(lines: list[tuple[str, str]], *, marks: bool) -> str:
    """Write lines down; pyte knows nothing of the marks, and shows them."""
    return "".join(
        f"\x1b_bk;t={1785585600000 + number}\x07{line}{end}" if marks else line + end
        for number, (line, end) in enumerate(lines)
    )


@settings(deadline=None, max_examples=400)
@given(text=anything, rows=st.sampled_from([1, 2, 3, 5, 20]), piece=st.integers(1, 200))
@example(text="a\n" * 5 + "\x1b[9Ab\x1b[9Bc", rows=3, piece=200)
@example(text="abc\r\x1b[J\n", rows=3, piece=200)
def test_movements_that_are_relative_are_those_of_a_terminal(text: str, rows: int, piece: int) -> None:
    text = "\n" * rows + text  # on a screen that is not full the renderer does not scroll
    terminal = Terminal(rows=rows, columns=WIDE_SCREEN)
    parts: list[str] = []
    for place in range(0, len(text), piece):
        terminal.feed(text[place : place + piece])
        parts.append(terminal.take_finished())
    shown = "".join(parts) + terminal.close()
    assert comparable(shown) == pytes(text, rows, WIDE_SCREEN)


@settings(deadline=None, max_examples=100)
@given(lines=realistic_lines)
def test_plain_agrees_with_pyte_for_a_lifelike_log(lines: list[tuple[str, str]]) -> None:
    lines = [("", "\n")] * ROWS + lines  # see above
    shown = LogText(logged(lines, marks=True)).plain
    assert comparable(shown) == pytes(logged(lines, marks=False), ROWS, COLUMNS)


def recorded() -> list[dict[str, str]]:
    """Return logs of our own, with the text that Buildkite's renderer (terminal-to-html 3.17) has made of them."""
    cases: list[dict[str, str]] = json.loads((Path(__file__).parent / "rendered_logs.json").read_text("utf-8"))
    return cases


@pytest.mark.parametrize("case", recorded(), ids=lambda case: case["name"])
def test_logs_are_rendered_as_buildkites_own_renderer_does(case: dict[str, str]) -> None:
    assert comparable(LogText(case["log"]).plain) == case["shown"]
    assert comparable("\n".join(line.text for line in LogText(case["log"]).lines)) == case["shown"]
    html = LogText(case["log"]).html.removeprefix("<pre>").removesuffix("</pre>")
    assert comparable(unescape(re.sub("<[^>]*>", "", html))) == case["shown"]


@pytest.mark.parametrize("case", recorded(), ids=lambda case: case["name"])
def test_a_log_in_parts_is_rendered_like_a_whole_one(case: dict[str, str]) -> None:
    terminal, parts = Terminal(), list[str]()
    for char in case["log"]:
        terminal.feed(char)
        parts.append(terminal.take_finished())
        assert parts[-1][-1:] in {"", "\n"}
    assert "".join(parts) + terminal.close() == LogText(case["log"]).plain


@settings(deadline=None, max_examples=200)
@given(lines=realistic_lines, rows=st.sampled_from([3, 100]))
def test_lines_that_are_drawn_are_as_those_that_are_only_stripped(lines: list[tuple[str, str]], rows: int) -> None:
    text = logged(lines, marks=True)
    quick, slow = Terminal(rows=rows), Terminal(rows=rows, style=lambda _: "")
    assert quick.close(text) == slow.close(text)


@settings(deadline=None, max_examples=300)
@given(
    text=st.text(
        st.sampled_from("a東\u0301\u200d\r\n\b\t\v\x1b[]_;:?0123456789ABCHJKXfmsu\x07\\\x9b\0\ud800"), max_size=80
    )
)
def test_any_input_yields_all_lines_without_control_characters(text: str) -> None:
    shown = LogText(text).plain
    assert not [char for char in shown if ord(char) < 0x20 and char not in "\t\n"]
    assert "\x1b" not in shown
    terminal = Terminal()
    for char in text:
        terminal.feed(char)
    assert terminal.close() == shown


# -- one by one


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("a\r\nb", "a\nb"),
        ("\n\n", "\n\n"),
        ("10%\r100%\n", "100%\n"),
        ("a long line\rshort\n", "shortg line\n"),
        ("a long line\r\x1b[Kshort\n", "short\n"),
        ("10%\x1b[K\r100%\x1b[K\r\n", "100%\n"),
        ("one\r\r\r\ntwo", "one\ntwo"),
        ("one\r", "one"),
        ("spinner |\b/\b-\b\\\b done", "spinner  done"),
        ("abc\x1b[2Kx", "   x"),
        ("abc\x1b[2Dx", "axc"),
        ("a\x1b[5Gb", "a   b"),
        ("a\x1b[3Cb", "a   b"),
        ("one\ntwo\n\x1b[2AONE\n\nthree", "ONE\ntwo\nthree"),
        ("one\n\x1b[A\x1b[2K\n", "\n"),
        ("one\ntwo\n\x1b[2A\x1b[J", "\n\n"),
        ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1b]8;;\x1b\\", "ab"),
        ("\x1b_bk;t=1\x07a\x1b_other\x07b", "ab"),
        ("\x1bP1$r0m\x1b\\a\x1b^private\x1b\\b", "ab"),
        ("cut \x1b[31", "cut "),
        ("cut \x1b]0;title\nnext", "cut \nnext"),
        ("a\x1b", "a"),
        ("a\x1bz\x1b \x1b\x1b[1mb", "az b"),
        ("a\x1b=b\x1b#8c\x1b%Gd\x1b Fe\x1bDf", "abcdef"),
        ("\x1b[2;5ra\x1b[3Lb\x1b[2Sc\x1b[!pd\x1b[1:2me", "abcde"),
        ("\x1b[31mred\x1b[0m \x1b(B\x1b[m.", "red ."),
        ("bell\x07 null\0 \x8d.", "bell null ."),
        ("tab\there", "tab\there"),
        ("tab\there\rx", "xab\there"),
        ("tab\there\x1b[4G.", "tab.here"),
        ("東京\ra", "a京"),
        ("東京\x1b[2Gx", "東x"),
        ("one\x1b[5;3Htwo\x1b[1;1Hthree", "one\n  two\nthree"),
        ("one\x1b[5;3ftwo", "one\n  two"),
        ("\x1b[2;1H\x1b[3;1Hone\n\x1b[9;1Htwo", "one\ntwo"),
        ("one\x1b[4dtwo", "one\n   two"),
        ("one\x1b[0Atwo\x1b[0C.", "onetwo."),
        ("one\x1b[;3Htwo", "one\ntwo"),
        ("one\x1bctwo", "one\ntwo"),
        ("one\ntwo\x1bM\rONE", "ONE\ntwo"),
        ("one\n\x1b[3Jtwo", "\ntwo"),
        ("a\vb\fc\x85d", "abcd"),
        ("see\x1b]1338;url='x.png'\x07this", "see\n \nthis"),
        ("👨\u200d👩\u200d👧 x\n", "👨\u200d👩\u200d👧 x\n"),
        ("e\x1b[m\u0301\b.", "e."),
        ("\x1b]1339;url='https://x.example/1';content='the build'\x07 is done", "the build is done"),
        ("\x1b]1339;url=https://x.example/1\x07", "https://x.example/1"),
        ("\x1b[>4;1m\x1b[?1049h\x1b[=ux", "x"),
    ],
)
def test_listings_are_shown_as_tables(text: str, shown: str) -> None:
    assert LogText(text).plain == shown


def test_the_screen_is_as_large_as_that_of_the_agent_and_its_cursor_stays_on_it() -> None:
    assert LogText("\x1b[999Cx\x1b[9999Gy").plain == " " * 159 + "y"
    assert LogText("\x1b[5;999Hx").plain == " " * 159 + "x"
    many = "".join(f"{number}\n" for number in range(200))
    lines = LogText(f"{many}\x1b[999Atop\x1b[999B\rbottom").plain.split("\n")
    assert (lines[100], lines[101], lines[200]) == ("100", "top", "bottom")


def test_no_more_is_erased_at_once_than_the_screen_is_wide() -> None:
    assert LogText("x" * 500 + "\r\x1b[999X").plain == "x" * 480 + " " * 20
    assert LogText("x" * 500 + "\r\x1b[3X").plain == "x" * 480 + " " * 3 + "x" * 17


def test_a_line_that_is_wider_than_the_screen_is_one_line_whose_last_row_is_written_over() -> None:
    assert LogText("x" * 5000 + "\n").plain == "x" * 5000 + "\n"
    assert LogText("x" * 5000 + "\ry\n").plain == "x" * 4960 + "y" + "x" * 39 + "\n"
    assert LogText("x" * 160 + "\ry\n").plain == "y" + "x" * 159 + "\n"
    assert LogText("x" * 161 + "\n\x1b[Ay\n").plain == "x" * 160 + "y\n"
    assert LogText("x" * 161 + "\n\x1b[2Ay").plain == "y" + "x" * 160 + "\n"


def test_a_very_long_line_can_be_returned_in_pieces() -> None:
    line = "\x1b[32m0123456789\x1b[0m" * 150_000
    terminal = Terminal()
    for place in range(0, len(line), 65_536):
        terminal.feed(line[place : place + 65_536])
    assert terminal.close("\rX\n") == "0123456789" * 149_984 + "X123456789" + "0123456789" * 15 + "\n"


def test_finished_lines_are_returned_before_the_rest() -> None:
    terminal = Terminal(rows=2)
    terminal.feed("1\n2\n3\n4")
    assert terminal.take_finished() == "1\n2\n"
    assert terminal.take_finished() == ""
    terminal.feed("\n\x1b[A")
    terminal.feed("x\n5\n")
    assert terminal.take_finished() == "3\nx\n"
    assert terminal.close() == "5\n"


def test_long_lines_are_not_kept_for_a_cursor_that_may_go_up_to_them() -> None:
    terminal = Terminal()
    terminal.feed(("x" * 100_000 + "\n") * 50)
    assert 3_900_000 <= len(terminal.take_finished()) < 5_000_000


def test_a_line_keeps_its_last_mark_if_requested() -> None:
    text = "\x1b_bk;t=1\x07a\x1b_bk;t=2\x07\rb\n\x1b_bk;t=3\x07c\x1b[31m\x1b_bk;t=4\x07\x1b[1D.\n"
    assert plain_text(text, marks=True) == "\x1b_bk;t=2\x07b\n\x1b_bk;t=4\x07.\n"
    assert plain_text(text) == "b\n.\n"


# -- in time


@pytest.mark.measured
def test_reading_a_log_takes_linear_time_and_streaming_one_takes_no_memory() -> None:
    command = [sys.executable, "-W", "error", "-m", "benchmarks.logs", "--megabytes", "1", "--hostile", "0.1"]
    run = subprocess.run(
        [*command, "--stream", "16"], cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    output = json.loads(run.stdout)
    assert max(output["ratio"].values()) <= 4
    assert max(output["growth"].values()) <= 8
    assert output["stream"]["found"] == 16
    assert output["stream"]["memory"] <= 10_000_000
