"""The types of timelines and histories, for type checkers. Never run."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import assert_type

from matplotlib.figure import Figure

from buildkite_orm import (
    Build,
    BuildRef,
    History,
    HistoryBuild,
    HistoryDay,
    HistoryFigures,
    Job,
    Pipeline,
    PipelineRef,
    Timeline,
    TimelineRow,
    TimeSpent,
)
from buildkite_orm.views.history.data import Spread
from buildkite_orm.views.timeline.data import Interval, IntervalKind


def timelines(ref: BuildRef, build: Build) -> None:
    timeline = ref.timeline()
    assert_type(timeline, Timeline)
    assert_type(build.timeline(include_retried_jobs=True), Timeline)
    assert_type(timeline.rows, tuple[TimelineRow, ...])
    assert_type(timeline.critical_path, tuple[TimelineRow, ...])
    assert_type(timeline.critical_times, TimeSpent)
    assert_type(timeline.unplaced, tuple[Job, ...])
    assert_type((timeline.start, timeline.end), tuple[datetime | None, datetime | None])
    assert_type((timeline.waiting, timeline.running, timeline.blocked), tuple[timedelta, timedelta, timedelta])
    assert_type(timeline.svg(), str)
    assert_type(timeline.html(), str)
    assert_type(timeline.save_to("a.svg"), Path)
    for row in timeline.rows:
        assert_type(row.job, Job)
        assert_type(row.intervals, tuple[Interval, ...])
        assert_type(row.intervals[0].kind, IntervalKind)
        assert_type(row.shard, tuple[int, int] | None)


def histories(ref: PipelineRef, pipeline: Pipeline) -> None:
    history = ref.history(days=7, branch=["main", "release/*"], meta_data={"a": "b"})
    assert_type(history, History)
    assert_type(pipeline.history(), History)
    assert_type(history.builds, tuple[HistoryBuild, ...])
    assert_type(history.days, tuple[HistoryDay, ...])
    assert_type(history.figures, HistoryFigures)
    assert_type(history.figures.failure_rate, float | None)
    assert_type(history.figures.duration, Spread | None)
    assert_type(history.plot(), Figure)
    assert_type(history.save_to("a.png"), Path)


def refused(build: Build, pipeline: Pipeline) -> None:
    build.timeline(with_jobs=True)  # type: ignore[call-arg]
    pipeline.history(30)  # type: ignore[call-arg]
    pipeline.history(state="passed")  # type: ignore[call-arg]
    _ = build.timeline().rows[0].name  # type: ignore[attr-defined]
