"""How the models load payloads: the shapes that the real API was seen to send, and the values that stay unchanged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from buildkite_orm import (
    AccessToken,
    Agent,
    AgentConnectionState,
    Annotation,
    Artifact,
    Build,
    BuildState,
    Job,
    JobState,
    JobType,
    ManualJob,
    Meta,
    Organization,
    Pipeline,
    ScriptJob,
    TriggerJob,
    UnboundError,
    User,
    WaiterJob,
)

API = "https://api.buildkite.com/v2/organizations/acme"
BUILD: dict[str, Any] = {
    "id": "0190-build",
    "url": f"{API}/pipelines/web/builds/42",
    "number": 42,
    "state": "passed",
    "blocked": False,
    "message": "Fix it",
    "commit": "abcd0b72a1e580e90712cdd9eb26d3fb41cd09c8",
    "branch": "main",
    "created_at": "2026-07-01T10:00:00.123Z",
    "meta_data": {"release": "1.0"},
}
SCRIPT: dict[str, Any] = {"id": "0190-job", "type": "script", "name": "Test", "state": "passed"}
PIPELINE: dict[str, Any] = {
    "id": "0190-pipeline",
    "url": f"{API}/pipelines/web",
    "name": "Web",
    "slug": "web",
    "repository": "git@github.com:acme/web.git",
    "provider": {"id": "github", "webhook_url": "https://webhook.example", "settings": {"trigger_mode": "code"}},
    "steps": [],
}
AGENT: dict[str, Any] = {"id": "0190-agent", "name": "linux-1", "connection_state": "connected"}
ARTIFACT: dict[str, Any] = {
    "id": "0190-artifact",
    "url": f"{API}/pipelines/web/builds/42/jobs/0190-job/artifacts/0190-artifact",
    "state": "finished",
    "path": "dist/app.js",
}
PLAIN = {
    Build: BUILD,
    ScriptJob: SCRIPT,
    Pipeline: PIPELINE,
    Agent: AGENT,
    Artifact: ARTIFACT,
    Annotation: {"id": "0190-annotation", "context": "default", "style": "info", "body_html": "<p>Hello</p>"},
    Organization: {"id": "0190-organization", "url": API, "name": "Acme", "slug": "acme"},
    User: {"id": "0190-user", "name": "Ada"},
    AccessToken: {"uuid": "0190-token", "scopes": ["read_builds"]},
    Meta: {"webhook_ips": ["192.0.2.0/24"]},
}

BUILD_QUIRKS: dict[str, dict[str, Any]] = {
    "blocked_state is an empty string": {"blocked_state": ""},
    "tag is null": {"tag": None},
    "author is null": {"author": None},
    "author is an object": {"author": {"name": "Ada", "email": "ada@acme.example"}},
    "creator is null": {"creator": None},
    "pull_request is null": {"pull_request": None},
    "pull_request is empty": {"pull_request": {}},
    "pull_request has a string for id": {
        "pull_request": {"id": "17", "base": "main", "repository": "git://github.com/acme/web.git"}
    },
    "env is null": {"env": None},
    "env is empty": {"env": {}},
    "env has more than strings": {"env": {"DEBUG": True, "N": 3, "LIST": [1], "NONE": None}},
    "meta_data has several lines": {"meta_data": {"buildkite:git:commit": "commit abc\nAuthor: Ada\n\n    Fix"}},
    "meta_data is empty": {"meta_data": {}},
    "commit is not known yet": {"commit": "HEAD"},
    "it is scheduled before it is created": {"scheduled_at": "2026-07-01T10:00:00.120Z"},
    "source is new": {"source": "carrier_pigeon"},
    "state is canceling": {"state": "canceling"},
    "cancel_reason is free text": {"cancel_reason": "superseded"},
    "merge_queue is null": {"merge_queue": None},
    "rebuilt_from is another build": {
        "rebuilt_from": {"id": "0190-other", "number": 41, "url": f"{API}/pipelines/web/builds/41"}
    },
    "triggered_from is another build": {
        "triggered_from": {"build_id": "0190-other", "build_number": 7, "build_pipeline_slug": "api"}
    },
    "job_state_counts": {"job_state_counts": {"total": 3, "states": {"passed": 2, "brand_new": 1}}},
    "test_engine": {"test_engine": {"runs": [{"id": "0190-run"}]}},
    "the pipeline is of a private provider": {
        "pipeline": {
            "id": "0190-pipeline",
            "url": f"{API}/pipelines/web",
            "name": "Web",
            "slug": "web",
            "provider": {"id": "private", "settings": {}},
            "created_at": "2013-09-03 13:24:38 UTC",
        }
    },
    "a build without jobs": {"jobs": []},
}
SCRIPT_QUIRKS: dict[str, dict[str, Any]] = {
    "name is null": {"name": None},
    "name is empty": {"name": ""},
    "step_key is null": {"step_key": None},
    "agent is not assigned": {"agent": None},
    "agent is brief": {"agent": {"id": "0190-agent", "url": f"{API}/agents/0190-agent", "name": "linux-1"}},
    "agent is whole": {
        "agent": {**AGENT, "priority": 0, "meta_data": ["queue=default"], "creator": None, "job": None},
    },
    "agent still has a token": {"agent": {**AGENT, "access_token": "xxx", "priority": None}},
    "artifact_paths is null": {"artifact_paths": None},
    "artifact_paths is empty": {"artifact_paths": ""},
    "artifact_paths are several": {"artifact_paths": "dist/*;log/**/*"},
    "it runs": {"state": "running", "exit_status": None},
    "its agent was lost": {"exit_status": -1},
    "exit_status is high": {"exit_status": 255},
    "priority is an object": {"priority": {"number": -3}},
    "priority is null": {"priority": None},
    "signal is a name": {"signal": "SIGKILL", "signal_reason": "agent_stop"},
    "signal_reason is new": {"signal": None, "signal_reason": "cosmic_ray"},
    "broken_reason is free text": {"state": "broken", "broken_reason": "the step's `if` is false"},
    "agent_query_rules is empty": {"agent_query_rules": []},
    "agent_query_rules are keys, some with values": {"agent_query_rules": ["*", "queue=default"]},
    "retries_count is null": {"retries_count": None, "retry_type": None, "retry_source": None},
    "it was retried": {"retried": True, "retried_in_job_id": "0190-later", "retries_count": 1},
    "it is a retry": {"retry_source": {"job_id": "0190-earlier", "retry_type": "automatic"}, "retries_count": 2},
    "the response to a retry": {
        "artifacts_url": "",
        "build_url": "https://buildkite.com/acme/web/builds/42",
        "priority": {"number": 0},
    },
    "as the page names it": {"artifact_url": f"{API}/pipelines/web/builds/42/jobs/0190-job/artifacts"},
    "legacy keys": {"script_path": "test.sh", "logs_url": f"{API}/pipelines/web/builds/42/jobs/0190-job/log"},
    "matrix is a map": {"matrix": {"os": "linux", "node": 20}},
    "matrix is a list": {"matrix": ["linux", 20]},
    "matrix is a string": {"matrix": "linux"},
    "matrix is null": {"matrix": None},
    "step is not signed": {"step": {"id": "0190-step", "signature": None}},
    "step has no signature": {"step": {"id": "0190-step"}},
    "promised": {"promised_exit_status": 1, "promised_exit_status_at": "2026-07-01T10:00:00.000Z"},
}
PIPELINE_QUIRKS: dict[str, dict[str, Any]] = {
    "env is null": {"env": None},
    "tags are null": {"tags": None},
    "tags are a list": {"tags": ["web", "prod"]},
    "description is empty": {"description": ""},
    "branch_configuration is empty": {"branch_configuration": ""},
    "provider is private": {"provider": {"id": "private", "settings": {}}},
    "webhook_url is hidden": {"provider": {"id": "github", "webhook_url": "", "settings": {}}},
    "the provider has new settings": {"provider": {"id": "forge", "settings": {"x": {"y": [1]}}, "service": {"id": 1}}},
    "a step has a map of plugins": {"steps": [{"type": "script", "plugins": {"docker#v1": {"image": "node"}}}]},
    "a step has a list of plugins": {"steps": [{"type": "script", "plugins": [{"docker#v1": None}, "cache#v2"]}]},
    "a step has no name": {"steps": [{"type": "script", "name": None, "env": None}, {"type": "waiter", "name": ""}]},
    "a step is of a new type": {"steps": [{"type": "teleport", "to": "mars"}]},
    "created long ago": {"created_at": "2013-09-03 13:24:38 UTC"},
    "created_by is null": {"created_by": None},
    "emoji and color": {"emoji": ":rocket:", "color": "#ff0000"},
    "archived": {"archived_at": "2021-06-01 08:23:35 UTC"},
}
AGENT_QUIRKS: dict[str, dict[str, Any]] = {
    "priority is null": {"priority": None},
    "priority is a number": {"priority": 5},
    "it has no job": {"job": None},
    "creator is null": {"creator": None},
    "meta_data is empty": {"meta_data": []},
    "connection_state is new": {"connection_state": "pondering"},
    "its job is brief": {"job": {"id": "0190-job", "type": "script"}},
}
ARTIFACT_QUIRKS: dict[str, dict[str, Any]] = {
    "old globs": {"glob_path": "dist/*", "original_path": "dist/app.js"},
    "globs are null": {"glob_path": None, "original_path": None},
    "state is new": {"state": "new"},
    "state is unknown": {"state": "teleported"},
    "it is empty": {"file_size": 0, "sha1sum": "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    "mime_type is null": {"mime_type": None, "sha1sum": None, "sha256sum": None},
    "the URL has another id": {"url": f"{API}/pipelines/web/builds/42/jobs/0190-job/artifacts/0190-other"},
}
QUIRKS = [
    pytest.param(model, {**PLAIN[model], **change}, id=f"{model.__name__}: {name}")
    for model, quirks in (
        (Build, BUILD_QUIRKS),
        (ScriptJob, SCRIPT_QUIRKS),
        (Pipeline, PIPELINE_QUIRKS),
        (Agent, AGENT_QUIRKS),
        (Artifact, ARTIFACT_QUIRKS),
    )
    for name, change in quirks.items()
]


@pytest.mark.parametrize(("model", "payload"), QUIRKS)
def test_payloads_recorded_from_the_api_are_valid_and_dump_back(model: type[Build], payload: dict[str, Any]) -> None:
    for resource in (model.model_validate(payload), model.model_validate_json(json.dumps(payload))):
        assert resource.drift == ()
        assert resource.dump() == payload


@pytest.mark.parametrize("model", PLAIN)
def test_a_plain_payload_validates_outside_a_client_and_dumps_back(model: type[Build]) -> None:
    assert model.model_validate(PLAIN[model]).dump() == PLAIN[model]


@pytest.mark.parametrize("model", PLAIN)
def test_validation_outside_a_client_refuses_undocumented_values(model: type[Build]) -> None:
    broken = dict.fromkeys(PLAIN[model], object())
    with pytest.raises(ValidationError):
        model.model_validate(broken)


def test_absent_and_null_are_distinguished() -> None:
    without = Build.model_validate(BUILD)
    null = Build.model_validate({**BUILD, "tag": None})
    assert without.tag is None
    assert null.tag is None
    assert "tag" not in without.dump()
    assert null.dump()["tag"] is None


def test_fields_that_are_not_known_are_kept() -> None:
    build = Build.model_validate({**BUILD, "weather": {"sky": ["blue", None]}})
    assert build.model_extra == {"weather": {"sky": ["blue", None]}}
    assert build.dump()["weather"] == {"sky": ["blue", None]}


@pytest.mark.parametrize("model", PLAIN)
def test_a_payload_key_with_the_name_of_a_member_is_kept_and_shadows_nothing(model: type[Build]) -> None:
    fields = {name for key, field in model.model_fields.items() for name in (key, field.alias)}
    taken = set(dir(model)) - fields - {"model_fields"}
    payload = {**PLAIN[model], **dict.fromkeys(taken, "theirs")}
    resource = model.model_validate(payload)
    assert resource.dump() == payload
    assert resource.drift == ()
    assert "theirs" not in repr(resource)
    with pytest.raises(UnboundError):
        _ = resource.session


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"id": "a", "type": "script"}, ScriptJob),
        ({"id": "a", "type": "waiter"}, WaiterJob),
        ({"id": "a", "type": "manual", "label": "Deploy?"}, ManualJob),
        ({"id": "a", "type": "trigger", "async": False, "triggered_build": None}, TriggerJob),
        ({"id": "a", "type": "quantum", "name": "?", "qubits": [0, 1]}, Job),
    ],
)
def test_a_job_has_the_class_of_its_type_and_dumps_back(payload: dict[str, Any], kind: type[Job]) -> None:
    alone = Job.model_validate(payload)
    alone_json = Job.model_validate_json(json.dumps(payload))
    (embedded,) = Build.model_validate({**BUILD, "jobs": [payload]}).embedded_jobs or []
    for job in (alone, alone_json, embedded):
        assert type(job) is kind
        assert job.dump() == payload


def test_a_build_dumps_its_jobs_with_the_fields_of_their_types() -> None:
    jobs = [
        {"id": "a", "type": "script", "command": "make", "created_at": "2026-07-01T10:00:00.000Z", "new": 1},
        {"id": "b", "type": "waiter"},
        {"id": "c", "type": "manual", "label": "Deploy?"},
        {"id": "d", "type": "trigger", "async": True, "triggered_build": None},
        {"id": "e", "type": "quantum", "qubits": 2},
    ]
    build = Build.model_validate({**BUILD, "jobs": jobs})
    assert build.dump()["jobs"] == jobs
    assert json.loads(build.model_dump_json(by_alias=True, exclude_unset=True))["jobs"] == jobs


def test_a_manual_job_has_a_label_and_who_unblocked_it() -> None:
    job = ManualJob.model_validate(
        {
            "id": "a",
            "type": "manual",
            "label": "Deploy?",
            "state": "unblocked",
            "web_url": None,
            "unblocked_by": {"id": "0190-user", "name": "Ada"},
            "unblocked_at": "2026-07-01T10:00:00Z",
            "unblockable": False,
            "unblock_url": f"{API}/pipelines/web/builds/42/jobs/a/unblock",
        }
    )
    assert job.label == "Deploy?"
    assert job.unblocked_by is not None
    assert job.unblocked_by.name == "Ada"
    assert job.unblocked_at == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_a_trigger_job_names_the_build_that_it_triggered() -> None:
    triggered = {"id": "0190-build", "number": 7, "url": f"{API}/pipelines/api/builds/7"}
    job = TriggerJob.model_validate({"id": "a", "type": "trigger", "async": True, "triggered_build": triggered})
    assert job.async_ is True
    assert job.embedded_triggered_build is not None
    assert job.embedded_triggered_build.number == 7


def test_a_payload_key_named_like_a_relation_is_a_separate_field() -> None:
    pipeline = {"id": "0190-pipeline", "url": f"{API}/pipelines/web", "name": "Web", "slug": "web"}
    build = Build.model_validate({**BUILD, "jobs": [SCRIPT], "pipeline": pipeline})
    agent = Agent.model_validate({**AGENT, "job": {"id": "0190-job", "type": "script"}})
    assert build.embedded_pipeline is not None
    assert build.embedded_pipeline.slug == "web"
    assert [job.id for job in build.embedded_jobs or []] == ["0190-job"]
    assert agent.embedded_job is not None
    assert agent.embedded_job.id == "0190-job"


def test_fields_have_the_types_that_they_declare() -> None:
    build = Build.model_validate({**BUILD, "finished_at": "2026-07-01T10:05:00Z"})
    assert build.state is BuildState.PASSED
    assert build.created_at == datetime(2026, 7, 1, 10, 0, 0, 123_000, tzinfo=UTC)
    assert build.finished_at is not None
    assert (build.finished_at - build.created_at).total_seconds() == pytest.approx(299.877)
    job = ScriptJob.model_validate({**SCRIPT, "exit_status": 0})
    assert (job.type, job.state, job.exit_status) == (JobType.SCRIPT, JobState.PASSED, 0)
    assert Agent.model_validate(AGENT).connection_state is AgentConnectionState.CONNECTED


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        (Build, "number", "42"),
        (Build, "number", True),
        (Build, "blocked", "false"),
        (Build, "id", 42),
        (ScriptJob, "exit_status", "0"),
        (ScriptJob, "soft_failed", 1),
        (Agent, "priority", "high"),
        (Artifact, "file_size", 1.5),
    ],
)
def test_nothing_is_turned_into_another_type(model: type[Build], field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        model.model_validate({**PLAIN[model], field: value})


def test_the_repr_of_an_object_is_one_line() -> None:
    assert repr(Build.model_validate(BUILD)) == 'Build(acme/web #42 passed on main, "Fix it")'
    assert repr(Build.model_validate({**BUILD, "blocked": True})) == 'Build(acme/web #42 blocked on main, "Fix it")'
    assert repr(ScriptJob.model_validate(SCRIPT)) == "ScriptJob(Test passed)"
    assert repr(WaiterJob.model_validate({"id": "a", "type": "waiter"})) == "WaiterJob(waiter)"
    assert repr(ManualJob.model_validate({"id": "a", "type": "manual", "label": "Deploy?"})) == "ManualJob(Deploy?)"
    assert str(Agent.model_validate(AGENT)) == "Agent(linux-1 connected)"


@pytest.mark.parametrize("model", PLAIN)
def test_a_repr_passes_no_control_characters_on_to_a_terminal(model: type[Build]) -> None:
    evil = "\x1b[2J\nowned\x07\u202e"
    strings = {key: evil for key, value in PLAIN[model].items() if isinstance(value, str) and key != "type"}
    resource = model.model_validate({**PLAIN[model], **{key: evil for key in strings if not key.endswith("_at")}})
    assert repr(resource).isprintable()
    assert str(resource).isprintable()


@pytest.mark.parametrize("model", [Build, Job, Pipeline, Agent, Artifact, Organization])
def test_a_model_has_a_json_schema(model: type[Build]) -> None:
    assert model.model_json_schema()["title"] == model.__name__
