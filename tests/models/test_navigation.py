"""Relations up and down: the path that each one leads to, and that following it sends no request."""

from __future__ import annotations

import copy
import pickle
from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING

import pytest

from buildkite_orm import (
    AgentRef,
    ArtifactRef,
    Build,
    BuildRef,
    ConfigurationError,
    Job,
    JobRef,
    LogRef,
    ManualJob,
    OrganizationRef,
    PipelineRef,
    Ref,
    Resource,
    ScriptJob,
    TriggerJob,
    UnboundError,
    WaiterJob,
    resources,
)
from buildkite_orm.http.encoding import encode_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

JOB = "01900000-0000-4000-8000-000000000001"
ORG = "organizations/acme"
BUILD = f"{ORG}/pipelines/web/builds/42"

DOWN: dict[str, tuple[Callable[[Buildkite], Ref], type[Ref], str]] = {
    "organization": (lambda bk: bk.organization("acme"), OrganizationRef, ORG),
    "pipeline": (lambda bk: bk.organization("acme").pipeline("web"), PipelineRef, f"{ORG}/pipelines/web"),
    "build": (lambda bk: bk.organization("acme").pipeline("web").build(42), BuildRef, BUILD),
    "job of a build": (
        lambda bk: bk.organization("acme").pipeline("web").build(42).job("j"),
        JobRef,
        f"{BUILD}/jobs/j",
    ),
    "job of an organization": (lambda bk: bk.organization("acme").job("j"), JobRef, f"{ORG}/jobs/j"),
    "artifact": (
        lambda bk: bk.organization("acme").pipeline("web").build(42).job("j").artifact("a"),
        ArtifactRef,
        f"{BUILD}/jobs/j/artifacts/a",
    ),
    "artifact of an organization's job": (
        lambda bk: bk.organization("acme").job("j").artifact("a"),
        ArtifactRef,
        f"{ORG}/jobs/j/artifacts/a",
    ),
    "log": (
        lambda bk: bk.organization("acme").pipeline("web").build(42).job("j").log(),
        LogRef,
        f"{BUILD}/jobs/j/log",
    ),
    "agent": (lambda bk: bk.organization("acme").agent("g"), AgentRef, f"{ORG}/agents/g"),
}
UP: dict[str, tuple[Callable[[Buildkite], Ref], type[Ref], str]] = {
    "pipeline.organization": (lambda bk: bk.organization("acme").pipeline("web").organization, OrganizationRef, ORG),
    "build.pipeline": (
        lambda bk: bk.organization("acme").pipeline("web").build(42).pipeline,
        PipelineRef,
        f"{ORG}/pipelines/web",
    ),
    "build.organization": (
        lambda bk: bk.organization("acme").pipeline("web").build(42).organization,
        OrganizationRef,
        ORG,
    ),
    "job.build": (lambda bk: bk.organization("acme").pipeline("web").build(42).job("j").build, BuildRef, BUILD),
    "job.organization": (lambda bk: bk.organization("acme").job("j").organization, OrganizationRef, ORG),
    "artifact.job": (
        lambda bk: bk.organization("acme").pipeline("web").build(42).job("j").artifact("a").job,
        JobRef,
        f"{BUILD}/jobs/j",
    ),
    "artifact.job.build": (
        lambda bk: bk.organization("acme").pipeline("web").build(42).job("j").artifact("a").job.build,
        BuildRef,
        BUILD,
    ),
    "artifact.organization": (
        lambda bk: bk.organization("acme").job("j").artifact("a").organization,
        OrganizationRef,
        ORG,
    ),
    "log.job": (lambda bk: bk.organization("acme").job("j").log().job, JobRef, f"{ORG}/jobs/j"),
    "agent.organization": (lambda bk: bk.organization("acme").agent("g").organization, OrganizationRef, ORG),
}


@pytest.mark.parametrize(("go", "kind", "path"), [*DOWN.values(), *UP.values()], ids=[*DOWN, *UP])
def test_a_relation_returns_the_ref_at_the_right_path_and_sends_no_request(
    bk: Buildkite, costs: Costs, go: Callable[[Buildkite], Ref], kind: type[Ref], path: str
) -> None:
    with costs(0):
        ref = go(bk)
        assert type(ref) is kind
        assert ref.api_path == path


def test_a_ref_has_its_key_under_the_name_of_the_field(bk: Buildkite, costs: Costs) -> None:
    org = bk.organization("acme")
    build = org.pipeline("größe/1").build(42)
    with costs(0):
        assert (org.slug, build.pipeline.slug, build.number, build.job("j").build.number) == ("acme", "größe/1", 42, 42)
        assert (org.job("j").id, org.agent("g").id, org.rule("r").uuid) == ("j", "g", "r")
        assert "slug" in dir(org)
        assert copy.copy(build).number == pickle.loads(pickle.dumps(build)).number == 42  # noqa: S301
    with pytest.raises(AttributeError, match="is a ref"):
        build.number = 43
    ref = bk.from_url("https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds/latest")
    assert isinstance(ref, BuildRef)
    assert str(ref.number) == "latest"


def test_every_ref_with_a_key_has_the_key_of_its_object() -> None:
    for kind in all_refs():
        if not issubclass(kind, Resource) and kind.routes.templates and kind.identity:
            key = "1" if kind.identity == "number" else "a b"
            ref = kind.at(None, kind.routes.path_of(dict.fromkeys(names_in(kind), encode_path(key))))
            assert str(getattr(ref, kind.identity)) == key
            objects = [each for each in kind.__subclasses__() if issubclass(each, Resource)]
            assert all(kind.identity in each.model_fields and each.identity == kind.identity for each in objects)


def all_refs() -> Iterator[type[Ref]]:
    for module in walk_packages(resources.__path__, f"{resources.__name__}."):
        import_module(module.name)
    found = [Ref]
    for kind in found:
        found += [each for each in kind.__subclasses__() if each not in found]
    yield from found


def names_in(kind: type[Ref]) -> set[str]:
    return {name for template in kind.routes.templates for _, name in template if name}


def test_a_ref_shows_its_path(bk: Buildkite) -> None:
    org = bk.organization("acme")
    assert repr(org) == "OrganizationRef(acme)"
    assert repr(org.pipeline("web")) == "PipelineRef(acme/web)"
    assert repr(org.pipeline("web").build(42)) == "BuildRef(acme/web #42)"
    assert repr(org.job("j")) == "JobRef(acme/jobs/j)"


