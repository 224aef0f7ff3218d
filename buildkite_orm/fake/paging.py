"""Paging by number with a `Link` header, and by cursor."""

from __future__ import annotations

import base64
import binascii
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from buildkite_orm.fake.http import ApiError, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildkite_orm.fake.http import ApiRequest

T = TypeVar("T")

DEFAULT_SIZE = 30
LARGEST_SIZE = 100


def page_number(request: ApiRequest) -> int:
    """Return `page`; an invalid one is 1."""
    return max(1, _number(request.http.args.get("page"), 1))


def page_size(request: ApiRequest) -> int:
    """Return `per_page`, at most 100."""
    size = _number(request.http.args.get("per_page"), DEFAULT_SIZE)
    return min(size, LARGEST_SIZE) if size > 0 else DEFAULT_SIZE


def paged(request: ApiRequest, items: Sequence[T], render: Callable[[T], Any]) -> Reply:
    """Return the requested page, rendering only its items."""
    start = (page_number(request) - 1) * page_size(request)
    shown = items[start : start + page_size(request)]
    return Reply(payload=[render(item) for item in shown], headers=link_header(request, len(items)))


def link_header(request: ApiRequest, total: int) -> dict[str, str]:
    """Return the `Link` header for `total` items."""
    page, last = page_number(request), max(1, -(-total // page_size(request)))
    targets: dict[str, int] = {}
    if page > 1:
        targets |= {"first": 1, "prev": page - 1}
    if page < last:
        targets["next"] = page + 1
        if request.context.settings.link_last:
            targets["last"] = last
    links = ", ".join(f'<{_url(request, page=number)}>; rel="{name}"' for name, number in targets.items())
    return {"Link": links} if links or request.context.settings.empty_link_header else {}


def cursor_paged(request: ApiRequest, items: Sequence[T], key: Callable[[T], int], render: Callable[[T], Any]) -> Reply:
    """Return items and links in the body; `key` ascends along `items` and is what a cursor encodes."""
    size = _cursor_size(request)
    after, before = (request.http.args.get(name) for name in ("after", "before"))
    if after is not None and before is not None:
        raise ApiError(400, "`after` and `before` are mutually exclusive")
    low = 0 if after is None else _position(items, key, _decode(after) + 1)
    high = len(items) if before is None else _position(items, key, _decode(before))
    if before is None:
        high = min(high, low + size)
    else:
        low = max(0, high - size)
    shown = items[low:high]
    links = {"self": _cursor_url(request, size, after=after, before=before), "first": _cursor_url(request, size)}
    if shown and low > 0:
        links["prev"] = _cursor_url(request, size, before=_encode(key(shown[0])))
    if shown and high < len(items):
        links["next"] = _cursor_url(request, size, after=_encode(key(shown[-1])))
    return Reply(payload={"items": [render(item) for item in shown], "links": links})


def links_in_header(reply: Reply) -> Reply:
    """Add the links of a page by cursor to the `Link` header too."""
    links = reply.payload["links"].items()
    reply.headers["Link"] = ", ".join(f'<{url}>; rel="{name}"' for name, url in links)
    return reply


def _cursor_size(request: ApiRequest) -> int:
    text = request.http.args.get("per_page")
    size = DEFAULT_SIZE if text is None else _number(text, 0)
    if not 1 <= size <= LARGEST_SIZE:
        raise ApiError(400, f"per_page must be between 1 and {LARGEST_SIZE}")
    return size


def _position(items: Sequence[T], key: Callable[[T], int], least: int) -> int:
    return next((index for index, item in enumerate(items) if key(item) >= least), len(items))


def _encode(value: int) -> str:
    return base64.urlsafe_b64encode(f"cursor:{value}".encode()).decode()


def _decode(cursor: str) -> int:
    try:
        name, _, value = base64.urlsafe_b64decode(cursor).decode().partition(":")
        return int(value if name == "cursor" else "")
    except (ValueError, binascii.Error):
        raise ApiError(400, "Invalid cursor") from None


def _cursor_url(request: ApiRequest, size: int, *, after: str | None = None, before: str | None = None) -> str:
    return _url(request, per_page=size, after=after, before=before)


def _url(request: ApiRequest, **changes: object) -> str:
    """Return the requested URL with some parameters changed, or dropped if they are None."""
    kept = [(name, value) for name, value in request.http.args.items(multi=True) if name not in changes]
    changed = [(name, value) for name, value in changes.items() if value is not None]
    path = request.http.path
    query = urlencode(sorted([*kept, *changed], key=itemgetter(0)))  # Rails sorts by name
    return f"{request.base}{quote(path[path.find('/v2') + 3 :])}?{query}"


def _number(text: str | None, otherwise: int) -> int:
    try:
        return otherwise if text is None else int(text)
    except ValueError:
        return otherwise
