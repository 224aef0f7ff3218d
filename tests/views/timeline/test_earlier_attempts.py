"""A timeline without the earlier attempts of its jobs says so in its title, since its critical path lacks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite


def test_the_title_says_which_attempts_are_missing(server: FakeBuildkite, bk: Buildkite) -> None:
    server.add_build("web", jobs=[{"state": "failed"}, {"state": "passed"}])
    ref = bk.organization("acme").pipeline("web").build(1)
    ref.jobs()[0].retry()
    server.run(60)
    server.requests.clear()
    loaded = ref.timeline()
    build = ref.fetch()
    assert len(server.requests) == 2
    partial = build.timeline()
    assert len(server.requests) == 2
    complete = build.timeline(include_retried_jobs=True)
    assert len(server.requests) == 3
    titles = [str(timeline).splitlines()[0] for timeline in (loaded, partial, complete)]
    assert titles[1].endswith(", without 1 earlier attempt")
    assert titles[0] == titles[2]
    assert "without" not in titles[0]
    assert [row.job for row in loaded.critical_path] == [row.job for row in complete.critical_path]
