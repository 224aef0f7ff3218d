"""A timeline as bars of characters, for terminals."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Final

from buildkite_orm.utils.text import short_duration
from buildkite_orm.views.display.ipython import printed
from buildkite_orm.views.display.status_colors import StatusStyle, style_of
from buildkite_orm.views.timeline.data import IntervalKind
from buildkite_orm.views.timeline.lanes import Lane, lanes_of
from buildkite_orm.views.timeline.scale import Scale, cells_of, fitted
from buildkite_orm.views.timeline.text import headline, notes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from buildkite_orm.views.timeline.data import Timeline

MOST_LANES: Final = 40
_NARROW, _WIDE = 39, 119
_TIME: Final = 8
_ORDER: Final = (IntervalKind.WAITING, IntervalKind.BLOCKED, IntervalKind.RUNNING)
_BLOCKS: Final = dict(zip(_ORDER, "─▒█", strict=True))
_ASCII: Final = dict(zip(_ORDER, "-=#", strict=True))

# A line is made of parts, each with its style as rich names it.
_Line = list[tuple[str, str]]


def text(timeline: Timeline) -> str:
    """Draw a timeline with characters that the output can write, without colours."""
    lines = _lines(timeline, shutil.get_terminal_size().columns - 1)
    drawn = "\n".join("".join(part for part, _ in line).rstrip() for line in lines)
    return drawn.encode(_encoding(), "replace").decode(_encoding())


def coloured(timeline: Timeline, width: int) -> Iterator[Text]:
    """Draw a timeline for rich, line by line.

    Args:
        timeline: The timeline.
        width: How many characters a line may have.
    """
    from rich.text import Text  # noqa: PLC0415 - an extra

    for line in _lines(timeline, width):
        yield Text.assemble(*line, no_wrap=True, overflow="crop")


def shown(timeline: Timeline) -> str:
    """Draw a timeline as IPython prints it."""
    return printed(lambda: timeline, lambda: text(timeline))


def _lines(timeline: Timeline, width: int) -> Iterator[_Line]:
    width = min(max(width, _NARROW), _WIDE)
    label = min(width * 2 // 5, 36)
    scale = Scale.of(timeline, 0, width - label - _TIME - 2)
    lanes, marks = lanes_of(timeline, most=MOST_LANES), _Marks()
    yield [(fitted(headline(timeline), width), "bold")]
    if timeline.critical_path:
        yield [(fitted(f"critical path {marks.critical}: {timeline.critical_times}", width), "")]
    yield [(f"{'':{label}} {_axis(scale)}", "dim")]
    for lane in lanes.shown:
        yield _lane(lane, scale, label, marks)
    yield from ([(fitted(line, width), "dim")] for line in (lanes.rest, *notes(timeline)) if line)


class _Marks:
    """The characters that bars are drawn with: those of the alphabet where the output can write no others."""

    def __init__(self) -> None:
        try:
            "─▒▓█◆".encode(_encoding())
        except UnicodeEncodeError:
            self.bars, self.retried, self.critical = _ASCII, "+", "*"
        else:
            self.bars, self.retried, self.critical = _BLOCKS, "▓", "◆"


def _encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def _axis(scale: Scale) -> str:
    line = ""
    for place, label in scale.ticks(max(int(scale.length) // 12, 1)):
        line = f"{line:{round(place)}}{label} "
    return line[: int(scale.length) + _TIME]


def _lane(lane: Lane, scale: Scale, label: int, marks: _Marks) -> _Line:
    if not lane.rows:
        return [(fitted(lane.title, label), "dim")]
    indent = "  " if lane.is_grouped else ""
    shown = f"{indent}{marks.critical if lane.is_critical else ' '} {lane.label(label - len(indent) - 2)}"
    padding = " " * (label + 1 - cells_of(shown))
    return [
        (shown, "bold" if lane.is_critical else ""),
        (padding, ""),
        *_bars(lane, scale, marks),
        (f" {short_duration(lane.duration):>{_TIME}}", "dim"),
    ]


def _bars(lane: Lane, scale: Scale, marks: _Marks) -> _Line:
    length = int(scale.length)
    cells = [(" ", "")] * length
    told = [(stretch, row) for row in lane.rows for stretch in row.stretches]
    for stretch, row in sorted(told, key=lambda each: _ORDER.index(each[0].kind)):
        begin = min(int(scale.place(stretch.start)), length - 1)
        end = min(max(round(scale.place(stretch.end)), begin + 1), length)
        runs = stretch.kind == IntervalKind.RUNNING
        is_retried = runs and row is not lane.rows[-1] and not lane.is_shared
        tone = style_of(row.job.__dict__.get("state")) if runs else StatusStyle(stretch.kind)
        mark = marks.retried if is_retried else marks.bars[stretch.kind]
        cells[begin:end] = [(mark, tone.style)] * (end - begin)
    return cells
