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


def checked_proxies(proxies: object) -> dict[str, str] | None:
    """Return `proxies=` as requests takes them.

    Raises:
        ConfigurationError: They are not the URLs of proxies by the scheme of the server; the text has none of the URLs,
            which may have passwords.
    """
    if proxies is None:
        return None
    known = dict(cast("Mapping[object, object]", proxies)) if isinstance(proxies, Mapping) else {None: None}
    checked = {
        scheme: stripped(url) for scheme, url in known.items() if isinstance(scheme, str) and isinstance(url, str)
    }
    if len(checked) != len(known) or not all(map(_KEYS.fullmatch, checked)):
        raise ConfigurationError(
            f"proxies=: proxies by the scheme of the server, which is 'https', 'http' or 'all', as {{'https': "
            f"'{_EXAMPLE}'}}; {{}} for no proxy at all"
        )
    for scheme, url in checked.items():
        _check(url, f"proxies={{{scheme!r}: …}}")
    return checked


def proxies_of_environment(url: str) -> dict[str, str]:
    """Return the proxies that the environment, or the operating system, names for a URL.

    Raises:
        ConfigurationError: The one to use is no URL of a proxy.
    """
    found = {scheme: stripped(proxy) for scheme, proxy in dict(utils.get_environ_proxies(url)).items()}
    scheme = next((each for each in (urlsplit(url).scheme, "all") if found.get(each)), None)
    if scheme is not None:
        _check(found[scheme], f"{scheme.upper()}_PROXY")
    return found


def _check(proxy: str, name: str) -> None:
    url = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_proxy(url):
        raise ConfigurationError(
            f"{name} is not the URL of a proxy, as {_EXAMPLE} or http://user:password@proxy.example:3128; in a "
            "password, write / as %2F, # as %23, ? as %3F and @ as %40"
        )
    if urlsplit(url).scheme.startswith("socks") and not _has_socks():
        raise ConfigurationError(f"{name} is a SOCKS proxy, which needs PySocks: pip install 'requests[socks]'")


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
