"""The proxy to use for a server, by the client's options or the environment."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Final, cast
from urllib.parse import urlsplit

from requests import utils

from buildkite_orm.utils.environment import stripped

_EXAMPLE: Final = "http://proxy.example:3128"
_SCHEMES: Final = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})
_KEYS: Final = re.compile(r"(?:https?|all)(?:://[^/]+)?")
_SYSTEM_HAS_SETTINGS: Final = sys.platform in {"darwin", "win32"}


def problem_of_option(proxies: object) -> str:
    """Return what is wrong with `proxies=`, without passwords; "" if nothing is.

    The caller raises the error: here, a traceback with locals would show passwords.
    """
    if proxies is None:
        return ""
    known = dict(cast("Mapping[object, object]", proxies)) if isinstance(proxies, Mapping) else {None: None}
    if not all(isinstance(key, str) and isinstance(url, str) and _KEYS.fullmatch(key) for key, url in known.items()):
        return (
            "proxies=: must be proxies by the scheme of the server, which is 'https', 'http' or 'all', as "
            f"{{'https': '{_EXAMPLE}'}}; {{}} for no proxy at all"
        )
    problems = (_problem(stripped(str(url)), f"proxies={{{scheme!r}: …}}") for scheme, url in known.items())
    return next(filter(None, problems), "")


def proxies_of_environment(url: str) -> dict[str, str]:
    """Return the proxies that the environment, or the operating system, names for a URL."""
    if not _SYSTEM_HAS_SETTINGS and not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    return {scheme: stripped(proxy) for scheme, proxy in dict(utils.get_environ_proxies(url)).items()}


def problem_of_environment(proxies: Mapping[str, str], url: str) -> str:
    """Return what is wrong with the proxy of the environment for a URL, without its password; "" if nothing is."""
    scheme = next((each for each in (urlsplit(url).scheme, "all") if proxies.get(each)), None)
    return "" if scheme is None else _problem(proxies[scheme], f"{scheme.upper()}_PROXY")


def _problem(proxy: str, name: str) -> str:
    url = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_proxy(url):
        return (
            f"{name} is not the URL of a proxy, as {_EXAMPLE} or http://user:password@proxy.example:3128; in a "
            "password, write / as %2F, # as %23, ? as %3F and @ as %40"
        )
    if urlsplit(url).scheme.startswith("socks") and not _has_socks():
        return f"{name} is a SOCKS proxy, which needs PySocks: pip install 'requests[socks]'"
    return ""


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0  # reading the port raises if it is not a number
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
