"""All routes of the API, and the router."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from buildkite_orm.fake import handlers
from buildkite_orm.fake.http import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm.fake.handlers.route import Route


def _routes() -> Iterator[Route]:
    """Yield the `ROUTES` of all modules in `handlers`; a new module needs no other entry."""
    for module in walk_packages(handlers.__path__, f"{handlers.__name__}."):
        yield from getattr(import_module(module.name), "ROUTES", ())


_GRAPHQL = frozenset({"/v1", "/graphql", "/v1/graphql", "/v2/graphql"})  # as clients name it on a base URL
ROUTES: tuple[Route, ...] = tuple(_routes())


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
        """Return the route of a request; raise a 404 if there is none, and a 500 for a double slash, as observed."""
        if "//" in path:
            raise ApiError(500, "Internal Server Error")
        try:
            route, arguments = self._adapter.match(path, method=method)
        except HTTPException:
            unsupported = ": the fake does not support GraphQL" if path.rstrip("/") in _GRAPHQL else ""
            raise ApiError(404, f'No route matches [{method}] "{path}"{unsupported}') from None
        return Match(route, dict(arguments))


@cache
def _table() -> Map:
    """Compile the routes; once, since it takes as long as many requests."""
    rules = [
        Rule(path.replace("{", "<").replace("}", ">"), methods=[route.method], endpoint=route)
        for route in ROUTES
        for path in route.paths
    ]
    return Map(rules, strict_slashes=False, merge_slashes=False, redirect_defaults=False)
