"""Apply a body of the control API, or a part of a seed file, by the methods of `FakeBuildkite`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.control.bodies import (
    NewBlockStep,
    NewCommandStep,
    NewTriggerStep,
)
from buildkite_orm.fake.control.validation import InvalidFieldsError
from buildkite_orm.fake.pipeline_yaml.errors import PipelineYamlError
from buildkite_orm.fake.steps import BlockStep, CommandStep, TriggerStep, WaitStep

if TYPE_CHECKING:
    from buildkite_orm.fake.control.bodies import (
        NewAgent,
        NewArtifact,
        NewBuild,
        NewBuilds,
        NewFault,
        NewJob,
        NewOutcome,
        NewPipeline,
        NewStep,
        NewUpload,
        NewWebhook,
        SettingsChange,
    )
    from buildkite_orm.fake.faults import Fault
    from buildkite_orm.fake.records import (
        AgentRecord,
        ArtifactRecord,
        BuildRecord,
        JobRecord,
        OrganizationRecord,
        PipelineRecord,
        UserRecord,
    )
    from buildkite_orm.fake.server import FakeBuildkite
    from buildkite_orm.fake.steps import Step

_FAULT_RULE = ("kind", "match", "times", "after", "origin")


def add_agent(server: FakeBuildkite, organization: OrganizationRecord, body: NewAgent) -> AgentRecord:
    """Add an agent to an organization."""
    return server.add_agent(organization=organization.slug, **_sent(body))


def add_pipeline(server: FakeBuildkite, organization: OrganizationRecord, body: NewPipeline) -> PipelineRecord:
    """Add a pipeline to an organization, which has none of that slug."""
    if body.slug in organization.pipelines:
        raise InvalidFieldsError(
            [{"field": "slug", "message": f"the pipeline {body.slug!r} exists in {organization.slug}"}]
        )
    fields = _sent(body, "slug", "steps", "builds")
    if body.steps is not None:
        fields["steps"] = [_step(each) for each in body.steps]
    elif "configuration" in fields:
        fields["yaml"] = fields.pop("configuration")
    try:
        return server.add_pipeline(body.slug, organization=organization.slug, **fields)
    except PipelineYamlError as error:
        raise InvalidFieldsError([{"field": "configuration", "message": str(error)}]) from error


def upload_steps(server: FakeBuildkite, job: JobRecord, body: NewUpload) -> list[JobRecord]:
    """Add the steps that a job uploads to its build."""
    try:
        return server.upload_steps(job, body.yaml, replace=body.replace, substitute=body.substitute)
    except PipelineYamlError as error:
        raise InvalidFieldsError([{"field": "yaml", "message": str(error)}]) from error


def set_outcome(server: FakeBuildkite, body: NewOutcome) -> None:
    """Set what jobs do."""
    fields = _sent(body, "exit_statuses", "log", "artifacts")
    if body.exit_statuses is not None:
        fields["exit_status"] = body.exit_statuses
    if body.log is not None:
        fields["log"] = body.log.encode()
    if body.artifacts is not None:
        fields["artifacts"] = [(each.path, each.source) for each in body.artifacts]
    server.set_outcome(**fields)


def _step(body: NewStep) -> Step:
    if isinstance(body, NewCommandStep):
        artifacts = tuple((each.path, each.source) for each in body.artifacts or ())
        return CommandStep(artifacts=artifacts, **_sent(body, "type", "artifacts"))
    if isinstance(body, NewBlockStep):
        return BlockStep(fields=body.fields_ or (), **_sent(body, "type", "fields_"))
    if isinstance(body, NewTriggerStep):
        return TriggerStep(**_sent(body, "type"))
    return WaitStep(**_sent(body, "type"))


def add_build(server: FakeBuildkite, pipeline: PipelineRecord, body: NewBuild) -> BuildRecord:
    """Add a build to a pipeline, which has none of that number, with its jobs and annotations."""
    if body.number in pipeline.by_number:
        raise InvalidFieldsError([{"field": "number", "message": f"the build {body.number} exists in {pipeline.slug}"}])
    fields = _build_fields(pipeline, body)
    if isinstance(body.jobs, int):
        build = server.add_build(pipeline, jobs=body.jobs, **fields)
    else:
        build = server.add_build(pipeline, **fields)
        for each in body.jobs:
            add_job(server, build, each)
    for annotation in body.annotations or ():
        server.add_annotation(build, **_sent(annotation))
    return build


def add_builds(server: FakeBuildkite, pipeline: PipelineRecord, body: NewBuilds) -> list[BuildRecord]:
    """Add many builds to a pipeline."""
    newest = server.clock.now() if body.newest is None else body.newest
    if newest < body.spacing * (body.count - 1):
        raise InvalidFieldsError([{"field": "spacing", "message": "the first build would be created before 1970"}])
    fields = _build_fields(pipeline, body)
    return server.add_builds(pipeline, fields.pop("count"), jobs=body.jobs, **fields)


def _build_fields(pipeline: PipelineRecord, body: NewBuild | NewBuilds) -> dict[str, Any]:
    fields = _sent(body, "jobs", "annotations", "creator")
    return fields | ({} if body.creator is None else {"creator": _user(pipeline.organization, body.creator)})


def _user(organization: OrganizationRecord, email: str) -> UserRecord:
    emails = {user.email: user for user in organization.users}
    if email not in emails:
        message = f"no user of {organization.slug} has the email {email!r}"
        raise InvalidFieldsError([{"field": "creator", "message": message, "choices": sorted(emails)}])
    return emails[email]


def add_job(server: FakeBuildkite, build: BuildRecord, body: NewJob) -> JobRecord:
    """Add a job to a build, with its log and artifacts."""
    job = server.add_job(build, **_sent(body, "log", "artifacts"))
    if body.log is not None:
        server.set_log(job, body.log.encode())
    for each in body.artifacts or ():
        add_artifact(server, job, each)
    return job


def add_artifact(server: FakeBuildkite, job: JobRecord, body: NewArtifact) -> ArtifactRecord:
    """Add an artifact to a job."""
    return server.add_artifact(job, body.path, body.source, **_sent(body, "path", "text", "base64", "size"))


def add_fault(server: FakeBuildkite, body: NewFault) -> Fault:
    """Add a fault; `Faults.add` refuses what its kind does not take."""
    options = _sent(body, *_FAULT_RULE)
    if body.kind == "rate_limit":  # its `headers` is whether it has the ones of the budgets
        if "headers" in options:
            raise InvalidFieldsError([{"field": "headers", "message": "rate_limit takes rate_limit_headers"}])
        if (has_headers := options.pop("rate_limit_headers", None)) is not None:
            options["headers"] = has_headers
    rule = {name: getattr(body, name) for name in _FAULT_RULE[1:]}
    try:
        return server.faults.add(body.kind, **rule, **options)
    except TypeError as error:  # it names the option and the choices
        raise InvalidFieldsError([{"field": "kind", "message": str(error)}]) from None


def add_webhook(server: FakeBuildkite, organization: OrganizationRecord, body: NewWebhook) -> None:
    """Send the events of an organization to a URL from now on."""
    options: Any = _sent(body, "url", "secret")
    server.deliver_webhooks(body.url, secret=body.secret, organization=organization.slug, **options)


def change_settings(server: FakeBuildkite, body: SettingsChange) -> None:
    """Change the settings that were sent."""
    for name, value in body.given("pace").items():
        setattr(server.settings, name, value)
    for name, value in _sent(body.pace).items() if body.pace else ():
        setattr(server.settings.pace, name, value)


def _sent(body: Any, *but: str) -> dict[str, Any]:
    """Return the fields with a value, except some; a null is left out."""
    return {name: value for name, value in body.given(*but).items() if value is not None}
