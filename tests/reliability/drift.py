"""A page of builds of which one is not as documented: the page, the warning, and the error of strict clients."""

from __future__ import annotations

import json
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from buildkite_orm import Build, DriftWarning, ResponseError, UnboundError
from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.utils.json_types import as_object
from tests.reliability.tables import Row, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildkite_orm import Buildkite
    from tests.reliability.tables import Cells

    Change = Callable[[dict[str, Any]], Any]

HUGE: Final = 10**400
ODD: Final = 1


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def setting(**fields: Any) -> Change:
    return lambda build: build | fields


def without(*names: str) -> Change:
    return lambda build: {key: value for key, value in build.items() if key not in names}


def measure(change: Change, field: str) -> Cells:
    """Change the second of three builds, and return the cells of what the client makes of it."""
    settings = Settings(organization_limit=None, user_limit=None)
    with FakeBuildkite(populate=False, settings=settings) as server:
        server.add_builds("web", 3)
        sent: list[Any] = []

        def drift(payload: Any) -> Any:
            sent[:] = [change(build) if place == ODD else build for place, build in enumerate(payload)]
            return sent

        server.settings.drift = drift
        with server.client() as bk, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            builds = listed(bk)
            held = held_by(builds[ODD], field, sent[ODD])
        problems = [f"`{f'{each.field} {each.problem}'.strip()}`" for each in builds[ODD].drift]
        assert [build.drift for place, build in enumerate(builds) if place != ODD] == [(), ()]
        assert len(caught) == bool(problems)
        for warning in caught:
            assert warning.category is DriftWarning
            assert str(warning.message).startswith("Build")
            assert all(each.field in str(warning.message) for each in builds[ODD].drift[:3])
        with server.client(strict=True) as bk:
            strict = strictly(bk)
        assert (strict == "loads it") == (not problems)
        return f"all {len(builds)}, in order", held, ", ".join(problems) or "nothing", strict


def listed(bk: Buildkite) -> list[Build]:
    return list(bk.organization("acme").pipeline("web").builds())


def held_by(build: Build, field: str, sent: Any) -> str:
    """Return what a field of the odd build contains; check that the build dumps back to what was sent."""
    if as_object(sent) is None:
        assert build.model_extra == {"": sent}
        return "the raw value"
    assert json.dumps(build.dump(), sort_keys=True) == json.dumps(sent, sort_keys=True)
    value: Any = build
    try:
        for name in field.split("."):
            value, sent = getattr(value, name), sent[name]
    except (AttributeError, UnboundError) as error:
        return f"raises `{type(error).__name__}`"
    assert value == sent
    return "the raw value" if type(value) is type(sent) else f"a `{type(value).__name__}`, equal to the text"


def strictly(bk: Buildkite) -> str:
    try:
        assert len(listed(bk)) == ODD + 2
    except ResponseError as problem:
        error = problem
    else:
        return "loads it"
    assert "not as documented" in str(error)
    return f"`{type(error).__name__}`"


TABLE: Final = Table(
    title="Responses that are not as documented",
    note="""\
A page of three builds, the second of which is not as documented. A page is validated as a whole, and item by item only
if that fails. A value that cannot be parsed is kept, and `dump()` returns it. One warning (`DriftWarning`) names the
class, the fields and the types that were received, and never a value. Tests do the same to each field of each model.
""",
    columns=("items of the page", "the field", "`drift`", "`Buildkite(strict=True)`"),
    rows=(
        Row("an unknown enum value", partial(measure, setting(state="brand-new"), "state")),
        Row("an unknown key", partial(measure, setting(brand_new={"a": [1]}), "brand_new")),
        Row("a missing key", partial(measure, without("commit"), "commit")),
        Row("null", partial(measure, setting(number=None), "number")),
        Row("another type", partial(measure, setting(number="42"), "number")),
        Row(
            "an object for a list",
            partial(measure, setting(pull_request={"id": "7", "labels": {"a": "bug"}}), "pull_request.labels"),
        ),
        Row("deep nesting", partial(measure, setting(message=nested(300)), "message")),
        Row("a huge number", partial(measure, setting(number=HUGE), "number")),
        Row("a broken date", partial(measure, setting(created_at="2026-13-45T99:00:00Z"), "created_at")),
        Row("no identity", partial(measure, without("id", "url", "number"), "api_path")),
        Row("an item that is not an object", partial(measure, lambda _: 5, "")),
    ),
)
