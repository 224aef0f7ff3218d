"""The width of text in a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wcwidth import wcswidth

from buildkite_orm.utils.text import escape_control
from buildkite_orm.views.text_width import fit_line, pad, text_width, truncate

FAMILY = "👩\u200d👩\u200d👧"
WIDTHS = {
    "": 0,
    "abc": 3,
    "機能": 4,
    "🚀": 2,
    "e\u0301": 1,
    "❤\ufe0f": 2,
    "👩\u200d🚀": 2,
    FAMILY: 2,
    f"a{FAMILY}b": 4,
}


@pytest.mark.parametrize(("text", "width"), WIDTHS.items())
def test_the_width_of_a_text_is_that_in_a_terminal(text: str, width: int) -> None:
    assert text_width(text) == wcswidth(text) == width


@settings(deadline=None)
@given(st.text(st.sampled_from("aä機🚀e\u0301 \u200d\U0001f469\ufe0f"), max_size=20), st.integers(1, 12))
def test_a_truncated_text_fits(text: str, width: int) -> None:
    shown = truncate(text, width)
    assert text_width(shown) <= width or shown == "…"
    assert shown == text or shown.endswith("…")
    assert text.startswith(shown.removesuffix("…"))


def test_joined_and_combining_characters_are_not_separated() -> None:
    assert truncate(f"ab{FAMILY}cd", 5) == f"ab{FAMILY}…"
    assert truncate(f"ab{FAMILY}cd", 4) == "ab…"
    assert truncate("機能検索", 5) == "機能…"
    assert unicodedata.is_normalized("NFD", truncate("e\u0301e\u0301e\u0301", 2))


def test_a_text_is_padded_on_either_side() -> None:
    assert (pad("機能", 6, right=False), pad("機能", 6, right=True), pad("機能", 3, right=True)) == (
        "機能  ",
        "  機能",
        "機…",
    )


@given(st.text(), st.integers(0, 40))
@example("\U0001f23c", 2)
def test_any_text_becomes_one_line_that_fits(text: str, width: int) -> None:
    shown = fit_line(text, width)
    assert text_width(shown) <= width
    assert escape_control(shown) == shown


def test_a_line_that_is_truncated_ends_with_an_ellipsis() -> None:
    assert fit_line("日本語の名前", 7) == "日本語…"
