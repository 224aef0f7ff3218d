"""The three lines that a shell begins with: whom the token belongs to, what it may, and what is left to ask."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from buildkite_orm.errors import BuildkiteError
from buildkite_orm.http.retry import time_limit
from buildkite_orm.utils.json_types import as_array
from buildkite_orm.utils.text import one_line

if TYPE_CHECKING:
    from buildkite_orm.client import Buildkite
    from buildkite_orm.resources.account import AccessToken
    from buildkite_orm.resources.organizations.organization import OrganizationRef

_NARROWEST: Final = 40
_LONGEST: Final = 10.0


def banner(client: Buildkite, organization: OrganizationRef | None) -> list[str]:
    """Ask for the token, and for the organization where one is named: a request each, which no failure repeats.

    Args:
        client: The client.
        organization: The organization.

    Returns:
        Three lines, or one that says what is wrong.
    """
    width = max(_NARROWEST, shutil.get_terminal_size().columns - 1)
    with time_limit(_LONGEST, client.session.clock, attempts=1):
        try:
            token = client.access_token()
        except BuildkiteError as error:
            return [one_line(f"{type(error).__name__}: {error}", width)]
        place = "" if organization is None else _place(organization)
    whose = f"bk: {_owner(token)} at {client.session.base_url}{place}"
    return [one_line(line, width) for line in (whose, _scopes(token, width), _left(client, organization))]


def _place(organization: OrganizationRef) -> str:
    """Ask for the organization; its budget comes with the answer, and with a refusal too."""
    try:
        organization.fetch()
    except BuildkiteError as error:
        return f", org {_slug(organization)}: {type(error).__name__}"
    return f", org {_slug(organization)}"


def _slug(organization: OrganizationRef) -> str:
    return organization.api_path.rpartition("/")[2]


def _owner(token: AccessToken) -> str:
    owner = token.__dict__.get("user")
    name, email = getattr(owner, "name", None), getattr(owner, "email", None)
    known = [name or token.__dict__.get("description") or "somebody", f"<{email}>" if email else None]
    return " ".join(str(each) for each in known if each)


def _scopes(token: AccessToken, width: int) -> str:
    scopes = [str(scope) for scope in as_array(token.__dict__.get("scopes")) or ()]
    line, shown = f"may: {', '.join(scopes) or 'nothing'}", len(scopes)
    while len(line) > width and shown > 1:
        shown -= 1
        line = f"may: {', '.join(scopes[:shown])} and {len(scopes) - shown} more"
    return line


def _left(client: Buildkite, organization: OrganizationRef | None) -> str:
    now = client.session.clock.now()
    slug = None if organization is None else _slug(organization)
    owned = zip(client.session.budgets(slug), ("requests of yours", f"of {slug}'s"), strict=False)
    known = [
        f"{budget.remaining} of {budget.limit or '?'} {owner} for {max(0, budget.reset_at - now):.0f} s"
        for budget, owner in owned
        if budget.remaining is not None
    ]
    return f"left: {', '.join(known) or 'not told'}"
