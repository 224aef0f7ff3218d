"""A timeline as data: rows, intervals, and their sums."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from buildkite_orm.models.paths import path_from_url, short_path
from buildkite_orm.utils.text import escape_control, short_duration

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from rich.console import Console, ConsoleOptions, RenderResult

    from buildkite_orm.resources.builds.build import Build
    from buildkite_orm.resources.builds.job import Job

_NOTHING: Final = timedelta()
_VERBS: Final = {"waiting": "waited", "running": "ran", "blocked": "was blocked"}


class IntervalKind(StrEnum):
    """The kind of an interval: a job waits for an agent, a job runs, or the build waits to be unblocked."""

    WAITING = "waiting"
    RUNNING = "running"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time in which a job or a build is in one state.

    Attributes:
        kind: What happens in it.
        start: When it starts.
        end: When it ends, never before its start.
        ongoing: Whether it is not over yet; then `end` is the end of the timeline.
    """

    kind: IntervalKind
    start: datetime
    end: datetime
    ongoing: bool = False

    @property
    def duration(self) -> timedelta:
        """The time from its start to its end."""
        return self.end - self.start

    def __str__(self) -> str:
        return f"{_VERBS[self.kind]} {short_duration(self.duration)}"


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """A job in a timeline, or one attempt of it.

    Attributes:
        job: The job.
        title: Its name or label, as the server sent it.
        intervals: When it waited, ran or was blocked, ordered by time; at least one.
        attempt: The number of the attempt, from 1.
        chain: A number that all attempts of one job share.
        is_critical: Whether it is on the critical path.
    """

    job: Job
    title: str
    intervals: tuple[Interval, ...] = field(repr=False)
    attempt: int = 1
    chain: int = field(default=0, repr=False)
    is_critical: bool = False

    @property
    def start(self) -> datetime:
        """When it could run; if that is not known, when it did."""
        return self.intervals[0].start

    @property
    def end(self) -> datetime:
        """When it ended; the end of the timeline if it has not."""
        return max(interval.end for interval in self.intervals)

    @property
    def ongoing(self) -> bool:
        """Whether it has not finished yet."""
        return self.intervals[-1].ongoing

    @property
    def shard(self) -> tuple[int, int] | None:
        """The number of the job among the parallel jobs of its step, from 1, and their count; None for a single job."""
        index, total = (self.job.__dict__.get(f"parallel_group_{name}") for name in ("index", "total"))
        return (index + 1, total) if isinstance(index, int) and isinstance(total, int) else None

    @property
    def suffix(self) -> str:
        """The shard and the attempt, to append to the title, such as ` 2/3 (attempt 2)`; may be empty."""
        shard = "" if self.shard is None else " {}/{}".format(*self.shard)
        return f"{shard} (attempt {self.attempt})" if self.attempt > 1 else shard

    @property
    def waiting(self) -> timedelta:
        """The time for which it waited for an agent."""
        return _total(self.intervals, IntervalKind.WAITING)

    @property
    def running(self) -> timedelta:
        """The time for which it ran."""
        return _total(self.intervals, IntervalKind.RUNNING)

    @property
    def blocked(self) -> timedelta:
        """The time for which it waited to be unblocked."""
        return _total(self.intervals, IntervalKind.BLOCKED)

    def __str__(self) -> str:
        return f"{escape_control(self.title)}{self.suffix}: {', '.join(map(str, self.intervals))}"


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """The time of a build, by how it was spent.

    Attributes:
        waiting: Time in which jobs waited for agents.
        running: Time in which jobs ran.
        blocked: Time in which the build waited to be unblocked.
        between: The rest: for example, until Buildkite made the next job ready, or until a user retried a job.
    """

    waiting: timedelta
    running: timedelta
    blocked: timedelta
    between: timedelta

    def __str__(self) -> str:
        times = {"running": self.running, "waiting": self.waiting, "blocked": self.blocked, "between": self.between}
        return ", ".join(f"{short_duration(time)} {name}" for name, time in times.items() if time) or "no time"


