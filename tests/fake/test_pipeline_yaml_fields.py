"""The fields of block and input steps, and who may unblock them. By plain HTTP.

Documentation: https://buildkite.com/docs/pipelines/configure/step-types/block-step
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fake.yaml_runs import Run

if TYPE_CHECKING:
    from requests import Response, Session

    from buildkite_orm.fake import FakeBuildkite

OPTIONS = "options: [{label: North America, value: na}, {label: Europe, value: eur}, {label: Asia, value: asia}]"


@pytest.fixture
def run(server: FakeBuildkite, api: Session) -> Run:
    return Run(server, api)


def block(run: Run, field: str, kind: str = "block") -> None:
    """Run a build up to a step with one field."""
    run.finish(f"steps: [{{{kind}: Go, fields: [{{{field}}}]}}]")


def unblock(run: Run, **fields: Any) -> Response:
    return run.api.put(run.jobs[0]["unblock_url"], json={"fields": fields})


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("text: Name, key: k", "Flying Dolphin", "Flying Dolphin"),
        ("key: k", "no label", "no label"),
        ("text: Notes, key: k", "a\r\nb\rc", "a\nb\nc"),
        ("text: Hex, key: k, format: '[0-9a-f]+'", "c0ffee", "c0ffee"),
        ("text: Year, key: k, format: '(?<year>[0-9]{4})'", "2026", "2026"),
        ("text: N, key: k", 5, "5"),
        ("text: N, key: k", True, "true"),
        (f"select: R, key: k, {OPTIONS}", "eur", "eur"),
        (f"select: R, key: k, multiple: true, {OPTIONS}", ["na", "asia"], "na\nasia"),
        (f"select: R, key: k, multiple: true, {OPTIONS}", "na\nasia", "na\nasia"),
        ("text: Path, key: a/b-c_D9, required: false", None, None),
    ],
)
def test_a_value_becomes_meta_data(run: Run, field: str, value: Any, stored: str | None) -> None:
    block(run, field)
    assert unblock(run, **({} if value is None else {"k": value})).status_code == 200
    assert run.wait() == "passed"
    assert run.build["meta_data"] == ({"a/b-c_D9": ""} if stored is None else {"k": stored})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text: Name, key: k", None),
        ("text: Name, key: k", ""),
        ("text: Name, key: k, required: 'true'", None),
        ("text: Name, key: k, default: x", ""),
        ("text: Hex, key: k, format: '[0-9a-f]+'", "c0ffee!"),
        ("text: Hex, key: k, format: 'a|b'", "ab"),
        (f"select: R, key: k, {OPTIONS}", "mars"),
        (f"select: R, key: k, {OPTIONS}", "na\nasia"),
        (f"select: R, key: k, multiple: true, {OPTIONS}", ["na", "mars"]),
    ],
)
def test_a_value_that_is_missing_or_invalid_is_a_422(run: Run, field: str, value: Any) -> None:
    block(run, field)
    response = unblock(run, **({} if value is None else {"k": value}))
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "k")
    assert run.build["blocked"] is True


@pytest.mark.parametrize(
    ("field", "stored"),
    [
        ("text: Name, key: k, default: 'Release #'", "Release #"),
        ("text: Name, key: k, required: false", ""),
        ("text: Name, key: k, required: 'false', default: ''", ""),
        (f"select: R, key: k, default: eur, {OPTIONS}", "eur"),
        (f"select: R, key: k, multiple: true, default: [na, eur], {OPTIONS}", "na\neur"),
        (f"select: R, key: k, required: false, {OPTIONS}", ""),
    ],
)
def test_a_field_without_a_value_has_its_default_or_an_empty_one(run: Run, field: str, stored: str) -> None:
    block(run, field, kind="input")
    assert unblock(run).status_code == 200
    assert run.build["meta_data"] == {"k": stored}


@pytest.mark.parametrize(
    "field",
    [
        "text: Name",
        "text: Name, key: 'a b'",
        "text: Name, select: Name, key: k",
        "select: R, key: k",
        "select: R, key: k, options: []",
        "select: R, key: k, options: [{label: A}]",
        f"select: R, key: k, default: [na], {OPTIONS}",
        f"select: R, key: k, multiple: maybe, {OPTIONS}",
        "text: Name, key: k, format: '('",
        "text: Name, key: k, options: [{label: A, value: a}]",
        "text: Name, key: k, colour: red",
    ],
)
def test_an_invalid_field_is_refused(run: Run, field: str) -> None:
    with pytest.raises(ValueError, match="fields must be"):
        run.server.add_pipeline("app", yaml=f"steps: [{{block: Go, fields: [{{{field}}}]}}]")


@pytest.mark.parametrize(("state", "blocked_state"), [("passed", ""), ("failed", "failed"), ("running", "running")])
def test_the_state_of_a_blocked_build(run: Run, state: str, blocked_state: str) -> None:
    key = f", blocked_state: {blocked_state}" if blocked_state else ""
    assert run.finish(f"steps: [{{command: a}}, {{block: Go{key}}}, {{command: b}}]") == state
    assert (run.build["blocked"], run.build["blocked_state"]) == (True, state)
    unblock(run) if run.jobs[0]["type"] == "manual" else run.api.put(run.jobs[1]["unblock_url"], json={})
    assert run.wait() == "passed"
    assert (run.build["blocked"], run.build["blocked_state"]) == (False, "")


def test_a_build_whose_blocked_state_is_failed_leaves_its_trigger_step_running(run: Run) -> None:
    run.server.add_pipeline("deploy", yaml="steps: [{block: Go, blocked_state: failed}]")
    assert run.finish("steps: [{trigger: deploy}]") == "running"
    job = run.server.build("deploy", 1).jobs[0]
    run.server.context.lifecycle.unblock(job, run.server.store.organizations["acme"].users[0], {})
    assert run.wait() == "passed"


def test_only_members_of_the_allowed_teams_unblock_a_step(seeded: FakeBuildkite, seeded_api: Session) -> None:
    run = Run(seeded, seeded_api)
    team = next(each for each in seeded.store.collections.all("team") if each.data["name"] == "Release Engineers")
    for allowed, status in (("release-engineers", 403), (team.id, 403), ("everyone", 200)):
        seeded.add_pipeline(f"app-{status}{len(allowed)}", yaml=f"steps: [{{block: Go, allowed_teams: [{allowed}]}}]")
        path = f"/organizations/acme/pipelines/app-{status}{len(allowed)}/builds"
        seeded_api.post(path, json={"commit": "HEAD", "branch": "main"})
        seeded.run(10)
        job = seeded_api.get(f"{path}/1").json()["jobs"][0]
        assert run.api.put(job["unblock_url"], json={}).status_code == status, allowed
