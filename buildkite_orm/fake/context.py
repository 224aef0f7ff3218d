"""The state that all requests share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkite_orm.fake.state_lock import StateLock

if TYPE_CHECKING:
    from buildkite_orm.fake.budgets import Budgets
    from buildkite_orm.fake.clock import Clock
    from buildkite_orm.fake.faults import Faults, RecordedRequest
    from buildkite_orm.fake.lifecycle import Lifecycle
    from buildkite_orm.fake.settings import Settings
    from buildkite_orm.fake.store import Store
    from buildkite_orm.fake.webhooks.sender import Webhooks


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
    request_count: int = 0
    requests: list[RecordedRequest] = field(default_factory=list["RecordedRequest"])
    webhooks: list[Webhooks] = field(default_factory=list["Webhooks"])
    lock: StateLock = field(default_factory=StateLock)

    def deliver_webhooks(self) -> None:
        """Send the events that are due."""
        for each in list(self.webhooks):
            each.deliver()

    def wait(self, seconds: float) -> None:
        """Wait on the clock."""
        if seconds > 0:
            self.clock.wait_until(self.clock.now() + seconds)
