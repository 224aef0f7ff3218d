"""Logs as HTML, with colors; rich interprets the color sequences."""

from __future__ import annotations

import re
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

from buildkite_orm.errors import ConfigurationError
from buildkite_orm.logs.terminal import Terminal
from buildkite_orm.utils.text import escape_lines

if TYPE_CHECKING:
    from rich.style import Style

_ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse", "strike", "overline")
_STYLED = re.compile(r"(?:\x1b(\d+);)?([^\x1b\n]+|\n)")


def to_html(text: str) -> str:
    """Render a log; see `LogText.html`."""
    palette = _Palette()
    rendered = Terminal(style=palette).close(text)
    cells = ((int(cell[1] or 0), cell[2]) for cell in _STYLED.finditer(rendered))
    runs = ((number, "".join(part for _, part in run)) for number, run in groupby(cells, lambda cell: cell[0]))
    return f"<pre>{''.join(_span(palette.css[number], run) for number, run in runs)}</pre>"


def _span(css: str, text: str) -> str:
    escaped = escape(escape_lines(text))
    return f'<span style="{css}">{escaped}</span>' if css else escaped


def _css(style: Style) -> str:
    """Return a style as CSS, without default colors, which are left to the page."""
    own = type(style)(
        color=None if style.color is None or style.color.is_default else style.color,
        bgcolor=None if style.bgcolor is None or style.bgcolor.is_default else style.bgcolor,
        **{name: getattr(style, name) for name in _ATTRIBUTES},
    )
    return own.get_html_style()


class _Palette:
    """Numbers the styles of color sequences; the number is put before each cell."""

    def __init__(self) -> None:
        try:
            from rich.ansi import AnsiDecoder  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigurationError("a log's .html needs rich: pip install 'buildkite_orm[rich]'") from None
        self._decoder = AnsiDecoder()
        self._numbers: dict[Style, int] = {self._decoder.style: 0}
        self._styles = [self._decoder.style]
        self._known: dict[tuple[int, str], int] = {}
        self._number = 0
        self.css = [""]

    def __call__(self, sequence: str) -> str:
        number = self._known.get((self._number, sequence))
        if number is None:
            number = self._known[self._number, sequence] = self._decoded(sequence)
        self._number = number
        return f"\x1b{number};"

    def _decoded(self, sequence: str) -> int:
        self._decoder.style = self._styles[self._number]
        self._decoder.decode_line(sequence)
        style = self._decoder.style
        if style not in self._numbers:
            self._numbers[style] = len(self._styles)
            self._styles.append(style)
            self.css.append(_css(style))
        return self._numbers[style]
