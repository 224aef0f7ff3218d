"""Each documented operation, by the client's method for it and a token with only its documented scopes.

The expectations come from `tests/data`, not from the code that is tested.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeGuard, cast

import pytest
import requests

from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.fake.routes import ROUTES
from buildkite_orm.models.resource import Model
from buildkite_orm.querysets.queryset import QuerySet
from tests.documented import OPERATIONS, Operation, items_of_example
from tests.operations import builds, clusters, organizations, packages, pipelines, suites, teams
from tests.operations.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm.fake import RecordedRequest

AREAS: Final = (builds, clusters, organizations, packages, pipelines, suites, teams)
CALLS: Final = {identity: call for area in AREAS for identity, call in area.CALLS.items()}
SCOPES: Final = sorted({scope for operation in OPERATIONS for scope in operation.scopes})
PAGING: Final = {"page", "per_page", "after", "before"}
# The scope that a documented parameter needs in addition.
SCOPES_OF_PARAMETERS: Final = {
    "test_engine/suites.get-a-suite": ["write_suites"],
    "test_engine/suites.list-all-suites": ["write_suites"],
}
# Documented fields that a method does not send: the key cannot be changed, and another operation changes the value.
NOT_SENT: Final = {"clusters/secrets.update-a-secret-s-description-and-access-policy": {"key", "value"}}
# Methods that send another operation after the one they are listed for.
SENT_NEXT: Final = {
    "package_registries/packages.request-a-presigned-upload": "package_registries/packages.publish-a-package"
}
# Examples that do not load: `created_at` has hour 56.
MISPRINTED: Final = {"user/get-the-current-user.json"}
# Suffixes of paths that choose the format of the response.
SUFFIXES: Final = {
    "jobs.get-a-job-s-log-output": [".txt", ".html"],
    "jobs.get-a-job-s-environment-variables": [".txt"],
}

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)


def test_each_documented_operation_has_a_call() -> None:
    assert sorted(CALLS) == sorted(operation.id for operation in OPERATIONS)


# -- the client and the responses of the fake


@pytest.fixture
def stage(operation: Operation) -> Iterator[Stage]:
    """The stage of an operation; its client has the documented scopes, and no other."""
    stage = Stage([*operation.scopes, *SCOPES_OF_PARAMETERS.get(operation.id, [])])
    yield stage
    stage.close()


@each_operation
def test_client_and_fake_follow_the_documentation(stage: Stage, operation: Operation) -> None:
    results = call(stage, operation)
    sent = [request for request in sent_by_client(stage) if not is_next(operation, request)]
    assert [request.line for request in sent if not operation.matches(request.method, request.path)] == []
    assert [request.status for request in sent] == [operation.status] * len(results)
    assert query_names(sent) - PAGING == documented_names(operation) - PAGING
    assert body_names(sent) == operation.body.keys() - NOT_SENT.get(operation.id, set())
    check_example(operation, [item for items in results for item in items if isinstance(item, Model)])


def call(stage: Stage, operation: Operation) -> list[list[object]]:
    """Send the operation, and return what the client returned for each request: the items of a page, or one object."""
    result = CALLS[operation.id](stage)
    several = cast("tuple[object, ...]", result) if isinstance(result, tuple) else (result,)
    return [list(each.limit(100)) if is_listing(each) else [each] for each in several]


def is_listing(result: object) -> TypeGuard[QuerySet[Any]]:
    return isinstance(result, QuerySet)


def sent_by_client(stage: Stage) -> list[RecordedRequest]:
    """Return the requests that the client under test sent to the API."""
    token = f"Bearer {stage.token}"
    return [request for request in stage.server.requests if request.headers.get("Authorization") == token]


def is_next(operation: Operation, request: RecordedRequest) -> bool:
    """Return whether a request is the other operation that a method sends."""
    other = SENT_NEXT.get(operation.id)
    return any(each.id == other and each.matches(request.method, request.path) for each in OPERATIONS)


def documented_names(operation: Operation) -> set[str]:
    return {without_key(name) for name in operation.query}


def query_names(requests: list[RecordedRequest]) -> set[str]:
    return {without_key(name) for request in requests for name, _ in request.query}


def without_key(name: str) -> str:
    """Return the name of a parameter without the `[]` of a list or the `[key]` of a mapping; `filter[…]` is a name."""
    return name if name.startswith("filter[") else re.sub(r"\[\w*\]$", "", name)


def body_names(requests: list[RecordedRequest]) -> set[str]:
    """Return the names of the fields in JSON bodies and forms."""
    names = set[str]()
    for request in requests:
        if "multipart/form-data" in request.headers.get("Content-Type", ""):
            names |= {name.decode() for name in re.findall(rb'; name="(\w+)"', request.body)}
        elif request.body:
            names |= json.loads(request.body).keys()
    return names


def check_example(operation: Operation, results: list[Model]) -> None:
    """Check that the example payload loads into the class of the results, and that they have all its fields."""
    for name in operation.examples[:1]:
        for payload in items_of_example(name) if results and name not in MISPRINTED else ():
            loaded = type(results[0]).model_validate_json(json.dumps(payload))
            assert not loaded.model_extra
            assert loaded.dump() == payload
            assert payload.keys() <= {key for result in results for key in result.dump()}


# -- scopes


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeBuildkite]:
    """A fake for all raw requests, whose paths name nothing that exists."""
    with FakeBuildkite(populate=False, settings=Settings(organization_limit=None, user_limit=None)) as server:
        yield server


@each_operation
def test_scopes_are_the_documented_ones(shared: FakeBuildkite, operation: Operation) -> None:
    for method, path in forms(operation):
        for scope in operation.scopes:
            held = [each for each in SCOPES if each != scope]
            response = send(shared, method, path, held)
            assert response.status_code == 403, (method, path)
            assert response.headers["X-Accepted-OAuth-Scopes"] == ", ".join(operation.scopes)
            assert response.headers["X-OAuth-Scopes"] == ", ".join(held)
            assert method == "HEAD" or response.json() == {"message": "Forbidden"}
        assert send(shared, method, path, operation.scopes).status_code != 403, (method, path)


def test_an_unknown_organization_is_not_found(shared: FakeBuildkite) -> None:
    for operation in OPERATIONS:
        for method, path in forms(operation) if "{org}" in operation.paths[0] else ():
            response = send(shared, method, path, operation.scopes, organization="unknown")
            assert response.status_code == 404, (method, path)


def test_each_route_of_the_fake_is_documented() -> None:
    documented = {(method, anonymous(path)) for operation in OPERATIONS for method, path in forms(operation)}
    routes = {(route.method, anonymous(path)) for route in ROUTES for path in route.paths}
    assert routes - documented == {("GET", "/"), ("GET", "/.well-known/api-catalog")}
    assert {each for each in documented - routes if each[0] != "HEAD"} == set()


def forms(operation: Operation) -> Iterator[tuple[str, str]]:
    """Yield each method and path of an operation; the server accepts an update by PUT and by PATCH."""
    for path in operation.paths:
        yield operation.method, path
        if ".update-" in operation.id and path.endswith(("}", "-settings")):
            yield from ((method, path) for method in ("PUT", "PATCH") if method != operation.method)
        yield from ((operation.method, path + suffix) for suffix in SUFFIXES.get(operation.id, []))


def anonymous(path: str) -> str:
    """Return a path whose placeholders have no names."""
    return re.sub(r"\{\w+\}", "{}", path)


def send(
    server: FakeBuildkite, method: str, path: str, scopes: list[str], *, organization: str = "acme"
) -> requests.Response:
    """Send a request with a token that has these scopes, or one that allows nothing."""
    token = server.make_token(*(scopes or ["nothing"]))
    url = "https://api.buildkite.com" + re.sub(r"\{\w+\}", "x", path.replace("{org}", organization))
    with requests.Session() as session:
        session.mount("https://", server.adapter())
        return session.request(method, url, headers={"Authorization": f"Bearer {token}"}, json={})
