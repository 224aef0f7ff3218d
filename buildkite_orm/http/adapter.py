"""The requests adapter over our own connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import poolmanager

from buildkite_orm.http.connection import HTTPPool, HTTPSPool
from buildkite_orm.http.exchange import current_exchange
from buildkite_orm.utils.forking import renew_after_fork

if TYPE_CHECKING:
    import ssl
    from queue import LifoQueue

    from requests import PreparedRequest, Response

_POOL_SIZE: Final = 64
_POOLS: Final = {"http": HTTPPool, "https": HTTPSPool}


class Adapter(HTTPAdapter):
    """Sends requests through connections that keep to their deadline; safe for threads and forks.

    Args:
        context: The TLS settings; if None, the certificates of requests, or those that a request names.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._tls: dict[str, Any] = {} if context is None else {"ssl_context": context}
        super().__init__(pool_maxsize=_POOL_SIZE)
        renew_after_fork(self)

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002
        timeout: object = None,
        *args: Any,
        **options: Any,
    ) -> Response:
        """Send a request; a timeout that is shorter than the session's applies to its connection too."""
        exchange = current_exchange()
        if exchange is not None and isinstance(timeout, tuple):
            connect, read = cast("tuple[float, float]", timeout)
            exchange.shorten_timeouts(connect, read)
        if self._tls:  # an older requests replaces our context by its own if it is to trust its own certificates
            options["verify"] = DEFAULT_CA_BUNDLE_PATH
        return super().send(request, stream, cast("Any", timeout), *args, **options)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:  # noqa: FBT001, FBT002
        """Make the pools of connections to servers."""
        super().init_poolmanager(connections, maxsize, block, **options, **self._tls)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Set the certificates that a connection trusts; a context of ours has them already."""
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]  # pyright: ignore[reportUnknownMemberType]
        if self._tls:
            conn.ca_certs = conn.ca_cert_dir = None

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Return the pools of connections through a proxy; those through SOCKS are urllib3's own."""
        tls = dict(self._tls)
        if tls and proxy.lower().startswith("https:"):
            tls["proxy_ssl_context"] = tls["ssl_context"]
        manager = super().proxy_manager_for(proxy, **options, **tls)
        if manager.pool_classes_by_scheme is poolmanager.pool_classes_by_scheme:
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def renew_after_fork(self) -> None:
        """Forget the connections, which belong to the parent."""
        renew_pools(self)


def renew_pools(adapter: HTTPAdapter) -> None:
    """Make new pools for an adapter in a forked child, and empty those that it has without closing a connection.

    urllib3 empties a pool when it is freed, and takes its lock for that, which a thread of the parent may have held.
    """
    if not hasattr(adapter, "poolmanager"):  # a subclass that has none of its own
        return
    managers: list[Any] = [adapter.poolmanager, *adapter.proxy_manager.values()]
    for manager in managers:
        for pool in manager.pools._container.values():  # noqa: SLF001 - its lock may be held too
            if pool.pool is not None:
                queue: LifoQueue[Any] = pool.pool
                queue.__init__(queue.maxsize)  # type: ignore[misc]
    adapter.proxy_manager = {}
    sizes: Any = adapter  # its attributes are undocumented, but its pickling relies on them too
    adapter.init_poolmanager(sizes._pool_connections, sizes._pool_maxsize, block=sizes._pool_block)  # noqa: SLF001
