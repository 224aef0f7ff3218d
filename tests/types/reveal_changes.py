"""The types of the change feed, for type checkers. Never run."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, assert_type

from buildkite_orm import Build, BuildQuerySet, Change, Changes, Checkpoint, Gone


def follows(builds: BuildQuerySet, saved: dict[str, Any], known: dict[str, Build], times: dict[str, datetime]) -> None:
    changes = builds.changed_since(None)
    assert_type(changes, Changes[Change])
    for change in changes:
        assert_type(change.item, Build)
        assert_type(change.kind, Literal["new", "changed"])
    assert_type(changes.checkpoint, Checkpoint)
    Path("checkpoint.json").write_text(changes.checkpoint, encoding="utf-8")
    week = timedelta(days=7)
    assert_type(builds.changed_since(changes.checkpoint, reconcile=week), Changes[Change])
    builds.changed_since(saved)
    builds.changed_since(5)  # type: ignore[call-overload]
    builds.changed_since(None, known=known)  # type: ignore[call-overload]
    for listed in (["id"], {"id"}, times, known):
        builds.changed_since("{}", reconcile=week, known=listed)
    for either in builds.changed_since("{}", reconcile=week, known=known):
        assert_type(either, Change | Gone)
        if either.kind == "gone":
            assert_type(either, Gone)
            assert_type(either.id, str)
        else:
            assert_type(either.item, Build)
