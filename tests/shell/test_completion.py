"""The completions of Tab, which sends no request."""

from __future__ import annotations

import rlcompleter
import sys
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.completer import IPCompleter, provisionalcompleter

import buildkite_orm
from buildkite_orm import Build, BuildkiteError, BuildRef, BuildState, PipelineRef
from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.models.paths import collection_of
from buildkite_orm.shell import load_ipython_extension
from buildkite_orm.shell.annotations import evaluate, keyword_annotations
from buildkite_orm.shell.completion import Completions, complete
from buildkite_orm.shell.infer import infer
from buildkite_orm.shell.input_parser import parse_target
from buildkite_orm.shell.plain import completions_for, enable_completion
from buildkite_orm.shell.seen_keys import SeenKeys
from buildkite_orm.shell.terminal import add_completions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm import Buildkite


class Loaded:
    """The namespace of a shell after a few requests."""

    def __init__(self) -> None:
        self.server = FakeBuildkite(settings=Settings(organization_limit=None, user_limit=None))
        bk = self.server.client(organization="acme")
        org = bk.organization()
        build = org.pipeline("web").builds(with_jobs=True)[0]
        self.names: dict[str, Any] = {name: getattr(buildkite_orm, name) for name in buildkite_orm.__all__}
        self.names |= {
            "bk": bk,
            "org": org,
            "build": build,
            "pipelines": org.pipelines(),
            "jobs": list(build.jobs()),
            "by_name": {"latest": build},
            "builds_of": org.builds,
            "buildkite_orm": buildkite_orm,
            "slug_of_mine": "web",
            "collection_of": collection_of,
        }
        self.server.requests.clear()


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return Loaded()


@pytest.fixture(autouse=True)
def _sends_no_request(loaded: Loaded) -> Iterator[None]:
    """Check that no completion of Tab sends a request."""
    yield
    assert [request.line for request in loaded.server.requests] == []


# -- members


@pytest.mark.parametrize(
    ("text", "public_dir"),
    [
        ("bk.org", ["organization", "organizations"]),
        ("org.pipelines", ["pipelines"]),
        ("org.pipelines().fir", ["first"]),
        ("org.pipelines()[0].builds", ["builds", "builds_url"]),
        ("org.pipelines()[:3][0].builds", ["builds", "builds_url"]),
        ("org.pipelines().first().builds", ["builds", "builds_url"]),
        ("org.pipelines().filter(name='w').limit(3).one().default_b", ["default_branch"]),
        ("pipelines[0].def", ["default_branch", "default_command_step_timeout"]),
        ("org.pipeline('web').build(42).jo", ["job", "jobs"]),
        ("org.builds().page(2).items[-1].is_f", ["is_finished"]),
        ("org.builds().all()[0].jobs()[0].artifacts()[0].dow", ["download", "download_url"]),
        ("jobs[0].step_k", ["step_key"]),
        ("by_name['latest'].is_f", ["is_finished"]),
        ("builds_of(state='passed')[0].is_f", ["is_finished"]),
        ("Build(**{}).is_f", ["is_finished"]),
        ("build.pipeline.archi", ["archive"]),
        ("build.creator.ema", ["email"]),
        ("build.wait().is_f", ["is_finished"]),
        ("bk.organization().fetch().pipelines().iter", ["iterator"]),
        ("bk.from_url('https://buildkite.com/acme/web').arch", ["archive"]),
        ("bk.user().ema", ["email"]),
        ("BuildState.RUN", ["RUNNING"]),
        ("buildkite_orm.BuildState.RUN", ["RUNNING"]),
        ("Build.model_validate_j", ["model_validate_json"]),
        ("Build.model_validate({}).is_f", ["is_finished"]),
        ("build.model_validate({}).is_f", ["is_finished"]),
        ("BuildState.PASSED.is_k", ["is_known"]),
        ("org.builds()[0].meta_data['release'].uppe", ["upper"]),
        ("org.builds()[0].started_at.yea", ["year"]),
        ("org.builds()[0].embedded_jobs[0].graph", ["graphql_id"]),
        ("org.builds()[0].embedded_jobs[0].build.retry", ["retry_failed_jobs"]),
        ("org.builds()[0].embedded_jobs[:2][0].graph", ["graphql_id"]),
        ("collection_of('a/b').uppe", ["upper"]),
        ("org.builds(state=BuildState.RUN", ["RUNNING"]),
        ("print(org.builds()[0].bran", ["branch"]),
        ("[b for b in org.builds() if org.pipelines", ["pipelines"]),
        ("x = not org.pipelines", ["pipelines"]),
        ("org.pipelines(\n    name='web',\n)[0].default_b", ["default_branch"]),
    ],
)
def test_members_are_inferred_from_annotations(loaded: Loaded, text: str, public_dir: list[str]) -> None:
    completions = complete(text, loaded.names)
    assert completions is not None
    assert completions.texts == public_dir


