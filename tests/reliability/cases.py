"""The faults, and what has to come of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from buildkite_orm.fake.faults import Kind
    from tests.reliability.operations import Kind as Doing


@dataclass(frozen=True)
class Outcome:
    """A cell of the matrix: what comes of a fault that strikes once, and of one that lasts.

    A number in parentheses tells how often the request was attempted.
    """

    once: str
    lasting: str

    def __str__(self) -> str:
        return self.once if self.once == self.lasting else f"{self.once}; {self.lasting}"


@dataclass(frozen=True)
class Fault:
    """A row of the matrix.

    Attributes:
        name: Its title.
        kind: What the fake calls it.
        options: What the fake is told of it.
        may_act: Whether the server may do what is asked, or not, before the fault strikes; else `acts` says it.
        acts: Whether it does it.
        expected: What has to come of it, by what is done.
    """

    name: str
    kind: Kind
    options: dict[str, Any]
    expected: dict[Doing, Outcome]
    may_act: bool = False
    acts: bool = False

L=dict
FAULTS: Final = {f.name: f for f in (
    Fault("connection refused","refuse",{}, {}),
    Fault("dns","dns",{}, {}),
    Fault("reset before","reset_before",{}, {}, may_act=True),
    Fault("reset after headers","reset_after_headers",{}, {}, acts=True),
    Fault("reset mid body","reset_mid_body",{}, {}, acts=True),
    Fault("no answer","read_timeout",{}, {}, may_act=True),
    Fault("stall","stall",{}, {}, acts=True),
    Fault("short","truncate",{}, {}, acts=True),
    Fault("corrupt gzip","corrupt_gzip",{}, {}, acts=True),
    Fault("cut json","cut_json",{}, {}, acts=True),
    Fault("html 200","html",{"status":200}, {}, may_act=True),
    Fault("html 502","html",{"status":502}, {}, may_act=True),
    Fault("html 503","html",{"status":503}, {}, may_act=True),
    Fault("html 504","html",{"status":504}, {}, may_act=True),
    Fault("json 500","error",{"status":500}, {}, may_act=True),
    Fault("429 org","rate_limit",{"scope":"rest"}, {}),
    Fault("429 user","rate_limit",{"scope":"rest_user"}, {}),
    Fault("429 both","rate_limit",{"scope":"both"}, {}),
    Fault("429 neg","rate_limit",{"scope":"both", "remaining":-7}, {}),
    Fault("429 nohead","rate_limit",{"scope":"rest", "headers":False}, {}),
    Fault("redirect loop","redirect",{}, {}),
    Fault("trickle","trickle",{"pause":0.01}, {}, acts=True),
    Fault("trickle long","trickle",{"pause":20.0}, {}, acts=True),
)}
