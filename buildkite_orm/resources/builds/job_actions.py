"""The verbs of a job, and its attempts."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from buildkite_orm.errors import BadRequestError, BuildkiteError, UnboundError
from buildkite_orm.http.encoding import encode_body
from buildkite_orm.models.ref import Ref
from buildkite_orm.resources.builds.wait_state import before, wait_state
from buildkite_orm.resources.parents import InBuild
from buildkite_orm.utils.json_types import as_array, as_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkite_orm.models.resource import R
    from buildkite_orm.resources.builds.job import Job, JobRef
    from buildkite_orm.resources.builds.job_queryset import JobFilters
    from buildkite_orm.resources.builds.remote_access import SshSession, VncSession

_ONCE: Final = "only be retried once"
_WHAT_THEN: Final = "retry its latest attempt: job.latest_attempt().retry()"


class JobVerbs(InBuild):
    """The verbs of a job."""

    def retry(self) -> Job:
        """Retry the job, and return the new one. Each job can be retried once; after that, the new one can.

        Raises:
            BadRequestError: It was retried before (no request is sent if the job says so), or has not failed.
            UnprocessableEntityError: Its build was canceled.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#retry-a-job
        """
        from buildkite_orm.resources.builds.job import Job

        later = self.__dict__.get("retried_in_job_id")
        if later:
            raise BadRequestError(f"{self!r} was retried already, as {later}; {_WHAT_THEN}")
        try:
            response = self._request(Job, "PUT", "retry", idempotent=False)
        except BuildkiteError as error:
            self._explain(error)
            raise
        self._renew_build(response, "created_at")
        return response

    def unblock(self, fields: Mapping[str, str] | None = None, *, unblocker: str | None = None) -> Job:
        """Unblock a block step.

        Args:
            fields: The values of the step's fields, by their keys; checked before sending if the job
                contains its fields.
            unblocker: The id of the user who unblocks it; default: the token's user.

        Raises:
            BadRequestError: It is not a block step.
            UnprocessableEntityError: It is not blocked, a field is missing, or its build was canceled.
            ValueError: A field is missing, does not exist, or has no such option.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#unblock-a-job
        """
        from buildkite_orm.resources.builds.job import Job

        values = encode_body({"fields": fields, "unblocker": unblocker})
        _check_fields(self, values["fields"] or {})
        body = {name: value for name, value in values.items() if value is not None}
        try:
            response = self._request(Job, "PUT", "unblock", body=body, idempotent=False)
        except BuildkiteError as error:
            self._explain(error)
            raise
        self._renew_build(response, "unblocked_at")
        return response

    def wait(self, *, timeout: float | None = None, progress: bool | None = None) -> Job:
        """Wait until the job is finished, and return it; an object is updated and returns itself.

        This requests the job every 2 to 30 seconds, as `build.wait()` does for a build. To wait for several jobs or
        builds at once, see `Buildkite.wait_all`.

        Args:
            timeout: The longest wait in seconds, to within half a second; unlimited by default.
            progress: Whether to show a progress line; default: in a terminal or a notebook, with tqdm
                (`pip install 'buildkite_orm[progress]'`).

        Raises:
            WaitTimeoutError: The time is up.
            NotFoundError: The job does not exist, or the token cannot access it.
            ValueError: `timeout` is below 0.

        Example:
            >>> build = bk.organization("acme").pipeline("hello").builds().create(commit="HEAD", branch="main")
            >>> build.jobs()[0].wait(timeout=600)
            ScriptJob(:wave: Say hello passed, 3s)
        """
        from buildkite_orm.resources.builds.wait_all import wait_all
        from buildkite_orm.resources.builds.waiting import WaitOptions

        (job,) = wait_all(self.session, [cast("JobRef", self)], WaitOptions(timeout, progress=progress))
        return cast("Job", job)

    def reprioritize(self, priority: int) -> Job:
        """Change the priority of the job, and return the job.

        Args:
            priority: The higher, the earlier.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#reprioritize-a-job
        """
        from buildkite_orm.resources.builds.job import Job

        return self._request(Job, "PUT", "reprioritize", body={"priority": priority})

    def attempts(self) -> list[Job]:
        """Return all attempts of the job, in order; only itself if it was never retried.

        This requests the jobs of its build, or of its step if that has a key: one request per hundred. A bare ref whose
        path does not have its build requests the job first.

        Raises:
            NotFoundError: The job does not exist, or the token cannot access it.

        Example:
            >>> build = bk.organization("acme").pipeline("web").builds(state="passed")[0]
            >>> flaky = build.jobs(step_key="flaky")[0]
            >>> [(str(job.state), job.id == flaky.id) for job in flaky.attempts()]
            [('failed', False), ('passed', True)]
        """
        from buildkite_orm.resources.builds.job import Job

        itself = self if isinstance(self, Job) or "build" in self._keys() else cast("JobRef", self).fetch()
        filters: JobFilters = {"include_retried_jobs": True}
        if isinstance(itself, Job) and itself.step_key:
            filters["step_key"] = itself.step_key
        listed = list(cast("JobRef", itself).build.jobs(**filters))
        chain = _chain(listed, next((job for job in listed if job == itself), None))
        return chain or [itself if isinstance(itself, Job) else cast("JobRef", itself).fetch()]

    def latest_attempt(self) -> Job:
        """Return the latest attempt of the job, which may be itself; this sends the same requests as `attempts()`.

        Example:
            >>> build = bk.organization("acme").pipeline("web").builds(state="passed")[0]
            >>> first = build.jobs(step_key="flaky", include_retried_jobs=True)[0]
            >>> first.state, first.latest_attempt().state
            (<JobState.FAILED: 'failed'>, <JobState.PASSED: 'passed'>)
        """
        return self.attempts()[-1]

    def _renew_build(self, response: Job, when: str) -> None:
        """Record that the build is running again, so that its earlier end does not count."""
        with suppress(UnboundError):
            wait_state(self.session).add_restart(response.build.api_path, before(response.__dict__.get(when)))

    def _explain(self, error: BuildkiteError) -> None:
        """Add the next step to the error of a second retry; if the outcome is unknown, assume that it happened."""
        if isinstance(error, BadRequestError) and _ONCE in error.message:
            error.message += f"; {_WHAT_THEN}"
        if error.outcome_unknown:
            with suppress(UnboundError):
                wait_state(self.session).add_restart(self.build.api_path, None)

    def create_vnc_session(self) -> VncSession:
        """Create a VNC session for the desktop of the hosted macOS agent that runs the job.

        Raises:
            PermissionDeniedError: The user may not manage hosted agents.
            NotFoundError: The job does not exist, or the organization has no remote access.
            UnprocessableEntityError: It is not a command job that runs on a hosted macOS agent.
            ServerError: No session is available.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#create-a-remote-desktop-session
        """
        from buildkite_orm.resources.builds.remote_access import VncSession

        return self._connect(VncSession, "vnc-session")

    def create_ssh_session(self) -> SshSession:
        """Create an SSH session on the hosted macOS agent that runs the job.

        Raises:
            PermissionDeniedError: The user may not manage hosted agents.
            NotFoundError: The job does not exist, or the organization has no remote access.
            UnprocessableEntityError: It is not a command job that runs on a hosted macOS agent.
            ServerError: No session is available.

        Documentation: https://buildkite.com/docs/apis/rest-api/jobs#create-an-ssh-session
        """
        from buildkite_orm.resources.builds.remote_access import SshSession

        return self._connect(SshSession, "ssh-session")

    def _connect(self, model: type[R], session: str) -> R:
        """Create a session, by the path that names no build: the other is not documented."""
        keys = self._keys()
        path = self.routes.path_of({name: keys[name] for name in self.routes.shared if name in keys})
        return Ref.at(self.session, path)._request(model, "POST", session, idempotent=False)  # noqa: SLF001


def declared_only(job: Job, fields: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return the fields that a block step has, if it contains them, else all."""
    declared = _declared(job)
    if declared is None or fields is None:
        return fields
    return {key: value for key, value in fields.items() if key in declared}


def _chain(jobs: Sequence[Job], start: Job | None) -> list[Job]:
    """Return the attempts before and after a job, and itself, in their order."""
    by_id = {job.id: job for job in jobs}
    later = {source: job for job in jobs if (source := _source(job)) in by_id}
    later |= {job.id: by_id[retry] for job in jobs if (retry := job.__dict__.get("retried_in_job_id")) in by_id}
    earlier = {job.id: by_id[source] for source, job in later.items() if source}
    chain = [] if start is None else [start]
    while chain and (first := earlier.get(chain[0].id)) and first not in chain:
        chain.insert(0, first)
    while chain and (last := later.get(chain[-1].id)) and last not in chain:
        chain.append(last)
    return chain


def _source(job: Job) -> str | None:
    return getattr(job.__dict__.get("retry_source"), "job_id", None)


# -- the fields of block steps


def _declared(job: object) -> dict[str, Mapping[str, Any]] | None:
    """Return the fields of a block step, by their keys; None if the payload does not have them."""
    extra = as_object(getattr(job, "model_extra", None)) or {}
    listed = as_array(extra.get("fields"))
    fields = [field for each in listed or [] if (field := as_object(each)) and isinstance(field.get("key"), str)]
    return None if listed is None or len(fields) < len(listed) else {field["key"]: field for field in fields}


def _check_fields(job: object, given: Mapping[str, str]) -> None:
    declared = _declared(job)
    if declared is None:
        return
    wrong = [f"there is no field {key!r}" for key in given if key not in declared]
    wrong += [problem for key, field in declared.items() if (problem := _problem(field, given.get(key)))]
    if wrong:
        msg = f"unblock: {'; '.join(wrong)}. {job!r} has the fields {', '.join(sorted(declared)) or '(none)'}"
        raise ValueError(msg)


def _problem(field: Mapping[str, Any], value: str | None) -> str | None:
    if not value:
        is_missing = field.get("required", True) and not field.get("default")
        return f"{field['key']!r} is required" if is_missing else None
    options = [as_object(option) or {} for option in as_array(field.get("options")) or []]
    values = [option.get("value") for option in options]
    if not values or field.get("multiple") or value in values:
        return None
    return f"{field['key']!r} is one of {', '.join(map(repr, values))}, not {value!r}"
