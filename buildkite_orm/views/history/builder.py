"""Builds a history from a listing of builds, which are not kept."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from buildkite_orm.errors import BuildkiteError
from buildkite_orm.models.enums import BuildState
from buildkite_orm.progress import progress_line
from buildkite_orm.resources.builds.status import build_is_blocked, displayed_state, moment
from buildkite_orm.views.history.data import History, HistoryBuild, HistoryDay, HistoryFigures

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from buildkite_orm.resources.builds.build import Build
    from buildkite_orm.resources.pipelines.ref import PipelineRef
    from buildkite_orm.views.history.data import HistoryFilters

_PAGE = 100
_OUTCOMES = {BuildState.PASSED: True, BuildState.FAILED: False}


def build_history(pipeline: PipelineRef, days: int, filters: HistoryFilters, *, progress: bool | None) -> History:
    """List the builds of a pipeline and return its history; see `Pipeline.history`."""
    if days < 1:
        msg = f"history(days={days}): must be at least 1"
        raise ValueError(msg)
    today = datetime.fromtimestamp(pipeline.session.clock.now(), UTC).date()
    dates = [today - timedelta(days=ago) for ago in reversed(range(days))]
    since = datetime.combine(dates[0], time(), UTC)
    listed, problem = _list_builds(pipeline.builds(created_from=since, **filters).iterator(), progress=progress)
    builds = sorted((build for build in listed if build), key=lambda build: build.created_at)
    if problem and builds:
        dates = [day for day in dates if day >= builds[0].created_at.date()]  # older builds could not be listed
    return History(
        pipeline.api_path,
        tuple(builds),
        tuple(_days(dates, builds)),
        HistoryFigures.of(builds),
        listed.count(None),
        problem,
    )


def _list_builds(listing: Iterable[Build], *, progress: bool | None) -> tuple[list[HistoryBuild | None], str | None]:
    """List builds, newest first; if a page after the first fails, return the builds before it and the error message."""
    builds: list[HistoryBuild | None] = []
    with progress_line(progress) as show:
        try:
            for build in listing:
                builds.append(_history_build(build))
                if len(builds) % _PAGE == 0 and builds[-1]:  # the next page is not loaded yet
                    show(f"{len(builds)} builds, back to {builds[-1].created_at:%Y-%m-%d}")
        except BuildkiteError as error:
            if not any(builds):
                raise
            return builds, error.message
    return builds, None


def _history_build(build: Build) -> HistoryBuild | None:
    number, created, started = build.__dict__.get("number"), moment(build, "created_at"), moment(build, "started_at")
    if not isinstance(number, int) or created is None:
        return None
    state = build.__dict__.get("state")
    return HistoryBuild(
        number,
        displayed_state(build),
        created,
        build.duration if build.is_finished else None,
        None if started is None else build.queue_time,
        None if build_is_blocked(build) or not isinstance(state, str) else _OUTCOMES.get(BuildState(state)),
    )


def _days(dates: Sequence[date], builds: Sequence[HistoryBuild]) -> Iterable[HistoryDay]:
    by_day: dict[date, list[HistoryBuild]] = {day: [] for day in dates}
    for build in builds:
        by_day.setdefault(build.created_at.date(), []).append(build)
    return (HistoryDay(day, HistoryFigures.of(found)) for day, found in sorted(by_day.items()))
