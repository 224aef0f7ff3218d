"""Organizations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from buildkite_orm.fake import times
from buildkite_orm.fake.budgets import Budget
from buildkite_orm.fake.handlers.route import ORGANIZATION, route
from buildkite_orm.fake.http import Reply
from buildkite_orm.fake.paging import paged
from buildkite_orm.fake.payloads import accounts

if TYPE_CHECKING:
    from buildkite_orm.fake.http import ApiRequest


_PICTURES = "https://buildkiteassets.com/emoji"
EMOJIS = (
    {"name": "rocket", "url": f"{_PICTURES}/unicode/1f680.png?v1"},
    {"name": "tada", "url": f"{_PICTURES}/unicode/1f389.png?v1"},
    {"name": "+1", "url": f"{_PICTURES}/unicode/1f44d.png?v1", "aliases": ["thumbsup"]},
    {"name": "shipit", "url": f"{_PICTURES}/shipit.png?v1", "aliases": ["squirrel"]},
    {"name": "rspec", "url": f"{_PICTURES}/rspec.png?v1"},
)


def list_organizations(request: ApiRequest) -> Reply:
    """List the organizations that the token can access."""
    reached = [each for each in request.context.store.organizations.values() if request.token.reaches(each)]
    return paged(request, reached, partial(accounts.organization, request.view))


def get_organization(request: ApiRequest) -> Reply:
    """Get an organization."""
    return Reply(payload=accounts.organization(request.view, request.organization))


def get_rate_limit(request: ApiRequest) -> Reply:
    """Get the rate-limit budgets of the organization."""
    budgets, settings = request.context.budgets.peek(None, request.organization.slug), request.context.settings
    now = request.context.clock.now()
    budget = budgets[0] if budgets else Budget("rest", 0, 0, int(settings.rate_window))
    is_limited = budget.limit > 0 and settings.enforce_limits
    rest = {"limit": budget.limit, "current": budget.current, "reset": budget.reset, "enforced": is_limited}
    graphql = {"limit": 50000, "current": 0, "reset": 300, "enforced": True}
    scopes = {
        name: scope | {"reset_at": times.iso(now + scope["reset"], "seconds")}
        for name, scope in (("rest", rest), ("graphql", graphql))
    }
    return Reply(payload={"scopes": scopes})


def list_emojis(request: ApiRequest) -> Reply:
    """List the emoji of the organization, and the common ones."""
    organization = request.organization
    own = [each.data for each in organization.collections.of("emoji", organization.id).values()]
    return Reply(payload=[*EMOJIS, *own])


ROUTES = (
    route("GET", "/v2/organizations", "read_organizations", list_organizations),
    route("GET", ORGANIZATION, "read_organizations", get_organization),
    route("GET", ORGANIZATION + "/rate_limit", "read_accounts", get_rate_limit),
    route("GET", ORGANIZATION + "/emojis", "", list_emojis),
)
