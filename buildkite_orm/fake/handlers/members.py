"""The members of an organization, and the invitations to become one."""

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

_MAY_BE = {"role": one_of("admin", "member"), "sso_mode": one_of("required", "optional")}


# -- members


def _member(request: ApiRequest, user: UserRecord) -> Json:
    asking = request.token.user
    may_see = asking is user or asking.role == "admin"
    told = {"id": user.id, "name": user.name, "email": user.email, "role": user.role}
    return told | ({"sso_mode": user.sso_mode} if may_see else {})


def _found(request: ApiRequest) -> UserRecord:
    found = next((each for each in request.organization.users if each.id == request.arguments["user"]), None)
    if found is None:
        raise ApiError(404, "No organization member found")
    return found


def list_members(request: ApiRequest) -> Reply:
    """List the members."""
    return Reply(payload=[_member(request, each) for each in request.organization.users])


def get_member(request: ApiRequest) -> Reply:
    """Get one."""
    return Reply(payload=_member(request, _found(request)))


def update_member(request: ApiRequest) -> Reply:
    """Change what another user is in the organization; an administrator does that, so one always remains."""
    user, body = _found(request), request.body()
    require_administrator(request)
    if user is request.token.user:
        raise ApiError(403, "You can't update your own membership")
    if not body.keys() & _MAY_BE.keys():
        raise ApiError(422, "Either role or sso_mode must be given")
    require_valid(body, _MAY_BE)
    for name in _MAY_BE.keys() & body.keys():
        setattr(user, name, body[name])
    return Reply(payload=_member(request, user))


def remove_member(request: ApiRequest) -> Reply:
    """Remove one; whoever does not administer the organization can only leave it."""
    user, users = _found(request), request.organization.users
    if user is not request.token.user:
        require_administrator(request)
    if not any(each.role == "admin" for each in users if each is not user):
        raise ApiError(422, "The organization would be left without an administrator")
    users.remove(user)
    return Reply(204)


# -- invitations

_LONGEST_EMAIL = 254
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+").fullmatch
_IN_TEAM = {"id": Check(str, required=True, filled=True), "role": one_of("member", "maintainer", required=True)}
# what a new invitation says of what became of it
PENDING: Json = {
    "state": "pending",
    "accepted_at": None,
    "accepted_by": None,
    "revoked_at": None,
    "revoked_by": None,
    "expired_at": None,
}


def _invitation(request: ApiRequest, thing: Record) -> Json:
    view, data = request.view, thing.data
    return {
        "id": thing.id,
        "graphql_id": graphql_id("OrganizationInvitation", thing.id),
        "url": f"{view.organization(request.organization)}/invitations/{thing.id}",
        **{name: data[name] for name in ("email", "state", "role", "sso_mode")},
        "teams": [embedded_team(each) for each in TEAMS.shelf(request).values() if each.id in data["teams"]],
        "created_at": view.time(thing.created_at),
        "created_by": user_or_none(view, thing.created_by),
        **{name: view.time(data[name]) for name in ("accepted_at", "revoked_at", "expired_at")},
        **{name: user_or_none(view, data[name]) for name in ("accepted_by", "revoked_by")},
    }


INVITATIONS = Collection(
    kind="invitation",
    path=ORGANIZATION + "/invitations",
    key="invitation",
    read="read_organization_invitations",
    write="write_organization_invitations",
    tell=_invitation,
    paging="newest",
)


def list_invitations(request: ApiRequest) -> Reply:
    """List those that are pending, the newest first, by cursors that stay when others come or go."""
    require_administrator(request)
    pending = [each for each in INVITATIONS.shelf(request).values() if each.data["state"] == "pending"]
    return INVITATIONS.listed(request, pending)


def get_invitation(request: ApiRequest) -> Reply:
    """Get one, in whatever state."""
    require_administrator(request)
    return INVITATIONS.get_one(request)


def create_invitations(request: ApiRequest) -> Reply:
    """Invite people: all of them, or none."""
    body = request.body()
    require_administrator(request)
    require_valid(
        body, {"emails": Check(list, required=True, filled=True), "teams": Check(list, accepts=are_objects), **_MAY_BE}
    )
    if request.organization.sso_enabled and "sso_mode" not in body:
        raise ApiError(422, "sso_mode is required where the organization has SSO")
    emails, teams = _emails(request, body["emails"]), _teams(request, body.get("teams") or [])
    data = {"role": "member", "sso_mode": "required", "teams": teams} | {
        name: body[name] for name in _MAY_BE.keys() & body.keys()
    }
    made = [_invite(request, email, data) for email in emails]
    return Reply(201, payload=[_invitation(request, each) for each in made])


def _emails(request: ApiRequest, given: Iterable[Any]) -> list[str]:
    """Give the addresses, each once however it is capitalized."""
    emails = {str(each).lower(): str(each) for each in reversed(list(given))}
    members = {each.email.lower() for each in request.organization.users}
    for key, email in emails.items():
        if len(email) > _LONGEST_EMAIL or not _EMAIL(email):
            raise ApiError(422, f"Validation failed: {email} is not an email address")
        if key in members:
            raise ApiError(422, f"Validation failed: {email} is already a member")
    return list(reversed(emails.values()))


def _teams(request: ApiRequest, given: list[Json]) -> dict[str, str]:
    """Give the roles in teams, by the ids of these."""
    for each in given:
        require_valid(each, _IN_TEAM)
    roles = {each["id"]: each["role"] for each in given}
    if len(roles) < len(given):
        raise ApiError(422, "Validation failed: Teams must be named once each")
    if not roles.keys() <= TEAMS.shelf(request).keys():
        raise ApiError(422, "Validation failed: Teams must exist")
    return roles


def _invite(request: ApiRequest, email: str, data: Json) -> Record:
    now, user = request.context.lifecycle.now, request.token.user
    thing = Record(
        id=request.context.store.ids.uuid(), data={**PENDING, **data, "email": email}, created_at=now, created_by=user
    )
    INVITATIONS.shelf(request)[thing.id] = thing
    return thing


def revoke_invitation(request: ApiRequest) -> Reply:
    """Take a pending one back; it is kept."""
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
