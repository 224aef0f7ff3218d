"""The banner of the shell: the owner of the token, its scopes, and the request budget."""

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

_MIN_WIDTH: Final = 40
_MAX_SECONDS: Final = 10.0


def banner(client: Buildkite, organization: OrganizationRef | None) -> list[str]:
    """Fetch the token and the organization, one request each and without retries, and return the banner.

    Args:
        client: The client.
        organization: The organization, if there is one.

    Returns:
        Three lines, or one with the error.
    """
    width = max(_MIN_WIDTH, shutil.get_terminal_size().columns - 1)
    with time_limit(_MAX_SECONDS, client.session.clock, attempts=1):
        try:
            token = client.access_token()
        except BuildkiteError as error:
            return [one_line(f"{type(error).__name__}: {error}", width)]
        organization_text = "" if organization is None else _load_organization(organization)
    owner = f"bk: {_owner(token)} at {client.session.base_url}{organization_text}"
    return [one_line(line, width) for line in (owner, _scopes(token, width), _budgets(client, organization))]


def _load_organization(organization: OrganizationRef) -> str:
    """Fetch the organization, which updates its budget even if it fails; return its name and the error."""
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
    parts = [name or token.__dict__.get("description") or "unknown user", f"<{email}>" if email else None]
    return " ".join(str(each) for each in parts if each)


def _scopes(token: AccessToken, width: int) -> str:
    scopes = [str(scope) for scope in as_array(token.__dict__.get("scopes")) or ()]
    line, shown = f"scopes: {', '.join(scopes) or 'none'}", len(scopes)
    while len(line) > width and shown > 1:
        shown -= 1
        line = f"scopes: {', '.join(scopes[:shown])} and {len(scopes) - shown} more"
    return line


def _budgets(client: Buildkite, organization: OrganizationRef | None) -> str:
    now = client.session.clock.now()
    slug = None if organization is None else _slug(organization)
    budgets = zip(client.session.budgets(slug), ("user", slug), strict=False)
    known = [
        f"{budget.remaining} of {budget.limit or '?'} ({owner}, resets in {max(0, budget.reset_at - now):.0f} s)"
        for budget, owner in budgets
        if budget.remaining is not None
    ]
    return f"requests left: {', '.join(known) or 'unknown'}"
