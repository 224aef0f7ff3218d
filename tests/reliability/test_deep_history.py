"""What the command of the deep history in `benchmarks` tells; `listings` measures a short one."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from benchmarks import deep_history

if TYPE_CHECKING:
    import pytest

BUILDS = 1000
DEPTH = 400


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]]]:
    monkeypatch.setattr(sys, "argv", ["deep_history", "--builds", str(BUILDS), "--depth", str(DEPTH)])
    code = deep_history.main()
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_history_of_which_each_build_comes_once_is_told_and_succeeds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = run(monkeypatch, capsys)
    assert code == 0
    assert [each["name"] for each in told] == ["in_order", "running", "concurrently"]
    for each in told:
        assert each["found"] >= each["throughout"] > 0
        assert (each["lost"], each["doubled"], each["wrong"]) == (0, 0, 0)


def test_a_history_that_comes_short_is_told_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def careless(pipeline: Any) -> Any:
        found = list(pipeline.builds())
        return [*found[1:], found[-1]]

    readings = ((careless, deep_history.LISTINGS[0][1]),)
    monkeypatch.setattr(deep_history, "LISTINGS", readings)
    code, (told,) = run(monkeypatch, capsys)
    assert (code, told["lost"], told["doubled"]) == (1, 1, 1)
