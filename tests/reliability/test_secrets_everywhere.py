"""Secrets in responses, such as agent tokens and private keys: in the object's data, and nowhere else."""

from __future__ import annotations

import copy
import io
import json
import pickle
import subprocess
import sys
import typing
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from buildkite_orm import BuildkiteError, RetryPolicy
from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.http.messages import ApiResponse
from buildkite_orm.models.parsing import load_list, load_one
from buildkite_orm.models.resource import Model, Resource
from buildkite_orm.utils.json_types import as_array, as_object
from buildkite_orm.utils.redaction import MASK, is_secret, mask_fields
from tests.reliability.leaks import (
    BENT,
    MAY_BE_SECRET,
    OPERATIONS,
    TROUBLE,
    acme,
    error_of,
    full_text,
    furnished,
    logged,
    make_trouble,
    shown,
)
from tests.reliability.models import MODELS, RESOURCES

if TYPE_CHECKING:
    from tests.conftest import Costs
    from tests.reliability.leaks import Action

SECRET = "s3cret-0123456789abcdef"


# -- every model


def kinds_of(annotation: object) -> set[object]:
    return {annotation}.union(*(kinds_of(each) for each in typing.get_args(annotation)))


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
    """A field with the name of a secret is hidden unless `NO_SECRETS` has it."""
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


@every_secret
def test_no_secret_is_shown(model: type[Model], name: str) -> None:
    loaded = with_secret(model, name)
    assert getattr(loaded, name) == SECRET
    for each in (loaded, copy.copy(loaded), copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):  # noqa: S301
        assert getattr(each, name) == SECRET
        assert SECRET not in shown(each)


@every_secret
def test_an_invalid_value_is_not_shown(model: type[Model], name: str) -> None:
    broken = {key: [SECRET] for key in model.model_fields} | {name: {"a": SECRET}}
    with pytest.raises(ValidationError) as caught:
        model.model_validate(broken)
    assert name in str(caught.value)
    assert SECRET not in f"{caught.value} {caught.value!r}"


def test_an_unknown_secret_is_not_shown() -> None:
    payload = {"id": "a", "brand_new_token": SECRET, "settings": {"deep": [{"newApiKey": SECRET, "fine": "fine"}]}}
    for model in MODELS:
        loaded = model.model_construct(None, **payload)
        assert SECRET not in shown(loaded)
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
def test_secrets_are_recognized_by_their_names(name: str) -> None:
    assert is_secret(name)
    assert mask_fields({"a": [{name: SECRET}], "b": 1}) == {"a": [{name: MASK}], "b": 1}


@pytest.mark.parametrize("name", ["name", "tokens_url", "token_count", "secretary", "key", "url", "webhook_ips", ""])
def test_text_that_only_looks_like_a_secret_is_shown(name: str) -> None:
    assert not is_secret(name)


# -- errors while a response is read


def response_with(payload: object) -> ApiResponse:
    return ApiResponse(
        "GET", "https://api.buildkite.com/v2/x", 200, {"Content-Type": "x"}, json.dumps(payload).encode()
    )


@pytest.mark.parametrize("payload", [[{"token": SECRET}], SECRET, {"items": {"token": SECRET}}], ids=["[]", "''", "{}"])
def test_an_response_with_another_shape_is_not_shown(payload: Any) -> None:
    model, response = RESOURCES[0], response_with(payload)
    loads = [load_list] if as_array(payload) is None else []
    for load in loads:
        with pytest.raises(BuildkiteError) as caught:
            load(model, response, strict=False)
        assert SECRET not in full_text(caught.value)
    if as_object(payload) is None:
        with pytest.raises(BuildkiteError) as caught:
            load_one(model, response)
        assert SECRET not in full_text(caught.value)


