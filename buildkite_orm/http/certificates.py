"""The certificates that a client trusts, and the client certificate that it presents."""

from __future__ import annotations

import os
import re
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, NoReturn, cast

from buildkite_orm.errors import ConfigurationError
from buildkite_orm.utils.environment import setting

PathOrStr = str | os.PathLike[str]
Verify = Literal[True] | PathOrStr | ssl.SSLContext
"""The certificates to trust; True for the default ones."""

Certificate = PathOrStr | tuple[PathOrStr, PathOrStr]
"""The file of a client certificate and its key, or one file for each."""

# The first of these variables that is set names the certificates to trust.
BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")

_SYSTEM: Final = "system"
_HASHED: Final = re.compile(r"[0-9a-f]{8}\.\d+")  # how OpenSSL finds a certificate in a folder


class _EncryptedKeyError(Exception):
    """A private key needs a password."""


def trusted_context(verify: object) -> ssl.SSLContext | None:
    """Return the TLS settings for `verify=`; None if it is a path, or the default.

    Raises:
        ConfigurationError: They check no certificate, or truststore is missing.
    """
    if isinstance(verify, ssl.SSLContext):
        if verify.verify_mode is not ssl.CERT_REQUIRED:
            raise ConfigurationError(
                "verify=: this ssl.SSLContext checks no certificates, so that anyone could read the token; make it "
                "with ssl.create_default_context(cafile='ca.pem')"
            )
        return verify
    if verify != _SYSTEM:
        return None
    try:
        import truststore  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("verify='system' needs truststore: pip install 'buildkite_orm[truststore]'") from None
    context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return context


def trusted_path(verify: object) -> str | None:
    """Return the file or folder of certificates in `verify=`; None if it is not a path.

    Raises:
        ConfigurationError: There are no certificates, or `verify=` is of another kind.
    """
    if verify is True or verify == _SYSTEM or isinstance(verify, ssl.SSLContext):
        return None
    path = _path(verify)
    if path is None:
        raise ConfigurationError(
            f"verify={verify!r}: a path of certificates, 'system', an ssl.SSLContext or True; without a check of its "
            "certificate, any server on the way could read the token. For a certificate of your own network, name the "
            "file of its authority: verify='ca.pem'"
        )
    check_certificates(path, f"verify={path!r}")
    return path


def path_of_environment() -> tuple[str, str] | None:
    """Return the environment variable that names certificates to trust, and their path; None if none does."""
    return next(((name, path) for name in BUNDLES if (path := setting(name))), None)


def check_certificates(path: str, name: str) -> None:
    """Check that a file or folder has certificates to trust.

    Args:
        path: The file or folder.
        name: Its name in errors.

    Raises:
        ConfigurationError: It has none.
    """
    found = Path(path)
    if found.is_dir():
        if not any(_HASHED.fullmatch(each.name) for each in found.iterdir()):
            raise ConfigurationError(
                f"{name}: OpenSSL finds no certificate in this folder; run `openssl rehash` on it, or name a file"
            )
        return
    if not found.exists():
        raise ConfigurationError(f"{name}: there is no such file or folder; name one file or folder of certificates")
    try:
        status = found.stat()
        _read_certificates(path, (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size))
    except OSError as problem:  # ssl.SSLError is one
        why = problem.strerror if not isinstance(problem, ssl.SSLError) else "no certificates in PEM are in it"
        raise ConfigurationError(f"{name}: {why}; name a file with certificates in PEM") from None


@lru_cache(maxsize=16)
def _read_certificates(path: str, version: tuple[int, ...]) -> None:
    """Read a file of certificates, once for all clients: it takes 30 ms.

    Args:
        path: The file.
        version: What differs if the file is another, or has changed.

    Raises:
        OSError: It cannot be read, or contains no certificates.
    """
    del version
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)


def client_certificate(cert: object) -> str | tuple[str, str] | None:
    """Return the path that `cert=` names, or those of certificate and key.

    Raises:
        ConfigurationError: The files are not a certificate with its key.
    """
    if cert is None:
        return None
    several = cast("tuple[object, ...]", cert) if isinstance(cert, tuple) else (cert,)
    paths = [path for each in several if (path := _path(each)) is not None]
    if len(paths) != len(several) or len(paths) not in {1, 2}:
        raise ConfigurationError(
            "cert=: the path of a file with a client certificate and its key, or two paths: (certificate, key)"
        )
    for path in paths:
        if not Path(path).is_file():
            raise ConfigurationError(f"cert={path!r}: there is no such file")
    _check_pair(paths)
    return paths[0] if len(paths) == 1 else (paths[0], paths[1])


def _check_pair(paths: list[str]) -> None:
    key = paths[1] if len(paths) == 2 else None  # noqa: PLR2004
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(paths[0], key, _no_password)
    except _EncryptedKeyError:
        raise ConfigurationError(
            "cert=: the key is encrypted; pass an ssl.SSLContext that has loaded it, with "
            "load_cert_chain(…, password=…), as verify="
        ) from None
    except ssl.SSLError:
        raise ConfigurationError(
            "cert=: no certificate in PEM with the key that belongs to it; pass a file that has both, or two files: "
            "(certificate, key)"
        ) from None
    except OSError as problem:
        raise ConfigurationError(f"cert=: the file cannot be read: {problem.strerror}") from None


def _no_password() -> NoReturn:
    raise _EncryptedKeyError  # otherwise OpenSSL would prompt for it at the terminal


def _path(value: object) -> str | None:
    """Return a path as a string; None if the value is not a path."""
    if not isinstance(value, str | os.PathLike):
        return None
    path = os.fspath(cast("PathOrStr", value))
    return path or None
