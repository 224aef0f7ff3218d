"""All routes of the API, and the one a request takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from buildkite_orm.fake.handlers import (
    account,
    agents,
    artifacts,
    audit_events,
    builds,
    clusters,
    jobs,
    members,
    notes,
    notification_services,
    organization_settings,
    organizations,
    packages,
    pipelines,
    portals,
    remote_access,
    repository_connections,
    rules,
    schedules,
    step_uploads,
    teams,
    templates,
    test_engine,
)
from buildkite_orm.fake.http import ApiError

if TYPE_CHECKING:
    from buildkite_orm.fake.handlers.route import Route

ROUTES: tuple[Route, ...] = (
    *account.ROUTES,
    *organizations.ROUTES,
    *organization_settings.ROUTES,
    *audit_events.ROUTES,
    *notification_services.ROUTES,
    *repository_connections.ROUTES,
    *pipelines.ROUTES,
    *schedules.ROUTES,
    *templates.ROUTES,
    *builds.ROUTES,
    *step_uploads.ROUTES,
    *jobs.ROUTES,
    *remote_access.ROUTES,
    *artifacts.ROUTES,
    *notes.ROUTES,
    *agents.ROUTES,
    *clusters.ROUTES,
    *teams.ROUTES,
    *members.ROUTES,
    *packages.ROUTES,
    *rules.ROUTES,
    *portals.ROUTES,
    *test_engine.ROUTES,
)


@dataclass(frozen=True, slots=True)
class Match:
    """A route and the values in the path."""

    route: Route
    arguments: dict[str, str]


class Router:
    """Finds the route of a request."""

    def __init__(self) -> None:
        self._adapter = _table().bind("fake")

    def match(self, method: str, path: str) -> Match:
        """Find the route; none is a 404, a doubled slash the 500 that was seen."""
        if "//" in path:
            raise ApiError(500, "Internal Server Error")
        try:
            route, arguments = self._adapter.match(path, method=method)
        except HTTPException:
            raise ApiError(404, f'No route matches [{method}] "{path}"') from None
        return Match(route, dict(arguments))


@cache
def _table() -> Map:
    """Compile the routes; once, for it takes as long as many requests."""
    rules = [
        Rule(path.replace("{", "<").replace("}", ">"), methods=[route.method], endpoint=route)
        for route in ROUTES
        for path in route.paths
    ]
    return Map(rules, strict_slashes=False, merge_slashes=False, redirect_defaults=False)
