"""Secrets that answers carry, agent tokens and private keys and the like: in the object's data, and nowhere else."""

from __future__ import annotations

import copy
import importlib
import io
import json
import logging
import pickle
import pkgutil
import pprint
import re
import subprocess
import sys
import traceback
import types
import typing
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

import buildkite_orm.resources
from buildkite_orm import Buildkite, BuildkiteError, RetryPolicy
from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.hidden import HIDDEN, is_secret, masked
from buildkite_orm.jsonvalues import as_array, as_object
from buildkite_orm.loading import load_list, load_one
from buildkite_orm.resource import Model, Resource
from buildkite_orm.session import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm import OrganizationRef
    from tests.conftest import Costs

    Ask = Callable[[Buildkite], Any]

SECRET = "s3cret-0123456789abcdef"


# -- every model, also those that come later


def modules() -> Iterator[types.ModuleType]:
    for found in pkgutil.walk_packages(buildkite_orm.resources.__path__, "buildkite_orm.resources."):
        yield importlib.import_module(found.name)


def kinds_of(annotation: object) -> set[object]:
    return {annotation}.union(*(kinds_of(each) for each in typing.get_args(annotation)))


MODELS = {
    thing
    for module in modules()
    for thing in vars(module).values()
    if isinstance(thing, type) and issubclass(thing, Model) and thing.__module__ == module.__name__
}
MAY_BE_SECRET = re.compile("token|secret|passw|passphrase|private|credential|api_?key|access_?key|webhook|auth|hmac")
NO_SECRETS = {
    ("Meta", "webhook_ips"),
    ("RepositoryHost", "authentication_strategy"),
    ("RepositoryHost", "proxy_auth_strategy"),
    ("RepositoryHost", "webhook_allowed_addresses"),
}
SECRET_FIELDS = [
    pytest.param(model, name, id=f"{model.__name__}.{name}")
    for model in sorted(MODELS, key=lambda model: model.__name__)
    for name, field in model.model_fields.items()
    if MAY_BE_SECRET.search(name)
    and kinds_of(field.annotation) & {str, Any}
    and (model.__name__, name) not in NO_SECRETS
]
every_secret = pytest.mark.parametrize(("model", "name"), SECRET_FIELDS)


def test_the_fields_that_carry_secrets_are_found() -> None:
    """What is named as one is hidden unless `NO_SECRETS` says that it is none."""
    found = {param.id for param in SECRET_FIELDS}
    assert found > {
        "AgentToken.token",
        "GitHubProvider.webhook_url",
        "Portal.token",
        "RegistryToken.token",
        "SshCredentials.private_key",
        "SshSession.access_token",
        "Suite.api_token",
        "VncCredentials.password",
        "VncSession.access_token",
    }


def with_secret(model: type[Model], name: str) -> Model:
    return model.model_construct({name}, **{name: SECRET})


def ways_to_show(thing: Any) -> Iterator[object]:
    """Give what consoles, notebooks, debuggers, loggers and the printers of others make of an object."""
    yield from (repr(thing), str(thing), f"{thing}", f"{thing!r:>3}", "%s" % thing, pprint.pformat(thing))  # noqa: UP031
    yield from (repr([thing]), repr({"a": (thing,)}), repr(types.SimpleNamespace(a=thing)))
    yield from (list(thing.__repr_args__()), list(thing.__rich_repr__()), thing.__repr_str__(", "))
    yield list(thing.__pretty__(repr))


def shown(thing: Any) -> str:
    return "\n".join(str(each) for each in ways_to_show(thing))


@every_secret
def test_no_secret_is_shown(model: type[Model], name: str) -> None:
    thing = with_secret(model, name)
    assert getattr(thing, name) == SECRET
    for each in (thing, copy.copy(thing), copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):  # noqa: S301
        assert getattr(each, name) == SECRET
        assert SECRET not in shown(each)


@every_secret
def test_what_does_not_validate_is_not_shown(model: type[Model], name: str) -> None:
    broken = {key: [SECRET] for key in model.model_fields} | {name: {"a": SECRET}}
    with pytest.raises(ValidationError) as caught:
        model.model_validate(broken)
    assert name in str(caught.value)
    assert SECRET not in f"{caught.value} {caught.value!r}"