def test_attributes_of_pydantic_are_not_completed(loaded: Loaded) -> None:
    for text in ("build.", "org.pipelines()[0].", "Build."):
        completions = complete(text, loaded.names)
        assert completions is not None
        assert {"copy", "json", "dict", "parse_obj", "construct"} & set(completions.texts) == set()


def test_an_enum_offers_its_members_alone(loaded: Loaded) -> None:
    assert complete("BuildState.", loaded.names) == Completions("", sorted(BuildState.__members__))


# -- filters and values

BUILD_FILTERS = [f"{name}=" for name in buildkite_orm.BuildFilters.__annotations__]
STATES = """
    creating scheduled running passed failing failed blocked canceling canceled skipped not_run finished
""".split()  # noqa: SIM905 - a list that is read


@pytest.mark.parametrize(
    ("text", "public_dir"),
    [
        ("org.builds(", BUILD_FILTERS),
        ("org.pipelines()[0].builds(", BUILD_FILTERS),
        ("org.builds(sta", ["state="]),
        ("org.builds(branch='main', with_", ["with_jobs=", "with_pipeline="]),
        ("org.builds(with_jobs=True, with_", ["with_pipeline="]),
        ("org.builds(meta_data={'a': 1, 'b': (2, 3)}, sta", ["state="]),
        ("org.builds().filter(sta", ["state="]),
        ("for build in org.builds(sta", ["state="]),
        ("list(org.builds(sta", ["state="]),
        ("org.builds(\n    branch='main',\n    sta", ["state="]),
        ("org.pipelines(name='a)', rep", ["repository="]),
        ("org.teams(", ["user_id="]),
        ("builds_of(sta", ["state="]),
        ("OrganizationRef.builds(org, sta", ["state="]),
        ("org.pipeline('web').builds().create(commit='HEAD', bra", ["branch="]),
        ("org.pipeline('web').update(default_b", ["default_branch="]),
        ("Buildkite(organi", ["organization="]),
        ("bk.organization(slug", ["slug=", "slug_of_mine"]),
        ("org.builds(state=", [f'"{state}"' for state in STATES]),
        ("org.builds(state='", STATES),
        ('org.builds(state="can', ["canceling", "canceled"]),
        ("org.builds(state=['passed', \"fai", ["failing", "failed"]),
        ("org.builds(branch='main', state='run", ["running"]),
        ("build.jobs(state='lim", ["limited"]),
        ("org.builds(with_jobs=", ["True", "False"]),
        ("org.builds(with_jobs=T", ["True"]),
        ("BuildState('run", ["running"]),
        ("build.state == 'run", ["running"]),
        ("org.builds()[0].state != 'run", ["running"]),
        ("org.builds().first().state == ", [f'"{state.value}"' for state in BuildState]),
    ],
)
def test_filters_and_their_values(loaded: Loaded, text: str, public_dir: list[str]) -> None:
    completions = complete(text, loaded.names)
    assert completions is not None
    assert completions.texts == public_dir


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "nothing.",
        "nothing(",
        "org.nothing.",
        "org.builds(branch='",
        "org.builds(branch=",
        "org.builds(state=some",
        "org.builds()",
        "org.builds() ",
        "org.builds(# st",
        "'org.builds(st",
        "'abc'.",
        "print(",
        "print(org.builds(),",
        "sorted(st",
        "slug_of_mine.",
        "slug_of_mine == '",
        "org.pipelines(*sta",
        "org.builds(lambda: st",
        "org..",
        ".x",
        "(",
        "(st",
        ")",
        "a b.",
        "if (st",
        "return (sta",
        "org.builds(state='running')['",
        "jobs['x'].",
        "jobs[100000].",
        "5.",
        "%timeit",
        "!ls",
        "x == ",
        "== '",
        "(1 + 2).",
        "org.pipelines()[0].nothing().",
        "org.builds('",
        "Build.nothing.",
        "org.builds()[0]['state'].",
        "bk.organization('acme')('web').",
        "build['x'].",
        "org.builds[0].",
        "org.builds()[0].id[0].id[0].nothing.",
        "(lambda: org)().",
    ],
)
def test_other_expressions_have_no_completions(loaded: Loaded, text: str) -> None:
    assert complete(text, loaded.names) is None


