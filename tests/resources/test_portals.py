"""Portals."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, PermissionDeniedError, UnprocessableEntityError
from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.fake.seeds import portals as seed
from buildkite_orm.resources.portal import Portal

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

PORTALS = "/v2/organizations/acme/portals"
QUERY = "{ viewer { user { name } } }"
OPTIONS: dict[str, Any] = {
    "slug": "who",
    "description": "The viewer",
    "allowed_ip_addresses": "192.0.2.1/32 198.51.100.0/24",
    "user_invokable": True,
}


@pytest.fixture
def portal(bk: Buildkite) -> Portal:
    """A portal with all there is."""
    return bk.organization("acme").portals().create(name="Viewer", query=QUERY, **OPTIONS)


def test_a_portal_is_created_with_the_given_fields_only(bk: Buildkite, sent: Sent, costs: Costs) -> None:
    with costs(1):
        portal = bk.organization("acme").portals().create(name="Viewer", query=QUERY)
    assert sent() == (f"POST {PORTALS}", {"name": "Viewer", "query": QUERY})
    assert (portal.slug, portal.description, portal.user_invokable) == ("viewer", None, False)
    assert portal.created_by is not None


def test_a_new_one_accepts_every_field(portal: Portal, sent: Sent) -> None:
    assert sent() == (f"POST {PORTALS}", {"name": "Viewer", "query": QUERY, **OPTIONS})
    assert portal.dump().items() >= OPTIONS.items()


def test_its_secret_is_returned_once_and_shown_nowhere(
    bk: Buildkite, portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = portal.token
    assert secret
    assert secret.startswith("bkpt_")
    assert secret not in f"{portal!r} {portal} {[portal]}"
    assert portal.reload().token is None
    assert bk.organization("acme").portals().create(name="Another", query=QUERY).token not in {None, secret}
    assert "bkpt_" not in caplog.text


def test_portals_are_listed_and_got(bk: Buildkite, portal: Portal, sent: Sent, costs: Costs) -> None:
    org = bk.organization("acme")
    with costs(2):
        assert [each.token for each in org.portals()] == [None]
        assert org.portal("who").fetch() == portal
    assert sent() == (f"GET {PORTALS}/who", None)
    assert portal.organization == org


def test_one_that_is_not_there_is_not_found(bk: Buildkite) -> None:
    with pytest.raises(NotFoundError, match="No portal found"):
        bk.organization("acme").portal("gone").fetch()


@pytest.mark.parametrize("field", ["description", "allowed_ip_addresses"])
@pytest.mark.parametrize("value", [None, "", "192.0.2.0/24"])
def test_unset_null_and_empty_are_distinguished(portal: Portal, sent: Sent, field: str, value: str | None) -> None:
    setattr(portal, field, value)
    portal.save()
    assert sent() == (f"PUT {PORTALS}/who", {field: value})
    assert portal.dump().items() >= {"user_invokable": True, field: value}.items()


def test_false_is_sent(portal: Portal, sent: Sent) -> None:
    portal.user_invokable = False
    assert portal.save().user_invokable is False
    assert sent()[1] == {"user_invokable": False}


def test_everything_can_be_updated_the_slug_too(bk: Buildkite, portal: Portal, sent: Sent, costs: Costs) -> None:
    changes: dict[str, Any] = {"name": "Renamed", "query": "{ viewer { id } }", **OPTIONS, "slug": "renamed"}
    with costs(1):
        assert portal.update(**changes) is portal
    assert sent() == (f"PUT {PORTALS}/who", changes)
    assert portal == bk.organization("acme").portal("renamed")
    assert portal.reload().name == "Renamed"


def test_its_slug_is_not_assigned(portal: Portal) -> None:
    # what was not saved yet would be looked for where it is not
    with pytest.raises(AttributeError, match="slug"):
        portal.slug = "renamed"


@pytest.mark.parametrize(
    ("problem", "changes"),
    [
        ("already been taken", {"slug": "taken"}),
        ("slug", {"slug": "not a slug"}),
        ("name", {"name": ""}),
        ("query", {"query": None}),
        ("allowed_ip_addresses", {"allowed_ip_addresses": "localhost"}),
        ("user_invokable", {"user_invokable": "yes"}),
    ],
)
def test_a_value_that_is_not_accepted_changes_nothing(
    bk: Buildkite, portal: Portal, problem: str, changes: dict[str, Any]
) -> None:
    bk.organization("acme").portals().create(name="Taken", query=QUERY)
    before = portal.reload().dump()
    with pytest.raises(UnprocessableEntityError, match=problem):
        portal.update(**changes)
    assert portal.reload().dump() == before


def test_a_name_must_give_a_slug(bk: Buildkite) -> None:
    with pytest.raises(UnprocessableEntityError, match="Slug can't be blank"):
        bk.organization("acme").portals().create(name="門", query=QUERY)


def test_a_portal_is_deleted(bk: Buildkite, portal: Portal, sent: Sent) -> None:
    portal.delete()
    assert sent() == (f"DELETE {PORTALS}/who", None)
    assert portal not in bk.organization("acme").portals()


def test_each_needs_its_scope(server: FakeBuildkite, portal: Portal) -> None:
    with server.client(token=server.make_token("read_portals")) as bk:
        assert list(bk.organization("acme").portals()) == [portal]
        with pytest.raises(PermissionDeniedError, match="write_portals"):
            bk.organization("acme").portal("who").update(description=None)
    with server.client(token=server.make_token("write_portals")) as bk, pytest.raises(PermissionDeniedError):
        bk.organization("acme").portal("who").fetch()


def test_seeded_objects_exist() -> None:
    with FakeBuildkite() as server, server.client() as bk:
        acme = server.store.organizations["acme"]
        if not server.store.collections.of("portal", acme.id):
            seed.populate(server.context, acme)
        assert bk.organization("acme").portal("trigger-main-build").fetch().user_invokable is False


def test_documented_examples_load_and_dump_back(examples: Examples) -> None:
    names = ("list-portals", "get-a-portal", "create-a-portal", "update-a-portal")
    examples(Portal, *(f"portals/{name}" for name in names))