def test_a_secret_that_nobody_has_heard_of_is_not_shown() -> None:
    payload = {"id": "a", "brand_new_token": SECRET, "settings": {"deep": [{"newApiKey": SECRET, "fine": "fine"}]}}
    for model in MODELS:
        thing = model.model_construct(None, **payload)
        assert SECRET not in shown(thing)
    assert "fine" in shown(Model.model_construct(None, **payload))


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "api_token",
        "apiToken",
        "X-Api-Token",
        "PASSWORD",
        "client_secret",
        "aws_secret_access_key",
        "webhook_url",
    ],
)
def test_secrets_are_told_by_their_names(name: str) -> None:
    assert is_secret(name)
    assert masked({"a": [{name: SECRET}], "b": 1}) == {"a": [{name: HIDDEN}], "b": 1}


@pytest.mark.parametrize("name", ["name", "tokens_url", "token_count", "secretary", "key", "url", "webhook_ips", ""])
def test_what_only_looks_like_one_is_shown(name: str) -> None:
    assert not is_secret(name)


# -- what is raised while an answer is read


def answer_of(payload: object) -> Answer:
    return Answer("GET", "https://api.buildkite.com/v2/x", 200, {"Content-Type": "x"}, json.dumps(payload).encode())


def told_by(error: BaseException | None) -> str:
    """Give all that an error and those before it say, with the locals of the frames that they went through."""
    told: list[str] = []
    while error is not None:
        frames = [each for each in traceback.walk_tb(error.__traceback__) if each[0].f_code.co_filename != __file__]
        told += [str(error), repr(error), repr(error.args), repr(vars(error))]
        told += traceback.StackSummary.extract(iter(frames), capture_locals=True).format()
        error = error.__cause__ or error.__context__
    return "\n".join(told)


def resources() -> list[type[Resource]]:
    return sorted((model for model in MODELS if issubclass(model, Resource)), key=lambda model: model.__name__)


@pytest.mark.parametrize("payload", [[{"token": SECRET}], SECRET, {"items": {"token": SECRET}}], ids=["[]", "''", "{}"])
def test_an_answer_of_another_shape_is_not_shown(payload: Any) -> None:
    model, answer = resources()[0], answer_of(payload)
    loads = [load_list] if as_array(payload) is None else []
    for load in loads:
        with pytest.raises(BuildkiteError) as caught:
            load(model, answer, strict=False)
        assert SECRET not in told_by(caught.value)
    if as_object(payload) is None:
        with pytest.raises(BuildkiteError) as caught:
            load_one(model, answer)
        assert SECRET not in told_by(caught.value)


@pytest.mark.parametrize("body", [b"[{}, %s", b"%s", b"\xff%s"], ids=["cut", "text", "bytes"])
def test_an_answer_that_is_no_json_is_not_shown(body: bytes) -> None:
    answer = Answer("GET", "https://api.buildkite.com/v2/x", 200, {}, body.replace(b"%s", SECRET.encode()))
    for load in (lambda: load_list(resources()[0], answer, strict=False), lambda: load_one(resources()[0], answer)):
        with pytest.raises(BuildkiteError) as caught:
            load()
        assert SECRET not in told_by(caught.value)


@pytest.mark.parametrize("model", resources(), ids=lambda model: model.__name__)
def test_an_odd_answer_is_told_of_by_its_fields_and_not_shown(model: type[Resource]) -> None:
    keys = [field.alias or name for name, field in model.model_fields.items()]
    payload = {key: [[SECRET if is_secret(key) else "odd"]] for key in keys} | {"brand_new_token": SECRET}
    answer = answer_of([payload])
    with pytest.raises(BuildkiteError, match="not as documented") as caught:
        load_list(model, answer, strict=True)
    assert SECRET not in told_by(caught.value)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        (thing,) = load_list(model, answer, strict=False)
    assert len(warned) == 1
    assert SECRET not in str(warned[0].message)
    assert SECRET in json.dumps(thing.dump())
    assert SECRET not in repr(thing.drift)


# -- from end to end


HOOK = {"url": f"https://hooks.example.com/{SECRET}", "token": SECRET}


def acme(bk: Buildkite) -> OrganizationRef:
    return bk.organization("acme")


def agent_token(bk: Buildkite) -> object:
    return acme(bk).clusters()[0].agent_tokens().create(description="Linux agents")


