"""Misspelled names: one is close only if little is wrong with it."""

from __future__ import annotations

import pytest

from buildkite_orm.utils.close_names import close_name, close_value, meant


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("brnch", "branch"),
        ("branhc", "branch"),
        ("stat", "state"),
        ("states", "state"),
        ("descripton", "description"),
        ("descirpton", "description"),
        ("metadata", "meta_data"),
        ("finishd_at", "finished_at"),
        ("finishedAt", "finished_at"),
        ("job_ids", "job_id"),
    ],
)
def test_a_misspelled_name_is_close(name: str, right: str) -> None:
    names = ["branch", "state", "description", "meta_data", "finished_at", "finished_from", "job_id"]
    assert close_name(name, names) == right


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("state", "hostname"),
        ("pipeline", "with_pipeline"),
        ("created_at", "created_to"),
        ("queue", "cluster_queue_id"),
        ("cluster", "cluster_queue_id"),
        ("name", "same"),
        ("job", "log"),
        ("url", "tag"),
        ("blocked", "unblocked"),
        ("paused", "pause"),
        ("cancel", "canceled"),
        ("finished", "failed"),
        ("", "state"),
        ("stop", "step"),
        ("test", "text"),
        ("stats", "state"),
        ("role", "rule"),
    ],
)
def test_a_name_that_only_has_letters_or_words_of_another_is_not_close(name: str, other: str) -> None:
    assert close_name(name, [other]) is None
    assert meant(name, [other]) is None


def test_the_closest_of_several_names_is_meant() -> None:
    assert close_name("retris", ["retrys", "retries"]) == "retries"
    assert close_name("state", []) is None


def test_a_synonym_is_meant_only_where_it_exists() -> None:
    assert meant("environment", ["env", "name"]) == "env"
    assert meant("environment", ["name"]) is None


@pytest.mark.parametrize(
    ("value", "right"),
    [("failde", "failed"), ("warn", "warning"), ("fail", "failed"), ("cancelled", "canceled"), ("ended", None)],
)
def test_a_value_may_also_be_the_beginning_of_another(value: str, right: str | None) -> None:
    assert close_value(value, ["failing", "failed", "warning", "canceled", "passed"]) == right
