"""Whose data is stored: the uuid of the token, requested once and remembered by a keyed hash of the token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from buildkite_orm.cache.folder import UnusableCacheError
from buildkite_orm.errors import AuthenticationError, BuildkiteError
from buildkite_orm.http.messages import ApiRequest
from buildkite_orm.utils.forking import ForkSafeLock
from buildkite_orm.utils.json_types import as_object

if TYPE_CHECKING:
    from buildkite_orm.cache.options import Cache
    from buildkite_orm.cache.store import Store
    from buildkite_orm.http.messages import ApiResponse
    from buildkite_orm.http.session import Session

_MOST_TOKENS: Final = 3
_MOST_KNOWN: Final = 100


class NoIdentityError(Exception):
    """The token is not valid; the request itself will report that."""


class Scopes:
    """The scopes of a client: one, or one for each token that it has used.

    Args:
        options: The options of the cache.
        session: The session, for its token.
        store: The rows.
    """

    def __init__(self, options: Cache, session: Session, store: Store) -> None:
        self._options = options
        self._session = session
        self._store = store
        self._dropped = ",".join(sorted(options.dropped))
        self._known: dict[str, int] = {}
        self._requested = 0
        self._opened = 0
        self._key = b""
        self._lock = ForkSafeLock()

    def current(self, *, may_request: bool) -> int | None:
        """Return the scope of the token that is used now.

        Args:
            may_request: Whether the uuid of a new token may be requested; else its scope is None.

        Raises:
            UnusableCacheError: The uuid cannot be requested, or each request has another token.
            NoIdentityError: The token is not valid.
        """
        opened = self._store.open()
        if opened != self._opened:
            self._known, self._key, self._opened = {}, self._store.key(), opened
        namespace = self._options.namespace
        if namespace is not None:
            return self._known.get("") or self._add("", f"namespace {namespace}")
        fingerprint = self._session.token_fingerprint(self._key)
        if (known := self._known.get(fingerprint)) is not None:
            return known
        with self._lock.current:  # several threads begin with the same token
            identity = self._known.get(fingerprint) or self._store.identity_of(fingerprint)
            if isinstance(identity, int):
                return identity
            if identity is None:
                if not may_request:
                    return None
                identity = self._request()
                self._store.remember(fingerprint, identity)
            return self._add(fingerprint, f"token {identity}")

    def _add(self, fingerprint: str, identity: str) -> int:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        scope = self._known[fingerprint] = self._store.scope(self._session.base_url, identity, self._dropped)
        return scope

    def _request(self) -> str:
        if self._requested >= _MOST_TOKENS:
            raise UnusableCacheError("the token changes too often; pass Cache(…, namespace='a name')")
        self._requested += 1
        try:
            return self._session.send(ApiRequest("GET", "access-token"), _read_uuid)
        except AuthenticationError:
            raise NoIdentityError from None
        except BuildkiteError as error:
            reason = f"the uuid of the token could not be requested ({type(error).__name__})"
        raise UnusableCacheError(f"{reason}; Cache(…, namespace='a name') does not need it")


def _read_uuid(response: ApiResponse) -> str:
    uuid = (as_object(json.loads(response.body)) or {}).get("uuid")
    if not isinstance(uuid, str) or not uuid:
        raise response.unexpected("the uuid of the token was expected")
    return uuid
