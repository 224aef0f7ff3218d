"""From request to response: route, authentication, budgets, scopes, the handler, and the answer's form."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from buildkite_orm.fake import faults, storage
from buildkite_orm.fake.faults import RecordedRequest
from buildkite_orm.fake.http import ApiError, ApiRequest, Reply
from buildkite_orm.fake.ids import digest
from buildkite_orm.fake.public_keys import holder_of
from buildkite_orm.fake.response_plan import Delivery
from buildkite_orm.fake.routes import Router
from buildkite_orm.fake.serialization import to_bytes, to_json

if TYPE_CHECKING:
    from buildkite_orm.fake.budgets import Budget
    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.faults import Origin
    from buildkite_orm.fake.records import TokenRecord
    from buildkite_orm.fake.validation import IncomingRequest

_SMALL = 1000
_MOST_REQUESTS = 100_000
_UNAUTHENTICATED = (
    "Authentication required. Please supply a valid API Access Token: "
    "https://buildkite.com/docs/apis/rest-api#authentication"
)


class App:
    """Answers requests to the API and to the artifacts' origin."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._router = Router()

    def exchange(self, incoming: IncomingRequest, origin: Origin, artifacts_base: str) -> Delivery:
        """Answer a request, or spoil the answer where a fault says so."""
        incoming.receive()
        record = RecordedRequest.of(incoming, origin)
        with self.context.lock:
            self._keep(record)
            late, fault = self.context.faults.take(record)
        late += self.context.settings.latency
        self.context.pause(late)
        if fault is None:
            delivery = Delivery(self.respond(incoming, origin, artifacts_base))
        else:
            delivery = faults.spoil(fault, self.context, lambda: self.respond(incoming, origin, artifacts_base))
        delivery.late = late
        record.status = delivery.status
        return delivery

    def _keep(self, record: RecordedRequest) -> None:
        """Keep a request to be looked at; a server that runs for days forgets the oldest ones."""
        self.context.arrived += 1
        self.context.requests.append(record)
        if len(self.context.requests) > _MOST_REQUESTS:
            del self.context.requests[: _MOST_REQUESTS // 2]

    def respond(self, incoming: IncomingRequest, origin: Origin, artifacts_base: str) -> Response:
        """Answer a request as it should be."""
        with self.context.lock:
            self.context.lifecycle.run()
            if incoming.problem is not None:
                return self.refusal(incoming.problem, origin)
            if origin == "artifacts":
                return storage.serve(self.context, incoming)
            return self._api(incoming, artifacts_base)

    @staticmethod
    def refusal(problem: ApiError, origin: Origin) -> Response:
        """Answer a request that cannot be read, in the form of the origin."""
        if origin == "artifacts":
            return storage.refused(problem.status, "InvalidRequest", str(problem))
        return Response(to_json(problem.payload), problem.status, content_type=Reply().content_type)

    def _api(self, incoming: IncomingRequest, artifacts_base: str) -> Response:
        headers: dict[str, str] = {}
        try:
            reply = self._reply(incoming, artifacts_base, headers)
        except ApiError as error:
            reply = Reply(error.status, payload=error.payload)
        headers["X-Request-Id"] = digest(self.context.secret, self.context.arrived)[:32]
        return self._response(incoming, reply, headers)

    def _reply(self, incoming: IncomingRequest, artifacts_base: str, headers: dict[str, str]) -> Reply:
        """Run the handler; `headers` gets what every answer tells, errors too."""
        prefix, path = _split(incoming.path)
        root = self.context.settings.public_urls or f"{incoming.host_url.rstrip('/')}{prefix}"
        match = self._router.match(incoming.method, path)
        request = ApiRequest(self.context, incoming, match.arguments, f"{root.rstrip('/')}/v2", artifacts_base)
        if match.route.scopes is None:
            return match.route.handler(request)
        request.holder = self._holder(incoming)
        headers["X-OAuth-Scopes"] = ", ".join(request.token.scopes)
        headers["X-Accepted-OAuth-Scopes"] = ", ".join(match.route.scopes)
        self._spend(request, headers)
        if not set(match.route.scopes) <= set(request.token.scopes):
            raise ApiError(403, "Forbidden")
        if incoming.is_json and incoming.body.strip():
            _ = incoming.document  # a malformed one is refused, also where the route takes none
        return match.route.handler(request)

    def _holder(self, incoming: IncomingRequest) -> TokenRecord:
        kind, _, secret = incoming.headers.get("Authorization", "").partition(" ")
        store, now = self.context.store, self.context.clock.now()
        token = store.tokens.get(secret.strip()) or holder_of(secret.strip(), store.public_keys, now)
        if kind != "Bearer" or token is None or (token.expires_at is not None and token.expires_at <= now):
            raise ApiError(401, _UNAUTHENTICATED)
        return token

    def _spend(self, request: ApiRequest, headers: dict[str, str]) -> None:
        """Count the request against the budgets of its organization, if it names one, and of its user."""
        slug = request.arguments.get("org")
        named = self.context.store.organizations.get(slug) if slug else None
        counted = named.slug if named and request.token.reaches(named) else None
        budgets = self.context.budgets.count(request.token.user.id, counted)
        if self.context.settings.rate_limit_headers:
            for budget in budgets:
                headers.update(budget.headers())
        refuse(budgets)

    def _response(self, incoming: IncomingRequest, reply: Reply, headers: dict[str, str]) -> Response:
        body = to_bytes(reply.body) if isinstance(reply.body, str) else reply.body or b""
        if reply.payload is not None:
            drift = self.context.settings.drift
            body = to_json(drift(reply.payload) if drift else reply.payload)
        response = Response(status=reply.status, headers=headers | reply.headers, content_type=reply.content_type)
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = "Link"
        if reply.compress and len(body) > _SMALL and incoming.method != "HEAD" and _takes_gzip(incoming):
            body = gzip.compress(body, 1, mtime=0)
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Vary"] = "Accept-Encoding"
        if reply.status == 204:  # noqa: PLR2004
            del response.headers["Content-Type"]
        else:
            response.headers.setdefault("Content-Length", str(len(body)))
        response.response = [body]
        return response


def refuse(budgets: list[Budget]) -> None:
    """Raise a 429 where a budget is exceeded."""
    for budget in budgets:
        if budget.exceeded:
            payload = budget.payload()
            raise ApiError(429, payload.pop("message"), **payload)


def _split(path: str) -> tuple[str, str]:
    """Split a path into what stands before the API's and the API's."""
    at = max(0, f"{path}/".find("/v2/"))
    return path[:at].rstrip("/"), path[at:]


def _takes_gzip(incoming: IncomingRequest) -> bool:
    return incoming.accept_encodings["gzip"] > 0
