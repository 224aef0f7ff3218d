"""Kinds and keys of rows, and which of them a write to the API makes obsolete."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.http.messages import path_of
from buildkite_orm.utils.json_types import as_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildkite_orm.http.encoding import Query
    from buildkite_orm.http.messages import ApiRequest, ApiResponse

LOG: Final = "log"
FILE: Final = "file"
PAGE: Final = "page"
FEED: Final = "feed"
FEED_RUN: Final = "feed run"

_UNRELATED: Final = frozenset({"exclude_jobs", "include_retried_jobs"})
_BUILD: Final = re.compile(r"(organizations/[^/]+/pipelines/[^/]+/builds/[^/]+)(?:/.*)?", re.DOTALL)
_PIPELINE: Final = re.compile(r"(organizations/[^/]+/pipelines/[^/]+)", re.DOTALL)
_JOB: Final = re.compile(r"(organizations/[^/]+)/(?:.*/)?jobs/([^/]+)(?:/.*)?", re.DOTALL)
_ARTIFACT: Final = re.compile(r"organizations/[^/]+/(?:.*/)?artifacts/([^/]+)", re.DOTALL)
_LOG: Final = re.compile(r"organizations/[^/]+/(?:.*/)?jobs/([^/]+)/log", re.DOTALL)
_BUILDS_BELOW: Final = "/pipelines/"


def build_kinds(*, with_retried: bool, with_pipeline: bool = False) -> tuple[str, ...]:
    """Return the kinds of rows that have a build with these parts, the plainest first."""
    base = "build, all attempts" if with_retried else "build"
    return (f"{base}, pipeline",) if with_pipeline else (base, f"{base}, pipeline")


def build_key(path: str | None) -> str | None:
    """Return the key of the build that a path leads to; None if it leads to something else."""
    found = None if path is None else _BUILD.fullmatch(path)
    return path if found is not None and found[1] == path else None


def page_key(path: str, query: Query) -> str:
    """Return the key of a page of builds: the same with jobs and without."""
    pairs = sorted(pair for pair in query if pair[0] not in _UNRELATED)
    return f"page {hashlib.sha256(json.dumps([path, pairs]).encode()).hexdigest()}"


def feed_key(path: str, filters: Mapping[str, object], *, with_pipeline: bool) -> str:
    """Return the key of a change feed of builds."""
    query = json.dumps([path, filters, with_pipeline], sort_keys=True)
    return f"feed {hashlib.sha256(query.encode()).hexdigest()}"


def log_key(path: str) -> str | None:
    """Return the key of a log: the id of its job."""
    found = _LOG.fullmatch(path)
    return None if found is None else found[1].lower()


def artifact_key(path: str) -> str | None:
    """Return the key of an artifact: its id."""
    found = _ARTIFACT.fullmatch(path)
    return None if found is None else found[1].lower()


def prefix_of_builds(path: str) -> str:
    """Return what the keys of the builds in a listing begin with."""
    if path == "builds":
        return "organizations/"
    above = path.removesuffix("/builds")
    return f"{path}/" if _BUILDS_BELOW in path else f"{above}{_BUILDS_BELOW}"


def obsolete(request: ApiRequest, response: ApiResponse | None) -> tuple[list[str], list[str]]:
    """Return the keys, and the prefixes of keys, of what a write may have changed.

    Args:
        request: The write.
        response: Its response; None if it is not known.
    """
    path = request.path
    keys = [key for key in (log_key(path), artifact_key(path)) if key is not None]
    if keys:  # a log or a file; its build stays as it is
        return keys, []
    if (build := _BUILD.fullmatch(path)) is not None:
        return [build[1], *_named_builds(response)], []
    if (job := _JOB.fullmatch(path)) is not None:
        named = _named_builds(response)
        # without its build, any build of the organization may be the one
        return (named, []) if named else ([], [f"{job[1]}{_BUILDS_BELOW}"])
    if request.method == "DELETE" and (pipeline := _PIPELINE.fullmatch(path)) is not None:
        return [], [f"{pipeline[1]}/"]
    return [], []


def _named_builds(response: ApiResponse | None) -> list[str]:
    """Return the keys of the builds that a response is about: a job, or a build."""
    data = _object_in(response)
    urls: Iterable[object] = (data.get("build_url"), data.get("url"), data.get("log_url"), data.get("unblock_url"))
    paths = (path_of(url) for url in urls if isinstance(url, str))
    found = [_BUILD.fullmatch(path) for path in paths if path]
    return list(dict.fromkeys(each[1] for each in found if each is not None))


def _object_in(response: ApiResponse | None) -> dict[str, Any]:
    try:
        return {} if response is None else as_object(json.loads(response.body)) or {}
    except (ValueError, RecursionError):
        return {}
