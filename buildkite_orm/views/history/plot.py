"""A history as a plot of matplotlib's, without any state that it would share with other plots."""

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
_RC: Final[dict[Any, Any]] = {
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "buildkite_orm",  # the same ids whenever it is drawn
    "text.usetex": False,  # a title is no TeX, whatever the settings of others say
    "timezone": "UTC",
}
_ROOT: Final = re.compile(r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>")


class _Colours(NamedTuple):
    ink: str
    line: str
    good: str
    bad: str
    busy: str
    waiting: str
    paper: str = "none"


_ON_ANY: Final = _Colours("#7d8590", "#7d859060", "#2f9e4f", "#e0524a", "#3d8ee0", "#b98214")
_ON_WHITE: Final = _Colours(
    "#1f2328",
    "#e4e8ec",
    StatusStyle.GOOD.light,
    StatusStyle.BAD.light,
    StatusStyle.BUSY.light,
    StatusStyle.WAITING.light,
    "#ffffff",
)
# colours that no plot has by itself, which become CSS variables
_MARKS: Final = _Colours("#010203", "#010204", "#010205", "#010206", "#010207", "#010208", "#010209")


def figure(history: History) -> Figure:
    """Draw a history on no ground; see `History.plot`."""
    drawn: Figure = _drawn(history, _ON_ANY, _title(history))
    return drawn


def png(history: History) -> bytes:
    """Draw a history on white, as a PNG."""
    drawn, file = _drawn(history, _ON_WHITE, _title(history)), BytesIO()
    drawn.savefig(file, format="png", dpi=144, metadata={"Software": None})
    return file.getvalue()


def svg(history: History) -> str:
    """Draw a history as an SVG; see `History.svg`."""
    drawn, file = _drawn(history, _MARKS, _TITLE_MARK), StringIO()
    with _settings():
        drawn.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = file.getvalue()
    text = text[text.index("<svg ") :].replace("*{", ".bk-history *{")  # a page has other drawings than this one
    for name, mark in _MARKS._asdict().items():
        text = text.replace(mark, f"var(--bk-{name})")
    # the title comes last: it has a name that somebody has chosen, in which nothing is replaced
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


def _settings() -> Any:
    return _matplotlib("matplotlib").rc_context(_RC)


def _title(history: History) -> str:
    return one_line(summary(history), _TITLE)


def _drawn(history: History, colours: _Colours, title: str) -> Any:
    with _settings():
        drawn = _matplotlib("matplotlib.figure").Figure(figsize=_SIZE, layout="constrained", facecolor=colours.paper)
        durations, queues, failures = drawn.subplots(3, 1, sharex=True, height_ratios=_HEIGHTS)
        drawn.suptitle(title, color=colours.ink, fontsize=11, parse_math=False)
        _durations(durations, history, colours)
        _queues(queues, history, colours)
        _failures(failures, history, colours)
        for axes in (durations, queues, failures):
            _dressed(axes, colours)
        _dates(failures, history.days)
        drawn.align_ylabels()
    return drawn


def _durations(axes: Axes, history: History, colours: _Colours) -> None:
    for passed, colour, marker, label in ((True, colours.good, "o", "passed"), (False, colours.bad, "x", "failed")):
        told = [(each.created_at, each.duration) for each in history.builds if each.passed is passed and each.duration]
        seconds = [duration.total_seconds() for _, duration in told]
        axes.scatter([at for at, _ in told], seconds, s=14, c=colour, marker=marker, label=label, alpha=0.7)
    _spread(axes, history.days, lambda day: day.figures.duration, colours.ink)
    _times(axes, "duration")


def _queues(axes: Axes, history: History, colours: _Colours) -> None:
    _spread(axes, history.days, lambda day: day.figures.queue_time, colours.waiting)
    _times(axes, "queue time")


def _spread(axes: Axes, days: Sequence[HistoryDay], of: Callable[[HistoryDay], Spread | None], colour: str) -> None:
    told = [(_noon(day), spread) for day in days if (spread := of(day))]
    at = [noon for noon, _ in told]
    axes.plot(at, [each.median.total_seconds() for _, each in told], c=colour, lw=1.6, marker=".", label="median")
    axes.plot(at, [each.p90.total_seconds() for _, each in told], c=colour, lw=1, ls="--", label="90%")


def _failures(axes: Axes, history: History, colours: _Colours) -> None:
    told = [(_noon(day), 100 * rate) for day in history.days if (rate := day.figures.failure_rate) is not None]
    axes.bar([noon for noon, _ in told], [rate for _, rate in told], width=0.8, color=colours.bad)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 50, 100], ["0%", "50%", "100%"])
    axes.set_ylabel("failed")


def _noon(day: HistoryDay) -> datetime:
    return datetime.combine(day.date, time(12), UTC)


def _times(axes: Axes, label: str) -> None:
    told = float(axes.dataLim.ymax)
    top = max(told, 1.0) * 1.05 if isfinite(told) else 1.0  # it is not where there is nothing
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


def _dressed(axes: Axes, colours: _Colours) -> None:
    axes.set_facecolor("none")
    axes.tick_params(colors=colours.ink, which="both")
    axes.yaxis.label.set_color(colours.ink)
    axes.grid(axis="y", color=colours.line, lw=0.8)
    axes.set_axisbelow(True)
    for edge, spine in axes.spines.items():
        spine.set_visible(edge == "bottom")
        spine.set_color(colours.line)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, labelcolor=colours.ink, fontsize=9)
