"""How to reach servers: certificates, proxies, and which hosts may be asked without TLS."""

from __future__ import annotations

import ipaddress
import os
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import requests
from requests import exceptions as requests_errors

from buildkite_orm.errors import BuildkiteWarning, ConfigurationError
from buildkite_orm.http.certificates import (
    BUNDLES,
    Certificate,
    Verify,
    check_certificates,
    client_certificate,
    path_of_environment,
    trusted_context,
    trusted_path,
)
from buildkite_orm.http.proxies import VARIABLES, checked_proxies, proxies_of_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

# proxies are also known by small letters; looked up for each request
_WATCHED: Final = (*BUNDLES, *VARIABLES, *(name.lower() for name in VARIABLES))


class InsecureConnectionWarning(BuildkiteWarning):
    """The token is sent over a connection without TLS, which `insecure_http=True` allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """The options of a client that say how to reach servers; see `Buildkite`.

    Attributes:
        url_name: What the error of an unusable base URL calls it: where it comes from.
    """

    url_name: str = "base_url"
    verify: Verify = True
    cert: Certificate | None = None
    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    insecure_http: bool = False


class Network:
    """How to reach each server, by the options of the client and the environment.

    Raises:
        ConfigurationError: An option cannot be.
    """

    def __init__(self, options: NetworkOptions) -> None:
        insecure_http = cast("object", options.insecure_http)  # 'no', from a file of settings, must not mean yes
        if not isinstance(insecure_http, bool):
            raise ConfigurationError(f"insecure_http={insecure_http!r}: True or False")
        self.context = trusted_context(options.verify)
        self._bundle = trusted_path(options.verify)
        self._cert = client_certificate(options.cert)
        proxies = checked_proxies(options.proxies)
        if isinstance(proxies, ConfigurationError):
            del options  # a traceback may show what is in this frame
            raise proxies
        self._proxies = proxies
        self._insecure_http = options.insecure_http
        self._url_name = options.url_name
        self._is_local = False
        self._is_plain = False
        self._known: dict[tuple[str, str], tuple[object, dict[str, Any]]] = {}

    def checked_base_url(self, url: str) -> str:
        """Check what stands before `/v2`, and cut what does not belong.

        Raises:
            ConfigurationError: It is no http(s) URL, carries a password or a query, or is plain HTTP to another
                machine.
        """
        try:
            parts = urlsplit(requests.Request("GET", url.strip()).prepare().url or "")
        except (requests_errors.RequestException, UnicodeError):
            parts = urlsplit("")
        is_host = _is_host(parts.hostname) and not has_escaped_host(parts.geturl())
        if parts.scheme not in {"http", "https"} or not is_host:  # what else it is may be a secret
            raise ConfigurationError(f"{self._url_name} is no URL of a server, as https://api.buildkite.com is")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ConfigurationError(f"{self._url_name} must carry no user, password, query or fragment")
        self._is_local = is_loopback(parts.hostname or "")
        self._is_plain = parts.scheme == "http"
        if self._is_plain and not self._is_local:
            self._allow_plain_http(parts.hostname or "")
        path = parts.path.rstrip("/").removesuffix("/v2").rstrip("/")
        return f"{parts.scheme}://{parts.netloc}{path}"

    def can_follow(self, url: str) -> bool:
        """Whether a file may be requested from a URL that the server named.

        That is over https. Over plain HTTP, it is from this machine only if the API itself is on it, since anyone
        else's link to this machine would lead to what is not meant for them; and from another machine only if the API
        is reached over plain HTTP too, with `insecure_http=True`.
        """
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            return False
        if not _is_host(host) or parts.scheme not in {"http", "https"}:
            return False
        if parts.scheme == "https":
            return True
        return self._is_local if is_loopback(host or "") else self._insecure_http and self._is_plain

    def settings_for(self, url: str) -> dict[str, Any]:
        """Return the arguments of `requests.Session.send` for a URL: proxies and certificates.

        Raises:
            ConfigurationError: The environment names certificates that are not there, or what is no proxy.
        """
        parts = urlsplit(url)
        # looking through the whole environment for each request would be a sixth of what a request costs
        server, environment = (parts.scheme, parts.netloc), [os.environ.get(name) for name in _WATCHED]
        known, settings = self._known.get(server, (None, {}))
        if environment != known:
            settings = {
                "stream": True,
                "verify": self._verify_for(parts.scheme),
                "cert": self._cert,
                "proxies": self._proxies_for(url),
            }
            self._known[server] = environment, settings
        path = settings["verify"]
        if isinstance(path, str) and not os.path.exists(path):  # noqa: PTH110 - no longer; for each request, in a third of the time
            raise ConfigurationError(f"the certificates at {path} are gone; see verify=, {', '.join(BUNDLES)}")
        return settings

    def _verify_for(self, scheme: str) -> str | bool:
        """Return the path of the certificates to trust; True for those of the context, or that come with requests."""
        if self.context is not None or scheme != "https":
            return True
        if self._bundle is not None:
            return self._bundle
        found = path_of_environment()
        if found is None:
            return True
        name, path = found
        check_certificates(path, f"{name}={path!r}")
        return path

    def _proxies_for(self, url: str) -> dict[str, str]:
        parts = urlsplit(url)
        if parts.scheme == "http" and is_loopback(parts.hostname or ""):
            return {}
        if self._proxies is not None:
            return dict(self._proxies)
        found = proxies_of_environment(url)
        if isinstance(found, ConfigurationError):
            raise found
        return found

    def _allow_plain_http(self, host: str) -> None:
        if not self._insecure_http:
            raise ConfigurationError(
                f"{self._url_name} is plain http to {host}, and the token is only sent so to this machine; use https, "
                "or insecure_http=True for a server of your own, such as the fake in another container"
            )
        what = f"the token is sent to {host} over plain http, where others can read it (insecure_http=True)"
        warnings.warn(what, InsecureConnectionWarning, stacklevel=5)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: `localhost`, or an address of loopback."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # newer versions of Python also count an address of IPv4 that is written as one of IPv6
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None


def has_escaped_host(url: str) -> bool:
    """Whether the host of a URL is no name: older releases of urllib3 write a blank as %20 instead of refusing it."""
    where = urlsplit(url).netloc.rpartition("@")[2]
    return "%" in where and "[" not in where  # the zone of an address of IPv6 follows a %


def _is_host(host: str | None) -> bool:
    try:
        return bool((host or "").encode("idna"))
    except UnicodeError:
        return False
