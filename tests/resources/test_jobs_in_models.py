"""Jobs in models of users: each keeps its kind and all its fields, and JSON schemas name the kinds."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, TypeAdapter

from buildkite_orm import Build, Job, ManualJob, ScriptJob, TriggerJob, WaiterJob

PAYLOADS: list[dict[str, Any]] = [
    {"id": "a", "type": "script", "name": "Test", "matrix": {"os": "linux"}, "an_unknown_field": 5},
    {"id": "b", "type": "manual", "label": "Deploy?", "unblockable": True},
    {"id": "c", "type": "waiter"},
    {"id": "d", "type": "trigger", "async": True},
    {"id": "e", "type": "new-kind", "speed": 1},
]
KINDS = [ScriptJob, ManualJob, WaiterJob, TriggerJob, Job]
SENT: dict[str, Any] = {"by_alias": True, "exclude_unset": True}
MODES: list[Literal["validation", "serialization"]] = ["validation", "serialization"]


class Report(BaseModel):
    """A model of a user."""

    jobs: list[Job]
    worst: Job | None = None


def kinds(jobs: list[Job]) -> list[type[Job]]:
    return [type(job) for job in jobs]


def test_a_model_of_a_user_keeps_the_kind_and_all_fields_of_each_job() -> None:
    report = Report.model_validate({"jobs": PAYLOADS, "worst": PAYLOADS[0]})
    assert kinds(report.jobs) == KINDS
    assert report.model_dump(mode="json", **SENT) == {"jobs": PAYLOADS, "worst": PAYLOADS[0]}
    assert json.loads(report.model_dump_json(**SENT)) == {"jobs": PAYLOADS, "worst": PAYLOADS[0]}
    again = Report.model_validate_json(report.model_dump_json(**SENT))
    assert kinds(again.jobs) == KINDS


def test_loaded_jobs_are_taken_into_a_model_as_they_are() -> None:
    jobs = [Job.model_validate(payload) for payload in PAYLOADS]
    report = Report(jobs=jobs, worst=jobs[0])
    assert all(one is other for one, other in zip(report.jobs, jobs, strict=True))
    assert report.worst is jobs[0]
    assert report.model_dump(mode="json", **SENT)["jobs"] == PAYLOADS


@pytest.mark.parametrize("number", range(len(PAYLOADS)))
def test_an_adapter_of_a_job_loads_and_dumps_every_kind(number: int) -> None:
    adapter: TypeAdapter[Job] = TypeAdapter(Job)
    payload = PAYLOADS[number]
    jobs: list[Any] = [adapter.validate_python(payload), adapter.validate_json(json.dumps(payload))]
    for job in jobs:
        assert kinds([job]) == [KINDS[number]]
        assert adapter.dump_python(job, mode="json", **SENT) == payload
        assert json.loads(adapter.dump_json(job, **SENT)) == payload


def test_an_adapter_of_a_list_as_web_frameworks_make_it_keeps_all_fields() -> None:
    adapter: TypeAdapter[list[Job]] = TypeAdapter(list[Job])
    jobs = adapter.validate_python(PAYLOADS)
    assert kinds(jobs) == KINDS
    assert json.loads(adapter.dump_json(jobs, **SENT)) == PAYLOADS
    assert adapter.dump_python(jobs, mode="json", by_alias=True)[0]["matrix"] == {"os": "linux"}


@pytest.mark.parametrize("mode", MODES)
def test_json_schemas_name_the_kinds(mode: Literal["validation", "serialization"]) -> None:
    names = {kind.__name__ for kind in KINDS}
    adapted: list[dict[str, Any]] = [
        TypeAdapter(list[Job]).json_schema(mode=mode),
        TypeAdapter(Job).json_schema(mode=mode),
        Report.model_json_schema(mode=mode),
        Build.model_json_schema(mode=mode),
        Job.model_json_schema(mode=mode),
    ]
    for schema in adapted:
        assert names <= schema["$defs"].keys()
    mapping = TypeAdapter(list[Job]).json_schema(mode=mode)["items"]["anyOf"][0]["discriminator"]["mapping"]
    assert mapping.keys() == {"script", "waiter", "manual", "trigger"}
    assert "matrix" in ScriptJob.model_json_schema(mode=mode)["properties"]
    assert TypeAdapter(list[Job]).json_schema(mode=mode)["$defs"]["ScriptJob"]["properties"].keys() > {"matrix", "name"}
