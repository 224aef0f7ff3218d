"""How to reach servers: certificates, proxies, and which hosts may be asked without TLS."""

from __future__ import annotations

import ipaddress
import os
import ssl
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import requests
from requests import exceptions as requests_errors
from requests import utils

from buildkite_orm.errors import BuildkiteWarning, ConfigurationError

PathOrStr = str | os.PathLike[str]
Verify = bool | PathOrStr | ssl.SSLContext
Certificate = PathOrStr | tuple[PathOrStr, PathOrStr]

# The first one that is set names the certificates to trust.
_BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_WATCHED: Final = (*_BUNDLES, *_PROXIES, *(name.lower() for name in (*_BUNDLES, *_PROXIES)))
_SYSTEM: Final = "system"


class InsecureConnectionWarning(BuildkiteWarning):
    """The token is sent over a connection without TLS, as the client was told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """The options of a client that say how to reach servers; see `Buildkite`.

    Attributes:
        url_name: What the error of an unusable base URL calls it: where it comes from.
    """

    url_name: str = "base_url"
    verify: Verify = True
    cert: Certificate | None = None
    proxies: Mapping[str, str] | None = None
    insecure_http: bool = False


class Network:
    """How to reach each server, by the options of the client and the environment.

    Raises:
        ConfigurationError: An option cannot be.
    """

    def __init__(self, options: NetworkOptions) -> None:
        self.context = _context(options.verify)
        self._bundle = _bundle(options.verify)
        self._cert = _certificate(options.cert)
        self._proxies = _checked_proxies(options.proxies)
        self._insecure_http = options.insecure_http
        self._url_name = options.url_name
        self._is_local = False
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
        if parts.scheme == "http" and not self._is_local:
            self._allow_plain_http(parts.hostname or "")
        path = parts.path.rstrip("/").removesuffix("/v2").rstrip("/")
        return f"{parts.scheme}://{parts.netloc}{path}"

    def can_follow(self, url: str) -> bool:
        """Whether a file may be requested from a URL that the server named.

        That is over https, or from this machine if the API itself is on it: anybody else's link to this machine would
        lead to what is not meant for them.
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
        return self._insecure_http or (self._is_local and is_loopback(host or ""))

    def settings_for(self, url: str) -> dict[str, Any]:
        """Return the arguments of `requests.Session.send` for a URL: proxies and certificates.

        Raises:
            ConfigurationError: There are no certificates where the environment says so.
        """
        parts = urlsplit(url)
        # looking through the whole environment for each request would be a sixth of what a request costs
        server, environment = (parts.scheme, parts.netloc), [os.environ.get(name) for name in _WATCHED]
        known, settings = self._known.get(server, (None, {}))
        if environment != known:
            settings = {
                "stream": True,
                "verify": True if self.context is not None else self._bundle or _bundle_of_environment() or True,
                "cert": self._cert,
                "proxies": self._proxies_for(url),
            }
            self._known[server] = environment, settings
        bundle = settings["verify"]
        if isinstance(bundle, str) and not Path(bundle).exists():
            names = ", ".join(_BUNDLES[:-1])
            raise ConfigurationError(f"no certificates at {bundle}; see verify=, {names} and {_BUNDLES[-1]}")
        return settings

    def _proxies_for(self, url: str) -> dict[str, str]:
        if urlsplit(url).scheme == "http" and is_loopback(urlsplit(url).hostname or ""):
            return {}
        if self._proxies is not None:
            return dict(self._proxies)
        return dict(utils.get_environ_proxies(url))

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
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def has_escaped_host(url: str) -> bool:
    """Whether the host of a URL is no name: older releases of urllib3 write a blank as %20 instead of refusing it."""
    where = urlsplit(url).netloc.rpartition("@")[2]
    return "%" in where and "[" not in where  # the zone of an address of IPv6 follows a %


def _is_host(host: str | None) -> bool:
    try:
        return bool((host or "").encode("idna"))
    except UnicodeError:
        return False


def _context(verify: object) -> ssl.SSLContext | None:
    if isinstance(verify, ssl.SSLContext):
        return verify
    if verify != _SYSTEM:
        return None
    try:
        import truststore  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("verify='system' needs truststore: pip install 'buildkite_orm[truststore]'") from None
    context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return context


def _bundle(verify: object) -> str | None:
    if verify is True or verify == _SYSTEM or isinstance(verify, ssl.SSLContext):
        return None
    path = _path(verify)
    if path is None:
        raise ConfigurationError(
            f"verify={verify!r}: a path of certificates, 'system', an ssl.SSLContext or True; without a check, the "
            "token would go to whoever answers"
        )
    if not Path(path).exists():
        raise ConfigurationError(f"verify={path!r}: there is no such file or folder")
    return path


def _certificate(cert: object) -> str | tuple[str, str] | None:
    if cert is None:
        return None
    several = cast("tuple[object, ...]", cert) if isinstance(cert, tuple) else (cert,)
    paths = [path for each in several if (path := _path(each)) is not None]
    if len(paths) != len(several) or len(paths) not in {1, 2}:
        raise ConfigurationError("cert=: the path of a client certificate with its key, or (certificate, key)")
    for path in paths:
        if not Path(path).exists():
            raise ConfigurationError(f"cert={path!r}: there is no such file")
    return paths[0] if len(paths) == 1 else (paths[0], paths[1])


def _path(value: object) -> str | None:
    """Return a path as a string; None if it is none."""
    if not isinstance(value, str | os.PathLike):
        return None
    path = os.fspath(cast("PathOrStr", value))
    return path or None


def _checked_proxies(proxies: object) -> dict[str, str] | None:
    if proxies is None:
        return None
    known = dict(cast("Mapping[object, object]", proxies)) if isinstance(proxies, Mapping) else {None: None}
    checked = {scheme: url for scheme, url in known.items() if isinstance(scheme, str) and isinstance(url, str)}
    if len(checked) != len(known) or not all("://" in url for url in checked.values()):  # one may have a password
        raise ConfigurationError("proxies=: schemes with URLs, as {'https': 'http://proxy.example:3128'}")
    return checked


def _bundle_of_environment() -> str | None:
    return next((value for name in _BUNDLES if (value := os.environ.get(name))), None)
