"""Recording: requests are sent, and kept with their responses until they are written."""

from __future__ import annotations

import os
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter

from buildkite_orm.http.exchange import current_exchange
from buildkite_orm.testing.capture import capture
from buildkite_orm.testing.cassette import RecordedResponse
from buildkite_orm.testing.clocks import DIGITS, RecordingClock
from buildkite_orm.testing.tape import Tape

if TYPE_CHECKING:
    from pathlib import Path

    from requests import PreparedRequest, Response
    from requests.adapters import BaseAdapter

    from buildkite_orm.testing.tape import Slot
    from buildkite_orm.utils.clock import Clock

_BUILDER: Final = HTTPAdapter()


class Recording:
    """Sends requests and records them; the cassette is written by `save()`, or at the end of the program.

    Attributes:
        clock: The clock of the client.

    Args:
        path: The file.
        clock: The clock to record; the machine's unless given.
        files: Whether the contents of logs and files are stored.
        is_wanted: Whether a cassette is written even if there were no requests.
    """

    def __init__(self, path: Path, clock: Clock | None, *, files: bool, is_wanted: bool) -> None:
        self.clock = RecordingClock(clock)
        self._path = path
        self._is_wanted = is_wanted
        self._tape = Tape(with_files=files, started_at=self.clock.started_at)
        self._at_exit = weakref.finalize(self, _save_unclosed, self._tape, path, os.getpid())

    def send(self, request: PreparedRequest, adapter: BaseAdapter, options: dict[str, Any]) -> Response:
        """Send a request and record it.

        Args:
            request: The request.
            adapter: The adapter to send through.
            options: The other arguments of its `send`.
        """
        slot, began = self._tape.begin(request), self.clock.monotonic()
        try:
            response = adapter.send(request, stream=True, **options)
        except (OSError, ValueError) as problem:  # an exception of requests is an OSError
            slot.response = _failure(problem)
            raise
        finally:
            slot.seconds, slot.took = self.clock.receive(), round(self.clock.monotonic() - began, DIGITS)
        self._tape.begin_response(slot, response.status_code, response.headers)
        encoding = response.headers.get("Content-Encoding", "")
        raw = capture(response, slot.request.method, partial(_end, self._tape, slot, encoding))
        built: Any = _BUILDER.build_response(request, raw)
        return built  # type: ignore[no-any-return]

    def save(self) -> None:
        """Write the cassette.

        Raises:
            DownloadError: The file cannot be written.
        """
        self._at_exit.detach()
        if len(self._tape) or self._is_wanted:
            self._tape.save(self._path)


def _end(tape: Tape, slot: Slot, encoding: str, content: bytes | None, is_whole: bool) -> None:  # noqa: FBT001
    tape.end_response(slot, content, is_whole=is_whole, encoding=encoding)


def _save_unclosed(tape: Tape, path: Path, pid: int) -> None:
    """Write the cassette of a client that was not closed; a forked child leaves that to its parent."""
    if len(tape) and os.getpid() == pid:
        tape.save(path)


def _failure(problem: Exception) -> RecordedResponse:
    """Return what is recorded of a failure of the network."""
    exchange = current_exchange()
    was_sent = getattr(problem, "request_was_sent", True) is not False
    if exchange is not None and exchange.is_tracked and not exchange.is_sent:
        was_sent = False
    kind = "timeout" if isinstance(problem, requests.Timeout | TimeoutError) else "connection"
    return RecordedResponse(failure=kind, was_sent=was_sent)
