"""The control API: from a request to its response."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Response

from buildkite_orm.fake.control.access import PREFIX
from buildkite_orm.fake.control.endpoint import ControlRequest, Endpoint
from buildkite_orm.fake.control.endpoints import ENDPOINTS
from buildkite_orm.fake.control.validation import InvalidFieldsError, read
from buildkite_orm.fake.http import ApiError
from buildkite_orm.fake.serialization import to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm.fake.control.access import Access
    from buildkite_orm.fake.server import FakeBuildkite
    from buildkite_orm.fake.validation import IncomingRequest

_LOG = logging.getLogger(__name__)
_EMPTY = 204
# No CORS headers, ever: a page of another origin cannot read a response, nor send JSON or the token.
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class ControlApp:
    """Responds to requests below `/_control`, which are not recorded, and not subject to faults and rate limits."""

    def __init__(self, server: Callable[[], FakeBuildkite | None], access: Access) -> None:
        self._server = server
        self._access = access

    def respond(self, request: IncomingRequest) -> Response:
        """Return the response to a request; an error in the fake itself is a 500, and is logged."""
        headers = dict(_HEADERS)
        try:
            status, payload = self._handle(request, headers)
        except ApiError as error:
            status, payload = error.status, error.payload
        except InvalidFieldsError as error:
            status, payload = 422, {"message": f"Validation failed: {error}", "errors": error.errors}
        except Exception:  # noqa: BLE001
            _LOG.exception("the control API failed at %s %s", request.method, request.path)
            status, payload = 500, {"message": "Internal Server Error"}
        if status == _EMPTY:
            response = Response(status=status, headers=headers)
            del response.headers["Content-Type"]
            return response
        body = to_json(payload)
        return Response(body, status, headers, content_type="application/json; charset=utf-8")

    def _handle(self, request: IncomingRequest, headers: dict[str, str]) -> tuple[int, Any]:
        self._access.check(request)
        endpoint, arguments = _match(request, headers)
        server = self._server()
        if server is None:
            raise ApiError(503, "The fake has been closed")
        body = _read_body(request, endpoint)
        with server.context.lock:
            try:
                payload = endpoint.handler(ControlRequest(server, arguments, body))
            except InvalidFieldsError:
                raise
            except (TypeError, ValueError) as error:  # what the methods of FakeBuildkite raise for wrong arguments
                _LOG.debug("refused %s %s", request.method, request.path, exc_info=True)
                raise ApiError(422, str(error), errors=[]) from None
        return endpoint.status, payload


def _match(request: IncomingRequest, headers: dict[str, str]) -> tuple[Endpoint[Any], dict[str, str]]:
    path = request.path.removeprefix(PREFIX).removesuffix("/") or "/"
    try:
        if "//" in path:  # the router would take it for one
            raise NotFound
        endpoint, arguments = _table().match(path, method=request.method)
    except MethodNotAllowed as error:
        headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        raise ApiError(405, f"{request.path} takes {headers['Allow']}, not {request.method}") from None
    except HTTPException:
        raise ApiError(404, f"No endpoint {request.path}; GET {PREFIX} lists them") from None
    return endpoint, dict(arguments)


def _read_body(request: IncomingRequest, endpoint: Endpoint[Any]) -> Any:
    """Read and validate a body, which must be JSON; a GET has its query instead."""
    if endpoint.method == "GET":
        query = {name: values[-1] for name, values in request.args.lists()}
        return read(endpoint.body, query, strict=False)
    has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
    if has_body and request.mimetype != "application/json":
        raise ApiError(415, "Send the body as Content-Type: application/json")
    request.receive()
    if request.error is not None:
        raise request.error
    return read(endpoint.body, request.document if request.body.strip() else {})


@cache
def _table() -> Any:
    rules = [
        Rule(each.path.replace("{", "<").replace("}", ">") or "/", methods=[each.method], endpoint=each)
        for each in ENDPOINTS
    ]
    for rule in rules:
        rule.methods = (rule.methods or set()) - {"HEAD"}  # GET includes it
    return Map(rules, strict_slashes=False, merge_slashes=False, redirect_defaults=False).bind("fake")
