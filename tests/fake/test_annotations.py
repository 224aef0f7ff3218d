"""Annotations of builds and of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import BuildRecord, FakeBuildkite

WEB = "/organizations/acme/pipelines/web/builds/1"


@pytest.fixture
def build(server: FakeBuildkite) -> BuildRecord:
    build = server.add_build("web", jobs=2)
    server.add_annotation(build, "# All *good*\n\nReally & truly", context="tests", style="success")
    server.add_annotation(build, "<b>bold</b>", context="first", priority=9)
    server.add_annotation(build, "3 warnings", context="lint", job=build.jobs[0])
    return build


def contexts(api: Session, path: str) -> list[str]:
    return [each["context"] for each in api.get(path).json()]


@pytest.mark.usefixtures("build")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["first", "tests"]),
        ("?scope=build", ["first", "tests"]),
        ("?scope=job", ["lint"]),
        ("?scope=all", ["first", "tests", "lint"]),
    ],
)
def test_a_build_lists_its_own_annotations_by_priority(api: Session, query: str, found: list[str]) -> None:
    assert contexts(api, f"{WEB}/annotations{query}") == found


@pytest.mark.usefixtures("build")
def test_an_unknown_scope_is_422(api: Session) -> None:
    assert api.get(f"{WEB}/annotations?scope=none").status_code == 422


def test_a_job_lists_its_own_by_either_route(api: Session, build: BuildRecord) -> None:
    job = build.jobs[0].id
    payload = api.get(f"/organizations/acme/jobs/{job}/annotations").json()
    assert payload == api.get(f"{WEB}/jobs/{job}/annotations").json()
    assert [(each["context"], each["scope"], each["job_id"]) for each in payload] == [("lint", "job", job)]


@pytest.mark.usefixtures("build")
def test_bodies_are_rendered_as_html_or_omitted(api: Session) -> None:
    payload = {each["context"]: each for each in api.get(f"{WEB}/annotations").json()}
    assert payload["tests"]["body_html"] == "<h1>All *good*</h1>\n<p>Really &amp; truly</p>\n"
    assert payload["first"]["body_html"] == "<b>bold</b>\n"
    assert (payload["tests"]["scope"], payload["tests"]["job_id"], payload["tests"]["priority"]) == ("build", None, 3)
    assert not [each for each in api.get(f"{WEB}/annotations?omit_body=true").json() if "body_html" in each]


def test_annotations_are_created_and_deleted(api: Session, build: BuildRecord) -> None:
    for path in (f"{WEB}/annotations", f"/organizations/acme/jobs/{build.jobs[1].id}/annotations"):
        response = api.post(path, json={"body": "Hi", "context": "new", "style": "error", "priority": 10})
        assert response.status_code == 201
        assert (response.json()["style"], response.json()["priority"]) == ("error", 10)
        assert contexts(api, path)[0] == "new"
        assert api.delete(f"{path}/{response.json()['id']}").status_code == 204
        assert api.delete(f"{path}/{response.json()['id']}").status_code == 404
        assert "new" not in contexts(api, path)


def test_a_context_is_replaced_or_added_to(server: FakeBuildkite, api: Session, build: BuildRecord) -> None:
    path = f"/organizations/acme/jobs/{build.jobs[0].id}/annotations"
    server.clock.advance(60)
    payload = api.post(path, json={"body": ", 2 errors", "context": "lint", "append": True}).json()
    assert payload["body_html"] == "<p>3 warnings, 2 errors</p>\n"
    assert (payload["created_at"], payload["updated_at"]) == ("2026-08-01T12:00:00.000Z", "2026-08-01T12:01:00.000Z")
    assert api.post(path, json={"body": "none", "context": "lint"}).json()["body_html"] == "<p>none</p>\n"


@pytest.mark.usefixtures("build")
@pytest.mark.parametrize(
    "body", [{}, {"body": ""}, {"body": "x", "style": "loud"}, {"body": "x", "priority": 11}, {"body": 3}]
)
def test_a_body_that_is_wrong_is_422(api: Session, body: dict[str, Any]) -> None:
    assert api.post(f"{WEB}/annotations", json=body).status_code == 422
