"""The outcome of a fault in an operation, and the checks of what must hold in any case."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from buildkite_orm import BuildkiteError
from tests.reliability.cases import Outcome
from tests.reliability.stage import POLICY, TIMEOUT, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm.fake import RecordedRequest
    from tests.reliability.cases import Fault
    from tests.reliability.operations import Action, Operation, Reader, Trial

_ADVICE: Final = re.compile(r"before you send it again, (?:list|look at) (\S+?)(?: and look for .+?)?\.(?:\s|$)")
# until the last attempt may begin, and until its response has to be complete
_BOUND: Final = POLICY.max_elapsed + max(POLICY.max_elapsed, TIMEOUT[1])


def measure(fault: Fault, operation: Operation) -> Outcome:
    """Return the outcome of a fault in an operation; fail if a requirement does not hold."""
    with Stage(over_sockets=fault.over_sockets) as stage:
        begun = operation.begin(stage)
        if callable(begun):
            return _Reading(stage, fault, operation, begun).outcome()
        found = {_write(stage, fault, operation, begun, acts=acts) for acts in _variants(fault)}
    assert len(found) == 1, f"the outcome depends on whether the server did it: {found}"
    return found.pop()


def _variants(fault: Fault) -> tuple[bool, ...]:
    return (False, True) if fault.may_act else (fault.acts,)


# -- reads -------------------------------------------------------------------------------------------------------------


class _Reading:
    """Reads with a fault: once on the first, the middle and the last page, or always on the middle one."""

    def __init__(self, stage: Stage, fault: Fault, operation: Operation, reader: Reader) -> None:
        self._stage, self._fault, self._operation, self._reader = stage, fault, operation, reader
        stage.server.requests.clear()
        self._wanted = reader(stage.calm)()
        self._pages = [_key(request) for request in stage.server.requests if operation.match(request)]
        assert len(self._pages) == operation.pages
        self._middle = self._pages[operation.pages // 2]

    def outcome(self) -> Outcome:
        return Outcome(self._once(), self._lasting())

    def _once(self) -> str:
        read, struck = self._fresh(), list(dict.fromkeys([self._pages[0], self._middle, self._pages[-1]]))
        for page in struck:
            self._stage.arm(self._fault, partial(self._applies, page), times=1)
        error = self._attempt(read)
        first = self._sent().count(struck[0])
        times = first + (error is not None)
        if error is not None:
            following = [self._attempt(read) for _ in struck]
            assert [type(each) for each in following] == [type(error)] * (len(struck) - 1) + [type(None)]
        if self._operation.kind == "read":  # only the pages that failed were requested again
            assert self._sent() == [page for page in self._pages for _ in range(times if page in struck else 1)]
        return _cell("right", error, first)

    def _lasting(self) -> str:
        read, began = self._fresh(), self._stage.server.clock.now()
        self._stage.arm(self._fault, partial(self._applies, self._middle), times=None)
        error = self._attempt(read)
        _check_time(self._stage, self._fault, self._operation, began)
        failed = self._sent()
        times = Counter(failed)[self._middle]
        self._stage.disarm()
        if error is not None:
            assert self._attempt(read) is None
        if error is not None and self._operation.kind == "read":
            at = self._pages.index(self._middle)
            assert failed == self._pages[:at] + [self._middle] * times
            assert self._sent()[len(failed) :] == self._pages[at:]
        return _cell("right", error, times)

    def _fresh(self) -> Action:
        self._stage.disarm()
        self._stage.network.sent.clear()
        return self._reader(self._stage.bk)

    def _applies(self, page: str, request: RecordedRequest) -> bool:
        return self._operation.match(request) and (self._operation.pages == 1 or _key(request) == page)

    def _attempt(self, read: Action) -> BuildkiteError | None:
        """Return the error; check that the result is exact if there is none."""
        try:
            result = read()
        except BuildkiteError as problem:
            error = problem
        else:
            assert result == self._wanted
            return None
        assert not error.outcome_unknown
        assert not any(self._stage.folder.iterdir()), "a partial file is left"
        return error

    def _sent(self) -> list[str]:
        return [_key(request) for request in self._stage.network.sent if self._operation.match(request)]


def _key(request: RecordedRequest) -> str:
    return request.line if request.origin == "api" else request.origin  # the URLs of the storage contain the time


# -- writes ------------------------------------------------------------------------------------------------------------


def _write(stage: Stage, fault: Fault, operation: Operation, trials: Iterator[Trial], *, acts: bool) -> Outcome:
    struck = partial(_struck, stage, fault, operation, trials, acts=acts)
    return Outcome(struck(times=1), struck(times=None))


def _struck(
    stage: Stage,
    fault: Fault,
    operation: Operation,
    trials: Iterator[Trial],
    *,
    acts: bool,
    times: int | None,
) -> str:
    trial, began = next(trials), stage.server.clock.now()
    stage.network.sent.clear()
    stage.arm(fault, operation.match, times=times, acts=acts)
    error = _error_of(trial.do)
    _check_time(stage, fault, operation, began)
    attempts = sum(map(operation.match, stage.network.sent))
    stage.disarm()
    stage.settle()
    happened = trial.happened()
    if error is None:
        assert happened == 1
    elif error.outcome_unknown:
        assert happened == acts
        assert trial.shown(stage.look(_place_to_look(error))) == happened, (
            "the object that the error names shows another outcome"
        )
    else:
        assert happened == 0
    return _cell("done", error, attempts)


def _error_of(do: Action) -> BuildkiteError | None:
    try:
        do()
    except BuildkiteError as error:
        return error
    return None


def _place_to_look(error: BuildkiteError) -> str:
    message = str(error)
    assert message.startswith(f"{error.method} {error.url}: "), message
    assert "It may have happened nevertheless" in message
    found = _ADVICE.search(message)
    assert found is not None, message
    return found[1]


def _check_time(stage: Stage, fault: Fault, operation: Operation, began: float) -> None:
    is_file = operation.kind in {"file", "log_file"}  # its content may take longer as long as bytes arrive
    runs_ahead = fault.over_sockets  # over sockets, the clock moves with what the server sends
    if fault.kind != "trickle" or not (runs_ahead or is_file):
        assert stage.server.clock.now() - began <= _BOUND


def _cell(right: str, error: BuildkiteError | None, attempts: int) -> str:
    if error is None:
        return f"{right} ({attempts})"
    return f"`{type(error).__name__}`{'?' if error.outcome_unknown else ''} ({attempts})"
