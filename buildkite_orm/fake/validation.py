"""Read and validate a request before anything uses it: target, headers, body, form and JSON.

The errors are those of Rails and the server before it: 400 for unreadable requests, 413 and 414 for too large ones,
and 422 for values that no model accepts.
"""

from __future__ import annotations

import json
import math
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote_to_bytes

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from buildkite_orm.fake.http import ApiError, InvalidError
from buildkite_orm.fake.uploads import FormRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_BODY = 8 << 20
LONGEST_TARGET = 1 << 16
DEEPEST = 100
_MOST_PARAMETERS = 4096
_LARGEST_INTEGER = 2**63
_LONGEST_DIGITS = 18
_SMALL_FORM = 1 << 20
_BLOCK = 1 << 16
_MULTIPART = "multipart/form-data"
_FORMS = (_MULTIPART, "application/x-www-form-urlencoded")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})").search
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?").fullmatch


class IncomingRequest(FormRequest):
    """A request that is read and validated once, when it is received.

    Attributes:
        body: Its bytes; empty for a large form, whose files are hashed while they are received.
        error: Why it is rejected, or None.
        is_local: Whether it was sent in this process, without a network.
    """

    body: bytes = b""
    error: ApiError | None = None
    is_local: bool = False

    def receive(self) -> None:
        """Read the body, and validate everything except JSON, which only some routes expect."""
        try:
            self.body = self._cached_data = _read(self)
            _check_host(self)
            _check_target(self.environ)
            _check_form(self)
        except ApiError as error:
            self.error = error

    @cached_property
    def document(self) -> Any:
        """The body as JSON; raise a 400 if it is not JSON, a 422 if a value is out of range."""
        return parse_document(self.body)


# -- the body


def _read(request: FormRequest) -> bytes:
    if request.mimetype == _MULTIPART and (request.content_length or 0) > _SMALL_FORM:
        _parse_form(request)
        return b""
    if (request.content_length or 0) > LARGEST_BODY:
        raise _too_large()
    pieces: list[bytes] = []
    left = LARGEST_BODY
    while piece := request.stream.read(_BLOCK):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            raise _too_large()
    return b"".join(pieces)


def _too_large() -> ApiError:
    return ApiError(413, f"The body is larger than {LARGEST_BODY} bytes")


def _check_form(request: FormRequest) -> None:
    if request.mimetype not in _FORMS:
        return
    if request.mimetype != _MULTIPART:
        _check_encoded(request.get_data().decode("latin-1"), "form parameters")
    _parse_form(request)
    for text in _texts_of_form(request):
        if "\0" in text or _has_lone_surrogate(text):
            raise ApiError(400, "Invalid form parameters: null byte or invalid encoding")


def _parse_form(request: FormRequest) -> None:
    try:
        _ = request.form
    except RequestEntityTooLarge:
        raise ApiError(413, "The form has too many or too large fields") from None
    except ValueError:
        while request.stream.read(_BLOCK):  # so that the connection can be used again
            pass
        raise ApiError(400, "Invalid form parameters: the form could not be parsed") from None


def _texts_of_form(request: FormRequest) -> Iterator[str]:
    for name, value in request.form.items(multi=True):
        yield from (name, value)
    for name, file in request.files.items(multi=True):
        yield from (name, file.filename or "")


# -- the target and the headers


def _check_host(request: FormRequest) -> None:
    if _HOST(request.headers.get("Host", "localhost")) is None:
        raise ApiError(400, "Invalid Host header")
    try:
        _ = request.host_url
    except (HTTPException, ValueError):
        raise ApiError(400, "Invalid Host header") from None


def _check_target(environ: dict[str, Any]) -> None:
    path, query = str(environ.get("PATH_INFO", "")), str(environ.get("QUERY_STRING", ""))
    raw_path = str(environ.get("RAW_URI", "")).partition("?")[0]
    if len(raw_path) + len(query) > LONGEST_TARGET:
        raise ApiError(414, f"The URL is longer than {LONGEST_TARGET} bytes")
    if query.count("&") >= _MOST_PARAMETERS:
        raise ApiError(400, f"Invalid query parameters: more than {_MOST_PARAMETERS} of them")
    _check_encoded(query, "query parameters", null_bytes=True)
    _check_encoded(raw_path, "path", null_bytes=True)
    _require_utf8(path.encode("latin-1"), "path")


def _check_encoded(text: str, what: str, *, null_bytes: bool = False) -> None:
    """Validate a percent-encoded text, one character for each byte."""
    if text.isascii() and "%" not in text and "\0" not in text:
        return
    if _BAD_ESCAPE(text):
        raise ApiError(400, f"Invalid {what}: invalid %-encoding")
    decoded = unquote_to_bytes(text.encode("latin-1"))
    _require_utf8(decoded, what)
    if b"\0" in decoded and not null_bytes:
        raise ApiError(400, f"Invalid {what}: null byte")


def _require_utf8(data: bytes, what: str) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        raise ApiError(400, f"Invalid {what}: invalid UTF-8") from None


def _has_lone_surrogate(text: str) -> bool:
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


# -- JSON


def parse_document(data: bytes) -> Any:
    """Parse a body as JSON, as strictly as the API does; of duplicate keys, the last one counts."""
    try:
        value = _DECODER.decode(data.decode())
    except UnicodeDecodeError:
        raise ApiError(400, "Your JSON body is not valid UTF-8") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise ApiError(400, "Your JSON body could not be parsed") from None
    if fields := list(dict.fromkeys(_fields_out_of_range(value))):
        raise InvalidError([(name, "invalid") for name in fields])
    return value


def _integer(digits: str) -> int | float:
    """Parse an integer; one too large for any column becomes infinite, which is rejected with the field's name."""
    return int(digits) if len(digits) <= _LONGEST_DIGITS + 2 else math.inf


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_refuse_constant)


def _too_deep() -> ApiError:
    return ApiError(400, f"Your JSON body is nested deeper than {DEEPEST} levels")


def _fields_out_of_range(document: Any) -> Iterator[str]:
    """Yield the fields with values that no model accepts; raise a 400 for too deep nesting and lone surrogates."""
    waiting: list[tuple[Any, str, int]] = [(document, "", 0)]
    while waiting:
        value, field, depth = waiting.pop()
        if depth > DEEPEST:
            raise _too_deep()
        if isinstance(value, dict):
            for name, item in cast("dict[str, Any]", value).items():
                waiting += [(name, field or _printable(name), depth), (item, field or _printable(name), depth + 1)]
        elif isinstance(value, list):
            waiting += [(item, field, depth + 1) for item in cast("list[object]", value)]
        elif _is_out_of_range(value):
            yield field


def _printable(name: str) -> str:
    return name.replace("\0", "")


def _is_out_of_range(value: Any) -> bool:
    if isinstance(value, str):
        if _has_lone_surrogate(value):
            raise ApiError(400, "Invalid encoding for parameter: half a surrogate pair")
        return False
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER
