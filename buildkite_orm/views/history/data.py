"""A history as data: builds, and figures by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from statistics import median, quantiles
from typing import TYPE_CHECKING, TypedDict

from buildkite_orm.errors import ConfigurationError
from buildkite_orm.models.paths import short_path
from buildkite_orm.utils.text import escape_control, short_duration

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime
    from pathlib import Path

    from matplotlib.figure import Figure


class HistoryFilters(TypedDict, total=False):
    """Filters of the builds of a history.

    Attributes:
        branch: One branch or several; `*` matches any text.
        creator: The id of the user who created the build.
        meta_data: Keys and values that the build must have, all of them.
    """

    branch: str | Sequence[str]
    creator: str
    meta_data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HistoryBuild:
    """The data of a build that a history needs.

    Attributes:
        number: The number of the build.
        state: Its state; `blocked` if it waits to be unblocked, in any state.
        created_at: When it was created.
        duration: The time from its start to its end, blocked time included; None if it is not finished, or unknown.
        queue_time: The time from its creation to its start; None if it never started.
        passed: Whether it passed; None if it neither passed nor failed, for example because it is running or canceled.
    """

    number: int
    state: str
    created_at: datetime
    duration: timedelta | None
    queue_time: timedelta | None
    passed: bool | None


@dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of durations.

    Attributes:
        median: The median; half of all took no longer.
        p90: The 90th percentile; nine of ten took no longer.
    """

    median: timedelta
    p90: timedelta

    @classmethod
    def of(cls, times: Iterable[timedelta | None]) -> Spread | None:
        """Return the spread of the known times; None if none is known."""
        seconds = [time.total_seconds() for time in times if time is not None]
        if not seconds:
            return None
        p90 = quantiles(seconds, n=10, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
        return cls(timedelta(seconds=median(seconds)), timedelta(seconds=p90))


@dataclass(frozen=True, slots=True)
class HistoryFigures:
    """The figures of a set of builds.

    Attributes:
        builds: How many builds, in any state.
        passed: How many passed.
        failed: How many failed.
        duration: The durations of the builds that passed or failed; None if there are none.
        queue_time: The queue times of the builds that have started; None if there are none.
    """

    builds: int
    passed: int
    failed: int
    duration: Spread | None
    queue_time: Spread | None

    @classmethod
    def of(cls, builds: Sequence[HistoryBuild]) -> HistoryFigures:
        """Return the figures of builds."""
        decided = [build for build in builds if build.passed is not None]
        passed = sum(build.passed is True for build in decided)
        duration, queue_time = (
            Spread.of(each.duration for each in decided),
            Spread.of(each.queue_time for each in builds),
        )
        return cls(len(builds), passed, len(decided) - passed, duration, queue_time)

    @property
    def failure_rate(self) -> float | None:
        """The share of failed builds among those that passed or failed, from 0 to 1; None if there are none."""
        decided = self.passed + self.failed
        return self.failed / decided if decided else None


@dataclass(frozen=True, slots=True)
class HistoryDay:
    """A day of a history.

    Attributes:
        date: The day, in UTC.
        figures: The figures of the builds created on that day.
    """

    date: date
    figures: HistoryFigures


@dataclass(frozen=True, slots=True, repr=False)
class History:
    """The builds of a pipeline over time; see `Pipeline.history`.

    A notebook shows it as a plot if matplotlib is installed; `print` shows a table by day.

    Attributes:
        pipeline_path: The API path of the pipeline.
        builds: The builds, oldest first.
        days: All days, oldest first; the last one is today.
        figures: The figures of all builds.
        left_out: How many builds have no number or no creation time.
        problem: Why older builds are missing, if not all could be listed; then the first day is incomplete.

    Example:
        >>> history = bk.organization("acme").pipeline("web").history(days=2)
        >>> history
        <History acme/web: 22 builds in 2 days>
        >>> print(history)
        acme/web: 22 builds in 2 days, 23% of 13 failed, half within 25m 46s, 90% within 27m 10s
        day        builds failed    rate   median      p90   queued      p90
        2026-07-31     14      2     25%  23m 47s  26m 55s     8.7s      40s
        2026-08-01      8      1     20%  26m 33s  27m 19s     3.4s     7.2s
    """

    pipeline_path: str
    builds: tuple[HistoryBuild, ...]
    days: tuple[HistoryDay, ...]
    figures: HistoryFigures
    left_out: int = 0
    problem: str | None = None

    @property
    def name(self) -> str:
        """The name of the pipeline: `acme/web`."""
        return short_path(self.pipeline_path)

    def plot(self) -> Figure:
        """Plot durations, queue times and failure rates with matplotlib.

        The background is transparent, and the colors are readable on light and on dark.

        Raises:
            ConfigurationError: matplotlib is not installed.
        """
        from buildkite_orm.views.history.plot import figure  # noqa: PLC0415 - when it is drawn

        return figure(self)

    def svg(self) -> str:
        """Render the plot as an SVG for the light and the dark theme; the same history yields the same text.

        Raises:
            ConfigurationError: matplotlib is not installed.
        """
        from buildkite_orm.views.history.plot import svg  # noqa: PLC0415 - when it is drawn

        return svg(self)

    def save_to(self, path: str | os.PathLike[str]) -> Path:
        """Save the plot, and return the path; the file is never partly written.

        Args:
            path: A file name that ends in `.svg` or `.png`.

        Raises:
            ConfigurationError: matplotlib is not installed.
            ValueError: The name has another ending.
            DownloadError: The file cannot be written.
        """
        from buildkite_orm.files.atomic import save_picture  # noqa: PLC0415 - when it is saved
        from buildkite_orm.views.history.plot import png  # noqa: PLC0415 - when it is drawn

        return save_picture(path, {".svg": self.svg, ".png": lambda: png(self)}, of="a history")

    def __repr__(self) -> str:
        return f"<History {_summary(self)}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        try:
            return {"text/plain": str(self), "text/html": f"<div>{self.svg()}</div>"}
        except ConfigurationError:
            return {"text/plain": str(self)}

    def _lines(self) -> Iterator[str]:
        yield summary(self)
        yield f"{'day':10} builds failed    rate   median      p90   queued      p90"
        yield from (_line(day) for day in self.days if day.figures.builds)
        yield from [f"(older builds are missing: {escape_control(self.problem)})"] if self.problem else []


def summary(history: History) -> str:
    """Return one line with the figures of a history."""
    parts, figures = [_summary(history)], history.figures
    if figures.failure_rate is not None:
        parts.append(f"{figures.failure_rate:.0%} of {figures.passed + figures.failed} failed")
    if figures.duration is not None:
        parts.append(f"half within {short_duration(figures.duration.median)}")
        parts.append(f"90% within {short_duration(figures.duration.p90)}")
    if history.problem:
        parts.append("older builds are missing")
    return ", ".join(parts)


def _summary(history: History) -> str:
    days, builds = len(history.days), history.figures.builds
    return f"{history.name}: {builds} build{'s' * (builds != 1)} in {days} day{'s' * (days != 1)}"


def _line(day: HistoryDay) -> str:
    figures = day.figures
    rate = "" if figures.failure_rate is None else f"{figures.failure_rate:.0%}"
    times = [time for spread in (figures.duration, figures.queue_time) for time in _times(spread)]
    cells = [f"{figures.builds:6}", f"{figures.failed:6}", f"{rate:>7}", *(f"{time:>8}" for time in times)]
    return f"{day.date} {' '.join(cells)}".rstrip()


def _times(spread: Spread | None) -> tuple[str, str]:
    return ("", "") if spread is None else (short_duration(spread.median), short_duration(spread.p90))