SOUP = st.text(alphabet="ab.()[]{}'\"=,: \n#\\!5é\x00")
PIECES = st.lists(
    st.sampled_from(
        ["org", "bk", "build", ".", "(", ")", "[0]", "builds", "state", "=", "'", '"', ",", " ", "\n", "f'"]
    )
)


@given(SOUP | PIECES.map("".join))
def test_no_text_is_too_odd(loaded: Loaded, text: str) -> None:
    completions = complete(text, loaded.names)
    assert completions is None or all(each.startswith(completions.prefix) for each in completions.texts)
    assert completions is None or text.endswith(completions.prefix)
    infer(text, loaded.names)


def test_deeply_nested_input_is_ignored(loaded: Loaded) -> None:
    assert complete("(" * 5_000 + "org.", loaded.names) is not None
    assert complete("org" + ".x()" * 5_000 + ".", loaded.names) is None
    assert parse_target("[" * 5_000) is None


def test_unknown_types_have_no_completions() -> None:
    assert evaluate("Unknown", "no.such.module") is Any
    assert evaluate("Unknown", "buildkite_orm.models.paths") is Any
    assert evaluate(int, None) is int
    assert keyword_annotations(min) == {}
    assert keyword_annotations(Build.model_post_init) == {}


# -- where it is offered


def test_the_plain_repl_replaces_the_word_of_readline(loaded: Loaded) -> None:
    others = rlcompleter.Completer(loaded.names)
    assert completions_for("org.pipelines()[0].builds_", ".builds_", loaded.names, others) == [".builds_url"]
    assert completions_for("org.builds(sta", "sta", loaded.names, others) == ["state="]
    assert completions_for("org.builds(state='run", "run", loaded.names, others) == ["running"]
    assert completions_for("Build.mod", "Bu", loaded.names, others) == []
    assert completions_for("BuildSta", "BuildSta", loaded.names, others)[0].startswith("BuildState")
    assert completions_for("slug_of_mine.upp", "slug_of_mine.upp", loaded.names, others) == ["slug_of_mine.upper()"]


# -- keys that were loaded


@pytest.fixture
def browsed() -> dict[str, Any]:
    """The namespace of a shell in which pipelines and builds were listed, after the completion was set up."""
    server = FakeBuildkite(settings=Settings(organization_limit=None, user_limit=None))
    bk = server.client(organization="acme")
    names: dict[str, Any] = {"bk": bk, "org": bk.organization(), "seen": SeenKeys(), "server": server}
    names["seen"].follow(names)
    list(names["org"].pipelines())
    list(names["org"].pipeline("web").builds().limit(3))
    server.add_organization("other")
    server.requests.clear()
    return names


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('org.pipeline("', ["api", "deploy", "docs", "hello", "infra", "legacy", "mobile", "web"]),
        ("org.pipeline('we", ["web"]),
        ('bk.organization().pipeline("h', ["hello"]),
        ('bk.organization("a', ["acme"]),
        ('bk.pipeline("acme/w', ["acme/web"]),
        ('org.pipeline("web").build("12', ["121", "122", "123"]),
    ],
)
def test_keys_that_were_loaded_are_completed(browsed: dict[str, Any], text: str, keys: list[str]) -> None:
    completions = complete(text, browsed, browsed["seen"])
    assert completions is not None
    assert completions.texts == keys
    assert browsed["server"].requests == []


