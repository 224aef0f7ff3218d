"""How a history is made: of a listing of builds, which are not kept."""

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

_OUTCOMES = {BuildState.PASSED: True, BuildState.FAILED: False}


def history_of(pipeline: PipelineRef, days: int, filters: HistoryFilters, *, progress: bool | None) -> History:
    """List the builds of a pipeline and make its history; see `Pipeline.history`."""
    if days < 1:
        msg = f"history(days={days}): 1 or more"
        raise ValueError(msg)
    today = datetime.fromtimestamp(pipeline.session.clock.now(), UTC).date()
    dates = [today - timedelta(days=ago) for ago in reversed(range(days))]
    since = datetime.combine(dates[0], time(), UTC)
    found, problem = _listed(pipeline.builds(created_from=since, **filters).iterator(), progress=progress)
    builds = sorted((build for build in found if build), key=lambda build: build.created_at)
    if problem and builds:
        dates = [day for day in dates if day >= builds[0].created_at.date()]  # nothing is known of those before
    return History(
        pipeline.api_path,
        tuple(builds),
        tuple(_days(dates, builds)),
        HistoryFigures.of(builds),
        found.count(None),
        problem,
    )


def _listed(listing: Iterable[Build], *, progress: bool | None) -> tuple[list[HistoryBuild | None], str | None]:
    """List builds, newest first; if a page fails that is not the first, return those before it, and why it failed."""
    found: list[HistoryBuild | None] = []
    with progress_line(progress) as show:
        try:
            for build in listing:
                found.append(_told(build))
                show(f"{len(found)} builds, back to {moment(build, 'created_at'):%Y-%m-%d}" if found[-1] else "")
        except BuildkiteError as error:
            if not any(found):
                raise
            return found, error.message
    return found, None


def _told(build: Build) -> HistoryBuild | None:
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
    created: dict[date, list[HistoryBuild]] = {day: [] for day in dates}
    for build in builds:
        created.setdefault(build.created_at.date(), []).append(build)
    return (HistoryDay(day, HistoryFigures.of(found)) for day, found in sorted(created.items()))
