"""What a door has to deliver: a response, and what is to go wrong on its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.wrappers import Response

Ending = Literal["whole", "closed", "reset", "held"]
Silence = Literal["unresolved", "refused", "reset", "held"]


class DroppedError(Exception):
    """The connection breaks here; `ending` says how."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending = ending


@dataclass(slots=True)
class Delivery:
    """A response on its way to whoever asked.

    Attributes:
        response: The answer; None where there is none.
        silence: What there is instead: a host that nobody knows, or a connection that is refused, reset, or held for
            ever.
        cut_at: After how many bytes of the body the connection ends too early.
        ending: How it ends then; `held` is open, and silent for ever.
        pause: Seconds between one byte and the next; 0 sends the body in pieces as they come.
        late: How many seconds the answer took.
    """

    response: Response | None
    silence: Silence | None = None
    cut_at: int | None = None
    ending: Ending = "whole"
    pause: float = 0.0
    late: float = 0.0

    @property
    def status(self) -> int:
        """The status that was sent; 0 where none was."""
        return self.response.status_code if self.response is not None and self.silence is None else 0

    def pieces(self) -> Iterator[bytes]:
        """Give the body up to where it is cut; raises where it breaks."""
        left = self.cut_at
        for chunk in self._chunks():
            if left is None:
                yield chunk
                continue
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                break
        if left is not None and left <= 0:
            raise DroppedError(self.ending)

    def _chunks(self) -> Iterator[bytes]:
        if self.response is None:
            return
        for chunk in self.response.iter_encoded():
            if self.pause:
                yield from (chunk[at : at + 1] for at in range(len(chunk)))
            elif chunk:
                yield chunk
