"""A history as a matplotlib plot; no global state of matplotlib is used."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from importlib import import_module
from io import BytesIO, StringIO
from math import ceil, isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from buildkite_orm.errors import ConfigurationError
from buildkite_orm.utils.text import one_line
from buildkite_orm.views.display.status_colors import StatusStyle
from buildkite_orm.views.history.data import summary
from buildkite_orm.views.timeline.scale import round_step, time_label
from buildkite_orm.views.timeline.text import css_variables, escape_text, with_fallback_colors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    from buildkite_orm.views.history.data import History, HistoryDay, Spread

Axes = Any  # matplotlib types them in part only
_SIZE: Final = (9, 7)
_HEIGHTS: Final = (3, 2, 1.4)
_TICKS: Final = 5
_DATES: Final = 6
_TITLE: Final = 105
_TITLE_MARK: Final = "buildkite-orm-history-title"
_HALF_A_DAY: Final = timedelta(hours=12)
_SETTINGS: Final[dict[Any, Any]] = {
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "buildkite_orm",  # reproducible ids
    "text.usetex": False,  # titles are not TeX, even if the settings of the user say so
    "timezone": "UTC",
}
_ROOT: Final = re.compile(r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>")


class _Colors(NamedTuple):
    ink: str
    line: str
    good: str
    bad: str
    busy: str
    waiting: str
    paper: str = "none"


_ANY_BACKGROUND: Final = _Colors("#7d8590", "#7d859060", "#2f9e4f", "#e0524a", "#3d8ee0", "#b98214")
_WHITE_BACKGROUND: Final = _Colors(
    "#1f2328",
    "#e4e8ec",
    StatusStyle.GOOD.light,
    StatusStyle.BAD.light,
    StatusStyle.BUSY.light,
    StatusStyle.WAITING.light,
    "#ffffff",
)
# colors that occur nowhere else in a plot, to be replaced by CSS variables
_PLACEHOLDERS: Final = _Colors("#010203", "#010204", "#010205", "#010206", "#010207", "#010208", "#010209")


def figure(history: History) -> Figure:
    """Plot a history on a transparent background; see `History.plot`."""
    plot: Figure = _draw(history, _ANY_BACKGROUND, _title(history))
    return plot


def png(history: History) -> bytes:
    """Plot a history on white, as a PNG."""
    plot, file = _draw(history, _WHITE_BACKGROUND, _title(history)), BytesIO()
    plot.savefig(file, format="png", dpi=144, metadata={"Software": None})
    return file.getvalue()


def svg(history: History) -> str:
    """Plot a history as an SVG; see `History.svg`."""
    plot, file = _draw(history, _PLACEHOLDERS, _TITLE_MARK), StringIO()
    with _with_settings():
        plot.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = file.getvalue()
    text = text[text.index("<svg ") :].replace("*{", ".bk-history *{")  # a page may contain other drawings
    for name, mark in _PLACEHOLDERS._asdict().items():
        text = text.replace(mark, f"var(--bk-{name})")
    # the title is inserted last: nothing may be replaced in the name of a pipeline
    text = with_fallback_colors(text).replace(_TITLE_MARK, escape_text(_title(history)))
    return _ROOT.sub(
        lambda root: (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" class="bk-history" '
            f'viewBox="{root[1]}" width="100%" role="img" style="max-width:1040px">\n'
            f"<title>{escape_text(history.name)} over {len(history.days)} days</title>\n"
            f"<desc>{escape_text(summary(history))}</desc>\n"
            f"<style>{css_variables('.bk-history')}</style>"
        ),
        text,
        count=1,
    )


def _matplotlib(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise ConfigurationError("a plot needs matplotlib: pip install 'buildkite_orm[plot]'") from None


def _with_settings() -> Any:
    return _matplotlib("matplotlib").rc_context(_SETTINGS)


def _title(history: History) -> str:
    return one_line(summary(history), _TITLE)


def _draw(history: History, colors: _Colors, title: str) -> Any:
    with _with_settings():
        drawn = _matplotlib("matplotlib.figure").Figure(figsize=_SIZE, layout="constrained", facecolor=colors.paper)
        durations, queues, failures = drawn.subplots(3, 1, sharex=True, height_ratios=_HEIGHTS)
        drawn.suptitle(title, color=colors.ink, fontsize=11, parse_math=False)
        _durations(durations, history, colors)
        _queues(queues, history, colors)
        _failures(failures, history, colors)
        for axes in (durations, queues, failures):
            _style_axes(axes, colors)
        _dates(failures, history.days)
        drawn.align_ylabels()
    return drawn


def _durations(axes: Axes, history: History, colors: _Colors) -> None:
    for passed, color, marker, label in ((True, colors.good, "o", "passed"), (False, colors.bad, "x", "failed")):
        builds = [build for build in history.builds if build.passed is passed]
        points = [(build.created_at, build.duration) for build in builds if build.duration]
        seconds = [duration.total_seconds() for _, duration in points]
        axes.scatter([at for at, _ in points], seconds, s=14, c=color, marker=marker, label=label, alpha=0.7)
    _spread(axes, history.days, lambda day: day.figures.duration, colors.ink)
    _times(axes, "duration")


def _queues(axes: Axes, history: History, colors: _Colors) -> None:
    _spread(axes, history.days, lambda day: day.figures.queue_time, colors.waiting)
    _times(axes, "queue time")


def _spread(axes: Axes, days: Sequence[HistoryDay], of: Callable[[HistoryDay], Spread | None], color: str) -> None:
    points = [(_noon(day), spread) for day in days if (spread := of(day))]
    at = [noon for noon, _ in points]
    axes.plot(at, [each.median.total_seconds() for _, each in points], c=color, lw=1.6, marker=".", label="median")
    axes.plot(at, [each.p90.total_seconds() for _, each in points], c=color, lw=1, ls="--", label="90%")


def _failures(axes: Axes, history: History, colors: _Colors) -> None:
    points = [(_noon(day), 100 * rate) for day in history.days if (rate := day.figures.failure_rate) is not None]
    axes.bar([noon for noon, _ in points], [rate for _, rate in points], width=0.8, color=colors.bad)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 50, 100], ["0%", "50%", "100%"])
    axes.set_ylabel("failed")


def _noon(day: HistoryDay) -> datetime:
    return datetime.combine(day.date, time(12), UTC)


def _times(axes: Axes, label: str) -> None:
    longest = float(axes.dataLim.ymax)
    top = max(longest, 1.0) * 1.05 if isfinite(longest) else 1.0  # not finite if there is nothing to plot
    step = round_step(top, _TICKS)
    axes.set_ylim(0, top)
    axes.set_yticks([step * number for number in range(int(top / step) + 1)])
    axes.yaxis.set_major_formatter(_as_time)
    axes.set_ylabel(label)


def _as_time(seconds: float, _place: int) -> str:
    return time_label(seconds)


def _dates(axes: Axes, days: Sequence[HistoryDay]) -> None:
    every = ceil(len(days) / _DATES)
    axes.set_xticks([_noon(day) for day in days[::every]], [str(day.date) for day in days[::every]])
    axes.set_xlim(_noon(days[0]) - _HALF_A_DAY, _noon(days[-1]) + _HALF_A_DAY)


def _style_axes(axes: Axes, colors: _Colors) -> None:
    axes.set_facecolor("none")
    axes.tick_params(colors=colors.ink, which="both")
    axes.yaxis.label.set_color(colors.ink)
    axes.grid(axis="y", color=colors.line, lw=0.8)
    axes.set_axisbelow(True)
    for edge, spine in axes.spines.items():
        spine.set_visible(edge == "bottom")
        spine.set_color(colors.line)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, labelcolor=colors.ink, fontsize=9)
