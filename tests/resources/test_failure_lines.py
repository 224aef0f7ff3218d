"""Which lines of a log explain a failure: logs of common tools, as an agent uploads them, with the expected lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buildkite_orm.logs.terminal import plain_text
from buildkite_orm.resources.builds.failure_lines import failure_lines
from tests.helpers import check_takes_linear_time

LOGS = Path(__file__).parents[1] / "data" / "logs"
# the first error of each log, or for a log without one, the last line of the command
CAUSES: dict[str, str] = json.loads((LOGS / "causes.json").read_text(encoding="utf-8"))
WITHOUT_ERROR = {"canceled", "silent"}
every_log = pytest.mark.parametrize("name", CAUSES)


def text_of(name: str) -> str:
    return plain_text((LOGS / f"{name}.log").read_bytes().decode())


def explain(*lines: str, count: int = 20) -> list[str]:
    return list(failure_lines("\n".join(lines), count))


@every_log
def test_the_lines_of_a_log_are_as_expected(name: str) -> None:
    expected = (LOGS / f"{name}.txt").read_text(encoding="utf-8")
    assert "\n".join(failure_lines(text_of(name), 12)) + "\n" == expected


@every_log
@pytest.mark.parametrize("count", [4, 5, 8, 12, 20, 100])
def test_the_cause_and_the_exit_status_are_shown_within_the_number_of_lines(name: str, count: int) -> None:
    lines = failure_lines(text_of(name), count)
    assert CAUSES[name] in lines
    assert lines[-1].startswith("🚨 Error: ")
    assert len(lines) <= count
    assert not any("Uploading" in line for line in lines)


@pytest.mark.parametrize("name", CAUSES.keys() - WITHOUT_ERROR)
def test_a_single_line_is_the_first_error(name: str) -> None:
    assert failure_lines(text_of(name), 1) == (CAUSES[name],)


def test_every_log_has_expected_lines() -> None:
    assert {path.stem for path in LOGS.glob("*.log")} == CAUSES.keys() == {path.stem for path in LOGS.glob("*.txt")}


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n", "^^^ +++\n"])
def test_a_log_without_text_has_no_lines(text: str) -> None:
    assert failure_lines(text, 20) == ()


@pytest.mark.parametrize("count", [0, -1])
def test_no_lines_are_returned_if_none_are_wanted(count: int) -> None:
    assert failure_lines("error: x\n", count) == ()


def test_a_log_without_an_error_line_of_the_agent_ends_before_its_uploads() -> None:
    log = ("~~~ Running commands", "$ make", "make: *** [test] Error 2", "~~~ Uploading artifacts", "fatal: none")
    assert explain(*log) == ["$ make", "make: *** [test] Error 2"]


def test_errors_of_hooks_after_the_command_do_not_count() -> None:
    log = ("~~~ Running commands", "fatal: a", "🚨 Error: The command exited with status 1", "^^^ +++")
    hook = ("~~~ Running global pre-exit hook", "fatal: b", "🚨 Error: The global pre-exit hook exited with status 1")
    assert explain(*log, *hook) == ["fatal: a", "🚨 Error: The command exited with status 1"]


def test_the_last_group_with_an_error_counts_more_than_earlier_ones() -> None:
    assert explain("--- Lint", "error: a", "--- Test", "error: b", count=1) == ["error: b"]


def test_an_expanded_group_counts_more_than_a_later_one() -> None:
    assert explain("+++ Test", "error: a", "--- Clean up", "error: b", count=1) == ["error: a"]
    assert explain("--- Test", "error: a", "^^^ +++", "--- Clean up", "error: b", count=1) == ["error: a"]


def test_a_group_that_only_the_agent_expands_is_not_preferred() -> None:
    end = ("^^^ +++", "🚨 Error: The command exited with status 1", "^^^ +++")
    assert explain("--- Test", "error: a", "--- Clean up", "connection failed", *end, count=1) == ["error: a"]


def test_a_diff_does_not_begin_a_group() -> None:
    diff = ("--- a.go.orig", "+++ a.go", "@@ -1 +1 @@", "-x", "+y")
    assert explain("--- Format", "error: badly formatted", *diff)[:3] == [
        "--- Format",
        "error: badly formatted",
        diff[0],
    ]


def test_lines_of_passing_tests_are_not_errors() -> None:
    passing = ("✓ handles errors", "test error_is_raised ... ok", "test_failed_login PASSED", "0 errors, 0 failed")
    assert explain(*passing, "the server said no", count=1) == ["the server said no"]


def test_the_last_lines_are_shown_too_if_the_first_error_may_be_harmless() -> None:
    log = ["request failed, retrying", *(f"order {number} done" for number in range(20)), "totals differ: 12 != 13"]
    lines = explain(*log, count=8)
    assert (lines[0], lines[-2:]) == (log[0], ["…", log[-1]])
    assert explain("error: a", *log[1:], count=8)[-1] != log[-1]


def test_a_gap_of_one_line_is_that_line() -> None:
    log = ["error: a", "1", "2", "3", "4", "5", "6", "BUILD FAILED"]
    assert explain(*log, count=8) == log
    log.insert(7, "7")
    assert explain(*log, count=8) == ["error: a", "1", "2", "3", "4", "5", "…", "BUILD FAILED"]


def test_long_lines_are_cut() -> None:
    (line,) = explain("error: " + "x" * 100_000)
    assert len(line) == 501
    assert line.endswith("x…")


@pytest.mark.parametrize("piece", ["error ", "a", "/", " ", "1:", "> "])
def test_a_long_line_takes_linear_time(piece: str) -> None:
    check_takes_linear_time(lambda size: failure_lines(f"{piece * (size // len(piece))}x\n" * 2, 20), 250_000)


def test_a_large_log_takes_linear_time() -> None:
    line = "test result ... ok: connection to 10.0.0.1 failed 0 times, retried\n"
    check_takes_linear_time(lambda lines: failure_lines(line * lines, 20), 4_000)
