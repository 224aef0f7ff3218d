"""Builds: listings, single builds, and actions."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake import times
from buildkite_orm.fake.handlers.route import BUILD, ORGANIZATION, PIPELINE, route
from buildkite_orm.fake.handlers.validation import Check, are_strings, require_valid, texts_of
from buildkite_orm.fake.http import ApiError, InvalidError, Reply
from buildkite_orm.fake.lifecycle import CANCELABLE
from buildkite_orm.fake.paging import link_header, page_number, page_size
from buildkite_orm.fake.payloads.builds import BuildFields, build, displayed_state
from buildkite_orm.fake.pipeline_yaml.errors import PipelineYamlError
from buildkite_orm.fake.records import BUILD_STATES
from buildkite_orm.fake.store import window
from buildkite_orm.fake.wildcards import allows, compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import BuildRecord, JobRecord, Json, QueueRecord, UserRecord

    Test = Callable[[BuildRecord], bool]

STATES = BUILD_STATES | {"finished"}
FINISHED = frozenset({"passed", "failed", "blocked", "canceled"})
RETRYABLE = ("canceled", "expired", "failed", "soft_failed", "timed_out")
TOO_DEEP = (
    "Listing builds this deep is not supported. Please narrow your query using filters such as branch or created_from."
)


# -- listings


def list_all_builds(request: ApiRequest) -> Reply:
    """List the builds of all organizations that the token can access."""
    store = request.context.store
    if all(request.token.reaches(each) for each in store.organizations.values()):
        return _list(request, store.builds)
    return _list(request, [each for each in store.builds if request.token.reaches(each.organization)])


def list_organization_builds(request: ApiRequest) -> Reply:
    """List an organization's builds."""
    return _list(request, request.organization.builds)


def list_pipeline_builds(request: ApiRequest) -> Reply:
    """List a pipeline's builds."""
    return _list(request, request.pipeline.builds)


def _list(request: ApiRequest, builds: list[BuildRecord]) -> Reply:
    size = page_size(request)
    start = (page_number(request) - 1) * size
    limit = request.context.settings.depth_limit
    tests = _filters(request)
    low, high = window(builds, _time(request, "created_from"), _time(request, "created_to"))
    if limit is not None and start >= limit:
        raise ApiError(400, TOO_DEEP)
    if tests:
        found = [each for each in reversed(builds[low:high]) if all(test(each) for test in tests)]
        total, page = len(found), found[start : start + size]
    else:
        total, page = high - low, builds[max(low, high - start - size) : max(low, high - start)][::-1]
    view, fields = request.view, _listed_fields(request)
    return Reply(payload=[build(view, each, fields) for each in page], headers=link_header(request, total))


def _listed_fields(request: ApiRequest) -> BuildFields:
    return BuildFields(
        jobs=not request.flag("exclude_jobs"),
        pipeline=not request.flag("exclude_pipeline"),
        retried_jobs=request.flag("include_retried_jobs"),
        paused_jobs=request.flag("include_paused", default=True),
        shared_pipeline=request.context.settings.drift is None,
    )


def _time(request: ApiRequest, name: str) -> float | None:
    text = request.http.args.get(name)
    if not text:
        return None
    moment = times.parse(text)
    if moment is None:
        raise ApiError(422, f"{name} must be a valid ISO 8601 time")
    return float(int(moment)) if request.context.settings.filter_precision == "seconds" else moment


def _filters(request: ApiRequest) -> list[Test]:
    """Return the filters of the query, except the time window."""
    every = (_states, _branches, _commits, _creator, _meta_data, _finished_from, _paused)
    return [test for make in every if (test := make(request)) is not None]


def _states(request: ApiRequest) -> Test | None:
    states = set(request.values("state"))
    if not states:
        return None
    if unknown := states - STATES:
        raise ApiError(422, f"Invalid state: {', '.join(sorted(unknown))}")
    if "finished" in states:
        states |= FINISHED
    view = request.view
    return lambda each: displayed_state(view, each) in states or (each.blocked and "blocked" in states)


