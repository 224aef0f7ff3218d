"""Text for people: without control characters, durations, times, emoji."""

from __future__ import annotations

import sys
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkite_orm.utils.text import (
    ago,
    escape_control,
    format_value,
    one_line,
    quoted,
    short_duration,
    short_size,
    with_emoji,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
HEART_ON_FIRE = "\u2764\ufe0f\u200d\U0001f525"
PILOT = "\U0001f469\U0001f3fd\u200d\u2708\ufe0f"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
NEWER_THAN_PYTHON = "\U0001faff"

anything = st.text(st.characters(exclude_categories=()))
near_emoji = st.lists(
    st.sampled_from([*FAMILY, *HEART_ON_FIRE, *PILOT, *ENGLAND, "a", " ", "\n", "\u202e", "\u200b", "\x1b", "é"])
).map("".join)


# -- harmless


@pytest.mark.parametrize(
    "text",
    ["", "größe", "漢字", "مرحبا", "🚀", FAMILY, HEART_ON_FIRE, PILOT, ENGLAND, NEWER_THAN_PYTHON, f"a{PILOT}b"],
)
def test_printable_characters_stay_unchanged(text: str) -> None:
    assert escape_control(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31m", "\\x9b31m"),
        ("a\nb\tc\rd\x00", "a\\nb\\tc\\rd\\x00"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2066b\u2069c\u061cd\u200e", "a\\u2066b\\u2069c\\u061cd\\u200e"),
        ("pass\u200bword", "pass\\u200bword"),
        ("\ufeffa\u2060b\u00ad", "\\ufeffa\\u2060b\\xad"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\ud800", "\\ud800"),
        ("a\u200db", "a\\u200db"),
        ("\U0001f469\u200d", "\U0001f469\\u200d"),
        ("\u200d\U0001f469", "\\u200d\U0001f469"),
        ("\U0001f469\u200d\u200d\U0001f467", "\U0001f469\\u200d\\u200d\U0001f467"),
        ("a\U000e0067\U000e007f", "a\\U000e0067\\U000e007f"),
        (ENGLAND[:-1], "\U0001f3f4" + "".join(f"\\U{ord(tag):08x}" for tag in ENGLAND[1:-1])),
    ],
)
def test_unprintable_characters_are_escaped(text: str, shown: str) -> None:
    assert escape_control(text) == shown


@given(anything | near_emoji)
def test_nothing_is_left_that_moves_or_hides(text: str) -> None:
    shown = escape_control(text)
    left = [char for char in shown if not char.isprintable()]
    assert not {unicodedata.category(char) for char in left} & {"Cc", "Cs", "Zl", "Zp"}
    assert all(char == "\u200d" or "\U000e0030" <= char <= "\U000e007f" or char >= "\U0001f000" for char in left)
    assert escape_control(shown) == shown
    shown.encode()


# -- one line


def test_a_line_is_the_first_that_states_something() -> None:
    assert one_line("\n  \n  Fix   the\tflaky test  \n\nLong story", 60) == "Fix the flaky test"
    assert one_line("", 60) == one_line(" \n\t", 60) == ""
    assert one_line("a\u2028b", 60) == "a"
    assert one_line("a\x1bb", 60) == "a\\x1bb"


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("Fix the flaky test", 18, "Fix the flaky test"),
        ("Fix the flaky test", 17, "Fix the flaky te…"),
        ("Fix the flaky test", 9, "Fix the…"),
        ("abc\x1bdef", 8, "abc\\x1b…"),
        ("abc\x1bdef", 7, "abc…"),
        (f"ab{FAMILY}cd", 6, "ab…"),
        ("ab", 1, "…"),
    ],
)
def test_a_line_is_cut_between_characters_and_not_within_one(text: str, most: int, cut: str) -> None:
    assert one_line(text, most) == cut


@given(anything | near_emoji, st.integers(1, 70))
def test_a_line_is_one_line_and_no_longer(text: str, most: int) -> None:
    line = one_line(text, most)
    assert len(line) <= most
    assert len(line.splitlines()) <= 1
    assert line == line.strip()
    assert escape_control(line) == line


# -- durations and times


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (0.04, "0s"),
        (0.4, "0.4s"),
        (1, "1s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (12, "12s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (192, "3m 12s"),
        (185, "3m 05s"),
        (3599.7, "1h 00m"),
        (3840, "1h 04m"),
        (86399, "23h 59m"),
        (86400, "1d 0h"),
        (2 * 86400 + 3 * 3600 + 59, "2d 3h"),
        (-192, "-3m 12s"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert short_duration(timedelta(seconds=seconds)) == words


@given(st.timedeltas())
def test_every_duration_has_words(delta: timedelta) -> None:
    words = short_duration(delta)
    assert len(words.split(" ")) <= 2
    assert words.startswith("-") == (delta < timedelta())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (4.9, "just now"),
        (-4.9, "just now"),
        (5, "5 seconds ago"),
        (60, "1 minute ago"),
        (300, "5 minutes ago"),
        (3599, "59 minutes ago"),
        (3600, "1 hour ago"),
        (-7200, "in 2 hours"),
        (3 * 86400, "3 days ago"),
        (45 * 86400, "1 month ago"),
        (800 * 86400, "2 years ago"),
        (-86400, "in 1 day"),
    ],
)
def test_times_from_now(seconds: float, words: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_every_time_has_words(when: datetime, now: datetime) -> None:
    words = ago(when, now)
    assert words == "just now" or words.endswith(" ago") == (when < now)


# -- sizes and other values


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1574, "1.6 kB"),
        (323_600, "323.6 kB"),
        (34_400_000, "34.4 MB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (5 * 10**18, "5000000.0 TB"),
        (-1500, "-1500 bytes"),
    ],
)
def test_sizes(size: int, words: str) -> None:
    assert short_size(size) == words


def test_a_size_that_no_float_holds_is_a_size_nevertheless() -> None:
    assert short_size(10**400) == f"1{'0' * 388}.0 TB"


@given(st.integers(0, 10**15))
def test_sizes_are_short(size: int) -> None:
    assert len(short_size(size)) <= 9


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("two\nlines", "two"),
        (42, "42"),
        (0.5, "0.5"),
        (timedelta(seconds=90), "1m 30s"),
        (NOW.astimezone(timezone(timedelta(hours=2))), "2026-03-04 05:06:07 UTC"),
        (None, ""),
        (True, ""),
        (["a"], ""),
        ({"token": "secret"}, ""),
    ],
)
def test_values_in_a_few_words(value: object, words: str) -> None:
    assert format_value(value) == words


def test_a_message_is_quoted_by_its_first_line() -> None:
    assert quoted("Fix it\n\nReally") == '"Fix it"'
    assert quoted("x" * 99) == f'"{"x" * 59}…"'
    assert quoted(None) == quoted("\n") == quoted(["odd"]) == ""


# -- emoji


def test_known_codes_become_emoji() -> None:
    assert with_emoji(":rocket: Deploy :no-such-emoji: :+1:") == "🚀 Deploy :no-such-emoji: 👍"
    assert with_emoji("10:30:15 std::map::end") == "10:30:15 std::map::end"


def test_unknown_codes_stay_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "emoji", None)
    assert with_emoji(":rocket: Deploy") == ":rocket: Deploy"


@given(anything)
def test_any_text_can_be_requested_emoji(text: str) -> None:
    assert isinstance(with_emoji(text), str)
