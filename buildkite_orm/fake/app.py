"""From request to response: route, authentication, budgets, scopes, handler, serialization."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from werkzeug.http import http_date
from werkzeug.wrappers import Response

from buildkite_orm.fake import faults, storage
from buildkite_orm.fake.faults import RecordedRequest
from buildkite_orm.fake.http import ApiError, ApiRequest, InvalidError, Reply
from buildkite_orm.fake.ids import digest
from buildkite_orm.fake.public_keys import token_of_jwt
from buildkite_orm.fake.response_plan import ResponsePlan
from buildkite_orm.fake.routes import Router
from buildkite_orm.fake.serialization import to_bytes, to_json

if TYPE_CHECKING:
    from buildkite_orm.fake.budgets import Budget
    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.faults import Origin
    from buildkite_orm.fake.records import TokenRecord
    from buildkite_orm.fake.validation import IncomingRequest

_LEAST_COMPRESSED = 1000
_MOST_REQUESTS = 100_000
_UNAUTHENTICATED = (
    "Authentication required. Please supply a valid API Access Token: "
    "https://buildkite.com/docs/apis/rest-api#authentication"
)


class App:
    """Handles requests to the API and to the storage origin."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._router = Router()

    def handle(self, incoming: IncomingRequest, origin: Origin, artifacts_base: str) -> ResponsePlan:
        """Return the response to a request, with a fault applied if one is due."""
        incoming.receive()
        record = RecordedRequest.of(incoming, origin)
        with self.context.lock:
            self._store_request(record)
            delay, fault = self.context.faults.take(record)
        delay += self.context.settings.latency
        self.context.wait(delay)
        if fault is None:
            plan = ResponsePlan(self.respond(incoming, origin, artifacts_base))
        else:
            plan = faults.apply_fault(fault, self.context, lambda: self.respond(incoming, origin, artifacts_base))
        plan.delay = delay
        record.status = plan.status
        return plan

    def _store_request(self, record: RecordedRequest) -> None:
        """Store a request for tests to inspect; a server that runs for days drops the oldest ones."""
        self.context.request_count += 1
        self.context.requests.append(record)
        if len(self.context.requests) > _MOST_REQUESTS:
            del self.context.requests[: _MOST_REQUESTS // 2]

    def respond(self, incoming: IncomingRequest, origin: Origin, artifacts_base: str) -> Response:
        """Return the response to a request, without faults."""
        with self.context.lock:
            self.context.lifecycle.run()
            if incoming.error is not None:
                return self.error_response(incoming.error, origin)
            if origin == "artifacts":
                return storage.serve(self.context, incoming)
            return self._api(incoming, artifacts_base)

    @staticmethod
    def error_response(error: ApiError, origin: Origin) -> Response:
        """Return the error response to a request that cannot be parsed, in the format of the origin."""
        if origin == "artifacts":
            return storage.error_response(error.status, "InvalidRequest", str(error))
        return Response(to_json(error.payload), error.status, content_type=Reply().content_type)

    def _api(self, incoming: IncomingRequest, artifacts_base: str) -> Response:
        headers: dict[str, str] = {"Date": http_date(self.context.clock.now())}
        try:
            if self.context.lifecycle.commands.enabled and not incoming.is_local:
                self.context.access.check_sender(incoming, "A fake that runs commands")
            is_preflight = incoming.method == "OPTIONS" and "Access-Control-Request-Method" in incoming.headers
            reply = _preflight() if is_preflight else self._reply(incoming, artifacts_base, headers)
        except InvalidError as error:
            error.add_values(incoming)
            reply = Reply(error.status, payload=error.payload)
        except ApiError as error:
            reply = Reply(error.status, payload=error.payload)
        headers["X-Request-Id"] = digest(self.context.secret, self.context.request_count)[:32]
        return self._response(incoming, reply, headers)

    def _reply(self, incoming: IncomingRequest, artifacts_base: str, headers: dict[str, str]) -> Reply:
        """Run the handler; `headers` is filled with the headers of every response, including errors."""
        prefix, path = _split(incoming.path)
        root = self.context.settings.public_urls or f"{incoming.host_url.rstrip('/')}{prefix}"
        try:
            match = self._router.match(incoming.method, path)
        except ApiError:
            self._count_unrouted(incoming, headers)
            raise
        request = ApiRequest(self.context, incoming, match.arguments, f"{root.rstrip('/')}/v2", artifacts_base)
        if match.route.scopes is None:
            return match.route.handler(request)
        token = request.authenticated = self._authenticate(incoming)
        headers["X-OAuth-Scopes"] = ", ".join(token.scopes)
        headers["X-Accepted-OAuth-Scopes"] = ", ".join(match.route.scopes)
        self._count_request(token, request.arguments.get("org"), headers)
        if not set(match.route.scopes) <= set(request.token.scopes):
            raise ApiError(403, "Forbidden")
        if incoming.is_json and incoming.body.strip():
            _ = incoming.document  # malformed JSON is a 400, even if the route uses no body
        return match.route.handler(request)

    def _authenticate(self, incoming: IncomingRequest) -> TokenRecord:
        store, now = self.context.store, self.context.clock.now()
        secret = _secret(incoming)
        token = store.tokens.get(secret) or token_of_jwt(secret, store.public_keys, now)
        if token is None or (token.expires_at is not None and token.expires_at <= now):
            raise ApiError(401, _UNAUTHENTICATED)
        return token

    def _count_unrouted(self, incoming: IncomingRequest, headers: dict[str, str]) -> None:
        """Count a request without a route against its user's budget, if it is authenticated."""
        try:
            token = self._authenticate(incoming)
        except ApiError:
            return
        self._count_request(token, None, headers)

    def _count_request(self, token: TokenRecord, slug: str | None, headers: dict[str, str]) -> None:
        """Count the request against the budgets of its user, and of its organization if it names one.

        If it names none, the headers show the budget of the token's first organization.
        """
        reached = [each for each in self.context.store.organizations.values() if token.reaches(each)]
        counted = next((each.slug for each in reached if each.slug == slug), None)
        budgets = self.context.budgets.count(token.user.id, counted)
        shown = budgets
        if counted is None and reached:
            shown = [*budgets, *self.context.budgets.peek(None, reached[0].slug)]
        if self.context.settings.rate_limit_headers:
            for budget in shown:
                headers.update(budget.headers())
        raise_if_exceeded(budgets)

    def _response(self, incoming: IncomingRequest, reply: Reply, headers: dict[str, str]) -> Response:
        body = to_bytes(reply.body) if isinstance(reply.body, str) else reply.body or b""
        if reply.payload is not None:
            drift = self.context.settings.drift
            body = to_json(drift(reply.payload) if drift else reply.payload)
        response = Response(status=reply.status, headers=headers | reply.headers, content_type=reply.content_type)
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = "Link"
        if reply.compress and len(body) > _LEAST_COMPRESSED and incoming.method != "HEAD" and _accepts_gzip(incoming):
            body = gzip.compress(body, 1, mtime=0)
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Vary"] = "Accept-Encoding"
        if reply.status == 204:  # noqa: PLR2004
            del response.headers["Content-Type"]
        else:
            response.headers.setdefault("Content-Length", str(len(body)))
        response.response = [body]
        return response


def _preflight() -> Reply:
    """Return the response to a CORS preflight request, which browsers send without the token."""
    headers = {
        "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept, Range, Buildkite-Version",
        "Access-Control-Max-Age": "7200",
    }
    return Reply(204, headers=headers)


def raise_if_exceeded(budgets: list[Budget]) -> None:
    """Raise a 429 if a budget is exceeded."""
    for budget in budgets:
        if budget.exceeded:
            payload = budget.payload()
            raise ApiError(429, payload.pop("message"), **payload)


def _secret(incoming: IncomingRequest) -> str:
    """Return the token of a request: from the header, or from the query, where old clients send it."""
    header = incoming.headers.get("Authorization")
    if header is None:
        return incoming.args.get("access_token", "")
    kind, _, secret = header.partition(" ")
    return secret.strip() if kind == "Bearer" else ""


def _split(path: str) -> tuple[str, str]:
    """Split a path into the prefix before `/v2` and the rest."""
    at = max(0, f"{path}/".find("/v2/"))
    return path[:at].rstrip("/"), path[at:]


def _accepts_gzip(incoming: IncomingRequest) -> bool:
    return incoming.accept_encodings["gzip"] > 0
