"""The lines that a shell begins with: what they cost, and that nothing that goes wrong keeps a shell from beginning."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm.shell.banner import banner

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.fake.clock import ManualClock
    from tests.conftest import Costs


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def limited(server: FakeBuildkite) -> None:
    server.settings.user_limit, server.settings.organization_limit = 50, 200


def test_the_banner_shows_owner_scopes_and_budget(server: FakeBuildkite, costs: Costs) -> None:
    limited(server)
    bk = server.client(token=server.make_token("read_builds", "read_organizations"))
    with costs(2):
        lines = banner(bk, bk.organization("acme"))
    assert lines == [
        "bk: Ada Lovelace <ada@acme.example> at https://api.buildkite.com, org acme",
        "scopes: read_builds, read_organizations",
        "requests left: 48 of 50 (user, resets in 61 s), 199 of 200 (acme, resets in 61 s)",
    ]


def test_without_an_organization_it_is_one_request(server: FakeBuildkite, costs: Costs) -> None:
    limited(server)
    bk = server.client()
    with costs(1):
        lines = banner(bk, None)
    assert lines[2] == "requests left: 49 of 50 (user, resets in 61 s)"


def test_an_error_shows_the_remaining_budget_too(server: FakeBuildkite, costs: Costs) -> None:
    limited(server)
    bk = server.client(token=server.make_token("read_builds"))
    with costs(2):
        lines = banner(bk, bk.organization("acme"))
    assert lines[0].endswith(", org acme: PermissionDeniedError")
    assert lines[2].endswith("199 of 200 (acme, resets in 61 s)")


def test_an_unknown_organization_is_reported(server: FakeBuildkite) -> None:
    bk = server.client()
    assert banner(bk, bk.organization("acmee"))[0].endswith(", org acmee: NotFoundError")


def test_many_scopes_are_cut_to_the_width(server: FakeBuildkite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = banner(server.client(), None)
    assert len(lines) == 3
    assert max(map(len, lines)) <= 59
    assert lines[1].startswith("scopes: read_accounts, ")
    assert lines[1].endswith(" more")


def test_an_unknown_budget_is_shown_as_unknown(bk: Buildkite) -> None:
    assert banner(bk, None)[2] == "requests left: unknown"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"name": "Ev\x1b[31mil\u202e", "email": "e@x"}, "bk: Ev\\x1b[31mil\\u202e <e@x> at "),
        ({"name": "No Mail"}, "bk: No Mail at "),
        ({"email": "only@mail"}, "bk: Development <only@mail> at "),
        (None, "bk: Development at "),
        ("odd", "bk: Development at "),
    ],
)
def test_the_owner_may_be_odd(bk: Buildkite, server: FakeBuildkite, user: object, expected: str) -> None:
    server.settings.drift = lambda payload: {**payload, "user": user, "description": "Development"}
    with pytest.warns() if user == "odd" else nullcontext():
        assert banner(bk, None)[0].startswith(expected)


@pytest.mark.parametrize("scopes", [None, "read_builds", [1, 2], []])
def test_scopes_may_be_odd(bk: Buildkite, server: FakeBuildkite, scopes: object) -> None:
    server.settings.drift = lambda payload: {**payload, "scopes": scopes}
    with pytest.warns() if scopes != [] else nullcontext():
        assert banner(bk, None)[1].startswith("scopes: ")


def test_the_banner_of_a_token_without_a_description_or_a_user_names_no_one(
    bk: Buildkite, server: FakeBuildkite
) -> None:
    server.settings.drift = lambda payload: {"uuid": payload["uuid"], "scopes": []}
    assert banner(bk, None)[:2] == ["bk: unknown user at https://api.buildkite.com", "scopes: none"]


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    ("dns", {}, "ConnectionFailedError: "),
    ("refuse", {}, "ConnectionFailedError: "),
    ("read_timeout", {}, "RequestTimeoutError: "),
    ("html", {"status": 200}, "ResponseError: "),
    ("html", {"status": 502}, "ServerError: "),
    ("error", {"status": 401, "message": "Authentication\nrequired\x1b[2J"}, "AuthenticationError: "),
    ("error", {"status": 403}, "PermissionDeniedError: "),
    ("error", {"status": 200, "payload": ["no", "object"]}, "ResponseError: "),
    ("rate_limit", {"scope": "rest_user", "reset": 50}, "RateLimitError: "),
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_an_error_is_one_line_at_once(
    bk: Buildkite, server: FakeBuildkite, costs: Costs, wrong: tuple[Any, dict[str, Any], str]
) -> None:
    clock: ManualClock = server.clock
    kind, options, expected = wrong
    server.faults.add(kind, times=None, **options)
    before = clock.now()
    with costs(1):
        lines = banner(bk, bk.organization("acme"))
    assert len(lines) == 1
    assert lines[0].startswith(expected)
    assert lines[0].isprintable()
    assert clock.now() - before <= 30, "only the one timeout"