def _branches(request: ApiRequest) -> Test | None:
    patterns = request.values("branch")
    if not patterns:
        return None
    match = compiled(patterns).fullmatch
    return lambda each: match(each.branch) is not None


def _commits(request: ApiRequest) -> Test | None:
    commits = set(request.values("commit"))
    return (lambda each: each.commit in commits) if commits else None


def _creator(request: ApiRequest) -> Test | None:
    creator_id = request.http.args.get("creator")
    return (lambda each: each.creator is not None and each.creator.id == creator_id) if creator_id else None


def _meta_data(request: ApiRequest) -> Test | None:
    pairs = [
        (found[1], value)
        for name, value in request.http.args.items(multi=True)
        if (found := re.fullmatch(r"meta_data\[(.+)\]", name, re.DOTALL))
    ]
    return (lambda each: all(each.meta_data.get(key) == value for key, value in pairs)) if pairs else None


def _finished_from(request: ApiRequest) -> Test | None:
    moment = _time(request, "finished_from")
    return None if moment is None else lambda each: each.finished_at is not None and each.finished_at >= moment


def _paused(request: ApiRequest) -> Test | None:
    if request.flag("include_paused", default=True) or not any(
        queue.paused for queue in request.context.store.queues()
    ):
        return None
    return lambda each: not _all_paused([job.queue for job in each.jobs if job.type == "script"])


def _all_paused(queues: list[QueueRecord | None]) -> bool:
    return bool(queues) and all(queue is not None and queue.paused for queue in queues)


# -- single builds


def get_build(request: ApiRequest) -> Reply:
    """Get a build, with its jobs unless they are excluded."""
    fields = BuildFields(
        jobs=not request.flag("exclude_jobs"),
        pipeline=not request.flag("exclude_pipeline"),
        retried_jobs=request.flag("include_retried_jobs"),
        job_states=frozenset(request.values("job_states")),
        job_state_counts=True,
        test_engine=request.flag("include_test_engine"),
    )
    return Reply(payload=build(request.view, request.build, fields))


def _answer(request: ApiRequest, record: BuildRecord, status: int = 200, **more: Any) -> Reply:
    """Process what is due, and return the build."""
    request.context.lifecycle.run()
    return Reply(status, payload=build(request.view, record, BuildFields()) | more)


def _is_author(value: Any) -> bool:
    named = () if isinstance(value, str) else (value.get("name"), value.get("email"))
    return all(each is None or isinstance(each, str) for each in named)


_CREATE = {
    "commit": Check(str, required=True, filled=True),
    "branch": Check(str, required=True, filled=True),
    "message": Check(str),
    "author": Check((dict, str), accepts=_is_author),
    "env": Check(dict),
    "meta_data": Check(dict),
    "clean_checkout": Check(bool),
    "ignore_pipeline_branch_filters": Check(bool),
    "pull_request_base_branch": Check(str),
    "pull_request_id": Check((int, str), accepts=lambda value: str(value).isdecimal()),
    "pull_request_labels": Check(list, accepts=are_strings),
    "pull_request_repository": Check(str),
}


def create_build(request: ApiRequest) -> Reply:
    """Create a build."""
    pipeline, body = request.pipeline, request.body()
    require_valid(body, _CREATE)
    if pipeline.archived_at is not None:
        raise ApiError(422, "Pipeline is archived")
    if not (body.get("ignore_pipeline_branch_filters") or allows(pipeline.branch_configuration, body["branch"])):
        raise ApiError(422, f"Branch {body['branch']} is not configured to be built by this pipeline")
    with _valid_steps():
        record = request.context.lifecycle.create(
            pipeline,
            branch=body["branch"],
            commit=body["commit"],
            message=body.get("message"),
            author=_author(body.get("author"), request.token.user),
            env=texts_of(body.get("env")),
            meta_data=texts_of(body.get("meta_data")),
            clean_checkout=bool(body.get("clean_checkout")),
            pull_request=_pull_request(body),
            source="api",
            creator=request.token.user,
        )
    return _answer(request, record, 201)


