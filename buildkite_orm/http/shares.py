"""The share of a request budget that one of several processes with the same token uses.

The processes do not know each other. What they share is the number of remaining requests in the headers of responses,
which counts the requests of all of them:

- A process sends a request only while its share of what remains is at least one: `remaining // processes`. With one
  request of each process under way, each stops after exactly one response that states fewer remaining requests than
  there are processes. These responses state all numbers down to 0: nothing is left over, and nothing is rejected.
- Before the last request of its part of a window, which is `limit // processes` requests, a process pauses until the
  others can be expected to have sent as many. So a process that starts later finds its part.
- The requests that cannot be divided evenly go to those that have sent fewer than the others in earlier windows: a
  process that has sent more pauses longer.
- A process that was alone in the last window, and is in this one, uses all that remains.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

# How long after a reset the processes begin, at random, so that their requests do not arrive at once.
_JITTER: Final = 0.5
# The processes know the end of a window to a second, since headers state whole ones.
_PAUSE: Final = 2.0
_MOST_PAUSES: Final = 3


def jitter() -> float:
    """Return the seconds after a reset at which a process begins."""
    return random.uniform(0.0, _JITTER)  # noqa: S311 - no secret


@dataclass(slots=True)
class Share:
    """The share of one process in one budget.

    Attributes:
        processes: The number of processes.
        has_response: Whether there was a response; before the first one, a budget is not known to exist.
        began: When this process sent its first request in the current window.
        sent: Its requests in the current window.
        surplus: How many more requests than its part it has sent in the windows before.
        was_alone: Whether no other process has sent a request in the window before.
    """

    processes: int
    has_response: bool = False
    began: float = -math.inf
    sent: int = 0
    surplus: float = 0.0
    was_alone: bool = False

    def start_window(self, limit: float, used: float, sent: int) -> None:
        """Begin a window.

        Args:
            limit: The requests in each window.
            used: The requests of all processes in the window before.
            sent: The requests of this process in the new window, so far.
        """
        part = limit / self.processes
        self.was_alone = 0 < used <= self.sent
        self.surplus = max(-part, min(self.surplus + self.sent - part, part))
        self.sent = sent

    def note_request(self, now: float) -> None:
        """Count a request of this process."""
        if self.sent == 0:
            self.began = now
        self.sent += 1

    def paused_until(self, limit: float) -> float:
        """Return when the next request may be sent, so that the others send their part first."""
        part = limit // self.processes if limit < math.inf else limit
        if self.sent == 0 or self.sent < part - 1:
            return -math.inf
        ahead = math.ceil(self.surplus + self.sent - part + 1)
        return self.began + _PAUSE * max(1, min(ahead + 1, _MOST_PAUSES))

    def of(self, left: float, limit: float, used: float) -> float:
        """Return how many of the remaining requests this process may have under way.

        Args:
            left: The remaining requests; infinite if there are no headers with the budget.
            limit: The requests in each window.
            used: The requests of all processes in this window.
        """
        if left == math.inf:
            return left if self.has_response else 1
        if self.sent == 0:
            return min(left, 1)
        if self.was_alone and used <= self.sent:
            return left
        return left // min(self.processes, limit)
