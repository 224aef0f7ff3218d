"""Organizations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from buildkite_orm.fake import times
from buildkite_orm.fake.handlers.route import ORGANIZATION, route
from buildkite_orm.fake.http import Reply
from buildkite_orm.fake.paging import paged
from buildkite_orm.fake.payloads import accounts

if TYPE_CHECKING:
    from buildkite_orm.fake.http import Call


def list_organizations(call: Call) -> Reply:
    """List those that the token reaches."""
    reached = [each for each in call.world.store.organizations.values() if call.token.reaches(each)]
    return paged(call, reached, partial(accounts.organization, call.view))


def get_organization(call: Call) -> Reply:
    """Get one."""
    return Reply(payload=accounts.organization(call.view, call.organization))


def get_rate_limit(call: Call) -> Reply:
    """Tell how much of the organization's budget is used."""
    budget = call.world.budgets.peek(call.organization.slug)
    now = call.world.clock.now()
    rest = {"limit": budget.limit, "current": budget.current, "reset": budget.reset}
    graphql = {"limit": 50000, "current": 0, "reset": 300}
    scopes = {
        name: scope | {"reset_at": times.iso(now + scope["reset"], "seconds"), "enforced": True}
        for name, scope in (("rest", rest), ("graphql", graphql))
    }
    return Reply(payload={"scopes": scopes})


ROUTES = (
    route("GET", "/v2/organizations", "read_organizations", list_organizations),
    route("GET", ORGANIZATION, "read_organizations", get_organization),
    route("GET", ORGANIZATION + "/rate_limit", "read_accounts", get_rate_limit),
)