def portal(bk: Buildkite) -> object:
    return acme(bk).portals().create(name="Who am I?", query="query { viewer { user { name } } }")


def suite(bk: Buildkite) -> object:
    return acme(bk).suites()[0].fetch(show_api_token=True)


def registry_token(bk: Buildkite) -> object:
    return acme(bk).registry("files").tokens().create(description="For CI")


def vnc_session(bk: Buildkite) -> object:
    return next(iter(acme(bk).pipeline("mac").build(1).jobs())).create_vnc_session()


def ssh_session(bk: Buildkite) -> object:
    return next(iter(acme(bk).pipeline("mac").build(1).jobs())).create_ssh_session()


def pipeline(bk: Buildkite) -> object:
    return acme(bk).pipeline("mac").fetch()


def pipelines(bk: Buildkite) -> object:
    return acme(bk).pipelines().all()[0]


def webhook(bk: Buildkite) -> object:
    return acme(bk).notification_services().all()[0]


OPERATIONS = (agent_token, portal, suite, registry_token, vnc_session, ssh_session, pipeline, pipelines, webhook)
operations = pytest.mark.parametrize("ask", OPERATIONS, ids=lambda ask: ask.__name__)


class Carried:
    """The secrets that the fake's answers have carried, by whatever name of a secret."""

    def __init__(self, server: FakeBuildkite) -> None:
        self.server = server
        self.found: set[str] = set()

    def __call__(self, payload: Any) -> Any:
        """Look at a payload, and leave it as it is."""
        for value in as_array(payload) or (as_object(payload) or {}).values():
            self(value)
        named = {value for key, value in (as_object(payload) or {}).items() if MAY_BE_SECRET.search(key)}
        self.found |= {each for each in named if isinstance(each, str) and len(each) > 8 and "://buildkite" not in each}
        return payload

    def in_(self, text: str) -> list[str]:
        escaped = [json.dumps(each)[1:-1] for each in self.found]
        return [each for each in [*self.found, *escaped] if each in text]


@pytest.fixture
def hosted(server: FakeBuildkite, bk: Buildkite) -> FakeBuildkite:
    """The server with what has secrets, and a job that runs on a machine which may be reached."""
    org = acme(bk)
    org.pipeline_settings().enable_hosted_agents_ssh()
    org.registries().create(name="Files", ecosystem="files")
    org.suites().create(name="RSpec", default_branch="main")
    org.notification_services().create(provider="webhook", settings=HOOK)
    store, record = server.store, server.store.organizations["acme"]
    shape = "MACOS_ARM64_M4_6X28"
    queue = store.add_queue(record, "macos", cluster=store.add_cluster(record, "Hosted"), instance_shape=shape)
    agent = store.add_agent(record, queue=queue, os_id="darwin")
    server.add_pipeline("mac")
    server.add_build("mac", number=1, state="running", jobs=[{"state": "running", "agent": agent}])
    server.requests.clear()
    return server


@pytest.fixture
def carried(hosted: FakeBuildkite) -> Carried:
    hosted.settings.drift = found = Carried(hosted)
    return found