def test_the_path_of_a_child_begins_with_the_path_of_its_parent(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", number=42, jobs=[{"type": "script"}])
    build = bk.organization("acme").builds()[0]
    job = build.jobs()[0]
    server.requests.clear()
    list(build.artifacts())
    list(build.annotations())
    list(job.artifacts())
    list(job.annotations())
    list(build.pipeline.builds())
    list(build.pipeline.organization.agents())
    assert [request.path for request in server.requests] == [
        f"/v2/{BUILD}/artifacts",
        f"/v2/{BUILD}/annotations",
        f"/v2/{BUILD}/jobs/{job.id}/artifacts",
        f"/v2/{BUILD}/jobs/{job.id}/annotations",
        f"/v2/{ORG}/pipelines/web/builds",
        f"/v2/{ORG}/agents",
    ]


def test_the_objects_of_every_listing_lead_back_to_their_parents(
    server: FakeBuildkite, bk: Buildkite, costs: Costs
) -> None:
    record = server.add_build("web", number=42, jobs=[{"type": "script"}])
    server.add_artifact(record.jobs[0], "a.txt", b"1")
    server.add_agent()
    org = bk.organization("acme")
    build, pipeline, agent = bk.builds()[0], org.pipelines()[0], org.agents()[0]
    artifact, job = build.artifacts()[0], build.jobs()[0]
    with costs(0):
        assert build.pipeline == pipeline == org.pipeline("web")
        assert build.organization == pipeline.organization == agent.organization == org
        assert artifact.job == job
        assert artifact.job.build == job.build == build
        assert artifact.organization == job.organization == org


# -- the build of a job


def test_a_job_ref_of_an_organization_does_not_know_its_build_and_names_fetch(bk: Buildkite, costs: Costs) -> None:
    with costs(0), pytest.raises(UnboundError, match=r"\.fetch\(\)"):
        _ = bk.organization("acme").job("j").build


@pytest.mark.parametrize("kind", ["script", "manual"])
def test_a_job_that_was_fetched_knows_its_build(server: FakeBuildkite, bk: Buildkite, costs: Costs, kind: str) -> None:
    record = server.add_build("web", number=42, jobs=[{"type": kind}])
    job = bk.organization("acme").job(record.jobs[0].id).fetch()
    with costs(0):
        assert job.build == bk.organization("acme").pipeline("web").build(42)
        assert job.build.api_path == BUILD
    assert job.build.fetch().number == 42


@pytest.mark.parametrize(
    "fields",
    [
        {"build_url": f"https://api.buildkite.com/v2/{BUILD}"},
        {"build_url": "https://buildkite.com/acme/web/builds/42"},
        {"build_url": None, "web_url": f"https://buildkite.com/acme/web/builds/42#{JOB}"},
        {"web_url": None, "unblock_url": f"https://api.buildkite.com/v2/{BUILD}/jobs/j/unblock"},
        {"unblock_url": f"https://buildkite.com/acme/web/builds/42#{JOB}"},
        {"build_url": "", "log_url": f"https://api.buildkite.com/v2/{BUILD}/jobs/j/log"},
    ],
)
def test_a_job_knows_its_build_by_any_url_of_it(
    server: FakeBuildkite, bk: Buildkite, fields: dict[str, object]
) -> None:
    record = server.add_build("web", number=42, jobs=[{"type": "script"}])
    kind = "manual" if "unblock_url" in fields else "script"
    server.settings.drift = lambda _payload: {"id": "j", "type": kind, **fields}
    assert bk.organization("acme").job(record.jobs[0].id).fetch().build.api_path == BUILD


def test_a_job_without_any_url_says_that_its_build_is_not_known(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_build("web", number=42, jobs=[{"type": "waiter"}])
    server.settings.drift = lambda _payload: {"id": "j", "type": "waiter"}
    job = bk.organization("acme").job(record.jobs[0].id).fetch()
    assert isinstance(job, WaiterJob)
    with pytest.raises(UnboundError, match="does not say which build"):
        _ = job.build


def test_a_job_of_a_build_knows_it_without_any_url(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", number=42, jobs=[{"type": "waiter"}])
    build = bk.organization("acme").pipeline("web").build(42)
    for job in (*build.jobs(), *build.fetch().jobs()):
        assert job.build == build


# -- trigger jobs, and the job of an agent


def test_a_trigger_job_leads_to_the_build_that_it_started(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    started = server.add_build("api", number=7, message="Started")
    server.add_build("web", number=42, jobs=[{"type": "trigger", "triggered_build": started}, {"type": "trigger"}])
    done, pending = bk.organization("acme").pipeline("web").build(42).jobs()
    assert isinstance(done, TriggerJob)
    assert isinstance(pending, TriggerJob)
    with costs(0):
        assert done.triggered_build == bk.organization("acme").pipeline("api").build(7)
        assert pending.triggered_build is None
    assert done.triggered_build is not None
    assert done.triggered_build.fetch().message == "Started"


def test_an_agent_leads_to_the_job_that_it_runs(server: FakeBuildkite, bk: Buildkite, costs: Costs) -> None:
    record = server.add_build("web", number=42, state="running", jobs=[{"type": "script", "state": "running"}])
    server.add_agent("busy", job=record.jobs[0])
    server.add_agent("idle")
    agents = {agent.name: agent for agent in bk.organization("acme").agents()}
    with costs(0):
        assert agents["busy"].job == bk.organization("acme").job(record.jobs[0].id)
        assert agents["idle"].job is None


def test_jobs_have_the_classes_of_their_types(acme: FakeBuildkite) -> None:
    with acme.client(strict=True) as bk:
        builds = bk.organization("acme").builds(with_jobs=True)[:300]
        kinds = {type(job) for build in builds for job in build.jobs()}
        listed = bk.organization("acme").pipeline(builds[0].pipeline.fetch().slug).build(builds[0].number).jobs()
        assert {job.id: type(job) for job in listed} == {job.id: type(job) for job in builds[0].jobs()}
    assert kinds == {ScriptJob, WaiterJob, ManualJob, TriggerJob}


# -- from a URL


@pytest.mark.parametrize(
    ("url", "kind", "path"),
    [
        ("https://buildkite.com/acme", OrganizationRef, ORG),
        ("https://buildkite.com/acme/web", PipelineRef, f"{ORG}/pipelines/web"),
        ("https://buildkite.com/acme/web/builds/42", BuildRef, BUILD),
        (f"https://buildkite.com/acme/web/builds/42#{JOB}", JobRef, f"{BUILD}/jobs/{JOB}"),
        (f"https://buildkite.com/acme/web/builds/42/steps/canvas?jid={JOB}", JobRef, f"{BUILD}/jobs/{JOB}"),
        ("https://buildkite.com/organizations/acme/agents/g", AgentRef, f"{ORG}/agents/g"),
        (f"https://api.buildkite.com/v2/{BUILD}", BuildRef, BUILD),
        (f"https://api.buildkite.com/v2/{BUILD}/jobs/j/artifacts/a", ArtifactRef, f"{BUILD}/jobs/j/artifacts/a"),
        (f"https://api.buildkite.com/v2/{ORG}/jobs/j", JobRef, f"{ORG}/jobs/j"),
        ("  https://buildkite.com/acme/web/builds/42  ", BuildRef, BUILD),
    ],
)
def test_a_url_leads_to_its_ref(bk: Buildkite, costs: Costs, url: str, kind: type[Ref], path: str) -> None:
    with costs(0):
        ref = bk.from_url(url)
    assert type(ref) is kind
    assert ref.api_path == path


@pytest.mark.parametrize(
    "url",
    [
        "",
        "acme/web",
        "https://example.com/acme/web/builds/42",
        "https://buildkite.com/",
        "https://buildkite.com/docs/apis",
        f"https://evil.example/v2/{BUILD}",
        "ftp://buildkite.com/acme",
    ],
)
def test_a_url_of_something_else_is_refused(bk: Buildkite, url: str) -> None:
    with pytest.raises(ValueError, match="from_url"):
        bk.from_url(url)


def test_the_url_of_an_object_leads_back_to_it(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_build("web", number=42, jobs=[{"type": "script"}])
    server.add_artifact(record.jobs[0], "a.txt", b"1")
    build: Build = bk.organization("acme").builds()[0]
    job: Job = build.jobs()[0]
    artifact = build.artifacts()[0]
    assert bk.from_url(build.url) == build
    assert build.web_url is not None
    assert bk.from_url(build.web_url) == build
    assert job.web_url is not None
    assert bk.from_url(job.web_url) == job
    assert bk.from_url(artifact.url) == artifact


# -- the default organization


def test_the_organization_of_the_client_is_used_if_none_is_named(server: FakeBuildkite) -> None:
    with server.client(organization="acme") as bk:
        assert bk.organization() == bk.organization("acme")
        assert bk.organization("other") != bk.organization()


def test_the_environment_may_name_the_organization(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDKITE_ORGANIZATION_SLUG", "acme")
    with server.client() as bk:
        assert bk.organization().api_path == ORG


def test_a_missing_organization_is_reported_clearly(bk: Buildkite) -> None:
    with pytest.raises(ConfigurationError, match="BUILDKITE_ORGANIZATION_SLUG"):
        bk.organization()
