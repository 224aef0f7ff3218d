"""Settings to reach servers: certificates, proxies, and the hosts that are allowed without TLS."""

from __future__ import annotations

import ipaddress
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
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
from buildkite_orm.http.proxies import problem_of_environment, problem_of_option, proxies_of_environment
from buildkite_orm.utils.environment import stripped

if TYPE_CHECKING:
    from collections.abc import Mapping


class InsecureConnectionWarning(BuildkiteWarning):
    """The token is sent over a connection without TLS, which `insecure_http=True` allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """The options of a client for reaching servers; see `Buildkite`.

    Attributes:
        url_name: The name of the base URL's source, for errors.
    """

    url_name: str = "base_url"
    verify: Verify = True
    cert: Certificate | None = None
    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    insecure_http: bool = False


class Network:
    """The settings to reach each server, by the options of the client and the environment.

    Raises:
        ConfigurationError: An option is not usable.
    """

    def __init__(self, options: NetworkOptions) -> None:
        insecure_http = cast("object", options.insecure_http)  # 'no', from a file of settings, must not mean yes
        if not isinstance(insecure_http, bool):
            raise ConfigurationError(f"insecure_http={insecure_http!r}: True or False")
        self.context = trusted_context(options.verify)
        self._bundle = trusted_path(options.verify)
        self._cert = client_certificate(options.cert)
        if problem := problem_of_option(options.proxies):
            del options  # tracebacks may show the locals of this frame
            raise ConfigurationError(problem)
        proxies = options.proxies
        self._proxies = None if proxies is None else {key: stripped(proxy) for key, proxy in proxies.items()}
        self._insecure_http = options.insecure_http
        self._url_name = options.url_name
        self._is_local = False
        self._is_plain = False
        self._checked_bundle: str | None = None

    def checked_base_url(self, url: str) -> str:
        """Check the URL before `/v2`, and return it without a trailing `/v2` or slash.

        Raises:
            ConfigurationError: It is not an http(s) URL, has a password or a query, or is plain HTTP to another
                machine.
        """
        try:
            parts = urlsplit(requests.Request("GET", url.strip()).prepare().url or "")
        except (requests_errors.RequestException, UnicodeError):
            parts = urlsplit("")
        is_host = _is_host(parts.hostname) and not has_escaped_host(parts.geturl())
        if parts.scheme not in {"http", "https"} or not is_host:  # what else it is may be a secret
            raise ConfigurationError(f"{self._url_name} is not the URL of a server, as https://api.buildkite.com is")
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

        Over https, always. Over plain HTTP from this machine, only if the API itself is on it, since a link of another
        server to this machine may lead to data that is not meant for that server. Over plain HTTP from another machine,
        only if the API is reached over plain HTTP too, with `insecure_http=True`.
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
            ConfigurationError: The environment names missing certificates, or a text that is not a proxy.
        """
        scheme = urlsplit(url).scheme
        verify = self._verify_for(scheme)
        if isinstance(verify, str) and not Path(verify).exists():
            raise ConfigurationError(f"the certificates at {verify} are gone; see verify=, {', '.join(BUNDLES)}")
        return {"stream": True, "verify": verify, "cert": self._cert, "proxies": self._proxies_for(url)}

    def _verify_for(self, scheme: str) -> str | bool:
        """Return the path of the certificates to trust; True for those of the context, or of requests."""
        if self.context is not None or scheme != "https":
            return True
        if self._bundle is not None:
            return self._bundle
        found = path_of_environment()
        if found is None:
            return True
        name, path = found
        if path != self._checked_bundle:  # reading certificates takes milliseconds
            check_certificates(path, f"{name}={path!r}")
            self._checked_bundle = path
        return path

    def _proxies_for(self, url: str) -> dict[str, str]:
        parts = urlsplit(url)
        if parts.scheme == "http" and is_loopback(parts.hostname or ""):
            return {}
        if self._proxies is not None:
            return dict(self._proxies)
        proxies = proxies_of_environment(url)
        if problem := problem_of_environment(proxies, url):
            del proxies  # tracebacks may show the locals of this frame
            raise ConfigurationError(problem)
        return proxies

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
    """Whether the host of a URL is escaped: older releases of urllib3 write a space as %20 instead of rejecting it."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    return "%" in host and "[" not in host  # the zone of an address of IPv6 follows a %


def _is_host(host: str | None) -> bool:
    try:
        return bool((host or "").encode("idna"))
    except UnicodeError:
        return False
