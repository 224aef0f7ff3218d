"""The deep history in `benchmarks`, in short: builds move while it is read, and none is lost or doubled."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from benchmarks import deep_history

if TYPE_CHECKING:
    import pytest

BUILDS = 5000
DEPTH = 500


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]]]:
    monkeypatch.setattr(sys, "argv", ["deep_history", "--builds", str(BUILDS), "--depth", str(DEPTH)])
    code = deep_history.main()
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_build_of_a_deep_history_comes_exactly_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = run(monkeypatch, capsys)
    assert code == 0
    assert [each["name"] for each in told] == ["page_by_page", "running", "side_by_side"]
    for each in told:
        assert each["throughout"] > 2 * DEPTH
        assert each["moved"] > each["requests"]
        assert each["found"] >= each["throughout"]
        assert (each["lost"], each["doubled"], each["wrong"]) == (0, 0, 0)


def test_a_history_that_comes_short_is_told_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def careless(pipeline: Any) -> Any:
        found = list(pipeline.builds())
        return [*found[1:], found[-1]]

    readings = ((careless, deep_history.READINGS[0][1]),)
    monkeypatch.setattr(deep_history, "READINGS", readings)
    code, (told,) = run(monkeypatch, capsys)
    assert (code, told["lost"], told["doubled"]) == (1, 1, 1)
