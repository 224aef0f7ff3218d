"""The methods of the fake that add to its contents, and say what jobs do."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.environments import environment_of
from buildkite_orm.fake.handlers.step_uploads import add_step_upload
from buildkite_orm.fake.pipeline_yaml import read_configuration, read_pipeline
from buildkite_orm.fake.steps import CommandStep
from buildkite_orm.fake.store import SCOPES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from datetime import datetime

    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.pipeline_yaml import PipelineDefinition
    from buildkite_orm.fake.records import (
        AgentRecord,
        AnnotationRecord,
        ArtifactRecord,
        BuildRecord,
        JobRecord,
        OrganizationRecord,
        PipelineRecord,
        UserRecord,
    )
    from buildkite_orm.fake.steps import Step
    from buildkite_orm.fake.store import Store


class Contents:
    """The contents of a fake server.

    Attributes:
        store: The state.
        clock: The clock.
        context: The state, the clock and their services.
    """

    store: Store
    clock: Any
    context: Context
    _user: UserRecord

    @property
    def warnings(self) -> list[str]:
        """The warnings of what the fake does not simulate, the latest ones last; you may `clear()` it."""
        return self.context.warnings

    def make_token(
        self, *scopes: str, user: UserRecord | None = None, organizations: Iterable[str] | None = None
    ) -> str:
        """Create a token with only these scopes, for only these organizations (slugs; all unless given)."""
        with self.context.lock:
            return self.store.add_token(user or self._user, scopes, organizations=organizations).token

    def add_public_key(self, public_key: str, *scopes: str) -> str:
        """Create a token that is used by JWTs signed with the private key of this RSA key (PEM); return its UUID.

        It has all scopes unless some are named.
        """
        with self.context.lock:
            token = self.store.add_token(self._user, scopes or SCOPES, description="Public key")
            del self.store.tokens[token.token]
            self.store.public_keys[token.uuid] = (token, public_key)
            return token.uuid

    def add_user(self, name: str, email: str, *, organization: str = "acme") -> UserRecord:
        """Add a member."""
        with self.context.lock:
            return self.store.add_user(self.store.organizations[organization], name, email)

    def add_organization(self, slug: str, *, name: str | None = None) -> OrganizationRecord:
        """Add an organization, which all tokens can access."""
        with self.context.lock:
            organization = self.store.add_organization(slug, name=name)
            organization.users.append(self._user)
            return organization

    def add_pipeline(
        self,
        slug: str,
        *,
        steps: Sequence[Step] | None = None,
        yaml: str | None = None,
        organization: str = "acme",
        **fields: Any,
    ) -> PipelineRecord:
        """Add a pipeline whose builds run `steps`, or those of a pipeline in YAML; one command unless given.

        Args:
            slug: Its slug.
            steps: The steps that its builds run.
            yaml: Its `configuration`. One warning names the documented keys that are not simulated.
            organization: The slug of its organization.
            fields: Fields of its record: `name`, `default_branch`, `repository`, ...

        Raises:
            ValueError: `yaml` is not a valid pipeline, or `steps` are given too.
        """
        if yaml is not None:
            if steps is not None:
                raise ValueError("a pipeline has either steps or yaml")
            return self._add_yaml_pipeline(slug, read_configuration(yaml), organization, fields)
        with self.context.lock:
            plan = [CommandStep(label="Test", command="make test", key="test")] if steps is None else steps
            return self.store.add_pipeline(self.store.organizations[organization], slug, plan, **fields)

    def _add_yaml_pipeline(
        self, slug: str, definition: PipelineDefinition, organization: str, fields: dict[str, Any]
    ) -> PipelineRecord:
        with self.context.lock:
            values = {"configuration": definition.text, "steps": definition.visual_steps, **fields}
            pipeline = self.store.add_pipeline(self.store.organizations[organization], slug, [], **values)
            definition.apply(pipeline)
            pipeline.env = {**definition.env, **(fields.get("env") or {})}
        self.context.warn(definition.warning(slug), stacklevel=3)
        return pipeline

    def add_build(
        self,
        pipeline: PipelineRecord | str = "web",
        *,
        number: int | None = None,
        state: str = "passed",
        created_at: datetime | float | None = None,
        jobs: int | Sequence[dict[str, Any]] = 0,
        organization: str = "acme",
        **fields: Any,
    ) -> BuildRecord:
        """Add a build that is in `state` and stays there.

        Args:
            pipeline: Its pipeline, or the slug of one, which is created if it does not exist.
            number: Its number; the next one unless given.
            state: Its state.
            created_at: When it was created; now unless given.
            jobs: The number of its jobs (created on first access), or their fields.
            organization: The organization of a pipeline that is named by its slug.
            fields: Fields of its record: `branch`, `commit`, `meta_data`, `blocked`, `creator`, ...
        """
        with self.context.lock:
            return self.store.add_build(
                self._pipeline(pipeline, organization),
                state=state,
                created_at=created_at,
                jobs=jobs,
                **({} if number is None else {"number": number}),
                **fields,
            )

    def add_builds(
        self,
        pipeline: PipelineRecord | str,
        count: int,
        *,
        spacing: float = 1.0,
        newest: datetime | float | None = None,
        jobs: int = 0,
        organization: str = "acme",
        **fields: Any,
    ) -> list[BuildRecord]:
        """Add many builds, `spacing` seconds apart, the last one at `newest` (now); see `add_build`."""
        with self.context.lock:
            record = self._pipeline(pipeline, organization)
            last = self.clock.now() if newest is None else newest
            end = last if isinstance(last, int | float) else last.timestamp()
            add = partial(self.store.add_build, record, jobs=jobs, **fields)
            with _without_collections():
                return [add(created_at=end - spacing * (count - 1 - place)) for place in range(count)]

    def _pipeline(self, pipeline: PipelineRecord | str, organization: str) -> PipelineRecord:
        if not isinstance(pipeline, str):
            return pipeline
        found = self.store.organizations[organization].pipelines.get(pipeline)
        return found or self.add_pipeline(pipeline, organization=organization)

    def add_job(self, build: BuildRecord, **fields: Any) -> JobRecord:
        """Add a job; `fields` are those of its record (`type`, `state`, `name`, `step_key`, ...)."""
        with self.context.lock:
            return self.store.add_job(build, **fields)

    def add_artifact(self, job: JobRecord, path: str, content: bytes | int = b"", **fields: Any) -> ArtifactRecord:
        """Add an artifact: its bytes, or the size of a content that is generated while it is read."""
        with self.context.lock:
            return self.store.add_artifact(job, path, content, **fields)

    def add_agent(
        self, name: str | None = None, *, queue: str = "default", organization: str = "acme", **fields: Any
    ) -> AgentRecord:
        """Add an agent."""
        with self.context.lock:
            return self.store.add_agent(self.store.organizations[organization], name=name, queue=queue, **fields)

    def add_annotation(
        self,
        build: BuildRecord,
        body: str = "Hello",
        *,
        context: str = "default",
        job: JobRecord | None = None,
        **fields: Any,
    ) -> AnnotationRecord:
        """Add an annotation to a build, or to one of its jobs."""
        with self.context.lock:
            return self.store.add_annotation(build, body=body, context=context, job=job, **fields)

    def finish_job(self, job: JobRecord, exit_status: int = 0, *, signal: str | None = None) -> None:
        """Finish a script job: it passes with exit status 0, and fails with any other. Its build continues.

        Raises:
            ValueError: It is not a script job, waits for another step, or has finished.
        """
        with self.context.lock:
            self.context.lifecycle.run()
            self.context.lifecycle.finish(job, exit_status, signal)

    def set_outcome(
        self,
        *,
        step_key: str | None = None,
        command: str | None = None,
        exit_status: int | Sequence[int] | None = None,
        seconds: float | None = None,
        log: bytes | None = None,
        artifacts: Sequence[tuple[str, bytes | int]] | None = None,
        signal: str | None = None,
    ) -> None:
        """Set what jobs do that start from now on; what is not given stays as it is.

        With `run_commands`, the commands of these jobs do not run. A rule for a step key wins over one for a command,
        and that over one for all jobs; else the later one wins.

        Args:
            step_key: The key of the step whose jobs the rule is for.
            command: The command that the rule is for; `*` matches any text.
            exit_status: The exit status, or one for each attempt; the last one repeats.
            seconds: How long a job takes.
            log: Its log.
            artifacts: Path and content (or size) of the files that it uploads.
            signal: The signal that ends a failing attempt.
        """
        fields = {
            "exits": (exit_status,) if isinstance(exit_status, int) else exit_status,
            "duration": seconds,
            "log": log,
            "artifacts": artifacts,
            "signal": signal,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        with self.context.lock:
            self.context.lifecycle.outcomes.add(step_key, command, given)

    def clear_outcomes(self) -> None:
        """Remove what `set_outcome` has set."""
        with self.context.lock:
            self.context.lifecycle.outcomes.clear()

    def upload_steps(
        self, job: JobRecord, yaml: str, *, replace: bool = False, substitute: bool = True
    ) -> list[JobRecord]:
        """Add steps to the build of a running job, as `buildkite-agent pipeline upload` does; return their jobs.

        They take their place after the job, and wait until it has ended. What depends on the job's step, and wait
        steps after it, then wait for the uploaded steps too.

        Args:
            job: The job.
            yaml: The pipeline to upload.
            replace: Whether the steps that have not started are removed first.
            substitute: Whether the variables of the job take the place of `$NAME`.

        Raises:
            ValueError: The job is not running, `yaml` is not a valid pipeline, or a step has the key of another one.
        """
        with self.context.lock:
            self.context.lifecycle.run()
            variables = environment_of(job) if substitute else None
            definition = read_pipeline(yaml, variables, block_wins=True)
            jobs = self.context.lifecycle.upload(job, definition.plan, definition.env, replace=replace)
            add_step_upload(self.store, job, yaml, created_jobs_count=len(jobs), replace_existing_steps=replace)
        self.context.warn(definition.warning(job.build.pipeline.slug), stacklevel=2)
        return jobs

    def set_log(self, job: JobRecord, log: bytes) -> None:
        """Set the log of a job."""
        with self.context.lock:
            job.log = log

    def set_state(self, build: BuildRecord, state: str) -> None:
        """Set the state of a build, and times that fit it."""
        with self.context.lock:
            self.store.set_state(build, state)

    def build(self, pipeline: str, number: int, *, organization: str = "acme") -> BuildRecord:
        """Return the record of a build."""
        return self.store.organizations[organization].pipelines[pipeline].by_number[number]


@contextmanager
def _without_collections() -> Generator[None]:
    """Pause the garbage collector while many records are created, none of which is garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