@contextmanager
def _valid_steps() -> Generator[None]:
    """Raise a 422 if the steps of a pipeline are not valid with the variables of a new build."""
    try:
        yield
    except PipelineYamlError as error:
        raise ApiError(422, f"The steps of the pipeline are not valid: {error}") from error


def _author(author: Any, user: UserRecord) -> Json:
    if not author:
        return {"name": user.name, "email": user.email}
    if isinstance(author, str):
        name, opening, email = author.removesuffix(">").partition("<")
        is_both = bool(opening) and author.endswith(">")
        return {"name": name.rstrip(), "email": email} if is_both else {"name": author, "email": None}
    return {"name": author.get("name"), "email": author.get("email")}


def _pull_request(body: Json) -> Json | None:
    number = body.get("pull_request_id")
    if number is None:
        return None
    return {
        "id": str(number),
        "base": body.get("pull_request_base_branch"),
        "repository": body.get("pull_request_repository"),
        "labels": body.get("pull_request_labels") or [],
    }


def cancel_build(request: ApiRequest) -> Reply:
    """Cancel a build."""
    record = request.build
    if record.state not in CANCELABLE:
        why = "already being canceled" if record.state == "canceling" else "already finished"
        raise ApiError(422, f"Build can't be canceled because it's {why}.")
    request.context.lifecycle.cancel(record)
    return _answer(request, record)


def rebuild_build(request: ApiRequest) -> Reply:
    """Create a new build from the same commit and settings."""
    record = request.build
    if not record.pipeline.allow_rebuilds:
        raise ApiError(422, "Rebuilds are not allowed on this pipeline")
    if record.pipeline.archived_at is not None:
        raise ApiError(422, "Pipeline is archived")
    with _valid_steps():
        again = request.context.lifecycle.rebuild(record, request.token.user)
    return _answer(request, again)


def retry_failed_jobs(request: ApiRequest) -> Reply:
    """Retry the failed jobs after a delay; until then the build does not change."""
    record, body = request.build, request.body()
    value = body.get("states") or ""
    if not isinstance(value, str):
        raise InvalidError([("states", "invalid")])
    states = {each.strip() for each in value.split(",") if each.strip()}
    if unknown := sorted(states - set(RETRYABLE)):
        raise ApiError(400, f"Invalid states: {', '.join(unknown)}. Valid states are {', '.join(RETRYABLE)}.")
    over = record.state in {"canceled", "canceling"}
    jobs = [] if over else [job for job in record.jobs if _retryable(job, states or set(RETRYABLE))]
    request.context.lifecycle.retry_soon(jobs, request.token.user)
    return _answer(request, record, 202, retried_jobs_count=len(jobs))


def _retryable(job: JobRecord, states: set[str]) -> bool:
    if job.type != "script" or job.retried or job.retry_pending:
        return False
    return ("soft_failed" if job.soft_failed else job.state) in states


ROUTES = (
    route("GET", "/v2/builds", "read_builds", list_all_builds),
    route("GET", ORGANIZATION + "/builds", "read_builds", list_organization_builds),
    route("GET", PIPELINE + "/builds", "read_builds", list_pipeline_builds),
    route("GET", BUILD, "read_builds", get_build),
    route("POST", PIPELINE + "/builds", "write_builds", create_build),
    route("PUT", BUILD + "/cancel", "write_builds", cancel_build),
    route("PUT", BUILD + "/rebuild", "write_builds", rebuild_build),
    route("PUT", BUILD + "/retry_failed_jobs", "write_builds", retry_failed_jobs),
)
