"""The plan of a response: its bytes, and how their delivery fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.wrappers import Response

Ending = Literal["complete", "closed", "reset", "stalled"]
Failure = Literal["unresolved", "refused", "reset", "stalled"]


class DroppedError(Exception):
    """The connection ends here; `ending` says how."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending = ending


@dataclass(slots=True)
class ResponsePlan:
    """A response and how to send it.

    Attributes:
        response: The response; None if none is sent.
        failure: Why none is sent: the host name does not resolve, or the connection is refused, reset or stalls.
        cut_at: The number of bytes of the body to send; None for all.
        ending: How the connection ends after these; a stalled one stays open, and nothing more is sent.
        byte_delay: Seconds between bytes; 0 sends whole chunks.
        delay: Seconds that the response took.
    """

    response: Response | None
    failure: Failure | None = None
    cut_at: int | None = None
    ending: Ending = "complete"
    byte_delay: float = 0.0
    delay: float = 0.0

    @property
    def status(self) -> int:
        """The status that was sent; 0 if none was."""
        return self.response.status_code if self.response is not None and self.failure is None else 0

    def chunks(self) -> Iterator[bytes]:
        """Yield the body up to the cut; raise if the connection breaks there."""
        left = self.cut_at
        for chunk in self._whole_chunks():
            if left is None:
                yield chunk
                continue
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                break
        if left is not None and left <= 0:
            raise DroppedError(self.ending)

    def _whole_chunks(self) -> Iterator[bytes]:
        if self.response is None:
            return
        for chunk in self.response.iter_encoded():
            if self.byte_delay:
                yield from (chunk[at : at + 1] for at in range(len(chunk)))
            elif chunk:
                yield chunk
