"""A timeline drawn with characters, for terminals."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Final

from buildkite_orm.utils.text import short_duration
from buildkite_orm.views.display.ipython import ipython_text
from buildkite_orm.views.display.status_colors import StatusStyle, style_of
from buildkite_orm.views.text_width import fit_line, text_width
from buildkite_orm.views.timeline.data import IntervalKind
from buildkite_orm.views.timeline.lanes import Lane, arrange_lanes
from buildkite_orm.views.timeline.scale import Scale
from buildkite_orm.views.timeline.text import notes, summary_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from buildkite_orm.views.timeline.data import Timeline

MAX_LANES: Final = 40
_NARROW, _WIDE = 39, 119
_TIME: Final = 8
_ORDER: Final = (IntervalKind.WAITING, IntervalKind.BLOCKED, IntervalKind.RUNNING)
_BLOCKS: Final = dict(zip(_ORDER, "─▒█", strict=True))
_ASCII: Final = dict(zip(_ORDER, "-=#", strict=True))

# A line consists of parts, each with the name of its rich style.
_Line = list[tuple[str, str]]


def text(timeline: Timeline) -> str:
    """Draw a timeline without colors, with characters that the encoding of the output has."""
    lines = _lines(timeline, shutil.get_terminal_size().columns - 1)
    drawn = "\n".join("".join(part for part, _ in line).rstrip() for line in lines)
    return drawn.encode(_encoding(), "replace").decode(_encoding())


def rich_lines(timeline: Timeline, width: int) -> Iterator[Text]:
    """Yield the lines of a timeline for rich.

    Args:
        timeline: The timeline.
        width: The maximum length of a line.
    """
    from rich.text import Text  # noqa: PLC0415 - an extra

    for line in _lines(timeline, width):
        yield Text.assemble(*line, no_wrap=True, overflow="crop")


def terminal_text(timeline: Timeline) -> str:
    """Draw a timeline as IPython prints it: by rich if it is installed, else as plain text."""
    return ipython_text(lambda: timeline, lambda: text(timeline))


def _lines(timeline: Timeline, width: int) -> Iterator[_Line]:
    width = min(max(width, _NARROW), _WIDE)
    label = min(width * 2 // 5, 36)
    scale = Scale.of(timeline, 0, width - label - _TIME - 2)
    lanes, marks = arrange_lanes(timeline, limit=MAX_LANES), _Marks()
    yield [(fit_line(summary_line(timeline), width), "bold")]
    if timeline.critical_path:
        yield [(fit_line(f"critical path {marks.critical}: {timeline.critical_times}", width), "")]
    yield [(f"{'':{label}} {_axis(scale)}", "dim")]
    for lane in lanes.shown:
        yield _lane(lane, scale, label, marks)
    yield from ([(fit_line(line, width), "dim")] for line in (lanes.hidden_note, *notes(timeline)) if line)


class _Marks:
    """The characters of the bars: ASCII if the encoding of the output has no others."""

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
    for position, label in scale.ticks(max(int(scale.length) // 12, 1)):
        line = f"{line:{round(position)}}{label} "
    return line[: int(scale.length) + _TIME]


def _lane(lane: Lane, scale: Scale, label: int, marks: _Marks) -> _Line:
    if not lane.rows:
        return [(fit_line(lane.title, label), "dim")]
    indent = "  " if lane.is_grouped else ""
    shown = f"{indent}{marks.critical if lane.is_critical else ' '} {lane.label(label - len(indent) - 2)}"
    padding = " " * (label + 1 - text_width(shown))
    return [
        (shown, "bold" if lane.is_critical else ""),
        (padding, ""),
        *_bars(lane, scale, marks),
        (f" {short_duration(lane.duration):>{_TIME}}", "dim"),
    ]


def _bars(lane: Lane, scale: Scale, marks: _Marks) -> _Line:
    length = int(scale.length)
    cells = [(" ", "")] * length
    drawn = [(interval, row) for row in lane.rows for interval in row.intervals]
    for interval, row in sorted(drawn, key=lambda pair: _ORDER.index(pair[0].kind)):
        begin = min(int(scale.position(interval.start)), length - 1)
        end = min(max(round(scale.position(interval.end)), begin + 1), length)
        is_running = interval.kind == IntervalKind.RUNNING
        is_retried = is_running and row is not lane.rows[-1] and not lane.is_shared
        style = style_of(row.job.__dict__.get("state")) if is_running else StatusStyle(interval.kind)
        mark = marks.retried if is_retried else marks.bars[interval.kind]
        cells[begin:end] = [(mark, style.style)] * (end - begin)
    return cells