@operations
def test_a_secret_is_in_the_data_of_its_object_and_nowhere_else(
    hosted: FakeBuildkite, bk: Buildkite, carried: Carried, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        thing = ask(bk)
    told = json.dumps(thing.dump())
    assert carried.in_(told)
    assert "DEBUG" in caplog.text
    for text in (shown(thing), shown(copy.deepcopy(thing)), caplog.text, *(each.line for each in hosted.requests)):
        assert carried.in_(text) == []
    pickled = pickle.dumps(thing)
    assert hosted.token.encode() not in pickled
    assert json.dumps(pickle.loads(pickled).dump()) == told  # noqa: S301 - our own


def odd(payload: Any) -> Any:
    """Turn fields that are no secrets into others."""
    if (known := as_object(payload)) is not None:
        return {
            key: value if MAY_BE_SECRET.search(key) or value is None else odd(value) for key, value in known.items()
        }
    if (several := as_array(payload)) is not None:
        return [odd(each) for each in several]
    return {"odd": "odd"}


def in_a_list(payload: Any) -> list[Any]:
    return [payload]


CARRYING = r"^POST|api_token=|/(pipelines/mac$|pipelines\?|services\?)"
BENT: dict[str, Callable[[Any], Any]] = {"odd": odd, "list": in_a_list}
TROUBLE: dict[str, dict[str, Any]] = {
    "cut": {"kind": "cut_json"},
    "truncated": {"kind": "truncate"},
    "reset": {"kind": "reset_mid_body"},
    "HTML": {"kind": "html", "status": 502, "processed": True},
    "refused": {"kind": "error", "status": 422, "message": "Validation failed"},
}


@operations
@pytest.mark.parametrize("trouble", [*TROUBLE, *BENT])
@pytest.mark.parametrize("door", ["local", "http"])
def test_no_error_shows_a_secret(
    carried: Carried, ask: Ask, caplog: pytest.LogCaptureFixture, trouble: str, door: Any
) -> None:
    hosted = carried.server
    if trouble in TROUBLE:
        hosted.faults.add(**TROUBLE[trouble], times=None, match=CARRYING)
    before = len(hosted.requests)

    def bend(payload: Any) -> Any:
        carried(payload)
        is_bent = trouble in BENT and re.search(CARRYING, hosted.requests[-1].line)
        return BENT[trouble](payload) if is_bent else payload

    hosted.settings.drift = bend
    policy = RetryPolicy(attempts=2)
    with (
        caplog.at_level(logging.DEBUG),
        hosted.client(door=door, retry=policy, strict=True) as bk,
        pytest.raises(BuildkiteError) as caught,
    ):
        ask(bk)
    assert len(hosted.requests) > before
    assert carried.found or trouble == "refused"
    for text in (told_by(caught.value), caplog.text):
        assert carried.in_(text) == []
        assert hosted.token not in text
    pickled = pickle.dumps(caught.value)
    assert not any(each.encode() in pickled for each in (*carried.found, hosted.token))


# -- to whom the token goes


def test_a_form_to_upload_by_that_leads_elsewhere_gets_no_token(hosted: FakeBuildkite) -> None:
    with FakeBuildkite(populate=False) as other:

        def lead_away(payload: Any) -> Any:
            form = (as_object(payload) or {}).get("form")
            return {**payload, "form": {**form, "url": f"{other.url}/bucket"}} if form else payload

        hosted.settings.drift = lead_away
        with hosted.client(door="http", retry=RetryPolicy(attempts=1)) as bk, pytest.raises(BuildkiteError):
            acme(bk).registry("files").packages().publish_presigned(io.BytesIO(b"x" * 100), filename="a-1.0.txt")
        (request,) = other.requests
        assert request.path == "/bucket"
        assert "Authorization" not in request.headers
        assert hosted.token.encode() not in request.body
        assert {each.headers.get("Authorization") for each in hosted.requests} == {f"Bearer {hosted.token}"}


# -- to other processes

ELSEWHERE = """
import pickle, sys
from buildkite_orm import Buildkite, UnboundError

url, token = sys.argv[1:]
things = pickle.load(sys.stdin.buffer)
for thing in things:
    try:
        thing.session
    except UnboundError:
        continue
    raise SystemExit(f"{thing} is bound")
with Buildkite(token, base_url=url) as bk:
    loaded = [bk.bind(thing).fetch() for thing in things]
    pickle.dump(loaded, sys.stdout.buffer)
"""


def test_objects_and_refs_travel_to_another_process_and_back(server: FakeBuildkite, costs: Costs) -> None:
    record = server.add_build("web", jobs=1)
    server.add_artifact(record.jobs[0], "a.txt", b"hello")
    with server.client(door="http") as bk:
        build = acme(bk).pipeline("web").builds()[0]
        job = build.jobs()[0]
        things = [build, build.pipeline, job, acme(bk).job(job.id), job.artifacts()[0], acme(bk)]
        sent = pickle.dumps(things)
        assert server.token.encode() not in sent
        command = [sys.executable, "-W", "error", "-c", ELSEWHERE, server.url, server.token]
        with costs(len(things)):
            run = subprocess.run(command, input=sent, capture_output=True, check=False)
        assert run.returncode == 0, run.stderr.decode()
        assert server.token.encode() not in run.stdout
        back = pickle.loads(run.stdout)  # noqa: S301 - our own
        assert back == things
        bk.bind(back[4]).delete()
        assert not job.artifacts()
