"""The plugin for pytest: a fake server, its client, and a client whose requests are recorded and replayed.

pytest imports this module in every run if the package is installed, so it imports the rest when a fixture is used.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildkite_orm.client import Buildkite
    from buildkite_orm.fake import FakeBuildkite

_FOLDER: Final = "cassettes"
_LONGEST_NAME: Final = 100
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_.+=-]+")
_SERVER_OPTIONS: Final = ("populate", "seed")
_ORGANIZATION: Final = "acme"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("buildkite_orm", "buildkite_orm")
    group.addoption(
        "--buildkite-orm-record",
        action="store_true",
        help="send the requests of tests with buildkite_recorded to Buildkite, and write their cassettes",
    )
    group.addoption(
        "--buildkite-orm-live",
        action="store_true",
        help="send the requests of tests with buildkite_recorded to Buildkite, and leave their cassettes alone",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and check the options.

    Raises:
        pytest.UsageError: Both options are given.
    """
    config.addinivalue_line(
        "markers",
        "fake_buildkite(populate=True, seed=2026, **settings): the contents and the settings of the fixture "
        "fake_buildkite; the settings are those of buildkite_orm.fake.Settings",
    )
    config.addinivalue_line(
        "markers", "buildkite_recorded(files=False): whether the fixture buildkite_recorded stores logs and files"
    )
    if config.getoption("--buildkite-orm-record") and config.getoption("--buildkite-orm-live"):
        raise pytest.UsageError("--buildkite-orm-record and --buildkite-orm-live cannot be combined")


@pytest.fixture
def fake_buildkite(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBuildkite]:
    """A fake Buildkite server, which clients and other processes find by `BUILDKITE_*` variables of the environment."""
    from dataclasses import fields  # noqa: PLC0415

    from buildkite_orm.fake import FakeBuildkite, Settings  # noqa: PLC0415

    known = (*_SERVER_OPTIONS, *(field.name for field in fields(Settings)))
    options = _options_of(request, "fake_buildkite", known)
    contents = {name: options.pop(name) for name in _SERVER_OPTIONS if name in options}
    with FakeBuildkite(**contents, settings=Settings(**options)) as server:
        monkeypatch.delenv("BUILDKITE_ORM_CACHE", raising=False)  # other servers with the same ids were there before
        monkeypatch.setenv("BUILDKITE_API_TOKEN", server.token)
        monkeypatch.setenv("BUILDKITE_ORGANIZATION_SLUG", _ORGANIZATION)
        monkeypatch.setenv("BUILDKITE_REST_API_ENDPOINT", server.url)
        yield server


@pytest.fixture
def buildkite_client(fake_buildkite: FakeBuildkite) -> Iterator[Buildkite]:
    """A client of `fake_buildkite` that never sleeps: it uses the clock of the server."""
    with fake_buildkite.client(organization=_ORGANIZATION) as client:
        yield client


@pytest.fixture
def buildkite_recorded(request: pytest.FixtureRequest) -> Iterator[Buildkite]:
    """A client whose responses come from the cassette of the test, `cassettes/<module>/<test>.json` beside its file."""
    from buildkite_orm.client import Buildkite  # noqa: PLC0415

    options = _options_of(request, "buildkite_recorded", ("files",))
    if request.config.getoption("--buildkite-orm-live"):
        client = Buildkite()
    else:
        from buildkite_orm.testing.recorder import Recorder  # noqa: PLC0415

        record = bool(request.config.getoption("--buildkite-orm-record"))
        recorder = Recorder(cassette_path(request.node), record=record, **options)
        client = Buildkite(transport=recorder)
    with client:
        yield client


def cassette_path(test: pytest.Item) -> Path:
    """Return the cassette of a test.

    Args:
        test: The test. If its name has characters that file names cannot have, a digest of the name is added.
    """
    name = test.nodeid.partition("::")[2] or test.name
    plain = _NOT_IN_A_NAME.sub("-", name.replace("::", ".")).strip(".-")[:_LONGEST_NAME]
    if plain != name.replace("::", "."):
        plain += f"-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"
    return test.path.parent / _FOLDER / test.path.stem / f"{plain}.json"


def _options_of(request: pytest.FixtureRequest, marker: str, known: tuple[str, ...]) -> dict[str, Any]:
    """Return the arguments of a marker; those of a function win over those of its class and module.

    Raises:
        pytest.UsageError: There is no such argument.
    """
    options: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers(marker))):
        if mark.args:
            raise pytest.UsageError(f"{marker}: its arguments have names, as in {marker}({known[0]}=…)")
        options |= mark.kwargs
    if unknown := sorted(options.keys() - set(known)):
        raise pytest.UsageError(f"{marker} has no argument {', '.join(unknown)}; it has: {', '.join(sorted(known))}")
    return options
