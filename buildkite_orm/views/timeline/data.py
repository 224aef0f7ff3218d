"""A timeline as data: its rows, their stretches, and what they add up to."""

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
    """What goes on in a stretch of time: a job waits for an agent, it runs, or the build waits for somebody."""

    WAITING = "waiting"
    RUNNING = "running"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time.

    Attributes:
        kind: What goes on in it.
        start: When it begins.
        end: When it ends, never before it begins.
        goes_on: Whether it is not over yet; its end is that of the timeline then.
    """

    kind: IntervalKind
    start: datetime
    end: datetime
    ongoing: bool = False

    @property
    def duration(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    def __str__(self) -> str:
        return f"{_VERBS[self.kind]} {short_duration(self.duration)}"


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """A job in a timeline, or one attempt of it.

    Attributes:
        job: The job.
        title: What it is called, as the server tells it.
        stretches: What it did, in the order of time; at least one.
        attempt: Which attempt it is, from 1.
        chain: The same number for all attempts of one job.
        is_critical: Whether it is on the critical path.
    """

    job: Job
    title: str
    stretches: tuple[Interval, ...] = field(repr=False)
    attempt: int = 1
    chain: int = field(default=0, repr=False)
    is_critical: bool = False

    @property
    def start(self) -> datetime:
        """When it could run, or where that is not told, when it did."""
        return self.stretches[0].start

    @property
    def end(self) -> datetime:
        """When it ended; the end of the timeline where it has not."""
        return max(stretch.end for stretch in self.stretches)

    @property
    def ongoing(self) -> bool:
        """Whether it has not ended yet."""
        return self.stretches[-1].ongoing

    @property
    def shard(self) -> tuple[int, int] | None:
        """Which of how many parallel jobs of its step it is, from 1; None where it is the only one."""
        index, total = (self.job.__dict__.get(f"parallel_group_{name}") for name in ("index", "total"))
        return (index + 1, total) if isinstance(index, int) and isinstance(total, int) else None

    @property
    def which(self) -> str:
        """Which shard and which attempt it is, as it is written behind its title: ` 2/3 (attempt 2)`; or nothing."""
        shard = "" if self.shard is None else " {}/{}".format(*self.shard)
        return f"{shard} (attempt {self.attempt})" if self.attempt > 1 else shard

    @property
    def waiting(self) -> timedelta:
        """How long it waited for an agent."""
        return _total(self.stretches, IntervalKind.WAITING)

    @property
    def running(self) -> timedelta:
        """How long it ran."""
        return _total(self.stretches, IntervalKind.RUNNING)

    @property
    def blocked(self) -> timedelta:
        """How long it waited for somebody to unblock it."""
        return _total(self.stretches, IntervalKind.BLOCKED)

    def __str__(self) -> str:
        return f"{escape_control(self.title)}{self.which}: {', '.join(map(str, self.stretches))}"


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """What a stretch of a build's time went to; together, all of it.

    Attributes:
        waiting: Jobs waited for agents.
        running: Jobs ran.
        blocked: The build waited for somebody.
        between: None of these: Buildkite had not made the next job ready yet, say, or nobody had asked for a retry.
    """

    waiting: timedelta
    running: timedelta
    blocked: timedelta
    between: timedelta

    def __str__(self) -> str:
        told = {"running": self.running, "waiting": self.waiting, "blocked": self.blocked, "between": self.between}
        return ", ".join(f"{short_duration(time)} {name}" for name, time in told.items() if time) or "no time"


@dataclass(frozen=True, slots=True, repr=False)
class Timeline:
    r"""The jobs of a build over time; see `Build.timeline`.

    As the last thing in a cell of a notebook it is drawn; `print` draws it with characters.

    Attributes:
        build: The build.
        rows: The jobs that have a place in time, each attempt for itself, in the order in which they could begin.
        unplaced: The jobs that have none: they never began, or their times did not come. Waits are in neither, for
            they take no time.
        stretches: What the build itself did: it waited for its first job to start, it ran, and it is blocked.
        start: When the build was created; None where no time is known at all.
        end: When the build ended; where it has not, what time it was when the timeline was made, or the last time that
            is known of a build that belongs to no client.
        missing_attempts: How many earlier attempts there were that did not come with the build; `include_retried_jobs`
            asks for them.
        problem: Why they could not be loaded, where they were asked for.

    Example:
        >>> timeline = bk.organization("acme").pipeline("web").builds(state="passed")[0].timeline()
        >>> print(*timeline.critical_path, sep="\n")
        :pipeline: Upload: waited 1.5s, ran 5.8s
        :ghost: Flaky: waited 1.5s, ran 5.8s
        :ghost: Flaky (attempt 2): waited 1.5s, ran 5.8s
        :package: Package: waited 1.5s, ran 5.8s
        >>> print(timeline.critical_times)
        23s running, 6s waiting, 33s between
    """

    build: Build
    rows: tuple[TimelineRow, ...]
    unplaced: tuple[Job, ...]
    stretches: tuple[Interval, ...]
    start: datetime | None
    end: datetime | None
    missing_attempts: int = 0
    problem: str | None = None

    @property
    def name(self) -> str:
        """What the build is called: `acme/web #42`."""
        return short_path(path_from_url(self.build.__dict__.get("url")))

    @property
    def duration(self) -> timedelta:
        """How long it is from its start to its end."""
        return _NOTHING if self.start is None or self.end is None else self.end - self.start

    @property
    def waiting(self) -> timedelta:
        """How long all jobs together waited for agents."""
        return _total(self._all_stretches(), IntervalKind.WAITING)

    @property
    def running(self) -> timedelta:
        """How long all jobs together ran."""
        return _total(self._all_stretches(), IntervalKind.RUNNING)

    @property
    def blocked(self) -> timedelta:
        """How long all block steps together waited for somebody to unblock them."""
        return _total(self._all_stretches(), IntervalKind.BLOCKED)

    @property
    def critical_path(self) -> tuple[TimelineRow, ...]:
        """What made the build take so long: the jobs of which each was the last to end before the next could run.

        Buildkite does not tell which step depends on which, so this goes by time: from the job that ended last to the
        one that was the last to end before that one could run, and so on; before a further attempt stands the one
        before it. Where a job waited for another one than the last to end, the path is not quite that of the build.
        An end up to a second too late counts too, for agents tell it by clocks of their own.
        """
        return tuple(row for row in self.rows if row.is_critical)

    @property
    def critical_times(self) -> TimeSpent:
        """What the time of the build went to, along the critical path; all together, its `duration`."""
        spent = dict.fromkeys(IntervalKind, _NOTHING)
        between, now = _NOTHING, self.start
        for stretch in (stretch for row in self.critical_path for stretch in row.stretches):
            now = stretch.start if now is None else now
            between += max(stretch.start - now, _NOTHING)
            spent[stretch.kind] += max(stretch.end - max(stretch.start, now), _NOTHING)
            now = max(stretch.end, now)
        between += _NOTHING if now is None or self.end is None else self.end - now
        waiting, running, blocked = (spent[kind] for kind in IntervalKind)
        return TimeSpent(waiting, running, blocked, between)

    def svg(self) -> str:
        """Draw it: an SVG as wide as its place, which follows dark and light, and has no script."""
        from buildkite_orm.views.timeline.svg import draw  # noqa: PLC0415 - when it is drawn

        return draw(self)

    def html(self) -> str:
        """Write a page of it: one file that needs no other, with the drawing, and what the time went to."""
        from buildkite_orm.views.timeline.page import write  # noqa: PLC0415 - when it is written

        return write(self)

    def save_to(self, path: str | os.PathLike[str]) -> Path:
        """Save it as a drawing or as a page, and give where; the file is there whole, or not at all.

        Args:
            path: A file that ends in `.svg` or `.html`.

        Raises:
            ValueError: It ends in something else.
            DownloadError: It cannot be written.
        """
        from buildkite_orm.files.pictures import save  # noqa: PLC0415 - when it is saved

        return save(path, {".svg": self.svg, ".html": self.html}, of="a timeline")

    def __repr__(self) -> str:
        jobs = f"{len(self.rows)} job{'s' * (len(self.rows) != 1)}"
        return f"<Timeline {self.name}: {jobs} in {short_duration(self.duration)}>"

    def __str__(self) -> str:
        from buildkite_orm.views.timeline.text_chart import text  # noqa: PLC0415 - when it is printed

        return text(self)

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        from buildkite_orm.views.timeline.text_chart import coloured  # noqa: PLC0415 - when it is printed

        return coloured(self, options.max_width)

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        from buildkite_orm.views.timeline.text_chart import shown  # noqa: PLC0415 - when it is shown

        return {"text/plain": shown(self), "text/html": f"<div>{self.svg()}</div>"}

    def _all_stretches(self) -> Iterable[Interval]:
        return (stretch for row in self.rows for stretch in row.stretches)


def _total(stretches: Iterable[Interval], kind: IntervalKind) -> timedelta:
    return sum((stretch.duration for stretch in stretches if stretch.kind == kind), _NOTHING)
