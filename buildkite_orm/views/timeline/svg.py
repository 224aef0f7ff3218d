"""A timeline as an SVG, which follows dark and light by itself."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from buildkite_orm.models.enums import JobFailure
from buildkite_orm.resources.builds.status import displayed_state, moment
from buildkite_orm.utils.text import short_duration
from buildkite_orm.views.display.status_colors import StatusStyle, style_of
from buildkite_orm.views.timeline.data import IntervalKind
from buildkite_orm.views.timeline.lanes import Lane, lanes_of
from buildkite_orm.views.timeline.scale import Scale, fitted
from buildkite_orm.views.timeline.text import (
    headline,
    link_to,
    notes,
    painted,
    safe,
    summary,
    told_of,
    variables,
    with_plain_colours,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildkite_orm.models.resource import Resource
    from buildkite_orm.views.timeline.data import Interval, Timeline, TimelineRow

MOST_LANES: Final = 60
_WIDTH: Final = 800
_EDGE: Final = 12
_LEFT: Final = 226
_RIGHT: Final = 724
_LANE: Final = 22
_BAR: Final = 12
_THIN: Final = 4
_SHORTEST: Final = 3.0
_LABEL: Final = 30
_TICKS: Final = 8

_MEANINGS: Final = {
    StatusStyle.GOOD: "passed",
    StatusStyle.BAD: "failed",
    StatusStyle.BUSY: "runs",
    StatusStyle.QUIET: "ended otherwise",
}

_OPENING: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" class="bk-timeline" viewBox="0 0 {width} {height}" width="100%" '
    'role="img" style="max-width:1200px">'
)
_HATCH: Final = (
    '<defs><pattern id="bk-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="hatch" width="6" height="6"/><path class="hatch-line" d="M0 0V6"/></pattern></defs>'
)
_RULES: Final = """
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
        with_heading: Whether it says which build it is, and what its time went to.
    """
    lanes = lanes_of(timeline, most=MOST_LANES)
    top = 84 if with_heading else 34
    bottom = top + _LANE * (len(lanes.shown) + 1)
    said = [line for line in (lanes.rest, *(notes(timeline) if with_heading else ())) if line]
    height = bottom + _LANE * len(said) + 34
    scale = Scale.of(timeline, _LEFT, _RIGHT - _LEFT)
    return "\n".join(
        [
            _OPENING.format(width=_WIDTH, height=height),
            f"<title>{safe(f'Timeline of {timeline.name}')}</title>",
            f"<desc>{safe(summary(timeline))}</desc>",
            f"<style>{variables('.bk-timeline')}{with_plain_colours(_RULES)}</style>",
            _HATCH,
            f'<rect class="paper" width="{_WIDTH}" height="{height}" rx="6"/>',
            *(_heading(timeline) if with_heading else []),
            *_bands(lanes.shown, top + _LANE),
            *_axis(scale, top, bottom),
            *_build(timeline, scale, top),
            *_lanes(lanes.shown, scale, top + _LANE),
            *(_note(line, bottom + _LANE * place + 16) for place, line in enumerate(said)),
            *_legend(timeline, height - 14),
            "</svg>",
        ]
    )


# -- the parts


def _heading(timeline: Timeline) -> Iterator[str]:
    build, tone = timeline.build, style_of(displayed_state(timeline.build))
    yield f'<circle cx="{_EDGE + 5}" cy="21" r="5" style="{painted("fill", tone)}"/>'
    yield _linked(build, f'<text class="head" x="{_EDGE + 18}" y="26">{safe(fitted(headline(timeline), 96))}</text>')
    if timeline.critical_path:
        spent = f"Critical path: {timeline.critical_times}"
        yield f'<text class="soft" x="{_EDGE}" y="46">{safe(spent)}</text>'


def _axis(scale: Scale, top: int, bottom: int) -> Iterator[str]:
    for place, label in scale.ticks(_TICKS):
        yield f'<path class="grid" d="M{place:.1f} {top - 6}V{bottom}"/>'
        yield f'<text class="tick" x="{place:.1f}" y="{top - 12}" text-anchor="middle">{label}</text>'


def _bands(lanes: Iterable[Lane], top: int) -> Iterator[str]:
    for number, lane in enumerate(lanes):
        if lane.is_critical:
            y = top + _LANE * number
            yield f'<rect class="band" x="4" y="{y}" width="{_WIDTH - 8}" height="{_LANE}" rx="3"/>'


def _build(timeline: Timeline, scale: Scale, top: int) -> Iterator[str]:
    tone = style_of(timeline.build.__dict__.get("state"))
    names = ("created_at", "scheduled_at", "started_at", "finished_at")
    times = [(name, at) for name in names if (at := moment(timeline.build, name))]
    told = ", ".join(f"{name.removesuffix('_at')} {at:%Y-%m-%d %H:%M:%S} UTC" for name, at in times)
    bars = "".join(_bar(each, scale, tone, top + _LANE / 2) for each in timeline.stretches)
    yield f'<g class="build"><title>The build: {safe(told)}</title>'
    yield f'<text class="soft" x="{_EDGE}" y="{top + 15}">The build</text>{bars}'
    yield f"{_length(short_duration(timeline.duration), top)}</g>"


def _lanes(lanes: Iterable[Lane], scale: Scale, top: int) -> Iterator[str]:
    path: list[tuple[float, float, float]] = []
    for number, lane in enumerate(lanes):
        y = top + _LANE * number
        middle = y + _LANE / 2
        yield from _lane(lane, scale, y)
        path += [(scale.place(row.start), scale.place(row.end), middle) for row in lane.rows if row.is_critical]
    path.sort()
    steps = (f"M{end:.1f} {here:.1f}V{there:.1f}H{start:.1f}" for (_, end, here), (start, _, there) in pairwise(path))
    yield f'<path class="path" d="{"".join(steps)}"/>' if len(path) > 1 else ""


def _lane(lane: Lane, scale: Scale, y: int) -> Iterator[str]:
    if not lane.rows:
        yield f'<text class="group" x="{_EDGE}" y="{y + 15}">{safe(fitted(lane.title, _LABEL))}</text>'
        return
    kind = " critical" if lane.is_critical else ""
    indent = 12 if lane.is_grouped else 0
    label = lane.label(_LABEL - indent // 6 - (5 if kind else 0))  # a mark, and bold
    yield f'<g class="lane{kind}">'
    # an SVG in an SVG cuts what is wider than it
    yield f'<svg x="{_EDGE}" y="{y}" width="{_LEFT - _EDGE - 8}" height="{_LANE}">'
    mark = '<tspan aria-hidden="true">◆ </tspan>' if kind else ""
    text = f'<text x="{indent}" y="15">{mark}{safe(label)}</text>'
    yield f"{_linked(lane.rows[-1].job, text)}</svg>"
    for row in lane.rows:
        bars = "".join(_bar(each, scale, _tone(row), y + _LANE / 2) for each in row.stretches)
        shared = " shared" if lane.is_shared and not row.is_critical else ""
        shared += " soft-failed" if row.job.failure == JobFailure.SOFT_FAILED else ""
        identity = safe(str(row.job.__dict__.get("id")))
        told = f"<title>{safe(told_of(row))}</title>"
        yield _linked(row.job, f'<g class="job{shared}" data-job="{identity}">{told}{bars}</g>')
    yield f"{_length(short_duration(lane.duration), y)}</g>"


def _bar(stretch: Interval, scale: Scale, tone: StatusStyle, middle: float) -> str:
    start, end = scale.place(stretch.start), scale.place(stretch.end)
    width = max(end - start, _SHORTEST)
    return _rect(stretch.kind, tone, min(start, _RIGHT - width), middle, width)


def _rect(kind: IntervalKind, tone: StatusStyle, x: float, middle: float, width: float) -> str:
    tall = _THIN if kind == IntervalKind.WAITING else _BAR
    fill = f' style="{painted("fill", tone)}"' if kind == IntervalKind.RUNNING else ""
    place = f'x="{x:.1f}" y="{middle - tall / 2:.1f}" width="{width:.1f}" height="{tall}"'
    return f'<rect class="{kind}" {place} rx="1.5"{fill}/>'


def _tone(row: TimelineRow) -> StatusStyle:
    return style_of(row.job.__dict__.get("state"))


def _length(text: str, y: int) -> str:
    return f'<text class="soft" x="{_WIDTH - _EDGE}" y="{y + 15}" text-anchor="end">{safe(text)}</text>'


def _note(text: str, y: int) -> str:
    return f'<text class="soft" x="{_EDGE}" y="{y}">{safe(text)}</text>'


def _legend(timeline: Timeline, y: int) -> Iterator[str]:
    """Tell what the bars mean that there are."""
    kinds = {stretch.kind for row in timeline.rows for stretch in row.stretches}
    tones = {_tone(row) for row in timeline.rows if any(each.kind == IntervalKind.RUNNING for each in row.stretches)}
    means = [(IntervalKind.WAITING, StatusStyle.WAITING, "waits for an agent")] if IntervalKind.WAITING in kinds else []
    means += [(IntervalKind.RUNNING, tone, meaning) for tone, meaning in _MEANINGS.items() if tone in tones]
    means += [(IntervalKind.BLOCKED, StatusStyle.BLOCKED, "blocked")] if IntervalKind.BLOCKED in kinds else []
    x = _EDGE
    for kind, tone, meaning in means:
        yield _rect(kind, tone, x, y - 4, 18)
        yield f'<text class="tick" x="{x + 24}" y="{y}">{meaning}</text>'
        x += 24 + 6 * len(meaning) + 22
    yield f'<text class="tick" x="{x}" y="{y}">◆ ┄ critical path</text>' if timeline.critical_path else ""


def _linked(thing: Resource, inner: str) -> str:
    url = link_to(thing)
    return inner if url is None else f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{inner}</a>'
