"""The faults, and the expected outcome of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from buildkite_orm.fake.faults import Kind
    from tests.reliability.operations import Kind as Doing

    Expected = dict[Doing, "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """A cell of the matrix: the outcome of a fault that occurs once, and of one that occurs each time.

    The number in parentheses is the number of attempts.
    """

    once: str
    lasting: str

    def __str__(self) -> str:
        return self.once if self.once == self.lasting else f"{self.once}; {self.lasting}"


NOT_APPLICABLE: Final = Outcome("-", "-")


@dataclass(frozen=True)
class Fault:
    """A row of the matrix.

    Attributes:
        name: Its title.
        kind: Its name in the fake.
        expected: Its outcome for each kind of operation.
        options: Its options in the fake.
        may_act: Whether it is tested both before and after the server has processed the request; else see `acts`.
        acts: Whether the server has processed the request when the fault occurs.
        over_sockets: Whether it is tested over sockets, which do not wait for a manual clock.
    """

    name: str
    kind: Kind
    expected: Expected
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    may_act: bool = False
    acts: bool = False
    over_sockets: bool = True


def always(outcome: str) -> Outcome:
    return Outcome(outcome, outcome)


def each(outcome: Outcome, *kinds: Doing) -> Expected:
    return dict.fromkeys(kinds, outcome)


def unsent(error: str, attempts: int = 5) -> Expected:
    """Return the outcomes if the request was certainly not processed: any request is retried."""
    right, done = Outcome("right (2)", f"`{error}` ({attempts})"), Outcome("done (2)", f"`{error}` ({attempts})")
    reads = each(right, "read", "link", "file", "log_file")
    return reads | each(done, "acting", "again", "delete", "upload", "form")


def lost(error: str) -> Expected:
    """Return the outcomes of a lost or damaged response: it is retried if it may be, else the outcome is unknown."""
    again = Outcome("done (2)", f"`{error}`? (5)")
    return unsent(error) | each(always(f"`{error}`? (1)"), "acting") | each(again, "again", "delete")


def broken(error: str) -> Expected:
    """Return the outcomes of an incomplete body; responses to deletions, and of the storage to uploads, have none."""
    return lost(error) | each(always("done (1)"), "delete", "upload")


def at_once(error: str) -> Expected:
    """Return the outcomes of a fault that another attempt would not repair."""
    known, unknown = always(f"`{error}` (1)"), always(f"`{error}`? (1)")
    return each(known, "read", "link", "log_file", "form") | each(unknown, "acting", "again", "delete")


_MISMATCH: Final = each(always("`ChecksumMismatchError` (1)"), "file")
_UNBOUNDED: Final = each(always("right (1)"), "file", "log_file") | each(always("done (1)"), "delete", "upload")
_WHOLE: Final = each(always("right (1)"), "read", "link") | each(always("done (1)"), "acting", "again", "form")
_OVERLOADED: Final = "`ServerError` (5)"
_BUDGET: Final = (
    unsent("RateLimitError", 10)
    | each(Outcome("right (2)", _OVERLOADED), "file")
    | each(Outcome("done (2)", _OVERLOADED), "upload")
)
_NO_JSON: Final = each(always("right (1)"), "link") | each(NOT_APPLICABLE, "log_file") | _MISMATCH
_ROUND_AND_ROUND: Final = (
    each(Outcome("right (2)", "`DownloadError` (2)"), "link")
    | each(Outcome("right (3)", "`DownloadError` (5)"), "file")
    | each(always("`UploadError` (1)"), "upload")
)

FAULTS: Final = (
    Fault("connection refused", "refuse", unsent("ConnectionFailedError")),
    Fault("host name not resolved for the moment", "dns", unsent("ConnectionFailedError")),
    Fault("reset before the headers", "reset_before", lost("ConnectionFailedError"), may_act=True),
    Fault("reset after the headers", "reset_after_headers", broken("ConnectionFailedError"), acts=True),
    Fault("reset in the middle of the body", "reset_mid_body", broken("ConnectionFailedError"), acts=True),
    Fault("no response before the read timeout", "read_timeout", lost("RequestTimeoutError"), may_act=True),
    Fault("a response slower than the read timeout", "stall", broken("RequestTimeoutError"), acts=True),
    Fault(
        "a body shorter than its `Content-Length`",
        "truncate",
        broken("ConnectionFailedError") | each(Outcome("right (2)", "`ConnectionFailedError` (16)"), "file"),
        acts=True,
    ),
    Fault("corrupt gzip", "corrupt_gzip", broken("ResponseError") | _MISMATCH, acts=True),
    Fault("JSON cut off", "cut_json", broken("ResponseError") | _NO_JSON, acts=True),
    Fault("HTML with 200", "html", lost("ResponseError") | _MISMATCH, {"status": 200}, may_act=True),
    Fault("HTML with 502", "html", lost("ServerError"), {"status": 502}, may_act=True),
    Fault("HTML with 503", "html", lost("ServerError"), {"status": 503}, may_act=True),
    Fault("HTML with 504", "html", lost("ServerError"), {"status": 504}, may_act=True),
    Fault("500 with JSON", "error", lost("ServerError"), {"status": 500}, may_act=True),
    Fault("429 of the organization", "rate_limit", _BUDGET, {"scope": "rest"}),
    Fault("429 of the user", "rate_limit", _BUDGET, {"scope": "rest_user"}),
    Fault("429 of both", "rate_limit", _BUDGET, {"scope": "both"}),
    Fault("429 with `Remaining` below 0", "rate_limit", _BUDGET, {"scope": "both", "remaining": -7}),
    Fault("429 without headers, `reset` in the body", "rate_limit", _BUDGET, {"scope": "rest", "headers": False}),
    Fault("a redirect loop", "redirect", at_once("ResponseError") | _ROUND_AND_ROUND),
    Fault("a response byte by byte", "trickle", _UNBOUNDED | _WHOLE, {"pause": 0.01}, acts=True),
    Fault(
        "the same, for longer than `max_elapsed`",
        "trickle",
        at_once("RequestTimeoutError") | _UNBOUNDED,
        {"pause": 25.0},
        acts=True,
        over_sockets=False,
    ),
)
