"""The output in a terminal: colors if it supports them, tables that fit, and plain text without rich."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from wcwidth import wcswidth

from tests.views.display.pages import drawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

COLOUR = re.compile(r"\x1b\[[\d;]*(?:3[0-9]|9[0-7])[\d;]*m")
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"


class Terminal(io.StringIO):
    """A standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def builds(acme: FakeBuildkite) -> Iterator[Any]:
    with acme.client() as bk:
        listing = bk.organization("acme").pipeline("web").builds()
        assert listing
        yield listing


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A terminal of 120 columns that knows colours."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    return monkeypatch


def text_of(obj: Any, stdout: io.StringIO | None = None) -> str:
    """Return what IPython prints, on a terminal by default."""
    with contextlib.redirect_stdout(stdout or Terminal()):
        return str(obj._repr_mimebundle_()["text/plain"])


def plain(text: str) -> str:
    return re.sub(r"\x1b\][^\x1b]*\x1b\\|\x1b\[[\d;]*m", "", text)


# -- colours


@pytest.mark.usefixtures("terminal")
def test_a_terminal_gets_colours_and_links(builds: Any) -> None:
    text = text_of(builds)
    assert "\x1b[32mpassed" in text
    assert "\x1b[1;31mfailed" in text
    assert ";https://buildkite.com/acme/web/builds/123\x1b\\web #123\x1b]8;;\x1b\\" in text
    assert plain(text).splitlines()[0] == "BuildQuerySet acme/web/builds"


def test_no_color_is_respected(builds: Any, terminal: pytest.MonkeyPatch) -> None:
    terminal.setenv("NO_COLOR", "1")
    assert not COLOUR.search(text_of(builds))


def test_a_dumb_terminal_gets_plain_text(builds: Any, terminal: pytest.MonkeyPatch) -> None:
    terminal.setenv("TERM", "dumb")
    assert "\x1b" not in text_of(builds)


def test_a_file_gets_plain_text_unless_colors_are_forced(builds: Any, terminal: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in text_of(builds, io.StringIO())
    terminal.setenv("FORCE_COLOR", "1")
    assert "\x1b[32mpassed" in text_of(builds, io.StringIO())


def test_plain_text_is_used_without_rich(builds: Any, terminal: pytest.MonkeyPatch) -> None:
    with_rich = plain(text_of(builds)).splitlines()
    for name in [name for name in sys.modules if name.split(".")[0] == "rich"]:
        terminal.setitem(sys.modules, name, None)
    terminal.delitem(sys.modules, "buildkite_orm.views.display.console", raising=False)
    assert [line.rstrip() for line in with_rich] == text_of(builds).splitlines()


# -- what fits


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_a_table_fits_into_the_terminal(builds: Any, columns: int) -> None:
    lines = drawn(builds, width=columns).splitlines()
    assert max(map(wcswidth, lines)) <= columns
    assert len(lines) == 23
    assert all(line.lstrip().startswith("web #") for line in lines[2:-1])


def test_minor_columns_are_omitted_and_texts_truncated(builds: Any) -> None:
    wide, narrow, tiny = (drawn(builds, width=columns).splitlines() for columns in (200, 80, 60))
    assert wide[1].split() == ["build", "state", "branch", "message", "by", "created", "waited", "took"]
    assert narrow[1].split() == tiny[1].split() == ["build", "state", "branch", "message", "created", "took"]
    assert narrow[7] == "web #118  passed     main            Bump to version 0.…  7 hours ago    27m 12s"
    assert tiny[7].startswith("web #118  passed     main")


def test_bars_are_drawn_in_a_narrow_terminal(builds: Any) -> None:
    assert len(drawn(builds, width=10).splitlines()) == 23


# -- cards


def test_a_card_is_drawn(acme: FakeBuildkite, costs: Costs) -> None:
    with acme.client() as bk:
        build = bk.organization("acme").pipeline("web").build(119).fetch()
        with costs(0, of=acme):
            title, *lines = drawn(build, width=80).splitlines()
    card = {name: text.strip() for name, text in (line.split("  ", 1) for line in lines)}
    assert title == 'Build acme/web #119 failed on main, 26m 33s, "Größere Knöpfe"'
    assert card["state"] == "failed"
    assert card["created"] == "5 hours ago (2026-08-01 06:11:09 UTC)"
    assert card["took"] == "26m 33s"


def test_an_object_among_others_is_its_line(builds: Any) -> None:
    assert drawn([builds[4]], width=200) == f"[{builds[4]!r}]"


def test_plain_tables_are_aligned(bk: Buildkite, server: FakeBuildkite) -> None:
    for branch in ("main", "機能/検索", "🚀", "e\u0301"):
        server.add_build("web", branch=branch, message="x")
    rows = text_of(bk.builds()).splitlines()[2:-1]
    assert len({wcswidth(row[: row.index(" x ")]) for row in rows}) == 1
