"""Faults: errors that the fake produces on purpose."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from buildkite_orm.fake.budgets import Budget
from buildkite_orm.fake.response_plan import ResponsePlan
from buildkite_orm.fake.serialization import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from buildkite_orm.fake.context import Context
    from buildkite_orm.fake.response_plan import Failure
    from buildkite_orm.fake.validation import IncomingRequest

    Respond = Callable[[], Response]

_TOKEN_PARAMETER = re.compile(r"((?:^|&)access_token=)[^&]*").sub
Origin = Literal["api", "artifacts"]
Kind = Literal[
    "refuse",
    "dns",
    "reset_before",
    "reset_after_headers",
    "reset_mid_body",
    "truncate",
    "read_timeout",
    "corrupt_gzip",
    "cut_json",
    "html",
    "error",
    "rate_limit",
    "redirect",
    "trickle",
    "stall",
    "latency",
    "corrupt_body",
]


@dataclass(slots=True, repr=False)
class RecordedRequest:
    """A received request; `status` is that of the response, or 0 if none was sent; a large form has no `body`."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Headers
    body: bytes
    origin: Origin
    query_string: str = ""
    status: int = 0

    @classmethod
    def of(cls, request: IncomingRequest, origin: Origin) -> RecordedRequest:
        """Record a received request; a rejected one has no query parameters."""
        return cls(
            method=request.method,
            path=request.path,
            query=_without_token(request.args.items(multi=True)) if request.error is None else [],
            headers=Headers(list(request.headers)),
            body=request.body,
            origin=origin,
            query_string=_TOKEN_PARAMETER(r"\1***", request.query_string.decode("latin-1")),
        )

    def __repr__(self) -> str:
        return f"RecordedRequest({self.line} {self.status})"

    @property
    def line(self) -> str:
        """Method, path and query, which patterns match."""
        return f"{self.method} {self.path}" + (f"?{self.query_string}" if self.query_string else "")


def _without_token(query: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, "***" if name == "access_token" else value) for name, value in query]


_NONE: frozenset[str] = frozenset()
OPTIONS: dict[Kind, frozenset[str]] = {
    "refuse": _NONE,
    "dns": _NONE,
    "reset_before": frozenset({"processed"}),
    "reset_after_headers": _NONE,
    "reset_mid_body": frozenset({"at"}),
    "truncate": frozenset({"at"}),
    "read_timeout": frozenset({"processed"}),
    "corrupt_gzip": _NONE,
    "cut_json": frozenset({"at"}),
    "html": frozenset({"status", "processed"}),
    "error": frozenset({"status", "message", "payload", "headers", "processed"}),
    "rate_limit": frozenset({"scope", "reset", "remaining", "headers"}),
    "redirect": frozenset({"location", "status"}),
    "trickle": frozenset({"pause"}),
    "stall": frozenset({"at"}),
    "latency": frozenset({"seconds"}),
    "corrupt_body": _NONE,
}

Match = str | re.Pattern[str] | None


@dataclass(slots=True)
class Fault:
    """A rule: which error, for which requests, and how often."""

    kind: Kind
    match: Callable[[RecordedRequest], bool] | Match
    times: int | None
    after: int
    origin: Origin | None
    options: dict[str, Any]
    seen: int = 0
    used: int = 0

    def matches(self, request: RecordedRequest) -> bool:
        """Return whether the rule matches a request."""
        if self.origin not in {None, request.origin}:
            return False
        if self.match is None:
            return True
        if isinstance(self.match, str | re.Pattern):
            return re.search(self.match, request.line) is not None
        return self.match(request)

    @property
    def due(self) -> bool:
        """Whether it applies to the request that it was last matched with."""
        return self.seen > self.after and (self.times is None or self.used < self.times)


