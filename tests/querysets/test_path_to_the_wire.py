"""The path from a call to the request that it sends: frames of the library, and names of a parameter."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import buildkite_orm
from buildkite_orm import Buildkite
from buildkite_orm.utils.json_types import as_array, as_object
from tests.querysets.stub_server import TOKEN, StubTransport

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    import requests

PACKAGE = Path(buildkite_orm.__file__).parent
MOST_FRAMES = 12
MOST_OF_QUERYSETS = 5


def is_ours(frame: FrameType) -> bool:
    return Path(frame.f_code.co_filename).is_relative_to(PACKAGE)


class Watching(StubTransport):
    """A transport that notes the functions of the library that lead to it, the outermost first."""

    def __init__(self) -> None:
        super().__init__(lambda _: ([], {}))
        self.path: list[str] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        frame = inspect.currentframe()
        frames: list[FrameType] = []
        while frame is not None:
            if is_ours(frame):
                frames.insert(0, frame)
            frame = frame.f_back
        self.path = [f"{Path(each.f_code.co_filename).relative_to(PACKAGE)} {each.f_code.co_name}" for each in frames]
        return super().send(request, *args, **options)


@pytest.fixture
def transport() -> Watching:
    return Watching()


@pytest.fixture
def bk(transport: Watching) -> Buildkite:
    return Buildkite(TOKEN, organization="acme", transport=transport)


LISTINGS: dict[str, Callable[[Buildkite], Any]] = {
    "builds": lambda bk: bk.organization().pipeline("web").builds(),
    "agents": lambda bk: bk.organization().agents(),
}


@pytest.mark.parametrize("listing", LISTINGS)
def test_the_first_item_is_a_dozen_frames_from_the_wire(bk: Buildkite, transport: Watching, listing: str) -> None:
    next(iter(LISTINGS[listing](bk)), None)
    of_querysets = [function for function in transport.path if function.startswith("querysets/")]
    assert 0 < len(of_querysets) <= MOST_OF_QUERYSETS, transport.path
    assert len(transport.path) <= MOST_FRAMES, transport.path


class NamesOf:
    """Notes the names under which the library keeps a value: keys of maps, and names in query pairs."""

    def __init__(self, value: str) -> None:
        self._value = value
        self.names: set[str] = set()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "return" and is_ours(frame):
            for kept in frame.f_locals.values():
                self._look_at(kept)

    def _look_at(self, kept: object) -> None:
        of_list: list[Any] = [each for each in as_array(kept) or [] if isinstance(each, tuple)]
        pairs: list[Any] = [*(as_object(kept) or {}).items(), *of_list]
        found = [(name, value) for name, value in pairs if value in (self._value, [self._value])]
        self.names |= {name for name, _ in found}


@pytest.mark.parametrize(
    ("name", "many", "names"),
    [
        ("state", False, {"state"}),
        ("state", True, {"state", "state[]"}),
        ("branch", False, {"branch"}),
        ("creator", False, {"creator"}),
    ],
)
def test_a_filter_keeps_its_name_from_the_call_to_the_wire(
    bk: Buildkite, transport: Watching, name: str, *, many: bool, names: set[str]
) -> None:
    """A filter is renamed at most once, to what the API calls a list."""
    value = "passed"
    given: dict[str, Any] = {name: [value] if many else value}
    watching = NamesOf(value)
    sys.setprofile(watching)
    try:
        next(iter(bk.organization().pipeline("web").builds(**given)), None)
    finally:
        sys.setprofile(None)
    assert watching.names == names
    assert {key for key, sent in transport.queries[0].items() if sent == value} <= names
