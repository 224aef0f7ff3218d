"""Which proxy leads to a server, by the client's options or the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Final, cast
from urllib.parse import urlsplit

from requests import utils

from buildkite_orm.errors import ConfigurationError
from buildkite_orm.utils.environment import stripped

VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

_EXAMPLE: Final = "http://proxy.example:3128"
_SCHEMES: Final = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})
_KEYS: Final = re.compile(r"(?:https?|all)(?:://[^/]+)?")


def checked_proxies(proxies: object) -> dict[str, str] | ConfigurationError | None:
    """Return `proxies=` as requests takes them, or the error if it is not proxies by the scheme of the server.

    The error is for the caller to raise: here, a traceback with locals would show passwords.
    """
    if proxies is None:
        return None
    known = dict(cast("Mapping[object, object]", proxies)) if isinstance(proxies, Mapping) else {None: None}
    checked = {
        scheme: stripped(url) for scheme, url in known.items() if isinstance(scheme, str) and isinstance(url, str)
    }
    if len(checked) != len(known) or not all(map(_KEYS.fullmatch, checked)):
        return ConfigurationError(
            f"proxies=: proxies by the scheme of the server, which is 'https', 'http' or 'all', as {{'https': "
            f"'{_EXAMPLE}'}}; {{}} for no proxy at all"
        )
    problems = (_problem(url, f"proxies={{{scheme!r}: …}}") for scheme, url in checked.items())
    return next(filter(None, problems), checked)


def proxies_of_environment(url: str) -> dict[str, str] | ConfigurationError:
    """Return the proxies that the environment, or the operating system, names for a URL, or the error if it is none."""
    found = {scheme: stripped(proxy) for scheme, proxy in dict(utils.get_environ_proxies(url)).items()}
    scheme = next((each for each in (urlsplit(url).scheme, "all") if found.get(each)), None)
    problem = None if scheme is None else _problem(found[scheme], f"{scheme.upper()}_PROXY")
    return problem or found


def _problem(proxy: str, name: str) -> ConfigurationError | None:
    url = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_proxy(url):
        return ConfigurationError(
            f"{name} is not the URL of a proxy, as {_EXAMPLE} or http://user:password@proxy.example:3128; in a "
            "password, write / as %2F, # as %23, ? as %3F and @ as %40"
        )
    if urlsplit(url).scheme.startswith("socks") and not _has_socks():
        return ConfigurationError(f"{name} is a SOCKS proxy, which needs PySocks: pip install 'requests[socks]'")
    return None


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0  # reading the port raises if it is no number
    except ValueError:
        return False
    is_plain = url.isprintable() and not any(map(str.isspace, url))
    return is_plain and has_host and parts.scheme in _SCHEMES and not (parts.path.strip("/") or parts.query)


def _has_socks() -> bool:
    try:
        import_module("socks")
    except ImportError:
        return False
    return True
