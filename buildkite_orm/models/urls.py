"""URLs as people paste them: pages of buildkite.com, and URLs of the API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote, urlsplit

from buildkite_orm.http.encoding import encode_path
from buildkite_orm.http.messages import path_of
from buildkite_orm.utils.plain_values import as_plain, kind_of
from buildkite_orm.utils.redaction import redact_url

if TYPE_CHECKING:
    from collections.abc import Sequence

WEB_HOST: Final = "buildkite.com"
API_HOST: Final = "api.buildkite.com"

_WEB_HOSTS: Final = frozenset({WEB_HOST, f"www.{WEB_HOST}"})

_QUOTES: Final = "<>\u2039\u203a\u00ab\u00bb\u201c\u201d\u201e\u2018\u2019\"'`()[]{} "
_PUNCTUATION: Final = re.compile(r"(?<![./])[.,;:!?]+$")

# First segments of pages that do not belong to an organization.
_RESERVED: Final = frozenset(
    {
        "blog",
        "builds",
        "dashboard",
        "docs",
        "home",
        "login",
        "pricing",
        "resources",
        "settings",
        "signup",
        "sso",
        "user",
    }
)


def api_path_in(url: str, *, own_host: str | None = None) -> str:
    """Return the path of the API that a URL leads to.

    Args:
        url: A page of buildkite.com, or a URL of the API.
        own_host: A further host at which the API is.

    Raises:
        TypeError: It is not a string.
        ValueError: It is neither, or leads to nothing that this library knows.
    """
    plain = as_plain(url)
    if not isinstance(plain, str):
        msg = f"from_url(url): the URL is a string, not {kind_of(url)}"
        raise TypeError(msg)
    url = _as_pasted(plain)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _not_known("", "it is not a URL") from None
    shown = redact_url(url)
    if parts.scheme not in {"http", "https"} or parts.hostname is None:
        raise _not_known(shown, "it is not an https URL")
    try:
        if parts.hostname in _WEB_HOSTS:
            return _page(parts.path, parts.fragment, parse_qs(parts.query))
        if parts.hostname in {API_HOST, own_host}:
            return _api_path(url)
    except ValueError as problem:
        raise _not_known(shown, str(problem)) from None
    raise _not_known(shown, f"{parts.hostname} is neither {WEB_HOST} nor the API's host")


def _as_pasted(text: str) -> str:
    """Return a URL without what surrounds it in a text, and with a scheme if it begins with a host of Buildkite."""
    text = _PUNCTUATION.sub("", text.strip().strip(_QUOTES)).strip(_QUOTES)
    host = text.lstrip("/").partition("/")[0].lower()
    return f"https://{text.lstrip('/')}" if host in {*_WEB_HOSTS, API_HOST} else text


def _segments(path: str) -> list[str]:
    return [unquote(segment) for segment in path.removesuffix(".json").split("/")]


def _api_path(url: str) -> str:
    path = path_of(url)
    if path is None:
        msg = "it has no path after /v2/"
        raise ValueError(msg)
    return encode_path(*_segments(path))


def _page(path: str, fragment: str, query: dict[str, list[str]]) -> str:
    segments = _segments(path.strip("/"))
    if segments[:1] == ["organizations"]:
        return _organization_page(segments[1:])
    if not segments[0] or segments[0] in _RESERVED:
        msg = "it does not name an organization"
        raise ValueError(msg)
    return _build_page(segments, fragment, query)


def _organization_page(segments: Sequence[str]) -> str:
    """Read the pages that begin with `/organizations`; most look as the API does."""
    organization, *rest = segments or [""]
    if "agents" in rest[:-1]:
        return encode_path("organizations", organization, "agents", rest[rest.index("agents") + 1])
    match rest:
        case ["clusters", cluster, "agent_images", *image]:
            rest = ["clusters", cluster, "agent-images", *image]
        case ["teams", team, *_] if not _is_uuid(team):
            msg = "the API finds a team by its UUID, and not by the slug in its page; see organization.teams()"
            raise ValueError(msg)
        case ["analytics" | "packages" as area, section, key, *below]:
            return encode_path(area, "organizations", organization, section, key, *below)
        case _:
            pass
    return encode_path("organizations", organization, *rest)


def _build_page(segments: Sequence[str], fragment: str, query: dict[str, list[str]]) -> str:
    organization, *rest = segments
    path = encode_path("organizations", organization)
    if not rest:
        return path
    path += "/" + encode_path("pipelines", rest[0])
    if len(rest) < 3 or rest[1] != "builds":  # noqa: PLR2004
        return path
    if not _is_number(rest[2]):
        msg = f"{rest[2]!r} is not the number of a build"
        raise ValueError(msg)
    path += "/" + encode_path("builds", rest[2])
    named = rest[4] if len(rest) > 4 and rest[3] == "jobs" else next(iter(query.get("jid", [])), None)  # noqa: PLR2004
    job = named or fragment.partition("/")[0]  # a line of its log may follow
    return f"{path}/{encode_path('jobs', job)}" if _is_uuid(job) else path


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _is_uuid(text: str) -> bool:
    digits = text.replace("-", "")
    return len(text) == 36 and len(digits) == 32 and all(digit in "0123456789abcdefABCDEF" for digit in digits)  # noqa: PLR2004


def _not_known(shown: str, why: str) -> ValueError:
    return ValueError(f"from_url({shown!r}): {why}; pass the URL of a page of https://{WEB_HOST}, or of its API")