@pytest.mark.parametrize(
    "text", ['org.pipeline("x', "org.pipeline(", 'org.team("', 'bk.from_url("', 'org.builds(branch="']
)
def test_other_keys_are_not_completed(browsed: dict[str, Any], text: str) -> None:
    completions = complete(text, browsed, browsed["seen"])
    assert completions is None or "web" not in completions.texts


def test_a_single_object_is_recorded_too_and_not_before_the_shell_follows_its_client() -> None:
    server = FakeBuildkite()
    bk, seen = server.client(), SeenKeys()
    bk.organization("acme").pipeline("web").fetch()
    assert seen.of(PipelineRef) == []
    seen.follow({"bk": bk, "other": 1})
    bk.organization("acme").pipeline("api").fetch()
    assert (seen.of(PipelineRef), seen.paths_of(PipelineRef)) == (["api"], ["acme/api"])


def test_a_thousand_keys_of_a_kind_are_remembered(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_builds("web", 1100)
    seen = SeenKeys()
    seen.follow({"bk": bk})
    list(bk.builds())
    assert len(seen.of(BuildRef)) == 1000
    assert "1" in seen.of(BuildRef)
    assert "1100" not in seen.of(BuildRef)


def test_the_plain_repl_completes_a_key_with_a_hyphen(server: FakeBuildkite, bk: Buildkite) -> None:
    names: dict[str, Any] = {"org": bk.organization("acme")}
    server.add_pipeline("my-app")
    seen = SeenKeys()
    seen.follow({"bk": bk})
    list(bk.organization("acme").pipelines())
    others = rlcompleter.Completer(names)
    assert completions_for('org.pipeline("my-', "", names, others, seen) == ["app"]
    assert completions_for('org.pipeline("my', "my", names, others, seen) == ["my-app"]


class Shell:
    """As much of IPython's shell as there is to it."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.user_ns = names
        self.inspector = SimpleNamespace(mime_hooks={})
        self.before_cell: list[Callable[[object], object]] = []
        self.events = SimpleNamespace(register=self.register)
        self.custom_errors: tuple[type[BaseException], ...] = ()
        self.Completer: Any = IPCompleter(namespace=names, use_jedi=True)  # type: ignore[no-untyped-call]

    def push(self, names: dict[str, Any], *, interactive: bool) -> None:
        assert not interactive
        self.user_ns |= names

    def register(self, name: str, callback: Callable[[object], object]) -> None:
        assert name == "pre_run_cell"
        self.before_cell.append(callback)

    def set_custom_exc(self, kinds: tuple[type[BaseException], ...], handler: object) -> None:
        assert callable(handler)
        self.custom_errors = kinds

    def public_dir(self, text: str) -> list[str]:
        with warnings.catch_warnings(), provisionalcompleter():
            return [each.text for each in self.Completer.completions(text, len(text))]


def test_ipython_shows_these_completions_only(loaded: Loaded) -> None:
    shell, prepared = Shell(dict(loaded.names)), list[bool]()
    add_completions(shell, lambda: prepared.append(True))
    assert shell.public_dir("org.builds(sta") == ["state="]
    assert shell.public_dir("x = 1\norg.builds(state='can") == ["canceling", "canceled"]
    assert shell.public_dir("slug_of") == ["slug_of_mine"]
    assert prepared == [True] * 3


@pytest.mark.parametrize(
    "text", ["pipelines[", "pipelines['", "pipelines[0]['", "len(pipelines).", "pipelines.none()."]
)
def test_ipython_internals_send_no_request(loaded: Loaded, text: str) -> None:
    shell = Shell(dict(loaded.names))
    load_ipython_extension(shell)
    shell.public_dir(text)
    assert "help(x)" in repr(shell.user_ns["help"])
    assert list(shell.inspector.mime_hooks) == ["text/plain"]
    assert shell.custom_errors == (BuildkiteError,)


def test_without_readline_there_is_no_completion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "readline", None)
    enable_completion({})
