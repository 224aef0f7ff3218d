"""Requests and responses as they were received, until they are written without private values."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from buildkite_orm.http.signed_links import resolve_link
from buildkite_orm.testing.capture import decompressed
from buildkite_orm.testing.cassette import (
    NO_BODY,
    Exchange,
    RecordedRequest,
    RecordedResponse,
    parse_json,
    to_document,
    to_item,
    write_cassette,
)
from buildkite_orm.testing.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from requests import PreparedRequest

_MOST_BYTES: Final = 512 * 1024 * 1024
_HEADERS: Final = frozenset(
    """
    accept-ranges content-disposition content-length content-range content-type date etag last-modified link location
    ratelimit-limit ratelimit-remaining ratelimit-reset ratelimit-user-limit ratelimit-user-remaining
    ratelimit-user-reset retry-after x-accepted-oauth-scopes x-oauth-scopes x-request-id
    """.split()  # noqa: SIM905 - a list that is read, not one name a line
)
_LOGS: Final = ("/log", "/log.txt", "/log.html")


@dataclass(slots=True)
class Slot:
    """A request, in the order of requests, and its response as far as it was received.

    Attributes:
        request: The request as it was sent.
        url: Its URL.
        is_api: Whether it was sent to the API, with a token.
        response: The response; None before its headers.
        seconds: When the headers arrived, in seconds since the start.
        took: How long that took, in seconds.
    """

    request: RecordedRequest
    url: str
    is_api: bool
    response: RecordedResponse | None = None
    seconds: float = 0.0
    took: float = 0.0

    @property
    def is_file(self) -> bool:
        """Whether the body of the response is a log or a file."""
        response = self.response
        if response is None or not self.is_api:
            return True
        if self.request.path.endswith(_LOGS):
            return self.request.method == "GET"
        kind = next((value for key, value in response.headers.items() if key.lower() == "content-type"), "").lower()
        return response.status < 300 and "json" not in kind  # noqa: PLR2004 - errors are texts


@dataclass(slots=True)
class Tape:
    """The slots of a recording. Safe for threads.

    Attributes:
        with_files: Whether the contents of logs and files are stored.
        started_at: The wall time at the start.
        redactor: Knows the tokens that were sent.
    """

    with_files: bool
    started_at: float
    redactor: Redactor = field(default_factory=Redactor)
    _slots: list[Slot] = field(default_factory=list[Slot])
    _size: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __len__(self) -> int:
        return len(self._slots)

    def begin(self, request: PreparedRequest) -> Slot:
        """Add a request that is about to be sent."""
        authorization = _as_text(request.headers.get("Authorization", ""))
        self.redactor.secrets.remember(authorization.rpartition(" ")[2])
        slot = Slot(request_of(request), request.url or "", is_api=bool(authorization))
        with self._lock:
            self._slots.append(slot)
        return slot

    def begin_response(self, slot: Slot, status: int, headers: Mapping[str, str]) -> None:
        """Add the status and headers of a response."""
        kept = {name: value for name, value in headers.items() if name.lower() in _HEADERS}
        slot.response = RecordedResponse(status, kept, left_out="its content was not read")

    def end_response(self, slot: Slot, content: bytes | None, *, is_whole: bool, encoding: str) -> None:
        """Add the body of a response, or why it is left out.

        Args:
            slot: The request.
            content: The body as received; None if it is too large.
            is_whole: Whether that is all of it.
            encoding: Its `Content-Encoding`.
        """
        response = slot.response
        if response is None:
            return
        if slot.request.method != "HEAD" and (encoding or (is_whole and not slot.is_file)):
            # it is that of the compressed body, or of one with private values
            response.headers = {
                key: value for key, value in response.headers.items() if key.lower() != "content-length"
            }
        try:
            plain = b"" if not content and is_whole else self._checked(slot, content, encoding, is_whole=is_whole)
        except ValueError as problem:
            response.left_out = str(problem)
            return
        with self._lock:
            self._size += len(plain)
        response.content, response.left_out = plain, None

    def _checked(self, slot: Slot, content: bytes | None, encoding: str, *, is_whole: bool) -> bytes:
        """Return a body without its compression.

        Raises:
            ValueError: It is left out; the text is the reason.
        """
        if slot.is_file and not self.with_files:
            raise ValueError("logs and files are recorded with files=True")
        if content is None or self._size + len(content) > _MOST_BYTES:
            raise ValueError("it is too large")
        if not encoding:
            return content
        if not is_whole:
            raise ValueError("it is compressed, and was not read to its end")
        return decompressed(content, encoding)

    def save(self, path: Path) -> None:
        """Write the cassette.

        Raises:
            DownloadError: The file cannot be written.
        """
        with self._lock:
            slots = [slot for slot in self._slots if slot.response is not None]
        for slot in slots:  # learns what is private in later responses, before the earlier ones are written
            self._item(slot)
        document = to_document(self.started_at, (self._item(slot) for slot in slots))
        secrets = self.redactor.secrets
        text = json.dumps(document, ensure_ascii=False)
        if secrets.mask(text) != text:  # in a place that no rule knows
            document = secrets.mask_json(document)
        write_cassette(path, document)

    def _item(self, slot: Slot) -> dict[str, Any]:
        received = slot.response or RecordedResponse()
        headers = {name: self._header(slot, name, value) for name, value in received.headers.items()}
        body, secret = self._body(slot, received)
        response = replace(received, headers=headers, left_out=secret or received.left_out)
        return to_item(Exchange(self._redacted_request(slot), response, slot.seconds, slot.took), body)

    def _redacted_request(self, slot: Slot) -> RecordedRequest:
        request, redactor = slot.request, self.redactor
        if not slot.is_api:
            return RecordedRequest(request.method, redactor.link(slot.url))
        query = [(redactor.text(name), redactor.text(value)) for name, value in request.query]
        body = request.body if request.body is NO_BODY else redactor.body(request.body)
        return RecordedRequest(request.method, redactor.text(request.path), query, body)

    def _header(self, slot: Slot, name: str, value: str) -> str:
        if name.lower() == "location" and slot.response is not None and 300 <= slot.response.status < 400:  # noqa: PLR2004
            with suppress(ValueError):
                return self.redactor.link(resolve_link(slot.url, value))
        return self.redactor.text(value)

    def _body(self, slot: Slot, response: RecordedResponse) -> tuple[dict[str, Any], str | None]:
        """Return the body of a response as it is written, and why it is left out."""
        content, redactor = response.content, self.redactor
        if not content:
            return {}, None
        if slot.is_file:
            if _has_secret(content, redactor):
                return {}, "it contains a secret"
            return _as_it_is(content), None
        is_json, value = parse_json(content)
        if is_json:
            return {"json": redactor.json(value)}, None
        try:
            return {"text": redactor.text(content.decode())}, None
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(redactor.secrets.mask_bytes(content)).decode()}, None


def request_of(request: PreparedRequest) -> RecordedRequest:
    """Return a request as it is compared: of a request to the API, the path after `/v2/`."""
    url = request.url or ""
    method = request.method or "GET"
    if "Authorization" not in request.headers:
        return RecordedRequest(method, url)
    parts = urlsplit(url)
    _, _, path = parts.path.partition("/v2/")
    query = parse_qsl(parts.query, keep_blank_values=True)
    return RecordedRequest(method, path or parts.path.lstrip("/"), query, _json_of(request.body))


def _json_of(body: Any) -> Any:
    if not isinstance(body, str | bytes):
        return NO_BODY
    is_json, value = parse_json(body.encode() if isinstance(body, str) else body)
    return value if is_json else NO_BODY


def _has_secret(content: bytes, redactor: Redactor) -> bool:
    secrets = redactor.secrets
    wide = content.replace(b"\0", b"")  # the form of ASCII in UTF-16 and UTF-32
    return secrets.mask_bytes(content) != content or secrets.mask_bytes(wide) != wide


def _as_it_is(content: bytes) -> dict[str, Any]:
    """Return the content of a file: JSON if it is that of a log, text, or bytes in Base64."""
    is_json, value = parse_json(content)
    if is_json and isinstance(value, dict) and "content" in value:
        return {"json": value}
    with suppress(UnicodeDecodeError):
        return {"text": content.decode()}
    return {"base64": base64.b64encode(content).decode()}


def _as_text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
