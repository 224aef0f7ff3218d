"""Wrong guesses of names: the error says what to use instead, and nothing is requested."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import buildkite_orm
from buildkite_orm import (
    Agent,
    Annotation,
    Artifact,
    Build,
    Buildkite,
    BuildState,
    ConfigurationError,
    Log,
    Pipeline,
    ScriptJob,
    UnboundError,
    UnprocessableEntityError,
)
from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.models.expressions import complete
from buildkite_orm.models.guesses import DEPRECATED_BY_PYDANTIC, OBJECT_GUESSES
from buildkite_orm.resources.clusters import ClusterRef, Queue
from tests.helpers import web_build, web_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Costs

BUILD: dict[str, Any] = {
    "id": "0190",
    "url": "https://api.buildkite.com/v2/organizations/acme/pipelines/web/builds/1",
    "number": 1,
    "state": "passed",
    "commit": "abc",
    "created_at": "2026-07-01T00:00:00.000Z",
}


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    """Return one of each: client, refs, objects and querysets."""
    with FakeBuildkite() as server, server.client() as bk:
        build = web_build(bk, 42).fetch()
        yield {
            "Build": Build,
            "agent": bk.organization("acme").agents()[0],
            "artifacts": build.artifacts(),
            "bk": bk,
            "build": build,
            "artifact_ref": web_build(bk).job("0190").artifact("0190"),
            "build_ref": web_build(bk),
            "cluster_ref": bk.organization("acme").cluster("0190"),
            "queue_ref": bk.organization("acme").cluster("0190").queue("0190"),
            "builds": web_pipeline(bk).builds(),
            "clusters": bk.organization("acme").clusters(),
            "job": build.jobs()[0],
            "job_ref": web_build(bk).job("0190"),
            "org": bk.organization("acme"),
            "pipeline": web_pipeline(bk).fetch(),
            "pipeline_ref": web_pipeline(bk),
            "pipelines": bk.organization("acme").pipelines(),
            "server": server,
        }


@pytest.mark.parametrize(
    ("guess", "hint"),
    [
        ("build_ref.state", "a ref has no data; .fetch().state requests it"),
        ("build_ref.status", ".fetch().state requests it"),
        ("build_ref.to_dict", ".fetch().dump() requests it"),
        ("build_ref.refresh", "use .fetch()"),
        ("pipeline_ref.repository", ".fetch().repository requests it"),
        ("org.name", ".fetch().name requests it"),
        ("job.log().text", ".fetch().text requests it"),
        ("build.status", "use .state"),
        ("build.has_failed", "use .state"),
        ("build.passed", "use .has_passed"),
        ("build.success", "use .has_passed"),
        ("build_ref.succeeded", ".fetch().has_passed requests it"),
        ("job.passed", "use .state"),
        ("job.url", "use .web_url"),
        ("org.tokens", "use .cluster(…).agent_tokens()"),
        ("build.is_running", "use .is_finished"),
        ("build.retry_failed", "use .retry_failed_jobs()"),
        ("job.wait_time", "use .queue_time"),
        ("job.run_time", "use .duration"),
        ("job.queue", "use .agent.queue"),
        ("job.retry_count", "use .retries_count"),
        ("build.refresh", "use .reload()"),
        ("build.to_dict", "use .dump()"),
        ("build.json", "use .dump()"),
        ("build.dict", "use .dump()"),
        ("build.parse_obj", "use .model_validate(data)"),
        ("build.get", "use .fetch()"),
        ("build.get_jobs", "use .jobs()"),
        ("build.logs", "use .jobs()[0].log()"),
        ("build.sha", "use .commit"),
        ("build.html_url", "use .web_url"),
        ("build.createdAt", "use .created_at"),
        ("build.restart", "use .rebuild()"),
        ("job.logs", "use .log()"),
        ("job.get_log", "use .log()"),
        ("job.exit_code", "use .exit_status"),
        ("agent.status", "use .connection_state"),
        ("pipeline.create_build", "use .builds().create(…)"),
        ("pipeline_ref.create_build", "use .builds().create(…)"),
        ("pipeline.trigger", "use .builds().create(…)"),
        ("pipeline_ref.get_build", "use .build(…)"),
        ("pipeline_ref.list_builds", "use .builds()"),
        ("pipeline.delete_pipeline", "use .delete()"),
        ("org.get_pipeline", "use .pipeline(…)"),
        ("org.get_pipelines", "use .pipelines()"),
        ("org.create_pipeline", "use .pipelines().create(…)"),
        ("builds.get", "use .one()"),
        ("build.log", "use .jobs()[0].log()"),
        ("build.annotate", "use .annotations().create(…)"),
        ("build.newest_job", "use .jobs().first()"),
        ("pipeline_ref.latest_build", "use .builds().first()"),
        ("pipeline_ref.last_builds", "use .builds().first()"),
        ("pipeline_ref.find_build", "use .build(…)"),
        ("builds.wait", "use bk.wait_all(qs)"),
        ("builds.cancel", "its objects have: [each.cancel() for each in qs]"),
        ("artifacts.download", "use .save_all(folder)"),
        ("bk.web", "bk.organization('acme').pipeline('web').build(42)"),
        ("builds.order_by", "use sorted(qs, key=…)"),
        ("builds.exists", "use bool(qs)"),
        ("builds.filter_by", "use .filter(…)"),
        ("clusters.filter_by", "use [each for each in qs if …]"),
        ("builds.to_dict", "use [each.dump() for each in qs]"),
        ("builds.state", "its objects have: [each.state for each in qs]"),
        ("builds.nothing_like_it", "it is a listing"),
        ("bk.get_organization", "use bk.organization(…)"),
        ("bk.pipelines", "use bk.organization('acme').pipelines()"),
        ("bk.jobs", "use bk.organization('acme').builds(with_jobs=True): each build has .jobs()"),
        ("bk.build", "use bk.organization('acme').pipeline(…).build(…)"),
        ("bk.organizaton", "use bk.organization()"),
        ("bk.wait", "use bk.wait_all([build]), or build.wait()"),
        ("pipeline_ref.jobs", "use .builds(with_jobs=True): each build has .jobs(); or .build(number).jobs()"),
        ("pipeline_ref.latest", "use .builds().first()"),
        ("pipeline_ref.failed_builds", "use .builds(state='failed')"),
        ("pipeline.artifacts", "use .build(…).artifacts()"),
        ("org.jobs", "use .builds(with_jobs=True): each build has .jobs()"),
        ("org.queue", "use .cluster(…).queue(…)"),
        ("org.queues", "use .cluster(…).queues()"),
        ("org.build", "use .pipeline(…).build(…)"),
        ("org.create_build", "use .pipeline(…).builds().create(…)"),
        ("job.pipeline", "use .build.pipeline"),
        ("job.log().stream", "use .follow()"),
        ("job.log().read", "use .fetch().text"),
        ("job.follow_log", "use .log().follow()"),
        ("job.key", "use .step_key"),
        ("job.queued_time", "use .queue_time"),
        ("job.queue_duration", "use .queue_time"),
        ("job.waiting_time", "use .queue_time"),
        ("job.display_name", "use .name"),
        ("job.title", "use .name"),
        ("agent.tags", "use .meta_data"),
        ("build.unblock", "use .unblock_all(fields=…)"),
        ("build.unblock_job", "use .unblock_all(fields=…)"),
        ("build.blocked_jobs", "use .jobs(state='blocked')"),
        ("build.passed_jobs", "use .jobs(state='passed')"),
        ("build.metadata", "use .meta_data"),
        ("build_ref.metadata", ".fetch().meta_data requests it"),
        ("build.environment", "use .env"),
        ("build.download_artifacts", "use .artifacts().save_all(folder)"),
        ("build.download_all", "use .artifacts().save_all(folder)"),
        ("job_ref.exit_code", ".fetch().exit_status requests it"),
        ("job_ref.retries_count", ".fetch().retries_count requests it"),
        ("build.org_slug", "use .organization.slug"),
        ("job.pipeline_slug", "use .build.pipeline.slug"),
        ("queue_ref.paused", ".fetch().dispatch_paused requests it"),
        ("build.finishd_at", "use .finished_at"),
        ("build_ref.finishd_at", ".fetch().finished_at requests it"),
        ("build.failedJobs", "use .failed_jobs()"),
        ("build.load", "use .reload()"),
        ("build_ref.load", "use .fetch()"),
        ("artifact_ref.read", "use .download()"),
        ("queue_ref.agents", "use queue.organization.agents(cluster_queue_id=queue.id)"),
        ("cluster_ref.agents", "for each in cluster.organization.agents(cluster_queue_id=q.id)]"),
        ("builds.trigger", "use .create(…)"),
        ("org.builds().trigger", "use org.pipeline(slug).builds().create(…)"),
        ("org.agents().trigger", "it is a listing"),
        ("builds.latest", "use .first(), since the newest builds are listed first"),
        ("org.agents().latest", "it is a listing"),
        ("builds.frist", "use .first()"),
        ("builds.status", "its objects have: [each.state for each in qs]"),
        ("builds.to_df", "use pandas.DataFrame(qs.rows())"),
        ("builds.dataframe", "use pandas.DataFrame(qs.rows())"),
        ("builds.pandas", "use pandas.DataFrame(qs.rows())"),
        ("builds.to_csv", "the command buildkite-orm export writes builds into CSV files too"),
        ("org.agents().to_csv", "use pandas.DataFrame(qs.rows()).to_csv(path), or csv.DictWriter with .rows()"),
        ("server.organization", "use .client().organization"),
        ("bk.get", "use bk.request('GET', path)"),
        ("bk.set_access_token", "use Buildkite(token)"),
        ("bk.me", "use bk.user()"),
    ],
)
def test_a_wrong_name_says_the_right_one(names: dict[str, Any], guess: str, hint: str) -> None:
    before = len(names["server"].requests)
    with pytest.raises(AttributeError) as caught:
        eval(guess, names)  # noqa: S307 - a case
    assert hint in str(caught.value)
    assert len(names["server"].requests) == before


@pytest.mark.parametrize(
    ("guess", "hint"),
    [
        ("build['state']", "'Build' object is not subscriptable; use .state, or .dump()"),
        ("build[0]", "use its attributes, or .dump()"),
        ("build_ref['state']", "a ref has no data; use .fetch().state"),
        ("list(build)", "'Build' object is not iterable; .dump() returns"),
        ("dict(build)", "pandas.DataFrame([each.dump() for each in objects])"),
        ("list(build_ref)", "'BuildRef' object is not iterable"),
        ("Build.load('{}')", "Build has no attribute 'load'; use .model_validate_json(text)"),
        ("Build.from_json('{}')", "Build has no attribute 'from_json'; use .model_validate_json(text)"),
        ("Build.from_dict({})", "Build has no attribute 'from_dict'; use .model_validate(data)"),
        ("Build.parse_obj({})", "Build has no attribute 'parse_obj'; use .model_validate(data)"),
        ("pipelines['web']", "organization.pipeline('web') is the ref with that slug"),
        ("builds['42']", "pipeline.build(42) is the ref with that number"),
        ("builds['x']", "pipeline.build(…) is the ref with that number"),
        ("artifacts['x']", "job.artifact('x') is the ref with that id"),
        ("bk.organizations()['acme']", "bk.organization('acme') is the ref with that slug"),
        ("job.retry(5)", "JobRef.retry() takes 1 positional argument"),
        ("build_ref.cancel(5)", "BuildRef.cancel() takes 1 positional argument"),
        ("pipeline_ref.delete(5)", ": delete() takes 1 positional argument"),
        ("build.reload(5)", "Build.reload() takes 1 positional argument"),
        ("pipeline.save(5)", "Pipeline.save() takes 1 positional argument"),
    ],
)
def test_a_wrong_use_says_the_right_one(names: dict[str, Any], guess: str, hint: str) -> None:
    before = len(names["server"].requests)
    with pytest.raises(TypeError) as caught:
        eval(guess, names)  # noqa: S307 - a case
    assert hint in f": {caught.value}"
    assert len(names["server"].requests) == before


@pytest.mark.parametrize(
    ("guess", "hint"),
    [
        ("build.jobs(type='script')", "; use kind=ScriptJob, or another class of jobs"),
        ("build.jobs(status='failed')", "; use state="),
        ("build.jobs(name='test')", "; its objects have it: [each for each in qs if each.name == …]"),
        ("pipeline.builds(limit=3)", "; use .limit(n)"),
        ("pipeline.builds(brnch='main')", "; use branch="),
        ("pipeline.builds(since='7d')", "; use created_from="),
        ("pipeline.builds(user='ada')", "; use creator="),
        ("pipeline.builds(pull_request=3)", "; its objects have it: [each for each in qs if each.pull_request == …]"),
        ("pipeline.builds(nothing_like_it=3)", "with_pipeline"),
        ("pipeline_ref.builds().filter(sha='abc')", "; use commit="),
        ("org.builds(pipeline='web')", "; use org.pipeline('web').builds()"),
        ("bk.builds(pipeline_slug='web')", "; use org.pipeline('web').builds()"),
        ("bk.builds(organization='acme')", "; use bk.organization('acme').builds()"),
        ("artifacts.filter(job='0190')", "; use build.job('0190').artifacts()"),
        (
            "org.agents(state='connected')",
            "; its objects have connection_state: [each for each in qs if each.connection_state == …]",
        ),
        ("org.agents(tags='a=b')", "; its objects have meta_data: [each for each in qs if … in each.meta_data]"),
        ("org.agents(cluster='0190')", "it has: cluster_queue_id, hostname, name, version"),
        ("org.agents(host='x')", "; use hostname="),
        ("builds.filter(created_at=3)", "; its objects have it: [each for each in qs if each.created_at == …]"),
        ("build.jobs(cancel=True)", "it has: group_key, include_retried_jobs, state, step_key"),
        ("org.agents(queue='macos')", "; its objects have it: [each for each in qs if each.queue == …]"),
    ],
)
def test_a_wrong_filter_says_the_right_one(names: dict[str, Any], costs: Costs, guess: str, hint: str) -> None:
    with costs(0, of=names["server"]), pytest.raises(TypeError) as caught:
        eval(guess, names)  # noqa: S307 - a case
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize(
    "guess",
    [
        "org.update",
        "pipeline_ref.cancel",
        "pipeline_ref.clear",
        "pipeline.clear",
        "build_ref.nothing_like_it",
        "build.set_meta_data",
        "job.clear",
        "server.x",
    ],
)
def test_a_name_that_is_like_no_other_has_no_hint(names: dict[str, Any], guess: str) -> None:
    owner, _, name = guess.partition(".")
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'$"):
        getattr(names[owner], name)


def test_each_guess_stands_for_something_that_a_class_has() -> None:
    exported = [getattr(buildkite_orm, name) for name in buildkite_orm.__all__]
    refs = [each for each in exported if hasattr(each, "api_path")]
    right = sorted({each for several in OBJECT_GUESSES.values() for each in several})
    kinds = [*refs, Build, Log, Pipeline, ScriptJob, Artifact, Agent, Annotation, ClusterRef, Queue]
    assert [each for each in right if not any(complete(kind, each) for kind in kinds)] == []


@pytest.mark.parametrize(
    ("guess", "hint"),
    [
        ("builds.create(commit='HEAD', branch='main', environment={})", "; use env="),
        ("builds.create(commit='HEAD', branch='main', metadata={})", "; use meta_data="),
        ("pipeline_ref.update(descripton='x')", "; use description="),
        ("pipeline_ref.update(repo='x', desc='y')", "; use description=; use repository="),
        ("pipeline_ref.update(nothing_like_it='x')", "visibility"),
    ],
)
def test_a_wrong_field_of_a_body_says_the_right_one(names: dict[str, Any], costs: Costs, guess: str, hint: str) -> None:
    with costs(0, of=names["server"]), pytest.raises(TypeError, match="there is no field ") as caught:
        eval(guess, names)  # noqa: S307 - a case
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize(("name", "right"), [("descripton", "description"), ("title", "name"), ("desc", "description")])
def test_a_wrong_field_that_is_assigned_to_an_object_says_the_right_one(
    names: dict[str, Any], name: str, right: str
) -> None:
    with pytest.raises(AttributeError, match=rf"; editable fields: .*; use \.{right}$"):
        setattr(names["pipeline"], name, "x")


@pytest.mark.parametrize(("name", "value", "shown"), [("description", None, "None"), ("name", "a-secret", "…")])
def test_a_field_that_is_assigned_to_a_ref_names_its_update(
    names: dict[str, Any], name: str, value: object, shown: str
) -> None:
    with pytest.raises(AttributeError) as caught:
        setattr(names["pipeline_ref"], name, value)
    assert str(caught.value).endswith(f".fetch() loads an object; .update({name}={shown}) changes it")


def test_the_hints_for_the_agents_of_a_queue_and_of_a_cluster_list_them(names: dict[str, Any]) -> None:
    cluster = names["org"].clusters()[0]
    queue = cluster.queues()[0]
    for kind, ref in {"cluster": cluster, "queue": queue}.items():
        with pytest.raises(AttributeError) as caught:
            _ = ref.agents
        agents = list(eval(str(caught.value).partition("; use ")[2], {kind: ref}))  # noqa: S307 - a hint
        assert {agent.queue for agent in agents} <= {each.key for each in cluster.queues()}


@pytest.mark.parametrize("name", ["created_from", "created_to", "finished_from"])
@pytest.mark.parametrize("value", ["15m", "2026-07-01", 1785571533, 1.5])
def test_a_time_that_is_none_is_refused_before_sending(
    names: dict[str, Any], costs: Costs, name: str, value: object
) -> None:
    with (
        costs(0, of=names["server"]),
        pytest.raises(TypeError, match=f"^{name}={value!r}: a datetime"),
    ):
        names["pipeline_ref"].builds(**{name: value})


def test_an_index_error_says_what_was_empty(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_pipeline("web")
    with pytest.raises(IndexError, match=r"\[0\]: nothing matches .*QuerySet acme/web/builds state=failed"):
        web_pipeline(bk).builds(state="failed")[0]
    with pytest.raises(IndexError, match=r"\[-2\]: PipelineQuerySet acme/pipelines has 1 objects?$"):
        bk.organization("acme").pipelines()[-2]


def test_no_hint_hides_data() -> None:
    names = ("status", "json", "dict", "copy", "logs", "to_dict", "load", "from_json", "new_field")
    build: Any = Build.model_validate({**BUILD, **{name: name.upper() for name in names}})
    assert [getattr(build, name) for name in names] == [name.upper() for name in names]
    assert build.dump() == {**BUILD, **{name: name.upper() for name in names}}


def test_a_field_that_was_not_sent_is_named() -> None:
    model: Any = Build
    build = model.model_construct()
    with pytest.raises(AttributeError, match="the server sent no 'commit' for this Build"):
        _ = build.commit


def test_the_error_of_a_property_is_not_hidden() -> None:
    class Odd(Build):
        @property
        def odd(self) -> str:
            """An attribute that fails."""
            raise AttributeError("what is wrong")

    with pytest.raises(AttributeError, match="what is wrong"):
        _ = Odd.model_validate(BUILD).odd


@pytest.mark.parametrize("name", ["bk", "build_ref", "build", "builds", "pipeline", "org"])
@pytest.mark.parametrize(
    "probe", ["_ipython_display_", "_repr_html_x", "__array_interface__", "__fspath__", "_nothing", "__deepcopy_x__"]
)
def test_no_underscore_name_is_answered(names: dict[str, Any], name: str, probe: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(names[name], probe)
    assert "use" not in str(caught.value)


@pytest.mark.parametrize("name", ["build_ref", "build", "pipeline", "org", "job"])
def test_objects_are_copied_and_pickled_as_before(names: dict[str, Any], name: str) -> None:
    item = names[name]
    assert copy.copy(item) == copy.deepcopy(item) == item
    if name in {"build", "pipeline", "job"}:
        assert pickle.loads(pickle.dumps(item)) == item  # noqa: S301 - our own


def test_what_pydantic_keeps_for_its_first_version_is_not_offered(names: dict[str, Any]) -> None:
    build = names["build"]
    assert set(DEPRECATED_BY_PYDANTIC) & set(dir(build)) == set()
    assert not any(hasattr(build, name) for name in DEPRECATED_BY_PYDANTIC)


def test_numpy_takes_objects_as_they_are(names: dict[str, Any], costs: Costs) -> None:
    np = pytest.importorskip("numpy")
    with costs(0, of=names["server"]):
        array = np.array([names["build"], names["build_ref"]], dtype=object)
    assert array.shape == (2,)
    assert array[0] is names["build"]


def test_pandas_makes_no_table_of_wrong_columns(names: dict[str, Any], costs: Costs) -> None:
    """A listing is one column of its objects; objects in a list are refused, with what gives a table."""
    pd: Any = pytest.importorskip("pandas", reason="install the extra check")
    build, builds = names["build"], names["builds"]
    objects = list(builds)
    with costs(0, of=names["server"]):
        for wrong in (objects, tuple(objects), [build], build, (each for each in objects)):
            with pytest.raises(TypeError, match=r"pandas\.DataFrame\(\[each\.dump\(\) for each in objects\]\)"):
                pd.DataFrame(wrong)
        assert [list(row) for row in pd.DataFrame(builds).to_numpy()] == [[each] for each in objects]
        assert list(pd.Series(objects)) == objects
        assert list(pd.DataFrame([each.dump() for each in objects])["number"]) == [each.number for each in objects]
        assert list(pd.DataFrame(builds.rows())["number"]) == [each.number for each in objects]


# -- values


@pytest.mark.parametrize(
    ("guess", "hint"),
    [
        ("pipeline.builds(state='failde')", "state='failde': the values are creating, .*did you mean 'failed'"),
        ("pipeline.builds(state=['passed', 'failde'])", "did you mean 'failed'"),
        ("builds.filter(state='ended')", r"passed as BuildState\('ended'\)"),
        ("build.jobs(state='pased')", "did you mean 'passed'"),
        ("build_ref.fetch(job_states=['pased'])", "did you mean 'passed'"),
        ("pipeline.update(visibility='hidden')", r"the values are private, public\. .*Visibility\('hidden'\)"),
        ("build.annotations().create(body='x', style='warn')", "did you mean 'warning'"),
        ("build_ref.retry_failed_jobs(states='faild')", "states='faild': the values are .*did you mean 'failed'"),
    ],
)
def test_a_value_that_does_not_exist_is_refused_before_sending(names: dict[str, Any], guess: str, hint: str) -> None:
    before = len(names["server"].requests)
    with pytest.raises(ValueError, match=hint):
        eval(guess, names)  # noqa: S307 - a case
    assert len(names["server"].requests) == before


def test_the_values_of_a_filter_and_new_ones_are_sent(names: dict[str, Any]) -> None:
    pipeline, server = names["pipeline"], names["server"]
    for state in ("finished", BuildState.FAILED, ["failed", BuildState.PASSED]):
        pipeline.builds(state=state).first()
        assert "state" in server.requests[-1].line
    with pytest.raises(UnprocessableEntityError, match="Invalid state: brand-new"):
        pipeline.builds(state=[BuildState("brand-new")]).filter(branch="main").first()
    pipeline.builds(state=None).first()
    assert "state" not in server.requests[-1].line


# -- the client


def test_a_closed_client_says_so(server: FakeBuildkite, costs: Costs) -> None:
    server.add_build("web")
    with server.client() as bk:
        build = web_build(bk).fetch()
    with costs(0):
        for use in (build.reload, bk.user, lambda: bk.request("GET", "user"), lambda: list(build.artifacts())):
            with pytest.raises(UnboundError, match="the client is closed; make a new one, and bind objects to it"):
                use()
    assert repr(bk).endswith(", closed>")
    with server.client() as another, costs(1):
        another.bind(build).reload()


def test_an_empty_token_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="no token: token= is empty"):
        Buildkite(token="")
