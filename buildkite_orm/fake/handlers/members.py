"""The members of an organization, and invitations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.collections import Record
from buildkite_orm.fake.handlers.collection import Collection
from buildkite_orm.fake.handlers.route import ORGANIZATION, route
from buildkite_orm.fake.handlers.teams import TEAMS, embedded_team
from buildkite_orm.fake.handlers.validation import Check, are_objects, one_of, require_administrator, require_valid
from buildkite_orm.fake.http import ApiError, Reply
from buildkite_orm.fake.ids import graphql_id
from buildkite_orm.fake.payloads.accounts import user_or_none

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildkite_orm.fake.http import ApiRequest
    from buildkite_orm.fake.records import Json, UserRecord

_MEMBER_CHECKS = {"role": one_of("admin", "member"), "sso_mode": one_of("required", "optional")}


# -- members


def _member(request: ApiRequest, user: UserRecord) -> Json:
    requester = request.token.user
    may_see = requester is user or requester.role == "admin"
    payload = {"id": user.id, "name": user.name, "email": user.email, "role": user.role}
    return payload | ({"sso_mode": user.sso_mode} if may_see else {})


def _find(request: ApiRequest) -> UserRecord:
    found = next((each for each in request.organization.users if each.id == request.arguments["user"]), None)
    if found is None:
        raise ApiError(404, "No organization member found")
    return found


def list_members(request: ApiRequest) -> Reply:
    """List the members."""
    return Reply(payload=[_member(request, each) for each in request.organization.users])


def get_member(request: ApiRequest) -> Reply:
    """Get a member."""
    return Reply(payload=_member(request, _find(request)))


def update_member(request: ApiRequest) -> Reply:
    """Update another member; requires an administrator, so one always remains."""
    user, body = _find(request), request.body()
    require_administrator(request)
    if user is request.token.user:
        raise ApiError(403, "You can't update your own membership")
    if not body.keys() & _MEMBER_CHECKS.keys():
        raise ApiError(422, "Either role or sso_mode must be given")
    require_valid(body, _MEMBER_CHECKS)
    for name in _MEMBER_CHECKS.keys() & body.keys():
        setattr(user, name, body[name])
    return Reply(payload=_member(request, user))


def remove_member(request: ApiRequest) -> Reply:
    """Remove a member; users who are not administrators can only remove themselves."""
    user, users = _find(request), request.organization.users
    if user is not request.token.user:
        require_administrator(request)
    if not any(each.role == "admin" for each in users if each is not user):
        raise ApiError(422, "The organization would be left without an administrator")
    users.remove(user)
    return Reply(204)


# -- invitations

_LONGEST_EMAIL = 254
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+").fullmatch
_TEAM_CHECKS = {"id": Check(str, required=True, filled=True), "role": one_of("member", "maintainer", required=True)}
# the initial state of an invitation
PENDING: Json = {
    "state": "pending",
    "accepted_at": None,
    "accepted_by": None,
    "revoked_at": None,
    "revoked_by": None,
    "expired_at": None,
}


def _invitation(request: ApiRequest, record: Record) -> Json:
    view, data = request.view, record.data
    return {
        "id": record.id,
        "graphql_id": graphql_id("OrganizationInvitation", record.id),
        "url": f"{view.organization(request.organization)}/invitations/{record.id}",
        **{name: data[name] for name in ("email", "state", "role", "sso_mode")},
        "teams": [embedded_team(each) for each in TEAMS.records(request).values() if each.id in data["teams"]],
        "created_at": view.time(record.created_at),
        "created_by": user_or_none(view, record.created_by),
        **{name: view.time(data[name]) for name in ("accepted_at", "revoked_at", "expired_at")},
        **{name: user_or_none(view, data[name]) for name in ("accepted_by", "revoked_by")},
    }


INVITATIONS = Collection(
    kind="invitation",
    path=ORGANIZATION + "/invitations",
    key="invitation",
    read="read_organization_invitations",
    write="write_organization_invitations",
    render=_invitation,
    paging="newest",
)


def list_invitations(request: ApiRequest) -> Reply:
    """List the pending invitations, newest first, by cursors that stay valid when others are added or removed."""
    require_administrator(request)
    pending = [each for each in INVITATIONS.records(request).values() if each.data["state"] == "pending"]
    return INVITATIONS.list_response(request, pending)


def get_invitation(request: ApiRequest) -> Reply:
    """Get an invitation, in any state."""
    require_administrator(request)
    return INVITATIONS.get_record(request)


def create_invitations(request: ApiRequest) -> Reply:
    """Invite users: all of them, or none."""
    body = request.body()
    require_administrator(request)
    require_valid(
        body,
        {
            "emails": Check(list, required=True, filled=True),
            "teams": Check(list, accepts=are_objects),
            **_MEMBER_CHECKS,
        },
    )
    if request.organization.sso_enabled and "sso_mode" not in body:
        raise ApiError(422, "sso_mode is required if the organization has SSO")
    emails, teams = _emails(request, body["emails"]), _teams(request, body.get("teams") or [])
    data = {"role": "member", "sso_mode": "required", "teams": teams} | {
        name: body[name] for name in _MEMBER_CHECKS.keys() & body.keys()
    }
    made = [_invite(request, email, data) for email in emails]
    return Reply(201, payload=[_invitation(request, each) for each in made])


def _emails(request: ApiRequest, given: Iterable[Any]) -> list[str]:
    """Return the email addresses without duplicates, ignoring case."""
    emails = {str(each).lower(): str(each) for each in reversed(list(given))}
    members = {each.email.lower() for each in request.organization.users}
    for key, email in emails.items():
        if len(email) > _LONGEST_EMAIL or not _EMAIL(email):
            raise ApiError(422, f"Validation failed: {email} is not an email address")
        if key in members:
            raise ApiError(422, f"Validation failed: {email} is already a member")
    return list(reversed(emails.values()))


def _teams(request: ApiRequest, given: list[Json]) -> dict[str, str]:
    """Return the roles in teams, by team id."""
    for each in given:
        require_valid(each, _TEAM_CHECKS)
    roles = {each["id"]: each["role"] for each in given}
    if len(roles) < len(given):
        raise ApiError(422, "Validation failed: Teams must be named once each")
    if not roles.keys() <= TEAMS.records(request).keys():
        raise ApiError(422, "Validation failed: Teams must exist")
    return roles


def _invite(request: ApiRequest, email: str, data: Json) -> Record:
    now, user = request.context.lifecycle.now, request.token.user
    record = Record(
        id=request.context.store.ids.uuid(), data={**PENDING, **data, "email": email}, created_at=now, created_by=user
    )
    INVITATIONS.records(request)[record.id] = record
    return record


def revoke_invitation(request: ApiRequest) -> Reply:
    """Revoke a pending invitation; its record is kept."""
    require_administrator(request)
    data = INVITATIONS.find(request).data
    if data["state"] != "pending":
        raise ApiError(422, f"Only a pending invitation can be revoked; this one is {data['state']}")
    data |= {"state": "revoked", "revoked_at": request.context.lifecycle.now, "revoked_by": request.token.user}
    return Reply(204)


_MEMBERS = ORGANIZATION + "/members"
_MEMBER = _MEMBERS + "/{user}"
_INVITATION = INVITATIONS.path + "/{invitation}"

ROUTES = (
    route("GET", _MEMBERS, "read_organizations", list_members),
    route("GET", _MEMBER, "read_organizations", get_member),
    route("PATCH", _MEMBER, "write_organizations", update_member),
    route("PUT", _MEMBER, "write_organizations", update_member),
    route("DELETE", _MEMBER, "write_organizations", remove_member),
    route("GET", INVITATIONS.path, INVITATIONS.read, list_invitations),
    route("POST", INVITATIONS.path, INVITATIONS.write, create_invitations),
    route("GET", _INVITATION, INVITATIONS.read, get_invitation),
    route("DELETE", _INVITATION, INVITATIONS.write, revoke_invitation),
)
