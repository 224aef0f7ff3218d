"""An in-memory Buildkite server: it follows the documented REST API, and needs no account and no network.

>>> import requests
>>> with FakeBuildkite() as server:
...     response = requests.get(f"{server.url}/v2/user", headers={"Authorization": f"Bearer {server.token}"})
...     response.status_code
200
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("werkzeug") is None:
    raise ModuleNotFoundError("buildkite_orm.fake needs werkzeug: pip install 'buildkite_orm[fake]'", name="werkzeug")

from buildkite_orm.fake.accelerated_clock import AcceleratedClock
from buildkite_orm.fake.clock import Clock, ManualClock, SharedClock, SystemClock
from buildkite_orm.fake.faults import Fault, Faults, RecordedRequest
from buildkite_orm.fake.pipeline_yaml.errors import IgnoredStepKeysWarning, PipelineYamlError
from buildkite_orm.fake.records import (
    AgentRecord,
    AnnotationRecord,
    ArtifactRecord,
    BuildRecord,
    JobRecord,
    OrganizationRecord,
    PipelineRecord,
    QueueRecord,
    TokenRecord,
    UserRecord,
)
from buildkite_orm.fake.server import FakeBuildkite
from buildkite_orm.fake.settings import Pace, Settings
from buildkite_orm.fake.steps import BlockStep, CommandStep, Dependency, RetryRule, Step, TriggerStep, WaitStep
from buildkite_orm.fake.store import Store
from buildkite_orm.fake.webhooks.sender import WebhookDelivery, WebhookOptions, Webhooks

__all__ = [
    "AcceleratedClock",
    "AgentRecord",
    "AnnotationRecord",
    "ArtifactRecord",
    "BlockStep",
    "BuildRecord",
    "Clock",
    "CommandStep",
    "Dependency",
    "FakeBuildkite",
    "Fault",
    "Faults",
    "IgnoredStepKeysWarning",
    "JobRecord",
    "ManualClock",
    "OrganizationRecord",
    "Pace",
    "PipelineRecord",
    "PipelineYamlError",
    "QueueRecord",
    "RecordedRequest",
    "RetryRule",
    "Settings",
    "SharedClock",
    "Step",
    "Store",
    "SystemClock",
    "TokenRecord",
    "TriggerStep",
    "UserRecord",
    "WaitStep",
    "WebhookDelivery",
    "WebhookOptions",
    "Webhooks",
]
