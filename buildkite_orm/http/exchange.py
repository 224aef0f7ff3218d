"""One attempt to send a request: how long it may take, and whether any of it was sent."""

from __future__ import annotations

import math
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from buildkite_orm.utils.clock import SystemClock

if TYPE_CHECKING:
    from contextvars import Token
    from typing import Self

    from buildkite_orm.utils.clock import Clock

_SYSTEM: Final = SystemClock()
_AFTER_CUT: Final = 0.3  # seconds for the next bytes of a response that arrived before its request was sent

_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


class Exchange:
    """The state of one attempt to send a request, shared by the session and the connection.

    Args:
        clock: Measures the deadline.
        deadline: When the response must have arrived, by `clock.monotonic()`.
        connect_timeout: Seconds to connect: to look up the name, and to reach one of its addresses.
        read_timeout: Seconds without progress, while sending and while receiving.
        streams_body: Whether the request's body is a file: sending it is not bound by the deadline.
        had_response: Whether the client has received a response before: the network works.

    Attributes:
        target: The path and query to request, byte for byte; the URL's own, if None.
        is_tracked: Whether a connection of this library has carried the request, so that `is_sent` is known.
        is_sent: Whether a byte of the request was handed to a socket.
        is_cut: Whether the rest of the request was not sent, since the server responded before or has closed.
        host: The host of the last connection; a proxy, if there is one.
    """

    def __init__(
        self,
        *,
        clock: Clock = _SYSTEM,
        deadline: float = math.inf,
        connect_timeout: float,
        read_timeout: float,
        streams_body: bool = False,
        had_response: bool = False,
    ) -> None:
        self.clock = clock
        self.deadline = deadline
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.streams_body = streams_body
        self.had_response = had_response
        self.target: str | None = None
        self.is_tracked = False
        self.is_sent = False
        self.is_cut = False
        self.host = ""
        self._paused_at: float | None = None
        self._before: Token[Exchange | None]

    def __enter__(self) -> Self:
        """Set this as the exchange of the connections that this thread uses, inside the block."""
        self._before = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._before)

    @property
    def left(self) -> float:
        """Seconds until the deadline; infinite while a file is sent."""
        if self._paused_at is not None:
            return math.inf
        return self.deadline - self.clock.monotonic()

    def to_connect(self) -> float:
        """Return how many seconds connecting may take from now on.

        Raises:
            TimeoutError: The deadline has passed.
        """
        return self._at_most(self.connect_timeout)

    def to_progress(self) -> float:
        """Return how many seconds the next send or receive may take.

        Raises:
            TimeoutError: The deadline has passed.
        """
        return self._at_most(min(_AFTER_CUT, self.read_timeout) if self.is_cut else self.read_timeout)

    def shorten_timeouts(self, connect: float, read: float) -> None:
        """Use timeouts that a transport was given, if they are shorter."""
        self.connect_timeout = min(self.connect_timeout, connect)
        self.read_timeout = min(self.read_timeout, read)

    def pause_deadline(self) -> None:
        """Pause the deadline until `resume_deadline`, while a file is sent."""
        self._paused_at = self.clock.monotonic()

    def resume_deadline(self) -> None:
        """Resume the deadline, later by the time since `pause_deadline`."""
        if self._paused_at is not None:
            self.deadline += self.clock.monotonic() - self._paused_at
            self._paused_at = None

    def lift_deadline(self) -> None:
        """Limit the rest only by the time since the last progress, since it is a file."""
        self.deadline = math.inf

    def _at_most(self, seconds: float) -> float:
        allowed = min(seconds, self.left)
        if allowed <= 0:
            raise TimeoutError("the deadline of the request has passed")
        return allowed


def current_exchange() -> Exchange | None:
    """Return the exchange that this thread is in."""
    return _current.get()