@dataclass(slots=True)
class Faults:
    """The rules, in the order in which they were added; the first one that is due applies."""

    rules: list[Fault] = field(default_factory=list[Fault])

    def add(
        self,
        kind: Kind,
        *,
        match: Callable[[RecordedRequest], bool] | Match = None,
        times: int | None = 1,
        after: int = 0,
        origin: Origin | None = "api",
        **options: Any,
    ) -> Fault:
        """Add a rule.

        Args:
            kind: The error. `refuse`: the connection is refused; `dns`: the host name does not resolve (over HTTP,
                both are a reset without a response). `reset_before`: a reset before the response.
                `reset_after_headers`; `reset_mid_body` (after `at=` bytes). `truncate`: the body ends after `at=`
                bytes. `read_timeout`: no response. `corrupt_gzip`. `cut_json`: JSON that ends after `at=` bytes.
                `html` (`status=502`). `error` (`status=500`, `message=`, `payload=`, `headers=`). `rate_limit`
                (`scope="rest"`, `"rest_user"` or `"both"`, `reset=30`, `remaining=0`, `headers=True`). `redirect`
                (`location=`, `status=302`). `trickle`: byte by byte, `pause=` seconds apart. `stall`: nothing is sent
                after `at=` bytes. `latency` (`seconds=`). `corrupt_body`: some bytes are changed.
            match: A predicate, or a regular expression that is searched in "METHOD /path?query"; None for all.
            times: How often it applies; None for always.
            after: The number of matching requests to skip first.
            origin: The origin that it applies to; None for both.
            options: Options of `kind`. With `processed=True`, which `reset_before`, `read_timeout`, `html` and `error`
                take, the request is processed before it fails.
        """
        if kind not in OPTIONS:
            raise ValueError(f"unknown fault {kind!r}; choose one of {', '.join(OPTIONS)}")
        if unknown := sorted(options.keys() - OPTIONS[kind]):
            known = ", ".join(sorted(OPTIONS[kind])) or "none"
            raise TypeError(f"the fault {kind} has no option {', '.join(unknown)}; its options: {known}")
        if kind == "redirect" and "location" not in options:
            raise TypeError("the fault redirect needs location=")
        rule = Fault(kind=kind, match=match, times=times, after=after, origin=origin, options=options)
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Remove all rules."""
        self.rules.clear()

    def take(self, request: RecordedRequest) -> tuple[float, Fault | None]:
        """Return the delay of a request, and the fault to apply to it."""
        matching = [rule for rule in self.rules if rule.matches(request)]
        delay = 0.0
        applied: Fault | None = None
        for rule in matching:
            rule.seen += 1
            if not rule.due or (rule.kind != "latency" and applied is not None):
                continue
            rule.used += 1
            if rule.kind == "latency":
                delay += rule.options.get("seconds", 1.0)
            else:
                applied = rule
        return delay, applied


def apply_fault(fault: Fault, context: Context, respond: Respond) -> ResponsePlan:
    """Return the response to a request with a fault applied."""
    return _APPLIERS[fault.kind](fault.options, context, respond)


def _no_response(options: dict[str, Any], respond: Respond, failure: Failure) -> ResponsePlan:
    if options.get("processed", False):
        respond()
    return ResponsePlan(None, failure=failure)


def _refuse(_options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    return _no_response({}, respond, "refused")


def _dns(_options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    return _no_response({}, respond, "unresolved")


def _reset_before(options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    return _no_response(options, respond, "reset")


def _read_timeout(options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    return _no_response(options, respond, "stalled")


def _reset_after_headers(_options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    return ResponsePlan(respond(), cut_at=0, ending="reset")


def _reset_mid_body(options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    response = respond()
    return ResponsePlan(response, cut_at=options.get("at", _middle(response)), ending="reset")


def _truncate(options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    response = respond()
    return ResponsePlan(response, cut_at=options.get("at", _middle(response)), ending="closed")


def _trickle(options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    return ResponsePlan(respond(), byte_delay=options.get("pause", 0.001))


def _stall(options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    response = respond()
    return ResponsePlan(response, cut_at=options.get("at", _middle(response)), ending="stalled")


def _latency(_options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    return ResponsePlan(respond())


def _middle(response: Response) -> int:
    return int(response.headers.get("Content-Length", 0)) // 2


def _corrupt_gzip(_options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    response = respond()
    response.headers["Content-Encoding"] = "gzip"
    _replace(response, b"\x1f\x8b\x08\x00" + b"\xff" * 60)
    return ResponsePlan(response)


def _cut_json(options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    response = respond()
    encoded = response.headers.pop("Content-Encoding", None) is not None
    text = _plain(response, encoded=encoded)
    _replace(response, text[: options.get("at", len(text) // 2)])
    return ResponsePlan(response)


def _plain(response: Response, *, encoded: bool) -> bytes:
    data = b"".join(response.iter_encoded())
    return gzip.decompress(data) if encoded else data


def _html(options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    if options.get("processed", False):
        respond()
    status = options.get("status", 502)
    response = Response(status=status, content_type="text/html")
    page = f"<html><head><title>{response.status}</title></head><body><h1>{response.status}</h1></body></html>"
    _replace(response, page.encode())
    return ResponsePlan(response)


def _error(options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    if options.get("processed", False):
        respond()
    payload = options.get("payload", {"message": options.get("message", "Internal Server Error")})
    return ResponsePlan(_json(options.get("status", 500), payload, options.get("headers", {})))


def _rate_limit(options: dict[str, Any], context: Context, _respond: Respond) -> ResponsePlan:
    scope, remaining = options.get("scope", "rest_user"), options.get("remaining", 0)
    limits = {"rest": context.settings.organization_limit or 200, "rest_user": context.settings.user_limit or 50}
    struck = ("rest", "rest_user") if scope == "both" else (scope,)
    budgets = [
        Budget(name, limit, limit - remaining if name in struck else 1, options.get("reset", 30))
        for name, limit in limits.items()
    ]
    headers: dict[str, str] = {}
    for budget in budgets if options.get("headers", True) else []:
        headers |= budget.headers()
    payload = next(budget for budget in budgets if budget.scope == struck[0]).payload()
    return ResponsePlan(_json(429, payload, headers))


def _redirect(options: dict[str, Any], _context: Context, _respond: Respond) -> ResponsePlan:
    response = Response(status=options.get("status", 302), headers={"Location": options["location"]})
    _replace(response, b"")
    return ResponsePlan(response)


def _corrupt_body(_options: dict[str, Any], _context: Context, respond: Respond) -> ResponsePlan:
    response = respond()
    response.response = _flipped(response.iter_encoded())
    return ResponsePlan(response)


def _flipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for number, chunk in enumerate(chunks):
        yield bytes([chunk[0] ^ 0xFF]) + chunk[1:] if number == 0 and chunk else chunk


def _json(status: int, payload: Any, headers: dict[str, str]) -> Response:
    response = Response(status=status, headers=headers, content_type="application/json; charset=utf-8")
    _replace(response, to_json(payload))
    return response


def _replace(response: Response, body: bytes) -> None:
    response.response = [body]
    response.headers["Content-Length"] = str(len(body))


_APPLIERS: dict[Kind, Callable[[dict[str, Any], Context, Respond], ResponsePlan]] = {
    "refuse": _refuse,
    "dns": _dns,
    "reset_before": _reset_before,
    "reset_after_headers": _reset_after_headers,
    "reset_mid_body": _reset_mid_body,
    "truncate": _truncate,
    "read_timeout": _read_timeout,
    "corrupt_gzip": _corrupt_gzip,
    "cut_json": _cut_json,
    "html": _html,
    "error": _error,
    "rate_limit": _rate_limit,
    "redirect": _redirect,
    "trickle": _trickle,
    "stall": _stall,
    "latency": _latency,
    "corrupt_body": _corrupt_body,
}
