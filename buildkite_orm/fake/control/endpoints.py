"""The endpoints of the control API: each does what a method of `FakeBuildkite` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.accelerated_clock import AcceleratedClock
from buildkite_orm.fake.clock import ManualClock
from buildkite_orm.fake.control import actions, replies
from buildkite_orm.fake.control.access import PREFIX
from buildkite_orm.fake.control.bodies import (
    BuildChange,
    ClockChange,
    Content,
    EmptyBody,
    JobEnd,
    NewAgent,
    NewAnnotation,
    NewArtifact,
    NewBuild,
    NewBuilds,
    NewDelivery,
    NewFault,
    NewJob,
    NewOrganization,
    NewOutcome,
    NewPipeline,
    NewToken,
    NewUpload,
    NewUser,
    NewWebhook,
    RequestsQuery,
    SettingsChange,
)
from buildkite_orm.fake.control.endpoint import ControlRequest, Endpoint
from buildkite_orm.fake.control.validation import InvalidFieldsError

if TYPE_CHECKING:
    from buildkite_orm.fake.records import Json

_ORGANIZATION = "/organizations/{organization}"
_BUILDS = f"{_ORGANIZATION}/pipelines/{{pipeline}}/builds"
_BUILD = f"{_BUILDS}/{{number}}"
_CREATED = 201
_EMPTY = 204


def _index(_request: ControlRequest[EmptyBody]) -> replies.IndexReply:
    """List the endpoints."""
    return {
        "endpoints": [
            {"method": each.method, "path": PREFIX + each.path, "summary": each.summary} for each in ENDPOINTS
        ]
    }


# -- time


def _clock(request: ControlRequest[EmptyBody]) -> replies.ClockReply:
    """Return the time."""
    return replies.clock(request.server)


def _move_clock(request: ControlRequest[ClockChange]) -> replies.ClockReply:
    """Advance the clock, or change its speed; builds move at once."""
    server, body = request.server, request.body
    clock = server.clock
    if body.speed is not None:
        if not isinstance(clock, AcceleratedClock):
            raise InvalidFieldsError([{"field": "speed", "message": "this clock has no speed: advance it"}])
        clock.speed = body.speed
    if body.advance is not None:
        if not isinstance(clock, AcceleratedClock | ManualClock):
            message = f"a {type(clock).__name__} cannot be advanced"
            raise InvalidFieldsError([{"field": "advance", "message": message}])
        clock.advance(body.advance)
    server.run()
    return replies.clock(server)


# -- contents


def _add_organization(request: ControlRequest[NewOrganization]) -> replies.OrganizationReply:
    """Add an organization, which all tokens reach."""
    server, body = request.server, request.body
    if body.slug in server.store.organizations:
        raise InvalidFieldsError([{"field": "slug", "message": f"the organization {body.slug!r} exists"}])
    return replies.organization(server.add_organization(body.slug, name=body.name))


def _add_user(request: ControlRequest[NewUser]) -> replies.CreatedReply:
    """Add a member to an organization."""
    organization, body = request.organization, request.body
    return {"id": request.server.add_user(body.name, body.email, organization=organization.slug).id}


def _add_agent(request: ControlRequest[NewAgent]) -> replies.AgentReply:
    """Add an agent to an organization."""
    return replies.agent(actions.add_agent(request.server, request.organization, request.body))


def _add_pipeline(request: ControlRequest[NewPipeline]) -> replies.PipelineReply:
    """Add a pipeline to an organization."""
    return replies.pipeline(actions.add_pipeline(request.server, request.organization, request.body))


def _add_build(request: ControlRequest[NewBuild]) -> replies.BuildReply:
    """Add a build that stays in its state."""
    return replies.build(actions.add_build(request.server, request.pipeline, request.body))


def _add_builds(request: ControlRequest[NewBuilds]) -> replies.BuildsReply:
    """Add many builds."""
    builds = actions.add_builds(request.server, request.pipeline, request.body)
    return {"first": builds[0].number, "last": builds[-1].number}


def _build(request: ControlRequest[EmptyBody]) -> replies.BuildReply:
    """Return a build with its jobs."""
    request.server.run()
    return replies.build(request.build)


def _change_build(request: ControlRequest[BuildChange]) -> replies.BuildReply:
    """Set the state of a build."""
    build = request.build
    request.server.set_state(build, request.body.state)
    return replies.build(build)


def _add_annotation(request: ControlRequest[NewAnnotation]) -> replies.CreatedReply:
    """Add an annotation to a build."""
    return {"id": request.server.add_annotation(request.build, **request.body.given()).id}


# -- jobs


def _add_job(request: ControlRequest[NewJob]) -> replies.JobReply:
    """Add a job to a build."""
    return replies.job(actions.add_job(request.server, request.build, request.body))


def _job(request: ControlRequest[EmptyBody]) -> replies.JobReply:
    """Return a job."""
    request.server.run()
    return replies.job(request.job)


def _finish_job(request: ControlRequest[JobEnd]) -> replies.JobReply:
    """Finish a job: it passes with exit status 0, and fails with others."""
    job, body = request.job, request.body
    request.server.finish_job(job, body.exit_status, signal=body.signal)
    return replies.job(job)


def _set_log(request: ControlRequest[Content]) -> None:
    """Replace a job's log."""
    request.server.set_log(request.job, request.body.content)


