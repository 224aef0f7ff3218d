"""JUnit XML reports of jobs, which agree with how the jobs ended."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import quoteattr

from buildkite_orm.fake.ids import digest

if TYPE_CHECKING:
    from buildkite_orm.fake.records import JobRecord

_TESTS: Final = (
    ("login", "accepts a valid password"),
    ("login", "rejects an empty password"),
    ("login", "remembers the user"),
    ("cart", "adds an item"),
    ("cart", "sums up prices"),
    ("cart", "applies a voucher"),
    ("checkout", "charges the card"),
    ("checkout", "sends a receipt"),
    ("search", "finds größe & schnitt"),
    ("search", "ranks exact matches first"),
)
_HEADER: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


def junit(job: JobRecord) -> bytes:
    """Return the report of a job: if it failed, one of its tests did."""
    random = Random(digest("junit", job.id))
    length = (job.finished_at or 0.0) - (job.started_at or 0.0)
    weights = [random.uniform(0.2, 1) for _ in _TESTS]
    failing = random.randrange(len(_TESTS)) if job.exit_status else None
    cases = [
        f"  <testcase classname={quoteattr(suite)} name={quoteattr(name)} "
        f'time="{length * weight / sum(weights):.3f}"{_end(place == failing)}\n'
        for place, ((suite, name), weight) in enumerate(zip(_TESTS, weights, strict=True))
    ]
    head = (
        f'<testsuite name={quoteattr(job.name or "tests")} tests="{len(cases)}" '
        f'failures="{int(failing is not None)}" time="{length:.3f}">\n'
    )
    return f"{_HEADER}{head}{''.join(cases)}</testsuite>\n".encode()


def _end(failed: bool) -> str:  # noqa: FBT001 - the only argument
    message = "expected status 200, got 500"
    return f">\n    <failure message={quoteattr(message)}/>\n  </testcase>" if failed else "/>"
