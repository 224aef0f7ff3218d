"""The members of an organization, and the invitations to become one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, PermissionDeniedError, UnprocessableEntityError
from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.fake.seeds import members as seed
from buildkite_orm.resources.organizations.invitation import Invitation, InvitationState
from buildkite_orm.resources.organizations.member import OrganizationMember, OrganizationRole, SsoMode

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake.records import UserRecord
    from buildkite_orm.resources.organizations.invitation import InvitationQuerySet
    from buildkite_orm.resources.teams.team import Team
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

MEMBERS = "/v2/organizations/acme/members"
INVITATIONS = "/v2/organizations/acme/invitations"


@pytest.fixture
def grace(server: FakeBuildkite) -> UserRecord:
    """A second member."""
    return server.add_user("Grace Hopper", "grace@acme.example")


# -- members


def test_members_are_listed_and_got(bk: Buildkite, grace: UserRecord, sent: Sent, costs: Costs) -> None:
    org = bk.organization("acme")
    with costs(2):
        ada, other = org.members()
        assert org.member(grace.id).fetch() == other
    assert sent() == (f"GET {MEMBERS}/{grace.id}", None)
    assert (ada.role, other.role, other.sso_mode) == (OrganizationRole.ADMIN, OrganizationRole.MEMBER, SsoMode.REQUIRED)
    assert (other.id, other.name, other.email) == (grace.id, "Grace Hopper", "grace@acme.example")
    assert repr(other) == "OrganizationMember(Grace Hopper, member)"
    assert other.organization == org


def test_a_user_who_is_not_a_member_is_not_found(bk: Buildkite) -> None:
    with pytest.raises(NotFoundError, match="No organization member found"):
        bk.organization("acme").member("0191").fetch()


def test_a_member_is_updated(bk: Buildkite, grace: UserRecord, sent: Sent, costs: Costs) -> None:
    member = bk.organization("acme").member(grace.id).fetch()
    with costs(1):
        assert member.update(role="admin", sso_mode="optional") is member
    assert sent() == (f"PATCH {MEMBERS}/{grace.id}", {"role": "admin", "sso_mode": "optional"})
    member.role = OrganizationRole.MEMBER
    assert member.save().role == "member"
    assert sent()[1] == {"role": "member"}
    assert member.reload().sso_mode == "optional"


@pytest.mark.parametrize("changes", [{}, {"role": OrganizationRole("owner")}, {"sso_mode": None}])
def test_a_value_that_is_not_accepted_changes_nothing(
    bk: Buildkite, grace: UserRecord, changes: dict[str, Any]
) -> None:
    ref = bk.organization("acme").member(grace.id)
    with pytest.raises(UnprocessableEntityError):
        ref.update(**changes)
    assert ref.fetch().role == "member"


def test_a_member_cannot_update_their_own_membership(bk: Buildkite) -> None:
    with pytest.raises(PermissionDeniedError, match="your own membership"):
        bk.organization("acme").member(bk.user().id).update(role="member")


def test_a_member_is_removed(bk: Buildkite, grace: UserRecord, sent: Sent) -> None:
    member = bk.organization("acme").member(grace.id)
    member.delete()
    assert sent() == (f"DELETE {MEMBERS}/{grace.id}", None)
    assert member not in bk.organization("acme").members()


def test_the_last_administrator_stays(bk: Buildkite, grace: UserRecord) -> None:
    org = bk.organization("acme")
    with pytest.raises(UnprocessableEntityError, match="without an administrator"):
        org.member(bk.user().id).delete()
    org.member(grace.id).update(role="admin")
    org.member(bk.user().id).delete()
    assert [member.id for member in org.members()] == [grace.id]


def test_a_member_who_is_not_an_administrator_sees_less_and_can_only_leave(
    server: FakeBuildkite, grace: UserRecord
) -> None:
    token = server.make_token("read_organizations", "write_organizations", user=grace)
    with server.client(token=token) as bk:
        ada, own = bk.organization("acme").members()
        assert ("sso_mode" in ada.dump(), own.sso_mode) == (False, "required")
        for operation in (ada.delete, lambda: ada.update(role="member")):
            with pytest.raises(PermissionDeniedError, match="administrator"):
                operation()
        own.delete()
    assert grace not in server.store.organizations["acme"].users


# -- invitations


@pytest.fixture
def invitations(bk: Buildkite) -> InvitationQuerySet:
    """The listing of invitations."""
    return bk.organization("acme").invitations()


@pytest.fixture
def team(bk: Buildkite) -> Team:
    """A team of everyone."""
    teams = bk.organization("acme").teams()
    teams.enable()
    return teams.one()


def test_people_are_invited(invitations: InvitationQuerySet, team: Team, sent: Sent, costs: Costs) -> None:
    emails, options = ["mary@acme.example", "Émilie@acme.example"], {"role": "admin", "sso_mode": "optional"}
    teams: list[Any] = [{"id": team.id, "role": "maintainer"}]
    with costs(1):
        made = invitations.create(emails=emails, role="admin", sso_mode=SsoMode.OPTIONAL, teams=teams)
    assert sent() == (f"POST {INVITATIONS}", {"emails": emails, **options, "teams": teams})
    assert [(each.email, each.role, each.sso_mode) for each in made] == [
        (email, "admin", "optional") for email in emails
    ]
    assert made[0].state is InvitationState.PENDING
    assert [(each.id, each.slug) for each in made[0].teams] == [(team.id, "everyone")]
    assert repr(made[0]) == "Invitation(mary@acme.example, pending, admin)"


def test_an_address_is_invited_once(invitations: InvitationQuerySet, sent: Sent) -> None:
    made = invitations.create(emails=["mary@acme.example", "MARY@acme.example", "m@acme.example"])
    assert sent()[1] == {"emails": ["mary@acme.example", "MARY@acme.example", "m@acme.example"]}
    assert [each.email for each in made] == ["mary@acme.example", "m@acme.example"]
    assert (made[0].role, made[0].sso_mode, made[0].teams) == ("member", "required", [])


@pytest.mark.parametrize(
    ("problem", "fields"),
    [
        ("emails", {"emails": []}),
        ("not an email address", {"emails": ["mary@acme.example", "mary"]}),
        ("already a member", {"emails": ["mary@acme.example", "ADA@acme.example"]}),
        ("role", {"role": OrganizationRole("owner")}),
        ("sso_mode", {"sso_mode": SsoMode("never")}),
        ("Teams must exist", {"teams": [{"id": "0191", "role": "member"}]}),
        ("named once", {"teams": [{"id": "0191", "role": "member"}, {"id": "0191", "role": "maintainer"}]}),
        ("role", {"teams": [{"id": "0191"}]}),
        ("teams", {"teams": ["0191"]}),
    ],
)
def test_if_one_address_is_refused_no_invitation_is_sent(
    invitations: InvitationQuerySet, problem: str, fields: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"emails": ["mary@acme.example"], **fields}
    with pytest.raises(UnprocessableEntityError, match=problem):
        invitations.create(**given)
    assert not invitations


def test_an_organization_with_sso_requires_the_mode(server: FakeBuildkite, invitations: InvitationQuerySet) -> None:
    server.store.organizations["acme"].sso_enabled = True
    with pytest.raises(UnprocessableEntityError, match="sso_mode is required"):
        invitations.create(emails=["mary@acme.example"])
    assert invitations.create(emails=["mary@acme.example"], sso_mode="optional")[0].sso_mode == "optional"


def test_the_pending_ones_are_listed_the_newest_first(
    invitations: InvitationQuerySet, sent: Sent, costs: Costs
) -> None:
    made = [invitations.create(emails=[f"{name}@acme.example"])[0] for name in "abcde"]
    made[1].revoke()
    with costs(2):
        assert list(invitations.per_page(3)) == [made[4], made[3], made[2], made[0]]
    assert sent()[0].startswith(f"GET {INVITATIONS}?")
    assert "after=" in sent()[0]


def test_an_event_added_meanwhile_moves_no_page(invitations: InvitationQuerySet) -> None:
    made = [invitations.create(emails=[f"{name}@acme.example"])[0] for name in "abcd"]
    pages = invitations.per_page(2).pages()
    assert next(pages).items == [made[3], made[2]]
    invitations.create(emails=["e@acme.example"])
    assert next(pages).items == [made[1], made[0]]


def test_one_is_fetched_in_any_state(bk: Buildkite, invitations: InvitationQuerySet, sent: Sent, costs: Costs) -> None:
    invitation = invitations.create(emails=["mary@acme.example"])[0]
    with costs(1):
        invitation.revoke()
    assert sent() == (f"DELETE {INVITATIONS}/{invitation.id}", None)
    with costs(1):
        revoked = bk.organization("acme").invitation(invitation.id).fetch()
    assert sent() == (f"GET {INVITATIONS}/{invitation.id}", None)
    assert (revoked.state, revoked.accepted_at) == ("revoked", None)
    assert revoked.revoked_at is not None
    assert revoked.revoked_by is not None
    assert revoked.revoked_by.name == "Ada Lovelace"
    with pytest.raises(UnprocessableEntityError, match="is revoked"):
        revoked.revoke()


def test_one_that_is_not_there_is_not_found(bk: Buildkite) -> None:
    ref = bk.organization("acme").invitation("0191")
    for operation in (ref.fetch, ref.revoke):
        with pytest.raises(NotFoundError, match="No invitation found"):
            operation()


def test_only_administrators_invite(server: FakeBuildkite, grace: UserRecord) -> None:
    scopes = ("read_organization_invitations", "write_organization_invitations")
    with server.client(token=server.make_token(*scopes, user=grace)) as bk:
        listing = bk.organization("acme").invitations()
        with pytest.raises(PermissionDeniedError, match="administrator"):
            list(listing)
        with pytest.raises(PermissionDeniedError, match="administrator"):
            listing.create(emails=["mary@acme.example"])


# -- all of them


def test_each_needs_its_scope(server: FakeBuildkite, grace: UserRecord) -> None:
    with server.client(token=server.make_token("read_user")) as bk:
        org = bk.organization("acme")
        operations = {
            "read_organizations": org.member(grace.id).fetch,
            "write_organizations": org.member(grace.id).delete,
            "read_organization_invitations": org.invitation("0191").fetch,
            "write_organization_invitations": org.invitation("0191").revoke,
        }
        for scope, operation in operations.items():
            with pytest.raises(PermissionDeniedError, match=scope):
                operation()


def test_seeded_objects_exist() -> None:
    with FakeBuildkite() as server, server.client() as bk:
        acme = server.store.organizations["acme"]
        if not server.store.collections.of("invitation", acme.id):
            seed.populate(server.context, acme)
        org = bk.organization("acme")
        assert [member.role for member in org.members()][:3] == ["admin", "admin", "member"]
        assert [each.email for each in org.invitations()] == ["émilie@acme.example", "mary@acme.example"]
        states = {org.invitation(key).fetch().state for key in server.store.collections.of("invitation", acme.id)}
        assert states == set(InvitationState)


def test_documented_examples_load_and_dump_back(examples: Examples) -> None:
    folder = "organizations/members"
    verbs = ("get-an-organization-member", "list-organization-members", "update-an-organization-member")
    examples(OrganizationMember, *(f"{folder}/{name}" for name in verbs))
    folder = "organizations/invitations"
    verbs = ("get-an-organization-invitation", "list-organization-invitations", "create-organization-invitations")
    examples(Invitation, *(f"{folder}/{name}" for name in verbs))
