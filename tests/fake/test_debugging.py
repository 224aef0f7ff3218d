"""The fake in a debugger: short reprs, and errors that name the choices."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from requests import Session

    from buildkite_orm.fake import FakeBuildkite


def test_reprs_of_records_are_short(seeded: FakeBuildkite) -> None:
    build = seeded.build("web", 95)
    seeded.add_annotation(build, "Hello")
    job = build.jobs[0]
    artifact = seeded.add_artifact(job, "log/test.log", b"hello")
    acme = build.organization
    records: list[Any] = [acme, acme.users[0], next(iter(acme.agents.values())), acme.queues["default"], job, artifact]
    records += [build.annotations[0], seeded.store.tokens[seeded.token], seeded.context, seeded.store.collections]
    records += seeded.store.collections.all("team")
    assert repr(build).startswith("BuildRecord(acme/web #95 ")
    assert repr(build.pipeline) == "PipelineRecord(acme/web)"
    assert repr(artifact) == "ArtifactRecord(log/test.log finished)"
    assert max(len(repr(each)) for each in records) < 200


def test_reprs_have_no_token(server: FakeBuildkite, api: Session) -> None:
    api.get("/user")
    assert repr(server.requests) == "[RecordedRequest(GET /v2/user 200)]"
    assert server.token not in repr(server.store.tokens[server.token])


def test_an_unknown_state_of_a_build_is_rejected_with_the_choices(server: FakeBuildkite) -> None:
    with pytest.raises(ValueError, match="'bogus' is not the state of a build; choose one of blocked, canceled, "):
        server.add_build("web", state="bogus")
    build = server.add_build("web")
    with pytest.raises(ValueError, match="'bogus' is not the state of a build"):
        server.set_state(build, "bogus")


def test_an_unknown_field_of_a_build_is_rejected_with_the_choices(server: FakeBuildkite) -> None:
    with pytest.raises(TypeError, match="a build has no field brnach; its fields: annotations, author, "):
        server.add_build("web", brnach="main")


def test_an_unknown_field_or_state_of_an_agent_is_rejected_with_the_choices(server: FakeBuildkite) -> None:
    with pytest.raises(TypeError, match="an agent has no field hots; its fields: arch, "):
        server.add_agent(hots="a")
    with pytest.raises(ValueError, match="'gone' is not the connection_state of an agent; choose one of connected, "):
        server.add_agent(connection_state="gone")
    assert not server.store.organizations["acme"].agents


def test_an_unknown_field_or_visibility_of_a_pipeline_is_rejected_with_the_choices(server: FakeBuildkite) -> None:
    with pytest.raises(TypeError, match="a pipeline has no field branch; its fields: active, "):
        server.add_pipeline("web", branch="main")
    with pytest.raises(ValueError, match="'secret' is not the visibility of a pipeline; choose one of private, public"):
        server.add_pipeline("web", visibility="secret")


def test_an_unknown_field_or_state_of_an_artifact_is_rejected_with_the_choices(server: FakeBuildkite) -> None:
    job = server.add_build("web", jobs=1).jobs[0]
    with pytest.raises(TypeError, match="an artifact has no field size; its fields: content, "):
        server.add_artifact(job, "a.log", size=3)
    with pytest.raises(ValueError, match="'gone' is not the state of an artifact; choose one of deleted, error, "):
        server.add_artifact(job, "a.log", state="gone")


def test_an_unknown_field_or_style_of_an_annotation_is_rejected_with_the_choices(server: FakeBuildkite) -> None:
    build = server.add_build("web")
    with pytest.raises(TypeError, match="an annotation has no field title; its fields: body, "):
        server.add_annotation(build, title="Hello")
    with pytest.raises(ValueError, match="'loud' is not the style of an annotation; choose one of error, info, "):
        server.add_annotation(build, style="loud")


def test_an_unknown_field_or_state_of_a_job_is_rejected_with_the_choices(server: FakeBuildkite) -> None:
    with pytest.raises(TypeError, match=r"a job has no field nmae; its fields: .*label.*"):
        server.add_build("web", jobs=[{"nmae": "Test"}])
    with pytest.raises(ValueError, match="'done' is not the state of a job; choose one of accepted, "):
        server.add_build("web", jobs=[{"state": "done"}])


def test_a_block_step_may_be_given_its_label(server: FakeBuildkite, api: Session) -> None:
    server.add_build("web", state="blocked", jobs=[{"type": "manual", "label": "Deploy?"}])
    assert api.get("/organizations/acme/pipelines/web/builds/1").json()["jobs"][0]["label"] == "Deploy?"


def test_an_internal_error_does_not_show_its_stack(server: FakeBuildkite, http: Session) -> None:
    def fail(_payload: object) -> object:
        raise RuntimeError("a detail")

    server.settings.drift = fail
    response = http.get("/user")
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})


def test_many_builds_need_little_memory(server: FakeBuildkite) -> None:
    tracemalloc.start()
    builds = server.add_builds("web", 2000, jobs=3)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < len(builds) * 5_000  # 100,000 builds in 500 MB
