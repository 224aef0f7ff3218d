"""Jobs of all kinds have the same basic fields, so a loop over jobs needs no check of their kinds."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import Build, Job, ManualJob, ScriptJob, TriggerJob, WaiterJob

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite

TIMES = ["created_at", "scheduled_at", "runnable_at", "started_at", "finished_at"]
KEYS = ["name", "label", "step_key", "group_key", "web_url", "build_url"]
COMMON = [*KEYS, *TIMES, "state", "command", "exit_status", "soft_failed", "agent"]
KINDS: dict[str, type[Job]] = {
    "script": ScriptJob,
    "waiter": WaiterJob,
    "manual": ManualJob,
    "trigger": TriggerJob,
    "new": Job,
}
BLOCK: dict[str, Any] = {"id": "a", "type": "manual", "label": "Deploy?", "state": "blocked"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_of_every_kind_has_the_fields_that_any_may_have(kind: str) -> None:
    job = Job.model_validate({"id": "a", "type": kind})
    assert type(job) is KINDS[kind]
    assert {name: getattr(job, name) for name in COMMON} == dict.fromkeys(COMMON)
    assert job.dump() == {"id": "a", "type": kind}


def test_the_names_of_all_jobs_of_a_build_are_read_in_a_loop(server: FakeBuildkite, bk: Buildkite) -> None:
    jobs = [{"type": "script", "name": "Test"}, {"type": "waiter"}, {"type": "manual", "label": "Deploy?"}]
    server.add_build("web", jobs=[*jobs, {"type": "trigger", "name": "Release"}])
    build = bk.organization("acme").pipeline("web").build(1)
    assert [job.name for job in build.jobs()] == ["Test", None, "Deploy?", "Release"]
    assert [job.name for job in build.fetch().jobs()] == ["Test", None, "Deploy?", "Release"]
    assert len(server.requests) == 2


def test_the_name_of_a_block_step_is_its_label_and_is_not_dumped() -> None:
    job = ManualJob.model_validate(BLOCK)
    assert job.name == job.label == "Deploy?"
    assert "name" not in job.model_fields_set
    assert job.dump() == job.model_dump(mode="json", exclude_unset=True) == BLOCK


@pytest.mark.parametrize("name", [None, "Its name"])
def test_a_name_that_the_server_sends_for_a_block_step_is_kept(name: str | None) -> None:
    job = ManualJob.model_validate({**BLOCK, "name": name})
    assert job.name == name
    assert job.dump() == {**BLOCK, "name": name}


def test_the_name_of_a_block_step_is_kept_in_copies_and_in_odd_payloads() -> None:
    job = ManualJob.model_validate(BLOCK)
    copies: list[Job] = [copy.copy(job), copy.deepcopy(job), job.model_copy()]
    copies.append(pickle.loads(pickle.dumps(job)))  # noqa: S301 - our own
    payload = {"id": "b", "url": "https://x/v2/organizations/a/pipelines/b/builds/1", "number": 1, "state": "running"}
    more = {"commit": "c", "created_at": "2026-01-01T00:00:00Z", "jobs": [BLOCK]}
    copies += Build.model_validate_json(json.dumps(payload | more)).embedded_jobs or []
    assert [each.name for each in copies] == ["Deploy?"] * 5
    assert [each.dump() for each in copies] == [BLOCK] * 5


def test_a_block_step_with_an_odd_field_has_its_label_as_name(server: FakeBuildkite, bk: Buildkite) -> None:
    build = server.add_build("web", jobs=[{"type": "manual", "label": "Deploy?"}])
    server.settings.drift = lambda page: {**page, "items": [{**page["items"][0], "unblockable": "perhaps"}]}
    with pytest.warns(match="unblockable"):
        (job,) = bk.organization("acme").pipeline("web").build(build.number).jobs()
    assert job.name == "Deploy?"
    assert "name" not in job.dump()
