"""Objects with any values in their fields, some of which would do harm if they were drawn unchanged."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from tests.reliability.models import RESOURCES

if TYPE_CHECKING:
    from buildkite_orm import Resource

EVIL: Final = "<script>alert(1)</script>\x1b[31m\u202egnp\u200b\n'\"&<img src=x onerror=alert(1)>"
EVIL_URLS: Final = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    'https://x.example/" onmouseover="alert(1)',
    "https://x.example/\u202egnp",
    "//x.example/",
    "https://",
    "https://[",
    "file:///etc/passwd",
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**4000)])
    | st.floats()
    | st.text()
    | st.sampled_from([EVIL, *EVIL_URLS])
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def odd(kind: type[Resource]) -> st.SearchStrategy[Resource]:
    fields = st.fixed_dictionaries({}, optional=dict.fromkeys(kind.model_fields, json_values))
    return fields.map(lambda data: kind.model_construct(set(data), **data))


odd_objects: st.SearchStrategy[Resource] = st.sampled_from(RESOURCES).flatmap(odd)
