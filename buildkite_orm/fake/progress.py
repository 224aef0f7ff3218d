"""The progress of the steps of a build, which decides whether a job that waits may start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from buildkite_orm.fake.records import FAILED_WAITING

if TYPE_CHECKING:
    from buildkite_orm.fake.pipeline_yaml.schedule import Need
    from buildkite_orm.fake.records import BuildRecord, JobRecord

Outcome = Literal["pending", "passed", "failed", "canceled"]


class Progress:
    """The outcome of each step of a build; a step has ended when the steps that its jobs uploaded have ended too."""

    def __init__(self, build: BuildRecord) -> None:
        self._jobs: dict[str, list[JobRecord]] = {}
        self._uploaded: dict[str, list[str]] = {}
        self._outcomes: dict[str, Outcome] = {}
        for job in build.jobs:
            if job.retried:
                continue
            if job.step_id not in self._jobs and job.uploaded_by is not None:
                self._uploaded.setdefault(job.uploaded_by, []).append(job.step_id)
            self._jobs.setdefault(job.step_id, []).append(job)

    def update(self, job: JobRecord) -> None:
        """Forget the outcome of a job's step, and of the steps that uploaded it, after its state changed."""
        step_id: str | None = job.step_id
        while step_id is not None:
            self._outcomes.pop(step_id, None)
            step_id = self._jobs[step_id][0].uploaded_by if step_id in self._jobs else None

    def verdict(self, job: JobRecord) -> Outcome:
        """Return whether what a job needs is pending, has failed, or allows it to start."""
        if any(need.missing for need in job.needs):
            return "failed"
        verdicts = {self._of_need(need) for need in job.needs}
        return "pending" if "pending" in verdicts else "failed" if "failed" in verdicts else "passed"

    def _of_need(self, need: Need) -> Outcome:
        outcome = self._own if need.own else self._outcome
        outcomes = {outcome(step_id) for step_id in need.step_ids}
        if "pending" in outcomes:
            return "pending"
        # a failure may be allowed, a cancelation is not
        has_failed = "canceled" in outcomes or ("failed" in outcomes and not need.allow_failure)
        return "failed" if has_failed else "passed"

    def _own(self, step_id: str) -> Outcome:
        """Return the outcome of a step's own jobs."""
        return _combined({_outcome_of(job) for job in self._jobs.get(step_id, ())})

    def _outcome(self, step_id: str) -> Outcome:
        if step_id not in self._outcomes:
            outcomes: set[Outcome] = {self._outcome(each) for each in self._uploaded.get(step_id, ())}
            outcomes.add(self._own(step_id))
            self._outcomes[step_id] = _combined(outcomes)
        return self._outcomes[step_id]


def _combined(outcomes: set[Outcome]) -> Outcome:
    if "pending" in outcomes:
        return "pending"
    if "canceled" in outcomes:
        return "canceled"
    return "failed" if "failed" in outcomes else "passed"


def _outcome_of(job: JobRecord) -> Outcome:
    if job.unfinished or job.state in {"waiting", "blocked"}:
        return "pending"
    if job.state == "canceled":
        return "canceled"
    return "failed" if job.failed_hard or job.state in FAILED_WAITING else "passed"


def needs_step(build: BuildRecord, job: JobRecord, step_id: str) -> bool:
    """Return whether a job needs a step and all that it uploads, directly or through other steps of a build."""
    needs = {each.step_id: [need for need in each.needs if not need.own] for each in build.jobs}
    found: set[str] = set()
    waiting = [each for need in job.needs if not need.own for each in need.step_ids]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(each for need in needs.get(current, ()) for each in need.step_ids)
    return step_id in found
