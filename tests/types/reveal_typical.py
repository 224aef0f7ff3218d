"""Typical scripts, as in the README: no `isinstance`, `cast` or ignore is needed. Never run."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from buildkite_orm import Build, Buildkite, BuildRef, BuildState, NotFoundError, ScriptJob


def script(url: str) -> list[object]:
    bk = Buildkite(organization="acme", app="nightly/1.0")
    web = bk.pipeline("acme/web")
    numbers: list[int] = [build.number for build in web.builds(state="failed", branch="main").limit(20)]
    latest = web.builds(branch="main", state=BuildState.PASSED).first()
    commit: str = latest.commit if latest else "HEAD"
    build: Build = bk.from_url(url, BuildRef).fetch()
    names: list[str | None] = [job.name for job in build.jobs()]
    codes: dict[str, int | None] = {job.id: job.exit_status for job in build.jobs() if job.state == "failed"}
    slugs: set[str] = {job.build.pipeline.slug for job in build.failed_jobs()}
    started = web.builds().create(commit=commit, branch="main", message="Nightly", extra={"brand_new": True})
    finished = started.wait(timeout=600, on_change=print)
    took: timedelta | None = finished.duration
    agents: list[str] = sorted(agent.name for agent in bk.organization().agents())
    week = datetime.now(UTC) - timedelta(days=7)
    count: int = web.builds(created_from=week).count()
    for job in build.jobs():
        job.log().save_to(Path("logs") / f"{job.id}.txt")
        names += [job.label, job.step_key, job.log().tail(lines=20) if job.soft_failed else None]
    for artifact in build.artifacts(path="coverage/**/*.xml"):
        artifact.save_to(Path("out") / artifact.path)
    scripts: list[str | None] = [job.command for job in build.jobs(kind=ScriptJob)]
    pipeline = web.fetch()
    pipeline.description = "The site"
    pipeline.save()
    try:
        web.build(10**9).fetch(with_jobs=False)
    except NotFoundError as error:
        names.append(error.request_id)
    raw = bk.request("GET", "organizations/acme/pipelines", params={"per_page": 1})
    listed: list[str] = [item["slug"] for item in bk.paginate("organizations/acme/pipelines")]
    report: list[object] = [numbers, names, codes, slugs, took, raw, agents, count, scripts, listed, build.state.value]
    return report