def _add_artifact(request: ControlRequest[NewArtifact]) -> replies.ArtifactReply:
    """Add an artifact to a job."""
    return replies.artifact(actions.add_artifact(request.server, request.job, request.body))


def _upload_steps(request: ControlRequest[NewUpload]) -> replies.JobsReply:
    """Add steps to the build of a running job."""
    return {"jobs": [replies.job(each) for each in actions.upload_steps(request.server, request.job, request.body)]}


def _set_outcome(request: ControlRequest[NewOutcome]) -> None:
    """Set what jobs do that start from now on."""
    actions.set_outcome(request.server, request.body)


def _clear_outcomes(request: ControlRequest[EmptyBody]) -> None:
    """Remove all outcomes: jobs pass after 20 seconds again."""
    request.server.clear_outcomes()


def _warnings(request: ControlRequest[EmptyBody]) -> replies.WarningsReply:
    """Return the warnings of what the fake does not simulate in pipelines."""
    return {"warnings": list(request.server.warnings)}


def _clear_warnings(request: ControlRequest[EmptyBody]) -> None:
    """Remove the warnings."""
    request.server.warnings.clear()


# -- what goes wrong, who may what, what was received


def _faults(request: ControlRequest[EmptyBody]) -> replies.FaultsReply:
    """List the faults."""
    return {"faults": [replies.fault(each) for each in request.server.faults.rules]}


def _add_fault(request: ControlRequest[NewFault]) -> replies.FaultReply:
    """Add a fault."""
    return replies.fault(actions.add_fault(request.server, request.body))


def _clear_faults(request: ControlRequest[EmptyBody]) -> None:
    """Remove all faults."""
    request.server.faults.clear()


def _add_webhook(request: ControlRequest[NewWebhook]) -> None:
    """Send the events of an organization to a URL from now on."""
    actions.add_webhook(request.server, request.organization, request.body)


def _send_event(request: ControlRequest[NewDelivery]) -> None:
    """Send an event by all webhooks, also one that the lifecycle does not produce."""
    event, payload = request.body.event, request.body.payload
    for webhook in request.server.context.webhooks:
        if event == "ping" and not payload:
            webhook.ping()
        else:
            webhook.send(event, **payload)


def _deliveries(request: ControlRequest[EmptyBody]) -> replies.DeliveriesReply:
    """Return the requests that webhooks have sent."""
    return replies.deliveries(request.server)


def _remove_webhooks(request: ControlRequest[EmptyBody]) -> None:
    """Remove all webhooks."""
    request.server.remove_webhooks()


def _make_token(request: ControlRequest[NewToken]) -> replies.TokenReply:
    """Make an access token that has only these scopes."""
    body = request.body
    known = request.server.store.organizations
    for place, slug in enumerate(body.organizations or ()):
        if slug not in known:
            message = f"no organization {slug!r}"
            raise InvalidFieldsError([{"field": f"organizations[{place}]", "message": message, "choices": [*known]}])
    token = request.server.make_token(*body.scopes, organizations=body.organizations)
    return {"token": token, "scopes": body.scopes, "organizations": body.organizations}


def _settings(request: ControlRequest[EmptyBody]) -> Json:
    """Return the settings, rate limits among them."""
    return replies.settings(request.server.settings)


def _change_settings(request: ControlRequest[SettingsChange]) -> Json:
    """Change settings; return all of them."""
    actions.change_settings(request.server, request.body)
    return replies.settings(request.server.settings)


def _reset_budgets(request: ControlRequest[EmptyBody]) -> None:
    """Begin new windows of all rate limits."""
    request.server.reset_budgets()


