"""Raw requests: JSON in and out, for what this library does not model yet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import unquote, urlsplit

from buildkite_orm.errors import ResponseError
from buildkite_orm.http.encoding import encode_body, encode_path, encode_query
from buildkite_orm.http.messages import ApiRequest, path_of, query_of
from buildkite_orm.models.resource import Resource
from buildkite_orm.models.urls import API_HOST
from buildkite_orm.querysets.adaptive_page_size import AdaptivePageSize
from buildkite_orm.querysets.listing import Listing
from buildkite_orm.querysets.pagination import LinkPaginator
from buildkite_orm.querysets.queryset import MOST_PER_PAGE
from buildkite_orm.utils.numbers import parse_decimal
from buildkite_orm.utils.plain_values import as_plain, kind_of
from buildkite_orm.utils.redaction import redact_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkite_orm.http.encoding import Query
    from buildkite_orm.http.messages import ApiResponse
    from buildkite_orm.http.session import Session
    from buildkite_orm.querysets.pagination import LinkCursor

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def send_raw(session: Session, method: str, path: str, params: Mapping[str, object] | None, body: object) -> Any:
    """Send a request, and return the JSON of its response; None if that is empty.

    A PUT is not sent again if its response is lost: it is not known whether it changes a resource or starts something.

    Raises:
        ValueError: The method or the path is not one of the API.
    """
    method = _checked_method(method)
    target, query = _target(session, path, params, "request")
    if body is not None and method == "GET":
        msg = "request('GET', json=…): a GET has no body; pass params={…}"
        raise TypeError(msg)
    content = None if body is None else encode_body({"json": body})["json"]
    request = ApiRequest(method, target, query, content, idempotent=method != "PUT")
    return session.send(request, _read)


def paginate_raw(session: Session, path: str, params: Mapping[str, object] | None) -> Iterator[dict[str, Any]]:
    """Iterate over the items of a listing, page by page; the first request is sent when the iteration begins.

    Raises:
        ValueError: The path is not one of the API, or the page size is not valid.
    """
    target, query = _target(session, path, params, "paginate")
    size = parse_decimal(dict(query).get("per_page", str(MOST_PER_PAGE)))
    if size is None or not 1 <= size <= MOST_PER_PAGE:
        msg = f"paginate({target!r}): per_page is 1 to {MOST_PER_PAGE}"
        raise ValueError(msg)
    filters = [pair for pair in query if pair[0] != "per_page"]
    return _items(LinkPaginator(AdaptivePageSize(Listing(session, target, _RawItem, filters, size, target))))


class _RawItem(Resource):
    """An item of a listing that the library does not model; the fields that identify it, and unknown ones."""

    _kind: ClassVar[str] = "raw item"

    id: Any = None
    url: Any = None


def _items(paginator: LinkPaginator[_RawItem]) -> Iterator[dict[str, Any]]:
    cursor: LinkCursor[_RawItem] | None = paginator.first_cursor()
    while cursor is not None:
        page = paginator.fetch(cursor)
        for item in page.items:
            if item.drift:
                raise ResponseError("the items of this listing are not JSON objects", next_step="Use bk.request().")
            yield item.dump()
        cursor = page.next_cursor


def _checked_method(method: str) -> str:
    plain = as_plain(method)
    if not isinstance(plain, str) or plain.upper() not in _METHODS:
        msg = f"request({plain!r}, …): the method is one of {', '.join(_METHODS)}"
        raise ValueError(msg)
    return plain.upper()


def _target(session: Session, path: str, params: Mapping[str, object] | None, name: str) -> tuple[str, Query]:
    """Return the path after `/v2/` and the query."""
    plain = as_plain(path)
    if not isinstance(plain, str):
        msg = f"{name}(path): the path is a string, as 'organizations/acme', not {kind_of(path)}"
        raise TypeError(msg)
    shown = redact_url(plain)
    parts = urlsplit(plain.strip())
    if parts.scheme or parts.netloc:
        hosts = {API_HOST, urlsplit(session.base_url).hostname}
        if parts.hostname not in hosts:
            msg = f"{name}({shown!r}): the token is for {session.base_url} only; pass a path, as 'organizations/acme'"
            raise ValueError(msg)
        found = path_of(plain)
    else:
        found = path_of(f"/v2/{parts.path.strip('/').removeprefix('v2/')}")
    try:
        target = encode_path(*map(unquote, (found or "").split("/")))
    except ValueError:
        msg = f"{name}({shown!r}): not a path of the API; pass what follows /v2/, as 'organizations/acme'"
        raise ValueError(msg) from None
    return target, [*query_of(plain), *encode_query(params or {})]


def _read(response: ApiResponse) -> Any:
    if not response.body.strip():
        return None
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        kind = response.headers.get("Content-Type", "no type").partition(";")[0]
    raise response.unexpected(f"JSON was expected, not {len(response.body)} bytes of {kind}")
