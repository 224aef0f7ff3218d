"""`from_url`: every kind of page and API URL leads to its ref; hostile ones lead nowhere."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildkite_orm import (
    AgentRef,
    ArtifactRef,
    Build,
    Buildkite,
    BuildRef,
    ConfigurationError,
    JobRef,
    OrganizationRef,
    PipelineRef,
    resources,
)
from buildkite_orm.models.ref import Ref
from buildkite_orm.resources import any_ref
from buildkite_orm.resources.clusters import ClusterRef, QueueRef
from buildkite_orm.resources.packages import RegistryRef
from buildkite_orm.resources.pipelines import PipelineScheduleRef
from buildkite_orm.resources.teams import TeamRef
from buildkite_orm.resources.test_engine import SuiteRef

if TYPE_CHECKING:
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.querysets.queryset import QuerySet

WEB = "https://buildkite.com"
API = "https://api.buildkite.com/v2"
JOB = "01900000-1111-7222-8333-444444444444"
ARTIFACT = "01900000-5555-7666-8777-888888888888"
BUILD = "organizations/acme/pipelines/web/builds/42"
OFFLINE = Buildkite("bkua_0123456789abcdef", base_url="https://proxy.example/buildkite")

KNOWN = [
    # pages
    (f"{WEB}/acme", OrganizationRef, "organizations/acme"),
    (f"{WEB}/acme/", OrganizationRef, "organizations/acme"),
    (f"{WEB}/organizations/acme", OrganizationRef, "organizations/acme"),
    (f"{WEB}/organizations/acme/settings", OrganizationRef, "organizations/acme"),
    (f"{WEB}/organizations/acme/agents", OrganizationRef, "organizations/acme"),
    (f"{WEB}/organizations/acme/agents/{JOB}", AgentRef, f"organizations/acme/agents/{JOB}"),
    (f"{WEB}/organizations/acme/clusters/c/queues/q/agents/{JOB}", AgentRef, f"organizations/acme/agents/{JOB}"),
    (f"{WEB}/acme/web", PipelineRef, "organizations/acme/pipelines/web"),
    (f"{WEB}/acme/web/builds", PipelineRef, "organizations/acme/pipelines/web"),
    (f"{WEB}/acme/web/builds?branch=main", PipelineRef, "organizations/acme/pipelines/web"),
    (f"{WEB}/organizations/acme/clusters/c", ClusterRef, "organizations/acme/clusters/c"),
    (f"{WEB}/organizations/acme/clusters/c/queues/q", QueueRef, "organizations/acme/clusters/c/queues/q"),
    (f"{API}/organizations/acme/clusters/c/queues", ClusterRef, "organizations/acme/clusters/c"),
    (
        f"{API}/organizations/acme/pipelines/web/schedules/s",
        PipelineScheduleRef,
        "organizations/acme/pipelines/web/schedules/s",
    ),
    (f"{WEB}/organizations/acme/analytics", OrganizationRef, "organizations/acme"),
    (f"{WEB}/organizations/acme/teams/{JOB}", TeamRef, f"organizations/acme/teams/{JOB}"),
    (f"{API}/analytics/organizations/acme/suites/rspec", SuiteRef, "analytics/organizations/acme/suites/rspec"),
    (f"{API}/packages/organizations/acme/registries/gems", RegistryRef, "packages/organizations/acme/registries/gems"),
    (f"{WEB}/acme/web/settings/steps", PipelineRef, "organizations/acme/pipelines/web"),
    (f"{WEB}/acme/web/builds/42", BuildRef, BUILD),
    (f"{WEB}/acme/web/builds/42/", BuildRef, BUILD),
    (f"{WEB}/acme/web/builds/42#", BuildRef, BUILD),
    (f"{WEB}/acme/web/builds/42#summary", BuildRef, BUILD),
    (f"{WEB}/acme/web/builds/42/annotations", BuildRef, BUILD),
    (f"{WEB}/acme/web/builds/42/steps/canvas?sid={ARTIFACT}", BuildRef, BUILD),
    (f"{WEB}/acme/web/builds/42#{JOB}", JobRef, f"{BUILD}/jobs/{JOB}"),
    (f"{WEB}/acme/web/builds/42#{JOB}/123-456", JobRef, f"{BUILD}/jobs/{JOB}"),
    (f"{WEB}/acme/web/builds/42/steps/canvas?sid={ARTIFACT}&jid={JOB}&tab=output", JobRef, f"{BUILD}/jobs/{JOB}"),
    (f"{WEB}/{BUILD}", BuildRef, BUILD),
    (f"{WEB}/{BUILD}/jobs/{JOB}/raw_log", JobRef, f"{BUILD}/jobs/{JOB}"),
    (f"{WEB}/{BUILD}/jobs/{JOB}/artifacts/{ARTIFACT}", ArtifactRef, f"{BUILD}/jobs/{JOB}/artifacts/{ARTIFACT}"),
    ("  https://www.buildkite.com/acme/web/builds/42\n", BuildRef, BUILD),
    ("http://BUILDKITE.com/acme/web/builds/42", BuildRef, BUILD),
    (f"{WEB}/acme/v2/builds/42", BuildRef, "organizations/acme/pipelines/v2/builds/42"),
    (f"{WEB}/v2/web/builds/42", BuildRef, "organizations/v2/pipelines/web/builds/42"),
    # as people paste them
    ("buildkite.com/acme/web/builds/42", BuildRef, BUILD),
    ("www.buildkite.com/acme/web/builds/42", BuildRef, BUILD),
    (f"api.buildkite.com/v2/{BUILD}", BuildRef, BUILD),
    (f"<{WEB}/acme/web/builds/42>", BuildRef, BUILD),
    (f"\u2039{WEB}/acme/web/builds/42\u203a", BuildRef, BUILD),
    (f"({WEB}/acme/web/builds/42).", BuildRef, BUILD),
    (f"{WEB}/acme/web/builds/42.", BuildRef, BUILD),
    (f'"{WEB}/acme/web/builds/42/",', BuildRef, BUILD),
    (f"{WEB}/acme/web/builds/42.json", BuildRef, BUILD),
    (f"{API}/{BUILD}.json", BuildRef, BUILD),
    (f"{WEB}/acme/web.json", PipelineRef, "organizations/acme/pipelines/web"),
    (f"{WEB}/acme/web/builds/42/jobs/{JOB}", JobRef, f"{BUILD}/jobs/{JOB}"),
    (f"{WEB}/acme/web/builds/42/jobs/{JOB}.", JobRef, f"{BUILD}/jobs/{JOB}"),
    (f"{WEB}/acme/web/builds/42/jobs/{JOB}/download.txt", JobRef, f"{BUILD}/jobs/{JOB}"),
    (f"{WEB}/{BUILD}/jobs/{JOB}/download.txt", JobRef, f"{BUILD}/jobs/{JOB}"),
    (f"<{WEB}/acme/web/builds/42#{JOB}/12-13>", JobRef, f"{BUILD}/jobs/{JOB}"),
    # the API
    (f"{API}/organizations/acme", OrganizationRef, "organizations/acme"),
    (f"{API}/organizations/acme/pipelines", OrganizationRef, "organizations/acme"),
    (f"{API}/organizations/acme/teams", OrganizationRef, "organizations/acme"),
    (f"{API}/{BUILD}/rebuild", BuildRef, BUILD),
    (f"{API}/organizations/acme/pipelines/web", PipelineRef, "organizations/acme/pipelines/web"),
    (f"{API}/organizations/acme/pipelines/v2/builds", PipelineRef, "organizations/acme/pipelines/v2"),
    (f"{API}/{BUILD}?exclude_jobs=true", BuildRef, BUILD),
    (f"{API}/{BUILD}/jobs/{JOB}", JobRef, f"{BUILD}/jobs/{JOB}"),
    (f"{API}/{BUILD}/jobs/{JOB}/log", JobRef, f"{BUILD}/jobs/{JOB}"),
    (f"{API}/organizations/acme/jobs/{JOB}", JobRef, f"organizations/acme/jobs/{JOB}"),
    (
        f"{API}/organizations/acme/jobs/{JOB}/artifacts/{ARTIFACT}/download",
        ArtifactRef,
        f"organizations/acme/jobs/{JOB}/artifacts/{ARTIFACT}",
    ),
    (f"{API}/{BUILD}/jobs/{JOB}/artifacts/{ARTIFACT}", ArtifactRef, f"{BUILD}/jobs/{JOB}/artifacts/{ARTIFACT}"),
    (f"{API}/organizations/acme/agents/{JOB}", AgentRef, f"organizations/acme/agents/{JOB}"),
    (f"https://proxy.example/buildkite/v2/{BUILD}", BuildRef, BUILD),
]


@pytest.mark.parametrize(("url", "kind", "path"), KNOWN, ids=[url for url, _, _ in KNOWN])
def test_a_url_leads_to_its_ref(url: str, kind: type, path: str) -> None:
    ref = OFFLINE.from_url(url)
    assert (type(ref), ref.api_path) == (kind, path)


def test_a_url_leads_to_the_kind_that_the_caller_expects() -> None:
    assert OFFLINE.from_url(f"{WEB}/acme/web/builds/42", BuildRef).number == 42
    assert OFFLINE.from_url(f"{API}/organizations/acme/teams/{JOB}", TeamRef).id == JOB
    with pytest.raises(ValueError, match=r"it leads to JobRef\(.*\), which is not a BuildRef"):
        OFFLINE.from_url(f"{WEB}/acme/web/builds/42#{JOB}", BuildRef)
    with pytest.raises(TypeError, match="the kind is the class of a ref, as BuildRef, not Build"):
        OFFLINE.from_url(f"{WEB}/acme/web/builds/42", Build)


def test_a_pipeline_is_found_by_both_slugs() -> None:
    assert OFFLINE.pipeline("acme/web") == OFFLINE.organization("acme").pipeline("web")
    assert Buildkite("bkua_0", organization="acme").pipeline("web").api_path == "organizations/acme/pipelines/web"
    with pytest.raises(ConfigurationError, match="no organization"):
        OFFLINE.pipeline("web")
    with pytest.raises(ValueError, match=r"pass 'organization/pipeline'; from_url\(\) reads URLs"):
        OFFLINE.pipeline(f"{WEB}/acme/web")


def test_any_ref_is_the_union_of_the_classes_that_urls_lead_to() -> None:
    classes = get_args(any_ref.AnyRef)
    (declared,) = [
        ast.unparse(node.value)
        for node in ast.walk(ast.parse(Path(any_ref.__file__).read_text()))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "AnyRef"
    ]
    assert {each.__name__ for each in classes} == set(declared.split(" | "))
    for collection, homes in any_ref.CLASSES.items():
        for _, name in homes:
            (kind,) = [each for each in classes if each.__name__ == name]
            assert {path.split("/")[-2] for path in kind._paths} == {collection}


def refs() -> list[type[Ref]]:
    """Return all classes of refs that have a path of their own."""
    for module in walk_packages(resources.__path__, "buildkite_orm.resources."):
        import_module(module.name)
    found, left = list[type[Ref]](), [Ref]
    while left:
        kinds = [kind for kind in left.pop().__subclasses__() if kind.__module__.startswith("buildkite_orm.resources.")]
        found += [kind for kind in kinds if kind.__name__.endswith("Ref") and kind.routes.templates]
        left += kinds
    return sorted(set(found), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", refs(), ids=lambda kind: kind.__name__)
def test_each_path_of_each_ref_leads_to_it(kind: type[Ref]) -> None:
    for template in kind._paths:  # pyright: ignore[reportPrivateUsage]
        path = re.sub(r"\{(\w+)\}", lambda name: "7" if name[1] in {"build", "number"} else JOB, template)
        assert type(OFFLINE.from_url(f"{API}/{path}", kind)) is kind
        if kind.identity is not None:
            ref = OFFLINE.from_url(f"{API}/{path}")
            assert (type(ref), ref.api_path) == (kind, path)
            assert OFFLINE.from_url(f"{API}/{path}.json") == ref


HOSTILE = [
    "",
    "acme",
    "acme/web/builds/42",
    f"javascript:{WEB}/acme",
    "ftp://buildkite.com/acme",
    "file:///acme/web/builds/42",
    WEB,
    f"{WEB}/",
    f"{WEB}/docs/apis/rest-api",
    f"{WEB}/user/api-access-tokens",
    f"{WEB}/organizations",
    f"{WEB}/organizations/",
    "https://buildkite.com.evil.example/acme/web/builds/42",
    "https://buildkite.com@evil.example/acme/web/builds/42",
    "https://evil.example/buildkite.com/acme",
    "https://evil.example/v2/organizations/acme",
    "https://evilbuildkite.com/acme",
    "https://[::1",
    "https://[buildkite.com]/acme",
    f"{WEB}/acme/..",
    f"{WEB}/acme/%2e%2e/builds/42",
    f"{WEB}/../web",
    f"{WEB}/acme/web%00",
    f"{WEB}/acme/web%0a/builds/1",
    f"{WEB}/organizations/acme/pipelines/..",
    f"{WEB}/organizations/acme/pipelines//builds/1",
    f"{WEB}/organizations/acme/agents/..",
    f"{API}",
    f"{API}/",
    f"{API}/user",
    f"{API}/builds",
    # an unknown path below a known one: its parent would be a different resource
    f"{WEB}/acme/web/builds/latest",
    f"{WEB}/organizations/acme/teams/everyone",
    f"{API}/{BUILD}/jobs/{JOB}/log/lines",
    f"{API}/organizations/acme/clusters/c/nothing/{JOB}",
    f"{API}/organizations/acme/pipelines/web/nothing/{JOB}",
    f"{API}/organizations",
    f"{API}/organizations/",
    f"{API}/organizations/..",
    f"{API}/organizations/acme/pipelines/../../user",
    f"{API}/organizations/acme/pipelines/%2e%2e/builds/1",
    f"{API}/organizations/acme//pipelines/web",
    f"{API}/organizations/%0d%0aacme",
    "https://api.buildkite.com/organizations/acme",
    "https://api.buildkite.com/v3/organizations/acme",
    "https://graphql.buildkite.com/v2/organizations/acme",
]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^from_url\("):
        OFFLINE.from_url(url)


@pytest.mark.parametrize("number", ["9" * 5000, "٣"], ids=["too many digits", "digits of another script"])
def test_a_number_that_no_build_has_stays_text(number: str) -> None:
    ref = OFFLINE.from_url(f"{API}/organizations/acme/pipelines/web/builds/{number}")
    assert isinstance(ref, BuildRef)
    assert str(ref.number) == number
    assert not isinstance(ref.number, int)


@pytest.mark.parametrize("number", ["42", "0042", "00000000042"])
def test_a_number_with_zeros_before_it_is_the_same_build(number: str) -> None:
    build = OFFLINE.organization("acme").pipeline("web").build(42)
    for other in (
        OFFLINE.from_url(f"{WEB}/acme/web/builds/{number}"),
        OFFLINE.from_url(f"{API}/organizations/acme/pipelines/web/builds/{number}"),
        OFFLINE.organization("acme").pipeline("web").build(number),  # type: ignore[arg-type]
        OFFLINE.from_url(f"{WEB}/acme/web/builds/{number}#{JOB}", JobRef).build,
    ):
        assert (other, hash(other), other.api_path) == (build, hash(build), build.api_path)


def test_an_encoded_slash_stays_in_its_place() -> None:
    ref = OFFLINE.from_url(f"{API}/organizations/acme/pipelines/a%2F..%2Fb")
    assert ref.api_path == "organizations/acme/pipelines/a%2F..%2Fb"
    assert OFFLINE.from_url(f"{WEB}/acme/a%2F..%2Fb") == ref


def test_two_spellings_of_a_url_lead_to_equal_refs() -> None:
    assert OFFLINE.from_url(f"{API}/organizations/%61cme") == OFFLINE.from_url(f"{WEB}/acme")


def test_a_secret_in_a_url_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="from_url") as caught:
        OFFLINE.from_url("https://evil.example/v2/x?access_token=geheim")
    assert "geheim" not in str(caught.value)
    with pytest.raises(ValueError, match="from_url") as caught:
        OFFLINE.from_url("https://api.buildkite.com/v2/user?access_token=geheim")
    assert "geheim" not in str(caught.value)
    with pytest.raises(ValueError, match="from_url") as caught:
        OFFLINE.from_url("https://user:geheim@evil.example/acme")
    assert "geheim" not in str(caught.value)


@given(st.text() | st.from_regex(r"https://(api\.)?buildkite\.com/(v2/organizations/)?[^?#]{0,30}", fullmatch=True))
def test_any_url_leads_below_an_organization_or_nowhere(url: str) -> None:
    try:
        ref = OFFLINE.from_url(url)
    except ValueError:
        return
    segments = ref.api_path.split("/")
    assert "organizations" in segments[:2]
    assert all(segments)
    assert not {".", ".."} & set(segments)
    assert ref.api_path.isascii()


def test_a_build_is_canceled_by_the_url_of_its_page_in_one_request(server: FakeBuildkite, bk: Buildkite) -> None:
    build = server.add_build("web", state="running", jobs=[{"state": "running"}])
    ref = bk.from_url(f"{WEB}/acme/web/builds/{build.number}")
    assert isinstance(ref, BuildRef)
    ref.cancel()
    (request,) = server.requests
    assert request.line == "PUT /v2/organizations/acme/pipelines/web/builds/1/cancel"


def test_every_url_of_an_object_leads_back_to_it(server: FakeBuildkite, bk: Buildkite) -> None:
    record = server.add_build("web", jobs=[{"name": "Test"}])
    stored = server.add_artifact(record.jobs[0], "a.txt", b"a")
    agent = server.add_agent()
    organization = bk.organization("acme").fetch()
    build = organization.pipeline("web").build(1).fetch()
    job = build.jobs()[0]
    pipeline, artifact = organization.pipeline("web").fetch(), job.artifact(stored.id).fetch()
    urls: list[tuple[str | None, object]] = [
        (organization.url, organization),
        (organization.web_url, organization),
        (pipeline.url, pipeline),
        (pipeline.web_url, pipeline),
        (build.url, build),
        (build.web_url, build),
        (job.web_url, job),
        (artifact.url, artifact),
        (artifact.download_url, artifact),
        (organization.agent(agent.id).fetch().url, organization.agent(agent.id)),
    ]
    for url, owner in urls:
        assert url
        assert bk.from_url(url) == owner


def test_the_pages_of_other_areas_lead_back_to_their_objects(acme: FakeBuildkite) -> None:
    with acme.client() as bk:
        organization = bk.organization("acme")
        suite = organization.suites()[0]
        (cluster,) = [cluster for cluster in organization.clusters() if cluster.agent_images()]
        listings: list[QuerySet[Any]] = [
            organization.clusters(),
            cluster.queues(),
            cluster.agent_images(),
            organization.pipeline_templates(),
            organization.registries(),
            organization.suites(),
            suite.runs(),
            suite.tests(),
        ]
        for listing in listings:
            item = listing[0]
            assert bk.from_url(item.web_url) == item, item
            assert bk.from_url(item.url) == item, item
