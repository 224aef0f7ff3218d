"""Identity: which refs and objects are equal, and what an object can do without its client."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from buildkite_orm import (
    AccessToken,
    Agent,
    Annotation,
    Artifact,
    Build,
    Buildkite,
    BuildkiteError,
    BuildRef,
    Job,
    JobRef,
    Log,
    Organization,
    Pipeline,
    Ref,
    Resource,
    ScriptJob,
    UnboundError,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs

PAYLOADS: dict[type[Resource], dict[str, Any]] = {
    Build: {
        "id": "0190-build",
        "url": "https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds/42",
        "number": 42,
        "state": "passed",
        "commit": "abc",
        "created_at": "2026-07-01T10:00:00.000Z",
    },
    Pipeline: {
        "id": "0190-pipeline",
        "url": "https://api.buildkite.com/v2/organizations/acme/pipelines/web",
        "name": "Web",
        "slug": "web",
    },
    ScriptJob: {"id": "0190-job", "type": "script"},
}


class Context:
    """One of everything, as refs and as objects, reached over different ways."""

    def __init__(self, server: FakeBuildkite, bk: Buildkite) -> None:
        record = server.add_build("web", number=42, jobs=[{"type": "script", "name": "Test", "state": "passed"}])
        job_record = record.jobs[0]
        server.set_log(job_record, b"hello")
        artifact_record = server.add_artifact(job_record, "dist/app.js", b"1")
        server.add_annotation(record, "Hello", job=job_record)
        agent_record = server.add_agent("linux-1")
        self.org = bk.organization("acme")
        self.pipeline_ref = self.org.pipeline("web")
        self.build_ref = self.pipeline_ref.build(42)
        self.job_ref = self.build_ref.job(job_record.id)
        self.other_job_ref = self.org.job(job_record.id)
        self.artifact_id = artifact_record.id
        self.agent_ref = self.org.agent(agent_record.id)
        self.build = self.build_ref.fetch()
        self.job = self.build.jobs()[0]
        self.bk = bk

    def same(self) -> list[Sequence[Ref]]:
        """Groups of refs and objects that are equal to each other."""
        jobs = [self.job_ref, self.other_job_ref, self.job, self.job_ref.fetch(), self.other_job_ref.fetch()]
        artifacts = [
            self.job_ref.artifact(self.artifact_id),
            self.other_job_ref.artifact(self.artifact_id),
            self.build.artifacts()[0],
            self.job.artifacts()[0],
            self.other_job_ref.artifacts()[0],
            self.other_job_ref.artifact(self.artifact_id).fetch(),
        ]
        found: list[Sequence[Ref]] = [
            [self.org, self.org.fetch(), self.bk.organizations()[0], self.build.organization, self.job.organization],
            [self.pipeline_ref, self.pipeline_ref.fetch(), self.org.pipelines()[0], self.build.pipeline],
            [
                self.build_ref,
                self.build,
                self.org.builds()[0],
                self.bk.builds()[0],
                self.pipeline_ref.builds()[0],
                self.job.build,
                self.other_job_ref.fetch().build,
                self.bk.from_url("https://buildkite.com/acme/web/builds/42"),
            ],
            jobs,
            artifacts,
            [self.job_ref.log(), self.other_job_ref.log(), self.job.log(), self.other_job_ref.log().fetch()],
            [
                self.build.annotations(scope="job")[0],
                self.job_ref.annotations()[0],
                self.other_job_ref.annotations()[0],
            ],
            [self.agent_ref, self.agent_ref.fetch(), self.org.agents()[0]],
            [self.bk.user(), self.bk.user()],
            [self.bk.access_token(), self.bk.access_token()],
            [self.bk.meta(), self.bk.meta()],
        ]
        return found


@pytest.fixture
def context(server: FakeBuildkite, bk: Buildkite) -> Context:
    return Context(server, bk)


# -- the same


def test_refs_and_objects_of_one_resource_are_equal_and_hash_alike(context: Context) -> None:
    for group in context.same():
        for one in group:
            assert all(one == other and other == one for other in group), group
            assert {hash(other) for other in group} == {hash(one)}
        assert len(set(group)) == 1
        assert {group[0]: "found"}[group[-1]] == "found"


def test_different_objects_are_not_equal(context: Context) -> None:
    groups = context.same()
    resources = [group[0] for group in groups]
    assert len(set(resources)) == len(groups)
    for place, one in enumerate(resources):
        assert not any(one == other for other in resources[place + 1 :])


def test_objects_of_one_kind_with_different_keys_are_not_equal(context: Context) -> None:
    org = context.org
    assert org.pipeline("web") != org.pipeline("api")
    assert context.build_ref != context.pipeline_ref.build(43)
    assert context.build_ref != org.pipeline("api").build(42)
    assert org.job("a") != org.job("b")
    assert org.job("a") != context.bk.organization("other").job("a")
    assert context.job_ref.artifact("a") != context.job_ref.artifact("b")


def test_an_object_does_not_equal_an_object_of_another_kind(context: Context) -> None:
    assert context.job_ref != context.job_ref.log()
    assert context.org != context.pipeline_ref
    for other in (None, 42, "acme/web #42", context.build_ref.api_path, object()):
        assert context.build_ref != other
        assert context.build != other


def test_a_builds_own_annotation_is_none_of_its_jobs(context: Context, server: FakeBuildkite) -> None:
    server.add_annotation(server.build("web", 42), "Mine")
    own = context.build.annotations()[0]
    of_job = context.job_ref.annotations()[0]
    assert own != of_job
    assert own.api_path == f"organizations/acme/pipelines/web/builds/42/annotations/{own.id}"
    assert of_job.api_path == f"{context.job_ref.api_path}/annotations/{of_job.id}"
    by_build = context.build.annotations(scope="job")[0]
    assert by_build.api_path == f"organizations/acme/jobs/{context.job.id}/annotations/{of_job.id}"


def test_a_change_of_an_object_does_not_change_its_identity(context: Context, server: FakeBuildkite) -> None:
    before = context.build
    server.set_state(server.build("web", 42), "failed")
    after = context.build_ref.fetch()
    assert before.state != after.state
    assert before == after


def test_two_users_are_two_though_each_stands_at_one_path(server: FakeBuildkite, bk: Buildkite) -> None:
    grace = server.add_user("Grace", "grace@acme.example")
    with server.client(token=server.make_token("read_user", user=grace)) as other:
        assert bk.user() != other.user()
        assert bk.access_token() != other.access_token()


def test_the_url_leads_to_the_path_through_a_proxy_with_a_prefix(server: FakeBuildkite, context: Context) -> None:
    server.settings.public_urls = "https://proxy.example/buildkite"
    build = context.build_ref.fetch()
    assert build.url.startswith("https://proxy.example/buildkite/v2/")
    assert build == context.build_ref
    assert build.api_path == "organizations/acme/pipelines/web/builds/42"


def test_a_verb_that_creates_an_object_returns_another_one(context: Context, server: FakeBuildkite) -> None:
    again = context.build_ref.rebuild()
    assert again != context.build
    assert again.number == 43
    assert again == context.pipeline_ref.build(43)
    assert again.pipeline == context.pipeline_ref
    made = context.pipeline_ref.builds().create(commit="HEAD", branch="main")
    assert made == context.pipeline_ref.build(44)
    failed = server.add_build("web", number=50, state="failed", jobs=[{"type": "script", "state": "failed"}])
    retried = context.org.job(failed.jobs[0].id).retry()
    assert retried != context.org.job(failed.jobs[0].id)


# -- copies and pickles


def objects(context: Context) -> Iterator[Ref]:
    for group in context.same():
        yield from group


def test_copies_are_equal_and_share_the_session(context: Context, costs: Costs) -> None:
    resources = list(objects(context))
    with costs(0):
        for resource in resources:
            for twin in (
                copy.copy(resource),
                copy.deepcopy(resource),
                *([resource.model_copy()] if isinstance(resource, Resource) else ()),
            ):
                assert twin is not resource
                assert twin == resource
                assert type(twin) is type(resource)
                assert twin.session is context.bk.session
                assert twin.api_path == resource.api_path


def test_a_deep_copy_shares_no_data(context: Context) -> None:
    twin = copy.deepcopy(context.build)
    twin.meta_data["new"] = "value"
    assert "new" not in context.build.meta_data


def test_a_copy_of_a_build_still_knows_that_it_has_all_its_jobs(context: Context, costs: Costs) -> None:
    twin = copy.deepcopy(context.build)
    with costs(0):
        assert [job.id for job in twin.jobs()] == [context.job.id]


def test_a_pickle_has_neither_session_nor_token(context: Context, server: FakeBuildkite) -> None:
    for resource in objects(context):
        pickled = pickle.dumps(resource)
        assert server.token.encode() not in pickled
        assert b"buildkite_orm.http.session" not in pickled
        assert b"Bearer" not in pickled


def test_an_unpickled_object_is_equal_and_unbound_and_says_so(context: Context, costs: Costs) -> None:
    for resource in objects(context):
        with costs(0):
            twin = pickle.loads(pickle.dumps(resource))  # noqa: S301 - our own
            assert twin == resource
            assert hash(twin) == hash(resource)
            if isinstance(resource, Resource):
                assert twin.dump() == resource.dump()
            with pytest.raises(UnboundError, match=r"bk\.bind\("):
                _ = twin.session


def test_bind_binds_unpickled_objects_again(context: Context) -> None:
    build, job_ref, annotation = (
        pickle.loads(pickle.dumps(resource))  # noqa: S301 - our own
        for resource in (context.build, context.other_job_ref, context.build.annotations(scope="job")[0])
    )
    bk = context.bk
    assert bk.bind(build) is build
    assert build.reload() == context.build
    assert bk.bind(job_ref).fetch() == context.job
    assert bk.bind(annotation).api_path == f"organizations/acme/jobs/{context.job.id}/annotations/{annotation.id}"
    bk.bind(annotation).delete()
    assert not context.job_ref.annotations()


def test_bind_moves_to_another_client(context: Context, server: FakeBuildkite) -> None:
    with server.client(token=server.make_token("read_builds")) as other:
        moved = other.bind(copy.copy(context.build))
        assert moved.session is other.session
        assert context.build.session is context.bk.session
        assert moved.pipeline.session is other.session


# -- unbound

IO: dict[str, tuple[type[Resource], Callable[[Any], object]]] = {
    "build.reload": (Build, lambda build: build.reload()),
    "build.fetch": (Build, lambda build: build.fetch()),
    "build.cancel": (Build, lambda build: build.cancel()),
    "build.rebuild": (Build, lambda build: build.rebuild()),
    "build.retry_failed_jobs": (Build, lambda build: build.retry_failed_jobs()),
    "build.jobs": (Build, lambda build: list(build.jobs())),
    "build.artifacts": (Build, lambda build: list(build.artifacts())),
    "build.annotations": (Build, lambda build: list(build.annotations())),
    "pipeline.builds": (Pipeline, lambda pipeline: list(pipeline.builds())),
    "pipeline.update": (Pipeline, lambda pipeline: pipeline.update(description="x")),
    "job.fetch": (ScriptJob, lambda job: job.fetch()),
    "job.log": (ScriptJob, lambda job: job.log().fetch()),
    "job.environment": (ScriptJob, lambda job: job.environment()),
    "job.retry": (ScriptJob, lambda job: job.retry()),
}


@pytest.mark.parametrize(("model", "use"), IO.values(), ids=IO)
def test_an_unbound_object_refuses_to_send_requests_and_says_why(
    model: type[Resource], use: Callable[[Any], object]
) -> None:
    resource = model.model_validate(PAYLOADS[model])
    with pytest.raises(UnboundError, match="belongs to no client"):
        use(resource)


def test_an_unbound_object_is_data_all_the_same() -> None:
    build = Build.model_validate(PAYLOADS[Build])
    assert build.number == 42
    assert build == Build.model_validate(PAYLOADS[Build])
    assert build.api_path == "organizations/acme/pipelines/web/builds/42"
    assert repr(build) == "Build(acme/web #42 passed)"
    assert copy.deepcopy(build) == build


def test_an_unbound_object_becomes_a_working_one_when_it_is_bound(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", number=42, message="Hello")
    build = bk.bind(Build.model_validate(PAYLOADS[Build]))
    assert build.pipeline == bk.organization("acme").pipeline("web")
    assert build.reload().message == "Hello"


def test_an_object_without_a_key_equals_only_itself() -> None:
    one, two = Job.model_validate({"id": "a", "type": "waiter"}), Job.model_validate({"id": "a", "type": "waiter"})
    assert one != two
    assert one == one  # noqa: PLR0124 - the point
    assert len({one, two}) == 2
    with pytest.raises(UnboundError, match="in the API is unknown"):
        _ = one.api_path


# -- attributes send no request


def walk(resource: Any) -> None:
    """Use an object as debuggers, notebooks and completion do."""
    for name in dir(resource):
        if name in {*dir(BaseModel), "__fields__"}:
            continue  # pydantic's own, some of them deprecated
        try:
            getattr(resource, name)
        except (UnboundError, AttributeError):
            continue
    repr(resource)
    str(resource)
    hash(resource)
    assert resource == resource  # noqa: PLR0124 - the point
    assert not (resource == 1)  # noqa: SIM201 - the operator is meant
    bool(resource)
    copy.copy(resource)
    copy.deepcopy(resource)
    pickle.dumps(resource)
    if isinstance(resource, Resource):
        resource.dump()
        repr(resource.drift)


def test_attributes_and_special_methods_of_an_object_send_no_request(context: Context, costs: Costs) -> None:
    resources = list(objects(context))
    kinds = {type(resource) for resource in resources}
    assert kinds >= {Organization, Pipeline, Build, BuildRef, JobRef, ScriptJob, Artifact, Annotation, Agent, User, Log}
    with costs(0):
        for resource in resources:
            walk(resource)


def test_attributes_of_every_kind_of_the_seeded_world_send_nothing(acme: FakeBuildkite, costs: Costs) -> None:
    with acme.client() as bk:
        org = bk.organization("acme")
        builds = org.builds(with_jobs=True)[:60]
        resources: list[Ref] = [*builds, *org.agents()[:3], *org.pipelines(), bk.access_token()]
        jobs = {(type(job), str(job.state)): job for build in builds for job in build.jobs()}
        with costs(0, of=acme):
            for resource in (*resources, *jobs.values()):
                walk(resource)
    assert len({kind for kind, _ in jobs}) >= 4
    assert isinstance(resources[-1], AccessToken)


def test_relations_return_refs_without_a_request(context: Context, costs: Costs) -> None:
    with costs(0):
        for _ in range(2):
            assert isinstance(context.build.pipeline.organization, Ref)
            assert context.job.build.pipeline.organization == context.org


def test_a_client_cannot_be_pickled_with_its_token(bk: Buildkite, server: FakeBuildkite) -> None:
    try:
        pickled = pickle.dumps(bk)
    except (TypeError, AttributeError, pickle.PicklingError, BuildkiteError):
        return
    assert server.token.encode() not in pickled
