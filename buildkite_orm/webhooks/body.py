"""Read the body of a webhook: a JSON object in UTF-8."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from buildkite_orm.errors import WebhookCharsetError, WebhookFormatError
from buildkite_orm.utils.json_types import as_object
from buildkite_orm.utils.plain_values import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHARSET: Final = re.compile(r"""charset\s*=\s*["']?([^\s;"']+)""", re.IGNORECASE)
_READ: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_WIDE: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def raw_body(body: object) -> bytes:
    """Return the raw body as bytes.

    Args:
        body: Bytes, or text that a server has decoded as UTF-8.

    Raises:
        WebhookCharsetError: It is text with half of a character.
        TypeError: It is neither.
    """
    if isinstance(body, bytes):
        return body
    if isinstance(body, bytearray):
        return bytes(body)
    if isinstance(body, memoryview):
        return body.tobytes()
    if not isinstance(body, str):
        raise TypeError(f"body= is the raw body of the request, as bytes, not {kind_of(body)}")
    try:
        return body.encode()
    except UnicodeEncodeError:
        raise WebhookCharsetError("the body is text that is not valid Unicode") from None


def read_object(body: bytes, content_types: Sequence[str] = ()) -> dict[str, Any]:
    """Return the JSON object in a body.

    Args:
        body: The raw body.
        content_types: The values of `Content-Type`.

    Raises:
        WebhookCharsetError: It is, or is declared to be, in another encoding than UTF-8.
        WebhookFormatError: It is not a JSON object.
    """
    for content_type in content_types:
        if (named := _CHARSET.search(content_type)) and named[1].lower().replace("_", "-") not in _READ:
            raise WebhookCharsetError("Content-Type declares another charset than UTF-8")
    if body.startswith(_WIDE) or b"\0" in body[:4]:
        raise WebhookCharsetError("the body is UTF-16 or UTF-32, not UTF-8")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = error.start
    else:
        return _parse(text, len(body))
    raise WebhookCharsetError(f"the body is not UTF-8: its byte {place} belongs to another charset")


def _parse(text: str, size: int) -> dict[str, Any]:
    try:
        data = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise WebhookFormatError(f"the body is not JSON ({size} bytes)") from None
    payload = as_object(data)
    if payload is None:
        raise WebhookFormatError("the body is JSON, but not an object")
    return payload


def _refuse(_constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError
