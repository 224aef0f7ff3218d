"""A pytest plugin for the plugin `conformance` of the contract: it runs in several processes, and with all tests.

    python -m pytest -n auto -p conformance -p tests.conformance_workers

Each process records what its tests send, and the first one compares the sum with the contract. Requests of tests in
`UNCOUNTED` are left out: they are sent as other clients send them, or to servers other than the fake.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

UNCOUNTED: Final = tuple(Path(__file__).parent / name for name in ("fake", "network", "types", "test_raw_requests.py"))


class Recording:
    """The requests that the plugin has recorded in this process.

    Args:
        contract: The object that records, of the plugin.
    """

    def __init__(self, contract: Any) -> None:
        self._contract = contract
        self._record = contract.record
        self.is_paused = False
        contract.record = self._record_unless_paused

    def _record_unless_paused(self, *arguments: Any) -> None:
        if not self.is_paused:
            self._record(*arguments)

    def dump(self) -> str:
        """Return it as JSON."""
        return json.dumps({"seen": self._contract.seen, "unknown": self._contract.unknown}, default=sorted)

    def add(self, dumped: str) -> None:
        """Add what another process has recorded.

        Args:
            dumped: Its `dump()`.
        """
        recorded = json.loads(dumped)
        for route, times in recorded["unknown"].items():
            self._contract.unknown[route] = self._contract.unknown.get(route, 0) + times
        for operation, theirs in recorded["seen"].items():
            ours = self._contract.seen.setdefault(operation, {"count": 0, "statuses": {}, "query": set(), "paths": {}})
            ours["count"] += theirs["count"]
            ours["query"] |= set(theirs["query"])
            for status, times in theirs["statuses"].items():
                ours["statuses"][int(status)] = ours["statuses"].get(int(status), 0) + times
            for path, types in theirs["paths"].items():
                ours["paths"].setdefault(path, set()).update(types)


_KEY: Final = pytest.StashKey[Recording]()


def pytest_configure(config: pytest.Config) -> None:
    """Wrap what the plugin records."""
    config.stash[_KEY] = Recording(import_module("conformance").contract)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None]:
    """Record nothing during tests that do not count."""
    recording = item.config.stash[_KEY]
    recording.is_paused = any(item.path.is_relative_to(folder) for folder in UNCOUNTED)
    yield
    recording.is_paused = False


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send what this process has recorded to the first one."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["conformance"] = session.config.stash[_KEY].dump()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what another process has recorded."""
    dumped = getattr(node, "workeroutput", {}).get("conformance")
    if dumped is not None:
        node.config.stash[_KEY].add(dumped)