def _requests(request: ControlRequest[RequestsQuery]) -> replies.RequestsReply:
    """Return the requests that the API and the artifacts' origin received (`?after=0&limit=100`)."""
    return replies.requests(request.server, request.body.after, request.body.limit)


def _clear_requests(request: ControlRequest[EmptyBody]) -> None:
    """Remove the recorded requests; the numbers of later ones continue."""
    request.server.requests.clear()


def _reset(request: ControlRequest[EmptyBody]) -> replies.ResetReply:
    """Restore the initial state; faults and recorded requests are removed, the time is kept."""
    request.server.reset()
    return {"token": request.server.token, "now": replies.clock(request.server)["now"]}


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint("GET", "", EmptyBody, replies.IndexReply, _index),
    Endpoint("GET", "/clock", EmptyBody, replies.ClockReply, _clock),
    Endpoint("POST", "/clock", ClockChange, replies.ClockReply, _move_clock),
    Endpoint("POST", "/organizations", NewOrganization, replies.OrganizationReply, _add_organization, _CREATED),
    Endpoint("POST", f"{_ORGANIZATION}/users", NewUser, replies.CreatedReply, _add_user, _CREATED),
    Endpoint("POST", f"{_ORGANIZATION}/agents", NewAgent, replies.AgentReply, _add_agent, _CREATED),
    Endpoint("POST", f"{_ORGANIZATION}/pipelines", NewPipeline, replies.PipelineReply, _add_pipeline, _CREATED),
    Endpoint("POST", _BUILDS, NewBuild, replies.BuildReply, _add_build, _CREATED),
    Endpoint("POST", f"{_BUILDS}/bulk", NewBuilds, replies.BuildsReply, _add_builds, _CREATED),
    Endpoint("GET", _BUILD, EmptyBody, replies.BuildReply, _build),
    Endpoint("PATCH", _BUILD, BuildChange, replies.BuildReply, _change_build),
    Endpoint("POST", f"{_BUILD}/annotations", NewAnnotation, replies.CreatedReply, _add_annotation, _CREATED),
    Endpoint("POST", f"{_BUILD}/jobs", NewJob, replies.JobReply, _add_job, _CREATED),
    Endpoint("GET", "/jobs/{job}", EmptyBody, replies.JobReply, _job),
    Endpoint("POST", "/jobs/{job}/finish", JobEnd, replies.JobReply, _finish_job),
    Endpoint("PUT", "/jobs/{job}/log", Content, None, _set_log, _EMPTY),
    Endpoint("POST", "/jobs/{job}/artifacts", NewArtifact, replies.ArtifactReply, _add_artifact, _CREATED),
    Endpoint("POST", "/jobs/{job}/uploads", NewUpload, replies.JobsReply, _upload_steps, _CREATED),
    Endpoint("POST", "/outcomes", NewOutcome, None, _set_outcome, _EMPTY),
    Endpoint("DELETE", "/outcomes", EmptyBody, None, _clear_outcomes, _EMPTY),
    Endpoint("GET", "/warnings", EmptyBody, replies.WarningsReply, _warnings),
    Endpoint("DELETE", "/warnings", EmptyBody, None, _clear_warnings, _EMPTY),
    Endpoint("GET", "/faults", EmptyBody, replies.FaultsReply, _faults),
    Endpoint("POST", "/faults", NewFault, replies.FaultReply, _add_fault, _CREATED),
    Endpoint("DELETE", "/faults", EmptyBody, None, _clear_faults, _EMPTY),
    Endpoint("POST", f"{_ORGANIZATION}/webhooks", NewWebhook, None, _add_webhook, _EMPTY),
    Endpoint("POST", "/webhooks/deliveries", NewDelivery, None, _send_event, _EMPTY),
    Endpoint("GET", "/webhooks/deliveries", EmptyBody, replies.DeliveriesReply, _deliveries),
    Endpoint("DELETE", "/webhooks", EmptyBody, None, _remove_webhooks, _EMPTY),
    Endpoint("POST", "/tokens", NewToken, replies.TokenReply, _make_token, _CREATED),
    Endpoint("GET", "/settings", EmptyBody, SettingsChange, _settings),
    Endpoint("PATCH", "/settings", SettingsChange, SettingsChange, _change_settings),
    Endpoint("POST", "/budgets/reset", EmptyBody, None, _reset_budgets, _EMPTY),
    Endpoint("GET", "/requests", RequestsQuery, replies.RequestsReply, _requests),
    Endpoint("DELETE", "/requests", EmptyBody, None, _clear_requests, _EMPTY),
    Endpoint("POST", "/reset", EmptyBody, replies.ResetReply, _reset),
)
