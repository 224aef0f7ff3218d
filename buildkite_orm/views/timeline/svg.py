"""A timeline as an SVG for the light and the dark theme."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from buildkite_orm.models.enums import JobFailure
from buildkite_orm.resources.builds.status import displayed_state, moment
from buildkite_orm.utils.text import short_duration
from buildkite_orm.views.display.status_colors import StatusStyle, style_of
from buildkite_orm.views.text_width import fit_line
from buildkite_orm.views.timeline.data import IntervalKind
from buildkite_orm.views.timeline.lanes import Lane, arrange_lanes
from buildkite_orm.views.timeline.scale import Scale
from buildkite_orm.views.timeline.text import (
    css_color,
    css_variables,
    describe,
    escape_text,
    notes,
    summary,
    summary_line,
    web_link,
    with_fallback_colors,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildkite_orm.views.timeline.data import Interval, Timeline, TimelineRow

MAX_LANES: Final = 60
_WIDTH: Final = 800
_EDGE: Final = 12
_LEFT: Final = 226
_RIGHT: Final = 724
_LANE: Final = 22
_BAR: Final = 12
_THIN: Final = 4
_MIN_BAR: Final = 3.0
_LABEL: Final = 30
_TICKS: Final = 8

_MEANINGS: Final = {
    StatusStyle.GOOD: "passed",
    StatusStyle.BAD: "failed",
    StatusStyle.BUSY: "running",
    StatusStyle.QUIET: "finished otherwise",
}

_OPENING: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" class="bk-timeline" viewBox="0 0 {width} {height}" width="100%" '
    'role="img" style="max-width:1200px">'
)
_HATCH: Final = (
    '<defs><pattern id="bk-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="hatch" width="6" height="6"/><path class="hatch-line" d="M0 0V6"/></pattern></defs>'
)
_CSS: Final = """
.bk-timeline text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--bk-ink)}
.bk-timeline .head{font-size:14px;font-weight:600}
.bk-timeline .soft,.bk-timeline .tick{fill:var(--bk-soft)}
.bk-timeline .tick{font-size:11px}
.bk-timeline .group{font-weight:600;fill:var(--bk-soft)}
.bk-timeline .paper{fill:var(--bk-paper)}
.bk-timeline .grid{stroke:var(--bk-line)}
.bk-timeline .band{fill:var(--bk-band)}
.bk-timeline .critical text{font-weight:600}
.bk-timeline .path{fill:none;stroke:var(--bk-ink);stroke-width:1.5;stroke-dasharray:2 2}
.bk-timeline .critical .running,.bk-timeline .critical .blocked{stroke:var(--bk-ink);stroke-width:1.5}
.bk-timeline .waiting{fill:var(--bk-waiting)}
.bk-timeline .blocked{fill:url(#bk-hatch)}
.bk-timeline .hatch{fill:var(--bk-blocked)}
.bk-timeline .hatch-line{stroke:var(--bk-paper);stroke-width:2}
.bk-timeline .shared,.bk-timeline .soft-failed .running{opacity:.5}
.bk-timeline a:hover text{text-decoration:underline}
"""


def draw(timeline: Timeline, *, with_heading: bool = True) -> str:
    """Draw a timeline; see `Timeline.svg`.

    Args:
        timeline: The timeline.
        with_heading: Whether to include the name of the build, its state, and the times of the critical path.
    """
    lanes = arrange_lanes(timeline, limit=MAX_LANES)
    top = 84 if with_heading else 34
    bottom = top + _LANE * (len(lanes.shown) + 1)
    footer = [line for line in (lanes.hidden_note, *(notes(timeline) if with_heading else ())) if line]
    height = bottom + _LANE * len(footer) + 34
    scale = Scale.of(timeline, _LEFT, _RIGHT - _LEFT)
    return "\n".join(
        [
            _OPENING.format(width=_WIDTH, height=height),
            f"<title>{escape_text(f'Timeline of {timeline.name}')}</title>",
            f"<desc>{escape_text(summary(timeline))}</desc>",
            f"<style>{css_variables('.bk-timeline')}{with_fallback_colors(_CSS)}</style>",
            _HATCH,
            f'<rect class="paper" width="{_WIDTH}" height="{height}" rx="6"/>',
            *(_heading(timeline) if with_heading else []),
            *_critical_bands(lanes.shown, top + _LANE),
            *_axis(scale, top, bottom),
            *_build(timeline, scale, top),
            *_lanes(lanes.shown, scale, top + _LANE),
            *(_note_line(line, bottom + _LANE * index + 16) for index, line in enumerate(footer)),
            *_legend(timeline, height - 14),
            "</svg>",
        ]
    )


# -- parts of the drawing


def _heading(timeline: Timeline) -> Iterator[str]:
    build, style = timeline.build, style_of(displayed_state(timeline.build))
    yield f'<circle cx="{_EDGE + 5}" cy="21" r="5" style="{css_color("fill", style)}"/>'
    title = escape_text(fit_line(summary_line(timeline), 96))
    yield web_link(build, f'<text class="head" x="{_EDGE + 18}" y="26">{title}</text>', new_tab=True)
    if timeline.critical_path:
        spent = f"Critical path: {timeline.critical_times}"
        yield f'<text class="soft" x="{_EDGE}" y="46">{escape_text(spent)}</text>'


def _axis(scale: Scale, top: int, bottom: int) -> Iterator[str]:
    for x, label in scale.ticks(_TICKS):
        yield f'<path class="grid" d="M{x:.1f} {top - 6}V{bottom}"/>'
        yield f'<text class="tick" x="{x:.1f}" y="{top - 12}" text-anchor="middle">{label}</text>'


def _critical_bands(lanes: Iterable[Lane], top: int) -> Iterator[str]:
    for index, lane in enumerate(lanes):
        if lane.is_critical:
            y = top + _LANE * index
            yield f'<rect class="band" x="4" y="{y}" width="{_WIDTH - 8}" height="{_LANE}" rx="3"/>'


def _build(timeline: Timeline, scale: Scale, top: int) -> Iterator[str]:
    style = style_of(timeline.build.__dict__.get("state"))
    names = ("created_at", "scheduled_at", "started_at", "finished_at")
    times = [(name, at) for name in names if (at := moment(timeline.build, name))]
    tooltip = ", ".join(f"{name.removesuffix('_at')} {at:%Y-%m-%d %H:%M:%S} UTC" for name, at in times)
    bars = "".join(_bar(each, scale, style, top + _LANE / 2) for each in timeline.intervals)
    yield f'<g class="build"><title>The build: {escape_text(tooltip)}</title>'
    yield f'<text class="soft" x="{_EDGE}" y="{top + 15}">The build</text>{bars}'
    yield f"{_duration_label(short_duration(timeline.duration), top)}</g>"


def _lanes(lanes: Iterable[Lane], scale: Scale, top: int) -> Iterator[str]:
    path: list[tuple[float, float, float]] = []
    for index, lane in enumerate(lanes):
        y = top + _LANE * index
        middle = y + _LANE / 2
        yield from _lane(lane, scale, y)
        path += [(scale.position(row.start), scale.position(row.end), middle) for row in lane.rows if row.is_critical]
    path.sort()
    steps = (f"M{end:.1f} {here:.1f}V{there:.1f}H{start:.1f}" for (_, end, here), (start, _, there) in pairwise(path))
    yield f'<path class="path" d="{"".join(steps)}"/>' if len(path) > 1 else ""


def _lane(lane: Lane, scale: Scale, y: int) -> Iterator[str]:
    if not lane.rows:
        yield f'<text class="group" x="{_EDGE}" y="{y + 15}">{escape_text(fit_line(lane.title, _LABEL))}</text>'
        return
    kind = " critical" if lane.is_critical else ""
    indent = 12 if lane.is_grouped else 0
    label = lane.label(_LABEL - indent // 6 - (5 if kind else 0))  # room for the mark and bold text
    yield f'<g class="lane{kind}">'
    # a nested SVG clips its content
    yield f'<svg x="{_EDGE}" y="{y}" width="{_LEFT - _EDGE - 8}" height="{_LANE}">'
    mark = '<tspan aria-hidden="true">◆ </tspan>' if kind else ""
    text = f'<text x="{indent}" y="15">{mark}{escape_text(label)}</text>'
    yield f"{web_link(lane.rows[-1].job, text, new_tab=True)}</svg>"
    for row in lane.rows:
        bars = "".join(_bar(each, scale, _row_style(row), y + _LANE / 2) for each in row.intervals)
        classes = " shared" if lane.is_shared and not row.is_critical else ""
        classes += " soft-failed" if row.job.failure == JobFailure.SOFT_FAILED else ""
        job_id = escape_text(str(row.job.__dict__.get("id")))
        tooltip = f"<title>{escape_text(describe(row))}</title>"
        yield web_link(row.job, f'<g class="job{classes}" data-job="{job_id}">{tooltip}{bars}</g>', new_tab=True)
    yield f"{_duration_label(short_duration(lane.duration), y)}</g>"


def _bar(interval: Interval, scale: Scale, style: StatusStyle, middle: float) -> str:
    start, end = scale.position(interval.start), scale.position(interval.end)
    width = max(end - start, _MIN_BAR)
    return _rect(interval.kind, style, min(start, _RIGHT - width), middle, width)


def _rect(kind: IntervalKind, style: StatusStyle, x: float, middle: float, width: float) -> str:
    height = _THIN if kind == IntervalKind.WAITING else _BAR
    fill = f' style="{css_color("fill", style)}"' if kind == IntervalKind.RUNNING else ""
    box = f'x="{x:.1f}" y="{middle - height / 2:.1f}" width="{width:.1f}" height="{height}"'
    return f'<rect class="{kind}" {box} rx="1.5"{fill}/>'


def _row_style(row: TimelineRow) -> StatusStyle:
    return style_of(row.job.__dict__.get("state"))


def _duration_label(text: str, y: int) -> str:
    return f'<text class="soft" x="{_WIDTH - _EDGE}" y="{y + 15}" text-anchor="end">{escape_text(text)}</text>'


def _note_line(text: str, y: int) -> str:
    return f'<text class="soft" x="{_EDGE}" y="{y}">{escape_text(text)}</text>'


def _legend(timeline: Timeline, y: int) -> Iterator[str]:
    """Explain the kinds and colors of bars that the drawing has."""
    kinds = {interval.kind for row in timeline.rows for interval in row.intervals}
    ran = [row for row in timeline.rows if any(each.kind == IntervalKind.RUNNING for each in row.intervals)]
    styles = {_row_style(row) for row in ran}
    entries = [
        (IntervalKind.WAITING, StatusStyle.WAITING, "waiting for an agent"),
        *((IntervalKind.RUNNING, style, meaning) for style, meaning in _MEANINGS.items() if style in styles),
        (IntervalKind.BLOCKED, StatusStyle.BLOCKED, "blocked"),
    ]
    x = _EDGE
    for kind, style, meaning in (entry for entry in entries if entry[0] in kinds):
        yield _rect(kind, style, x, y - 4, 18)
        yield f'<text class="tick" x="{x + 24}" y="{y}">{meaning}</text>'
        x += 24 + 6 * len(meaning) + 22
    yield f'<text class="tick" x="{x}" y="{y}">◆ ┄ critical path</text>' if timeline.critical_path else ""
