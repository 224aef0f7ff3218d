"""What holds for every operation alike: its scope is needed, an update takes PUT and PATCH, the contract is covered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.fake.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm.fake.handlers.route import Route

CONTRACT = Path(__file__).parents[3] / "shared" / "contract" / "operations.json"
OPERATIONS: list[dict[str, Any]] = json.loads(CONTRACT.read_text()) if CONTRACT.exists() else []
NEEDING_A_SCOPE = [each for each in ROUTES if each.scopes]

needs_contract = pytest.mark.skipif(not OPERATIONS, reason="the contract is not at hand")


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeBuildkite]:
    """One server for all routes: what they do to it does not matter here."""
    with FakeBuildkite(populate=False, settings=Settings(organization_limit=None, user_limit=None)) as server:
        yield server


def named(path: str) -> str:
    """Write a path with all its values alike."""
    return re.sub(r"\{[^}]+\}", "*", path)


TABLE = {(each.method, named(path)): each for each in ROUTES for path in each.paths}


def ask(server: FakeBuildkite, route: Route, token: str) -> requests.Response:
    session = requests.Session()
    session.mount("https://", server.adapter())
    path = re.sub(r"\{[^}]+\}", "x", route.paths[0].replace("{org}", "acme"))
    return session.request(
        route.method, f"https://api.buildkite.com{path}", headers={"Authorization": f"Bearer {token}"}, json={}
    )


@pytest.mark.parametrize("route", NEEDING_A_SCOPE, ids=lambda route: f"{route.method} {route.paths[0]}")
def test_without_its_scope_it_is_forbidden_and_the_answer_names_it(shared: FakeBuildkite, route: Route) -> None:
    answer = ask(shared, route, shared.make_token("read_nothing"))
    assert answer.status_code == 403
    assert answer.headers["X-Accepted-OAuth-Scopes"] == ", ".join(route.scopes or ())
    assert answer.headers["X-OAuth-Scopes"] == "read_nothing"


@pytest.mark.parametrize("route", NEEDING_A_SCOPE, ids=lambda route: f"{route.method} {route.paths[0]}")
def test_with_just_its_scope_it_is_not_forbidden(shared: FakeBuildkite, route: Route) -> None:
    assert ask(shared, route, shared.make_token(*(route.scopes or ()))).status_code != 403


@needs_contract
def test_every_documented_operation_has_its_routes_and_its_scope() -> None:
    for operation in OPERATIONS:
        for path in operation["paths"]:
            method = "GET" if operation["method"] == "HEAD" else operation["method"]
            route = TABLE.get((method, named(path)))
            assert route is not None, operation["id"]
            documented = {scope for each in operation["scope"] for scope in each.split(", ")}
            assert set(route.scopes or ()) == documented, operation["id"]


@needs_contract
def test_an_update_takes_put_and_patch_alike() -> None:
    for operation in OPERATIONS:
        (path, *_), method = operation["paths"], operation["method"]
        if method in {"PUT", "PATCH"} and path.endswith(("}", "-settings")):
            other = "PATCH" if method == "PUT" else "PUT"
            assert (other, named(path)) in TABLE, operation["id"]