@pytest.mark.parametrize("body", [b"[{}, %s", b"%s", b"\xff%s"], ids=["cut", "text", "bytes"])
def test_a_response_that_is_not_json_is_not_shown(body: bytes) -> None:
    response = ApiResponse("GET", "https://api.buildkite.com/v2/x", 200, {}, body.replace(b"%s", SECRET.encode()))
    for load in (lambda: load_list(RESOURCES[0], response, strict=False), lambda: load_one(RESOURCES[0], response)):
        with pytest.raises(BuildkiteError) as caught:
            load()
        assert SECRET not in full_text(caught.value)


@pytest.mark.parametrize("model", RESOURCES, ids=lambda model: model.__name__)
def test_an_odd_response_is_described_by_its_fields_and_not_shown(model: type[Resource]) -> None:
    keys = [field.alias or name for name, field in model.model_fields.items()]
    payload = {key: [[SECRET if is_secret(key) else "odd"]] for key in keys} | {"brand_new_token": SECRET}
    response = response_with([payload])
    with pytest.raises(BuildkiteError, match="not as documented") as caught:
        load_list(model, response, strict=True)
    assert SECRET not in full_text(caught.value)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        (loaded,) = load_list(model, response, strict=False)
    assert len(warned) == 1
    assert SECRET not in str(warned[0].message)
    assert SECRET in json.dumps(loaded.dump())
    assert SECRET not in repr(loaded.drift)


# -- from end to end


@pytest.mark.parametrize("action", OPERATIONS, ids=lambda action: action.__name__)
@pytest.mark.parametrize("trouble", [*TROUBLE, *BENT])
def test_no_error_of_a_socket_shows_a_secret(action: Action, trouble: str) -> None:
    """`leaks` measures the same without sockets."""
    with furnished() as carried, logged() as log:
        make_trouble(carried, trouble)
        with carried.server.client(http=True, retry=RetryPolicy(attempts=2), strict=True) as bk:
            error = error_of(partial(action, bk))
        assert carried.found or trouble == "refused"
        for text in (full_text(error), log.getvalue(), pickle.dumps(error).decode("latin-1")):
            assert carried.in_(text) == []
            assert carried.server.token not in text


# -- to whom the token goes


def test_an_upload_form_of_another_host_gets_no_token() -> None:
    with furnished() as carried, FakeBuildkite(populate=False) as other:
        hosted = carried.server

        def lead_away(payload: Any) -> Any:
            form = (as_object(payload) or {}).get("form")
            return {**payload, "form": {**form, "url": f"{other.url}/bucket"}} if form else payload

        hosted.settings.drift = lead_away
        with hosted.client(http=True, retry=RetryPolicy(attempts=1)) as bk, pytest.raises(BuildkiteError):
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
objects = pickle.load(sys.stdin.buffer)
for loaded in objects:
    try:
        loaded.session
    except UnboundError:
        continue
    raise SystemExit(f"{loaded} is bound")
with Buildkite(token, base_url=url) as bk:
    loaded = [bk.bind(loaded).fetch() for loaded in objects]
    pickle.dump(loaded, sys.stdout.buffer)
"""


def test_objects_and_refs_travel_to_another_process_and_back(server: FakeBuildkite, costs: Costs) -> None:
    record = server.add_build("web", jobs=1)
    server.add_artifact(record.jobs[0], "a.txt", b"hello")
    with server.client(http=True) as bk:
        build = acme(bk).pipeline("web").builds()[0]
        job = build.jobs()[0]
        objects = [build, build.pipeline, job, acme(bk).job(job.id), job.artifacts()[0], acme(bk)]
        sent = pickle.dumps(objects)
        assert server.token.encode() not in sent
        command = [sys.executable, "-W", "error", "-c", ELSEWHERE, server.url, server.token]
        with costs(len(objects)):
            run = subprocess.run(command, input=sent, capture_output=True, check=False)
        assert run.returncode == 0, run.stderr.decode()
        assert server.token.encode() not in run.stdout
        back = pickle.loads(run.stdout)  # noqa: S301 - our own
        assert back == objects
        bk.bind(back[4]).delete()
        assert not job.artifacts()
