"""Transports that bring what a client needs to work with them: a clock, a token, an organization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from requests.adapters import BaseAdapter

if TYPE_CHECKING:
    from buildkite_orm.utils.clock import Clock


class ClientTransport(BaseAdapter):
    """A transport with values of its own, which a client uses unless it is given others.

    Attributes:
        clock: The clock; None for that of the machine.
        token: The token; None for that of the environment.
        organization: The slug of the default organization; None for that of the environment.
        cache: `off` to use no cache; None for that of the environment.
    """

    clock: Clock | None = None
    token: str | None = None
    organization: str | None = None
    cache: Literal["off"] | None = None

    def use_network(self, adapter: BaseAdapter) -> None:
        """Set the adapter that sends over the network, with the certificates of the client; each client calls this.

        Args:
            adapter: The adapter.
        """
