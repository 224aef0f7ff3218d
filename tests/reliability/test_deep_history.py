"""The output of `benchmarks.deep_history`; `listings` measures a short history."""

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


def test_a_history_with_each_build_once_is_reported_and_succeeds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, results = run(monkeypatch, capsys)
    assert code == 0
    assert [each["name"] for each in results] == ["in_order", "running", "concurrently"]
    for each in results:
        assert each["found"] >= each["throughout"] > 0
        assert (each["lost"], each["doubled"], each["wrong"]) == (0, 0, 0)


def test_an_incomplete_history_is_reported_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def careless(pipeline: Any) -> Any:
        found = list(pipeline.builds())
        return [*found[1:], found[-1]]

    readings = ((careless, deep_history.LISTINGS[0][1]),)
    monkeypatch.setattr(deep_history, "LISTINGS", readings)
    code, (result,) = run(monkeypatch, capsys)
    assert (code, result["lost"], result["doubled"]) == (1, 1, 1)
