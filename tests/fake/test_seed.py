"""The contents of the organization `acme`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm.fake import FakeBuildkite, Settings, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Session

ACME = "/organizations/acme"


def every(api: Session, path: str, **params: Any) -> list[Any]:
    """List all there is."""
    response = api.get(ACME + path, params={"per_page": 100} | params)
    found = list(response.json())
    while "next" in response.links:
        response = api.get(response.links["next"]["url"])
        found += response.json()
    return found


def jobs(api: Session) -> list[Any]:
    """List all jobs of all builds, retried ones too."""
    builds = every(api, "/builds", include_retried_jobs="true", exclude_pipeline="true")
    return [job for build in builds for job in build["jobs"]]


def test_there_are_several_pipelines(seeded_api: Session) -> None:
    slugs = [each["slug"] for each in every(seeded_api, "/pipelines")]
    assert slugs == ["web", "api", "mobile", "docs", "deploy", "infra", "hello", "legacy"]


def test_there_are_hundreds_of_builds_in_all_states(seeded_api: Session) -> None:
    builds = every(seeded_api, "/builds", exclude_jobs="true")
    assert len(builds) > 300
    assert {each["state"] for each in builds} == {
        "creating",
        "scheduled",
        "running",
        "failing",
        "passed",
        "failed",
        "canceling",
        "canceled",
        "skipped",
        "not_run",
    }
    assert len({(each["url"]) for each in builds}) == len(builds)


def test_builds_are_numbered_in_their_order(seeded_api: Session) -> None:
    for slug in ("web", "docs"):
        numbers = [each["number"] for each in every(seeded_api, f"/pipelines/{slug}/builds", exclude_jobs="true")]
        assert numbers == list(range(len(numbers), 0, -1))


def test_no_time_lies_in_the_future(seeded_api: Session) -> None:
    for build in every(seeded_api, "/builds"):
        for payload in (build, *build["jobs"]):
            moments = [value for name, value in payload.items() if name.endswith("_at") and value]
            assert all(moment <= "2026-08-01T12:00:00.000Z" for moment in moments)


def test_there_are_jobs_of_all_kinds(seeded_api: Session) -> None:
    found = jobs(seeded_api)
    assert Counter(each["type"] for each in found).keys() == {"script", "waiter", "manual", "trigger"}
    scripts = [each for each in found if each["type"] == "script"]
    assert {each["state"] for each in scripts} >= {
        "waiting",
        "scheduled",
        "running",
        "passed",
        "failed",
        "canceling",
        "canceled",
        "skipped",
        "broken",
        "waiting_failed",
    }
    for name in ("group_key", "parallel_group_index", "matrix", "retried_in_job_id", "retry_source", "broken_reason"):
        assert any(each.get(name) is not None for each in scripts), name
    assert any(each["soft_failed"] for each in scripts)
    assert any(each["name"] is None for each in scripts)
    assert any(each["artifact_paths"] is None for each in scripts)
    assert any(each["step"]["signature"] for each in scripts)
    assert any(each.get("promised_exit_status") for each in scripts)


def test_a_build_waits_for_a_person(seeded_api: Session) -> None:
    (blocked,) = every(seeded_api, "/builds", state="blocked")
    assert (blocked["pipeline"]["slug"], blocked["state"]) == ("deploy", "passed")
    (gate,) = [each for each in blocked["jobs"] if each.get("unblockable")]
    response = seeded_api.put(gate["unblock_url"], json={"fields": {"release-name": "Dolphin"}})
    assert response.json()["state"] == "unblocked"


def test_a_build_was_triggered_by_another(seeded_api: Session) -> None:
    triggered = [each for each in every(seeded_api, "/builds") if each["triggered_from"]]
    assert [each["pipeline"]["slug"] for each in triggered] == ["docs"]
    origin = triggered[0]["triggered_from"]
    path = f"{ACME}/pipelines/{origin['build_pipeline_slug']}/builds/{origin['build_number']}"
    trigger = next(each for each in seeded_api.get(path).json()["jobs"] if each["type"] == "trigger")
    assert trigger["triggered_build"]["url"] == triggered[0]["url"]


def test_the_first_pipeline_has_running_builds_whose_jobs_have_logs_and_artifacts(seeded_api: Session) -> None:
    first = every(seeded_api, "/pipelines")[0]["slug"]
    builds = every(seeded_api, f"/pipelines/{first}/builds", state="running")
    assert len(builds) >= 2
    for build in builds:
        running = [each for each in build["jobs"] if each.get("state") == "running"]
        artifacts = [seeded_api.get(each["artifacts_url"]).json() for each in running]
        assert all(artifacts)
        assert {each["state"] for listed in artifacts for each in listed} == {"finished", "new"}
        assert "\x1b_bk;t=" in seeded_api.get(running[0]["raw_log_url"]).text
        assert "\x1b[32m" in seeded_api.get(running[0]["raw_log_url"]).text


def test_other_pipelines_have_running_jobs_with_artifacts_too(seeded_api: Session) -> None:
    found: set[str] = set()
    for build in every(seeded_api, "/builds", **{"state[]": ["running", "failing"]}):
        running = [each for each in build["jobs"] if each.get("state") == "running"]
        if any(seeded_api.get(each["artifacts_url"]).json() for each in running):
            found.add(build["pipeline"]["slug"])
    assert found == {"web", "api", "mobile", "infra"}


def test_there_are_annotations_on_builds_and_jobs(seeded_api: Session) -> None:
    newest = every(seeded_api, "/pipelines/web/builds")[0]["number"]
    payload = seeded_api.get(f"{ACME}/pipelines/web/builds/{newest}/annotations?scope=all").json()
    assert {each["scope"] for each in payload} == {"build", "job"}


def test_there_are_agents_at_work_idle_and_away(seeded: FakeBuildkite, seeded_api: Session) -> None:
    payload = every(seeded_api, "/agents")
    assert any(each["job"] for each in payload)
    assert any(each["job"] is None for each in payload)
    states = {each.connection_state for each in seeded.store.organizations["acme"].agents.values()}
    assert states >= {"connected", "lost", "disconnected"}


@pytest.mark.parametrize("slug", ["web", "api", "mobile", "docs", "infra", "hello"])
def test_every_pipeline_builds_to_an_end(seeded: FakeBuildkite, seeded_api: Session, slug: str) -> None:
    path = f"{ACME}/pipelines/{slug}/builds"
    payload = seeded_api.post(path, json={"commit": "HEAD", "branch": "main"}).json()
    seeded.run(3600)
    ended = seeded_api.get(f"{path}/{payload['number']}").json()
    assert ended["state"] == ("failed" if slug == "infra" else "passed")


def test_unfinished_builds_of_the_seed_end(seeded: FakeBuildkite, seeded_api: Session) -> None:
    seeded.run(7200)
    builds = every(seeded_api, "/builds", exclude_jobs="true")
    assert not [each for each in builds if each["state"] in {"creating", "scheduled", "running", "failing"}]


def test_hello_is_built_within_ten_seconds_and_leaves_an_artifact(seeded: FakeBuildkite, seeded_api: Session) -> None:
    path = f"{ACME}/pipelines/hello/builds"
    payload = seeded_api.post(path, json={"commit": "HEAD", "branch": "main"}).json()
    seeded.run(10)
    assert seeded_api.get(f"{path}/{payload['number']}").json()["state"] == "passed"
    artifacts = seeded_api.get(f"{path}/{payload['number']}/artifacts").json()
    assert [each["path"] for each in artifacts] == ["hello.txt", "reports/summary.json"]
    assert seeded_api.get(artifacts[0]["download_url"]).text == "hello\n"


def everything(server: FakeBuildkite, session: Session, *, backwards: bool = False) -> dict[str, str]:
    """Return the payloads of all builds, requested in one order or the other."""
    builds = server.store.organizations["acme"].builds
    payload: dict[str, str] = {}
    for build in reversed(builds) if backwards else builds:
        path = f"{ACME}/pipelines/{build.pipeline.slug}/builds/{build.number}"
        payload |= {each: session.get(each).text for each in (path, f"{path}/artifacts")}
    return payload


def test_a_seed_creates_the_same_state_in_any_order_of_access(session_of: Callable[[FakeBuildkite], Session]) -> None:
    first, second = (FakeBuildkite(seed=7, settings=Settings(user_limit=None, organization_limit=None)) for _ in "ab")
    assert first.token == second.token
    assert everything(first, session_of(first)) == everything(second, session_of(second), backwards=True)


def test_another_seed_makes_others(seeded: FakeBuildkite) -> None:
    other = FakeBuildkite(seed=1)
    assert other.token != seeded.token
    assert other.build("web", 1).id != seeded.build("web", 1).id


def test_in_real_time_the_first_pipeline_has_running_builds_too(session_of: Callable[[FakeBuildkite], Session]) -> None:
    session = session_of(FakeBuildkite(clock=SystemClock()))
    builds = session.get(f"{ACME}/pipelines/web/builds?state=running").json()
    artifacts = session.get(f"{ACME}/pipelines/web/builds/{builds[0]['number']}/artifacts").json()
    assert len(builds) >= 2
    assert artifacts


def test_a_hundred_thousand_builds_are_paged_at_once(seeded: FakeBuildkite, seeded_api: Session) -> None:
    seeded.add_builds("bulk", 100_000, jobs=3)
    response = seeded_api.get(f"{ACME}/pipelines/bulk/builds?per_page=100&page=1000&exclude_pipeline=true")
    assert [each["number"] for each in response.json()] == list(range(100, 0, -1))
    assert len(response.json()[0]["jobs"]) == 3
    assert "next" not in response.links
