"""Builds on the wire: what each operation sends, and how it uses the response."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import (
    BadRequestError,
    Build,
    BuildQuerySet,
    BuildState,
    NotFoundError,
    ScriptJob,
    UnprocessableEntityError,
)
from buildkite_orm.fake import BlockStep, CommandStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite

    Listing = Callable[[Buildkite], BuildQuerySet]

ODD_BRANCH = "feature/#12 a+b&c=größe"
SHA = "0123456789abcdef0123456789abcdef01234567"
LATE = timezone(timedelta(hours=-9, minutes=-30))

LISTINGS: dict[str, Listing] = {
    "/v2/builds": lambda bk: bk.builds(),
    "/v2/organizations/acme/builds": lambda bk: bk.organization("acme").builds(),
    "/v2/organizations/acme/pipelines/web/builds": lambda bk: bk.organization("acme").pipeline("web").builds(),
}
listings = pytest.mark.parametrize(("path", "listing"), LISTINGS.items(), ids=LISTINGS)


@listings
def test_a_listing_sends_every_filter(server: FakeBuildkite, bk: Buildkite, path: str, listing: Listing) -> None:
    server.add_build("web")
    builds = listing(bk).filter(
        state=[BuildState.RUNNING, "failed"],
        branch=[ODD_BRANCH, "main"],
        commit=SHA,
        creator="0190-someone",
        created_from=datetime(2026, 7, 1, 1, 0, tzinfo=LATE),
        created_to=datetime(2026, 8, 1, 12, 0, 0, 500_000, tzinfo=UTC),
        finished_from=datetime(2026, 7, 2, tzinfo=UTC),
        meta_data={"release version": "1.0+x", "größe": "ü"},
        include_paused=False,
        with_jobs=True,
        with_pipeline=False,
        include_retried_jobs=True,
    )
    assert list(builds) == []
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("GET", path, b"")
    assert sorted(request.query) == [
        ("branch[]", ODD_BRANCH),
        ("branch[]", "main"),
        ("commit", SHA),
        ("created_from", "2026-07-01T10:30:00Z"),
        ("created_to", "2026-08-01T12:00:00.500000Z"),
        ("creator", "0190-someone"),
        ("exclude_pipeline", "true"),
        ("finished_from", "2026-07-02T00:00:00Z"),
        ("include_paused", "false"),
        ("include_retried_jobs", "true"),
        ("meta_data[größe]", "ü"),
        ("meta_data[release version]", "1.0+x"),
        ("per_page", "100"),
        ("state[]", "failed"),
        ("state[]", "running"),
    ]


@listings
def test_a_listing_requests_no_jobs_by_default(
    server: FakeBuildkite, bk: Buildkite, path: str, listing: Listing
) -> None:
    server.add_build("web", jobs=2)
    (build,) = listing(bk)
    (request,) = server.requests
    assert ("exclude_jobs", "true") in request.query
    assert type(build) is Build
    assert build.embedded_jobs is None
    assert (build.embedded_pipeline is None) == path.endswith("/web/builds")


@listings
def test_a_listing_returns_jobs_if_requested(server: FakeBuildkite, bk: Buildkite, path: str, listing: Listing) -> None:
    server.add_build("web", jobs=[{"name": "Test"}])
    (build,) = listing(bk).filter(with_jobs=True, with_pipeline=True)
    (request,) = server.requests
    assert (request.path, request.query) == (path, [("per_page", "100")])
    assert [type(job) for job in build.jobs()] == [ScriptJob]
    assert build.embedded_pipeline is not None
    assert build.embedded_pipeline.slug == "web"


@pytest.mark.parametrize("branch", [ODD_BRANCH, "機能/検索", "50%", "a%20b", "release 2.0", "x;y", "a?b"])
def test_a_branch_of_any_characters_finds_its_builds_and_no_others(
    server: FakeBuildkite, bk: Buildkite, branch: str
) -> None:
    wanted = server.add_build("web", branch=branch)
    server.add_build("web", branch="main")
    found = bk.builds(branch=branch)
    assert [build.id for build in found] == [wanted.id]


def test_meta_data_of_any_characters_finds_its_builds(server: FakeBuildkite, bk: Buildkite) -> None:
    wanted = server.add_build("web", meta_data={"a b+c": "x&y=#z", "d": "1"})
    server.add_build("web", meta_data={"a b+c": "x&y=#z"})
    assert [build.id for build in bk.builds(meta_data={"a b+c": "x&y=#z", "d": "1"})] == [wanted.id]


@listings
def test_a_page_beyond_the_depth_limit_is_a_bad_request(
    server: FakeBuildkite, bk: Buildkite, path: str, listing: Listing
) -> None:
    del path
    server.settings.depth_limit = 200
    server.add_builds("web", 300)
    with pytest.raises(BadRequestError, match="this deep is not supported"):
        listing(bk).page(3)


def test_a_build_is_fetched_with_its_jobs_and_pipeline(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_build("web", jobs=2, message="Größe")
    build = bk.organization("acme").pipeline("web").build(1).fetch()
    (request,) = server.requests
    assert (request.method, request.path, request.query) == (
        "GET",
        "/v2/organizations/acme/pipelines/web/builds/1",
        [],
    )
    assert (build.id, build.message, len(build.embedded_jobs or [])) == (record.id, "Größe", 2)
    assert build.job_state_counts is not None


def test_a_fetch_sends_every_parameter(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", jobs=1)
    build = (
        bk.organization("acme")
        .pipeline("web")
        .build(1)
        .fetch(
            with_jobs=False,
            with_pipeline=False,
            include_retried_jobs=True,
            include_test_engine=True,
            job_states=["failed", "passed"],
        )
    )
    (request,) = server.requests
    assert sorted(request.query) == [
        ("exclude_jobs", "true"),
        ("exclude_pipeline", "true"),
        ("include_retried_jobs", "true"),
        ("include_test_engine", "true"),
        ("job_states[]", "failed"),
        ("job_states[]", "passed"),
    ]
    assert (build.embedded_jobs, build.embedded_pipeline) == (None, None)


def test_one_job_state_is_sent_as_the_list_that_the_api_documents(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", jobs=1)
    bk.organization("acme").pipeline("web").build(1).fetch(job_states="failed")
    assert server.requests[-1].query == [("job_states[]", "failed")]


def test_a_build_that_is_not_there_is_not_found(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    with pytest.raises(NotFoundError, match="No build found"):
        bk.organization("acme").pipeline("web").build(99).fetch()


def test_creating_a_build_sends_every_field(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web", branch_configuration="main")
    build = (
        bk.organization("acme")
        .pipeline("web")
        .builds()
        .create(
            commit=SHA,
            branch=ODD_BRANCH,
            message="Größere Knöpfe\n\nzwei Zeilen",
            author={"name": "Søren", "email": "soren@acme.example"},
            clean_checkout=True,
            env={"GREETING": 'say "hello"'},
            ignore_pipeline_branch_filters=True,
            meta_data={"release version": "1.0"},
            pull_request_base_branch="main",
            pull_request_id=42,
            pull_request_labels=["bug", "größe"],
            pull_request_repository="https://github.com/acme/web",
        )
    )
    (request,) = server.requests
    assert (request.method, request.path, request.query) == (
        "POST",
        "/v2/organizations/acme/pipelines/web/builds",
        [],
    )
    assert json.loads(request.body) == {
        "commit": SHA,
        "branch": ODD_BRANCH,
        "message": "Größere Knöpfe\n\nzwei Zeilen",
        "author": {"name": "Søren", "email": "soren@acme.example"},
        "clean_checkout": True,
        "env": {"GREETING": 'say "hello"'},
        "ignore_pipeline_branch_filters": True,
        "meta_data": {"release version": "1.0"},
        "pull_request_base_branch": "main",
        "pull_request_id": 42,
        "pull_request_labels": ["bug", "größe"],
        "pull_request_repository": "https://github.com/acme/web",
    }
    assert (type(build), build.branch, build.env) == (Build, ODD_BRANCH, {"GREETING": 'say "hello"'})
    assert build.author is not None
    assert build.author.name == "Søren"
    assert build.pull_request is not None
    assert (build.pull_request.id, build.pull_request.labels) == ("42", ["bug", "größe"])


def test_creating_a_build_sends_the_given_fields_only(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    assert json.loads(server.requests[-1].body) == {"commit": "HEAD", "branch": "main"}


def test_an_author_may_be_a_string(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main", author="A <a@b.c>")
    assert build.author is not None
    assert (build.author.name, build.author.email) == ("A", "a@b.c")


def test_a_build_without_a_branch_is_refused_by_name(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    with pytest.raises(UnprocessableEntityError, match="branch") as caught:
        bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="")
    assert [error["field"] for error in caught.value.errors] == ["branch"]
    assert not caught.value.outcome_unknown


def test_a_branch_that_the_pipeline_does_not_build_is_refused(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web", branch_configuration="main")
    with pytest.raises(UnprocessableEntityError, match="Branch dev is not configured"):
        bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="dev")


def test_a_created_build_navigates(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    build = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    assert build == bk.organization("acme").pipeline("web").build(build.number)
    assert build.pipeline == bk.organization("acme").pipeline("web")


def test_canceling_is_one_request_through_a_ref(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="running", jobs=[{"state": "running"}])
    build = bk.organization("acme").pipeline("web").build(1).cancel()
    (request,) = server.requests
    assert (request.method, request.path, request.query, request.body) == (
        "PUT",
        "/v2/organizations/acme/pipelines/web/builds/1/cancel",
        [],
        b"",
    )
    assert (type(build), build.state) == (Build, BuildState.CANCELING)


def test_a_verb_returns_a_new_object_and_leaves_its_own_unchanged(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="running", jobs=[{"state": "running"}])
    build = bk.organization("acme").pipeline("web").build(1).fetch()
    canceled = build.cancel()
    assert canceled is not build
    assert (build.state, canceled.state) == (BuildState.RUNNING, BuildState.CANCELING)
    assert build == canceled


def test_canceling_a_finished_build_fails_with_the_reason(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="passed")
    with pytest.raises(UnprocessableEntityError, match="already finished"):
        bk.organization("acme").pipeline("web").build(1).cancel()


def test_rebuilding_returns_the_new_build(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", state="failed")
    build = bk.organization("acme").pipeline("web").build(1).rebuild()
    (request,) = server.requests
    assert (request.method, request.path, request.body) == (
        "PUT",
        "/v2/organizations/acme/pipelines/web/builds/1/rebuild",
        b"",
    )
    assert build.number == 2
    assert build == bk.organization("acme").pipeline("web").build(2)
    assert build.rebuilt_from is not None
    assert build.rebuilt_from.number == 1


def test_a_rebuild_that_the_pipeline_forbids_says_so(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web", allow_rebuilds=False)
    server.add_build("web")
    with pytest.raises(UnprocessableEntityError, match="Rebuilds are not allowed"):
        bk.organization("acme").pipeline("web").build(1).rebuild()


def failed_build(server: FakeBuildkite) -> None:
    server.add_build(
        "web", state="failed", jobs=[{"state": "failed", "exit_status": 1}, {"state": "timed_out"}, {"state": "passed"}]
    )


def test_retrying_failed_jobs_returns_their_number(server: FakeBuildkite, bk: Buildkite) -> None:
    failed_build(server)
    build = bk.organization("acme").pipeline("web").build(1).retry_failed_jobs()
    (request,) = server.requests
    assert (request.method, request.path) == (
        "PUT",
        "/v2/organizations/acme/pipelines/web/builds/1/retry_failed_jobs",
    )
    assert json.loads(request.body) == {}
    assert request.status == 202
    assert (build.state, build.retried_jobs_count) == (BuildState.FAILED, 2)


def test_the_states_to_retry_are_sent_as_the_api_takes_them(server: FakeBuildkite, bk: Buildkite) -> None:
    failed_build(server)
    build = bk.organization("acme").pipeline("web").build(1).retry_failed_jobs(states=["timed_out", "expired"])
    assert json.loads(server.requests[-1].body) == {"states": "timed_out,expired"}
    assert build.retried_jobs_count == 1


def test_one_state_to_retry_needs_no_list(server: FakeBuildkite, bk: Buildkite) -> None:
    failed_build(server)
    build = bk.organization("acme").pipeline("web").build(1).retry_failed_jobs(states="failed")
    assert json.loads(server.requests[-1].body) == {"states": "failed"}
    assert build.retried_jobs_count == 1


def test_no_state_to_retry_is_refused_since_it_would_mean_all(server: FakeBuildkite, bk: Buildkite) -> None:
    failed_build(server)
    with pytest.raises(ValueError, match="an empty list would mean all"):
        bk.organization("acme").pipeline("web").build(1).retry_failed_jobs(states=[])
    assert server.requests == []


def test_a_state_that_cannot_be_retried_is_a_bad_request(server: FakeBuildkite, bk: Buildkite) -> None:
    failed_build(server)
    with pytest.raises(BadRequestError, match="Invalid states: passed"):
        bk.request("PUT", "organizations/acme/pipelines/web/builds/1/retry_failed_jobs", json={"states": "passed"})


def test_a_build_of_every_kind_of_job_loads_without_a_warning(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web", steps=[CommandStep(key="test"), BlockStep(key="approve")])
    created = bk.organization("acme").pipeline("web").builds().create(commit="HEAD", branch="main")
    server.run(60)
    build = created.fetch()
    assert build.blocked
    assert [str(job.type) for job in build.jobs()] == ["script", "manual"]
