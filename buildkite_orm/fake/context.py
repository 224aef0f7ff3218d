"""The state that all requests share."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkite_orm.fake.pipeline_yaml.errors import IgnoredStepKeysWarning
from buildkite_orm.fake.state_lock import StateLock

if TYPE_CHECKING:
    from buildkite_orm.fake.budgets import Budgets
    from buildkite_orm.fake.clock import Clock
    from buildkite_orm.fake.control.access import Access
    from buildkite_orm.fake.faults import Faults, RecordedRequest
    from buildkite_orm.fake.lifecycle import Lifecycle
    from buildkite_orm.fake.settings import Settings
    from buildkite_orm.fake.store import Store
    from buildkite_orm.fake.webhooks.sender import Webhooks

_LOG = logging.getLogger(__name__)
_MOST_WARNINGS = 1000


@dataclass(slots=True, repr=False)
class Context:
    """The state, the clock and their services; hold `lock` while reading or changing the state."""

    settings: Settings
    clock: Clock
    store: Store
    lifecycle: Lifecycle
    budgets: Budgets
    faults: Faults
    secret: str
    access: Access
    request_count: int = 0
    requests: list[RecordedRequest] = field(default_factory=list["RecordedRequest"])
    warnings: list[str] = field(default_factory=list[str])
    webhooks: list[Webhooks] = field(default_factory=list["Webhooks"])
    lock: StateLock = field(default_factory=StateLock)

    def deliver_webhooks(self) -> None:
        """Send the events that are due."""
        for each in list(self.webhooks):
            each.deliver()

    def warn(self, message: str | None, stacklevel: int | None = None) -> None:
        """Store a warning and issue it, if there is one; a request, which has no `stacklevel`, cannot raise it."""
        if message is None:
            return
        self.warnings.append(message)
        del self.warnings[:-_MOST_WARNINGS]
        try:
            warnings.warn(message, IgnoredStepKeysWarning, stacklevel=2 if stacklevel is None else stacklevel + 1)
        except IgnoredStepKeysWarning:
            if stacklevel is not None:
                raise
            _LOG.warning("%s", message)

    def wait(self, seconds: float) -> None:
        """Wait on the clock."""
        if seconds > 0:
            self.clock.wait_until(self.clock.now() + seconds)
