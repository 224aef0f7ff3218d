"""A history as data: its builds, and what they come to day by day."""

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
    """Which builds a history is of.

    Attributes:
        branch: One branch or several; `*` stands for anything.
        creator: The id of the user who created the build.
        meta_data: Values by their keys, all of which the build has.
    """

    branch: str | Sequence[str]
    creator: str
    meta_data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HistoryBuild:
    """A build, as far as a history needs it.

    Attributes:
        number: Its number.
        state: Its state; `blocked` where it waits for somebody, whatever its state says.
        created_at: When it was created.
        duration: How long it took from its start to its end, what it was blocked included; None where it has not ended,
            or that is not known.
        queue_time: How long it took from its creation to its start; None where it never started.
        passed: Whether it passed; None where it neither passed nor failed: it goes on, or was canceled, say.
    """

    number: int
    state: str
    created_at: datetime
    duration: timedelta | None
    queue_time: timedelta | None
    passed: bool | None


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something takes.

    Attributes:
        median: Half of all took no longer.
        p90: Nine of ten took no longer.
    """

    median: timedelta
    p90: timedelta

    @classmethod
    def of(cls, times: Iterable[timedelta | None]) -> Spread | None:
        """Give the spread of times, those apart that are not known; None of no times."""
        seconds = [time.total_seconds() for time in times if time is not None]
        if not seconds:
            return None
        p90 = quantiles(seconds, n=10, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
        return cls(timedelta(seconds=median(seconds)), timedelta(seconds=p90))


@dataclass(frozen=True, slots=True)
class HistoryFigures:
    """What builds come to.

    Attributes:
        builds: How many there are, whatever became of them.
        passed: How many passed.
        failed: How many failed.
        duration: How long those took that passed or failed; None where there are none.
        queue_time: How long all waited that have started; None where there are none.
    """

    builds: int
    passed: int
    failed: int
    duration: Spread | None
    queue_time: Spread | None

    @classmethod
    def of(cls, builds: Sequence[HistoryBuild]) -> HistoryFigures:
        """Give what builds come to."""
        decided = [build for build in builds if build.passed is not None]
        passed = sum(build.passed is True for build in decided)
        duration, queue_time = (
            Spread.of(each.duration for each in decided),
            Spread.of(each.queue_time for each in builds),
        )
        return cls(len(builds), passed, len(decided) - passed, duration, queue_time)

    @property
    def failure_rate(self) -> float | None:
        """How many failed of those that passed or failed, from 0 to 1; None where there are none."""
        decided = self.passed + self.failed
        return self.failed / decided if decided else None


@dataclass(frozen=True, slots=True)
class HistoryDay:
    """A day of a history.

    Attributes:
        date: The day, in UTC.
        figures: What the builds come to that were created on it.
    """

    date: date
    figures: HistoryFigures


@dataclass(frozen=True, slots=True, repr=False)
class History:
    """The builds of a pipeline over time; see `Pipeline.history`.

    As the last thing in a cell of a notebook it is drawn, where matplotlib is there; `print` gives a table by day.

    Attributes:
        pipeline_path: Where the pipeline is in the API.
        builds: The builds, oldest first.
        days: The days, each of them, oldest first; the last one is today.
        figures: What all builds come to.
        left_out: How many builds did not tell their number or when they were created.
        problem: Why older builds are missing, where not all could be listed; the first day is that of the last build
            that came then, and not whole.

    Example:
        >>> history = bk.organization("acme").pipeline("web").history(days=2)
        >>> history
        <History acme/web: 22 builds in 2 days>
        >>> print(history)
        acme/web: 22 builds in 2 days, 23% of 13 failed, half within 1m 00s, 90% within 1m 00s
        day        builds failed    rate   median      p90   queued      p90
        2026-07-31     14      2     25%   1m 00s   1m 00s       2s       2s
        2026-08-01      8      1     20%   1m 00s   1m 00s       2s       3s
    """

    pipeline_path: str
    builds: tuple[HistoryBuild, ...]
    days: tuple[HistoryDay, ...]
    figures: HistoryFigures
    left_out: int = 0
    problem: str | None = None

    @property
    def name(self) -> str:
        """What the pipeline is called: `acme/web`."""
        return short_path(self.pipeline_path)

    def plot(self) -> Figure:
        """Draw it with matplotlib: how long builds took and waited, and how many failed.

        It has no ground of its own, and colours that can be read on a light one and on a dark one.

        Raises:
            ConfigurationError: There is no matplotlib.
        """
        from buildkite_orm.views.history.plot import figure  # noqa: PLC0415 - when it is drawn

        return figure(self)

    def svg(self) -> str:
        """Draw it as an SVG, which follows dark and light by itself, and is the same whenever it is drawn.

        Raises:
            ConfigurationError: There is no matplotlib.
        """
        from buildkite_orm.views.history.plot import svg  # noqa: PLC0415 - when it is drawn

        return svg(self)

    def save_to(self, path: str | os.PathLike[str]) -> Path:
        """Save it as a drawing, and give where; the file is there whole, or not at all.

        Args:
            path: A file that ends in `.svg` or `.png`.

        Raises:
            ConfigurationError: There is no matplotlib.
            ValueError: It ends in something else.
            DownloadError: It cannot be written.
        """
        from buildkite_orm.files.pictures import save  # noqa: PLC0415 - when it is saved
        from buildkite_orm.views.history.plot import png  # noqa: PLC0415 - when it is drawn

        return save(path, {".svg": self.svg, ".png": lambda: png(self)}, of="a history")

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
    """Tell in a line what a history comes to."""
    told, figures = [_summary(history)], history.figures
    if figures.failure_rate is not None:
        told.append(f"{figures.failure_rate:.0%} of {figures.passed + figures.failed} failed")
    if figures.duration is not None:
        told.append(f"half within {short_duration(figures.duration.median)}")
        told.append(f"90% within {short_duration(figures.duration.p90)}")
    if history.problem:
        told.append("older builds are missing")
    return ", ".join(told)


def _summary(history: History) -> str:
    days, builds = len(history.days), history.figures.builds
    return f"{history.name}: {builds} build{'s' * (builds != 1)} in {days} day{'s' * (days != 1)}"


def _line(day: HistoryDay) -> str:
    told = day.figures
    rate = "" if told.failure_rate is None else f"{told.failure_rate:.0%}"
    times = [time for spread in (told.duration, told.queue_time) for time in _times(spread)]
    return f"{day.date} {told.builds:6} {told.failed:6} {rate:>7} {' '.join(f'{time:>8}' for time in times)}".rstrip()


def _times(spread: Spread | None) -> tuple[str, str]:
    return ("", "") if spread is None else (short_duration(spread.median), short_duration(spread.p90))