@dataclass(frozen=True, slots=True, repr=False)
class Timeline:
    r"""The jobs of a build over time; see `Build.timeline`.

    A notebook shows it as a drawing; `print` draws it with characters.

    Attributes:
        build: The build.
        rows: The jobs with times, one row per attempt, ordered by when they could run.
        unplaced: The jobs without times: they have not started, or their payload has no times. Wait steps are in
            neither, because they take no time.
        intervals: When the build itself waited for its first job to start, ran, and was blocked.
        start: When the build was created; None if no time is known at all.
        end: When the build finished. If it has not: when the timeline was made, or for an unbound build its last known
            time.
        missing_attempts: How many earlier attempts the build does not contain; `include_retried_jobs` loads them.
        problem: Why they could not be loaded, if that failed.

    Example:
        >>> timeline = bk.organization("acme").pipeline("web").builds(state="passed")[0].timeline()
        >>> print(*timeline.critical_path, sep="\n")
        :pipeline: Upload: waited 2.8s, ran 4.9s
        :rspec: RSpec 1/3: waited 2.8s, ran 24m 36s
        :package: Package: waited 2.8s, ran 59s
        >>> print(timeline.critical_times)
        25m 40s running, 8.4s waiting, 1s between
    """

    build: Build
    rows: tuple[TimelineRow, ...]
    unplaced: tuple[Job, ...]
    intervals: tuple[Interval, ...]
    start: datetime | None
    end: datetime | None
    missing_attempts: int = 0
    problem: str | None = None

    @property
    def name(self) -> str:
        """The name of the build: `acme/web #42`."""
        return short_path(path_from_url(self.build.__dict__.get("url")))

    @property
    def duration(self) -> timedelta:
        """The time from its start to its end."""
        return _NOTHING if self.start is None or self.end is None else self.end - self.start

    @property
    def waiting(self) -> timedelta:
        """The time for which jobs waited for agents, added up."""
        return _total(self._all_intervals(), IntervalKind.WAITING)

    @property
    def running(self) -> timedelta:
        """The time for which jobs ran, added up."""
        return _total(self._all_intervals(), IntervalKind.RUNNING)

    @property
    def blocked(self) -> timedelta:
        """The time for which block steps waited to be unblocked, added up."""
        return _total(self._all_intervals(), IntervalKind.BLOCKED)

    @property
    def critical_path(self) -> tuple[TimelineRow, ...]:
        """The jobs that determined how long the build took: each was the last to finish before the next could run.

        The API does not say which step depends on which, so the path is found by time: from the job that finished last
        back to the one that was the last to finish before that job could run, and so on; an attempt is preceded by the
        attempt before it. The path is an estimate if a job waited for another one than the last to finish. A job that
        finished up to a second too late counts too, because agents have clocks of their own.
        """
        return tuple(row for row in self.rows if row.is_critical)

    @property
    def critical_times(self) -> TimeSpent:
        """The time of the build along the critical path, by how it was spent; the sum is its `duration`."""
        spent = dict.fromkeys(IntervalKind, _NOTHING)
        between, now = _NOTHING, self.start
        for interval in (interval for row in self.critical_path for interval in row.intervals):
            now = interval.start if now is None else now
            between += max(interval.start - now, _NOTHING)
            spent[interval.kind] += max(interval.end - max(interval.start, now), _NOTHING)
            now = max(interval.end, now)
        between += _NOTHING if now is None or self.end is None else self.end - now
        waiting, running, blocked = (spent[kind] for kind in IntervalKind)
        return TimeSpent(waiting, running, blocked, between)

    def svg(self) -> str:
        """Render it as an SVG without scripts, as wide as its container, for the light and the dark theme."""
        from buildkite_orm.views.timeline.svg import draw  # noqa: PLC0415 - when it is drawn

        return draw(self)

    def html(self) -> str:
        """Render it as an HTML page that needs no other file, with the drawing and the critical path."""
        from buildkite_orm.views.timeline.page import render_page  # noqa: PLC0415 - when it is written

        return render_page(self)

    def save_to(self, path: str | os.PathLike[str]) -> Path:
        """Save it as a drawing or as a page, and return the path; the file is never partly written.

        Args:
            path: A file name that ends in `.svg` or `.html`.

        Raises:
            ValueError: The name has another ending.
            DownloadError: The file cannot be written.
        """
        from buildkite_orm.files.atomic import save_picture  # noqa: PLC0415 - when it is saved

        return save_picture(path, {".svg": self.svg, ".html": self.html}, of="a timeline")

    def __repr__(self) -> str:
        jobs = f"{len(self.rows)} job{'s' * (len(self.rows) != 1)}"
        return f"<Timeline {self.name}: {jobs} in {short_duration(self.duration)}>"

    def __str__(self) -> str:
        from buildkite_orm.views.timeline.text_chart import text  # noqa: PLC0415 - when it is printed

        return text(self)

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        from buildkite_orm.views.timeline.text_chart import rich_lines  # noqa: PLC0415 - when it is printed

        return rich_lines(self, options.max_width)

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        from buildkite_orm.views.timeline.text_chart import terminal_text  # noqa: PLC0415 - when it is shown

        return {"text/plain": terminal_text(self), "text/html": f"<div>{self.svg()}</div>"}

    def _all_intervals(self) -> Iterable[Interval]:
        return (interval for row in self.rows for interval in row.intervals)


def _total(intervals: Iterable[Interval], kind: IntervalKind) -> timedelta:
    return sum((interval.duration for interval in intervals if interval.kind == kind), _NOTHING)
