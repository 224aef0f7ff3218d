"""Choose the class of an event, and load its payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from buildkite_orm.models.parsing import load_payload
from buildkite_orm.webhooks.events import packages, pipelines, workflows
from buildkite_orm.webhooks.events.base import UnknownEvent, WebhookEvent
from buildkite_orm.webhooks.events.workflows import MonitorEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

CLASSES: Final[Mapping[str, type[WebhookEvent]]] = {
    name: kind
    for module in (pipelines, packages, workflows)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, WebhookEvent)
    for name in kind.kinds
}
"""The class of each event that has one, by its name."""


def event_of(payload: dict[str, Any]) -> WebhookEvent:
    """Return the event in a payload. A value that is not as documented is kept as received, in its place.

    Args:
        payload: The body of a webhook.
    """
    return load_payload(_class_of(payload), payload)


def _class_of(payload: dict[str, Any]) -> type[WebhookEvent]:
    name = payload.get("event")
    if isinstance(name, str):
        return CLASSES.get(name, UnknownEvent)
    monitor = MonitorEvent.class_for(payload)
    return UnknownEvent if monitor is MonitorEvent else monitor
