"""Host names that exist for one test, and lead where it wants them."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Address = tuple[str, int]
Lookup = Address | list[Address] | OSError | Literal["stall"]

NO_SUCH_HOST: Final = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
TEMPORARY_FAILURE: Final = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

STALL_SECONDS: Final = 3.0

_getaddrinfo: Final = socket.getaddrinfo


class Names:
    """Takes the place of the resolver.

    Attributes:
        lookups: The names that were looked up, in order; addresses are not among them.
    """

    def __init__(self) -> None:
        self.lookups: list[str] = []
        self._results: dict[str, list[Lookup]] = {}
        self._released = threading.Event()
        self._lock = threading.Lock()

    def lead(self, host: str, *results: Lookup) -> None:
        """Set the results of the lookups of a host, in order; the last one repeats."""
        self._results[host] = list(results)

    def count(self, host: str) -> int:
        """Return how often a host was looked up."""
        return self.lookups.count(host)

    def release(self) -> None:
        """End the lookups that stall."""
        self._released.set()

    def getaddrinfo(self, host: Any, port: Any, *args: Any, **options: Any) -> Sequence[tuple[Any, ...]]:
        """Look up a host, as `socket.getaddrinfo` does."""
        name = host.decode() if isinstance(host, bytes) else host
        if name is None or name.replace(".", "").isdigit() or ":" in name:
            return _getaddrinfo(host, port, *args, **options)
        with self._lock:
            self.lookups.append(name)
            results = self._results.get(name, [("127.0.0.1", port)] if name == "localhost" else [NO_SUCH_HOST])
            result = results.pop(0) if len(results) > 1 else results[0]
        if result == "stall":
            self._released.wait(STALL_SECONDS)
            raise TEMPORARY_FAILURE
        if isinstance(result, OSError):
            raise type(result)(*result.args)
        addresses = result if isinstance(result, list) else [result]
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address) for address in addresses]


def closed_port() -> Address:
    """Return an address on which no server listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address: Address = sock.getsockname()
        return address
