"""`Recorder`: a transport that records requests and responses in a file, and replays them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter

from buildkite_orm.http.client_transport import ClientTransport
from buildkite_orm.testing.recording import Recording
from buildkite_orm.testing.replay import Replay
from buildkite_orm.utils.plain_values import as_path

if TYPE_CHECKING:
    import os

    from requests import PreparedRequest, Response
    from requests.adapters import BaseAdapter

    from buildkite_orm.utils.clock import Clock

_REPLAY_TOKEN: Final = "replayed"  # noqa: S105 - a client has one; it is sent nowhere


class Recorder(ClientTransport):
    """A transport that records requests and responses in a file, a cassette, and replays them from it.

    If the file does not exist, requests are sent, and the file is written when the client is closed, or at the end of
    the program. If it exists, nothing is sent: an equal request gets the recorded response, and equal requests get
    their responses in the order in which they were recorded. Requests are equal by method, path and query; writes also
    by their JSON body. The client uses the clock of the recording, and never sleeps. It uses no cache, unless it is
    given one.

    The file has placeholders for tokens and other secrets, e-mail addresses, names of people, avatars, values of
    environment variables, pipelines in YAML, IP addresses, host names of agents, webhook and badge URLs, and signed
    links; the same value has the same placeholder. Request headers are not stored. Slugs, branches, commands, messages
    and metadata are. Read the file before you publish it.

    Args:
        path: The file.
        record: True records even if the file exists, and replaces it; False never sends a request.
        files: Whether the contents of logs and files are stored, as they are. One that contains a secret is left out.
        through: The adapter to send through; the network unless given.
        clock: The clock to record; the machine's unless given.

    Raises:
        RecordingError: The file is to be replayed, and cannot be read.

    Example:
        >>> from buildkite_orm.testing import Recorder
        >>> with Buildkite(organization="acme", transport=Recorder("case.json")) as bk:
        ...     bk.organization().pipeline("web").build(42).fetch().state
        <BuildState.PASSED: 'passed'>
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        record: bool | None = None,
        files: bool = False,
        through: BaseAdapter | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        self.path: Path = Path(as_path("path", path)).absolute()  # the current folder may be another one at the end
        self._through = through
        self._mode: Recording | Replay
        if record or (record is None and not self.path.exists()):
            self._mode = Recording(self.path, clock, files=files, is_wanted=record is True)
        else:
            self._mode = Replay(self.path)
            self.token, self.organization = _REPLAY_TOKEN, self._mode.organization
        self.clock = self._mode.clock
        self.cache = "off"

    def __repr__(self) -> str:
        return f"<Recorder {str(self.path)!r}, {'recording' if self.is_recording else 'replaying'}>"

    @property
    def is_recording(self) -> bool:
        """Whether requests are sent and recorded; otherwise, responses are replayed."""
        return isinstance(self._mode, Recording)

    @property
    def started_at(self) -> datetime:
        """The start of the recording, in UTC. It is the same in a replay: compute the times of filters from it."""
        return datetime.fromtimestamp(self._mode.clock.started_at, UTC)

    def use_network(self, adapter: BaseAdapter) -> None:
        """Set the adapter that sends over the network, unless there is one; each client calls this."""
        self._through = self._through or adapter

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002
        timeout: Any = None,
        *args: Any,
        **options: Any,
    ) -> Response:
        """Return the recorded response to a request; or send and record it.

        Raises:
            RecordingError: The cassette has no response to it, or no more.
        """
        del stream  # always
        if isinstance(self._mode, Replay):
            return self._mode.send(request)
        self.use_network(HTTPAdapter())
        assert self._through is not None  # noqa: S101 - set above
        positional = dict(zip(("verify", "cert", "proxies"), args, strict=False))
        return self._mode.send(request, self._through, {"timeout": timeout, **positional, **options})

    def close(self) -> None:
        """Write the cassette, if this records, and close the connections.

        Raises:
            DownloadError: The file cannot be written.
        """
        if isinstance(self._mode, Recording):
            self._mode.save()
        if self._through is not None:
            self._through.close()
