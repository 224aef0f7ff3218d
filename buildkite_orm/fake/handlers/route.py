"""An entry of a route table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from buildkite_orm.fake.http import ApiRequest, Reply

Handler = Callable[[ApiRequest], Reply]

ORGANIZATION = "/v2/organizations/{org}"
PIPELINE = ORGANIZATION + "/pipelines/{pipeline}"
BUILD = PIPELINE + "/builds/{number}"
JOB = (ORGANIZATION + "/jobs/{job}", BUILD + "/jobs/{job}")


@dataclass(frozen=True, slots=True)
class Route:
    """A method on one or more paths, the scopes that it needs, and its handler.

    `scopes` is None if no authentication is needed.
    """

    method: str
    paths: tuple[str, ...]
    scopes: tuple[str, ...] | None
    handler: Handler


def route(method: str, paths: str | tuple[str, ...], scopes: str | None, handler: Handler) -> Route:
    """Create a route; `scopes` is "" if any token is accepted."""
    every = (paths,) if isinstance(paths, str) else paths
    return Route(method, every, None if scopes is None else tuple(scopes.split()), handler)


def under(paths: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """Return the paths with a suffix."""
    return tuple(path + rest for path in paths)
