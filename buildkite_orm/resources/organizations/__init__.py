"""Settings of organizations, their members, and other resources of an organization as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.utils.lazy import lazy_modules

if TYPE_CHECKING:
    from buildkite_orm.resources.organizations.api_settings import *
    from buildkite_orm.resources.organizations.audit_event import *
    from buildkite_orm.resources.organizations.emoji import *
    from buildkite_orm.resources.organizations.invitation import *
    from buildkite_orm.resources.organizations.member import *
    from buildkite_orm.resources.organizations.notification_service import *
    from buildkite_orm.resources.organizations.pipeline_settings import *
    from buildkite_orm.resources.organizations.rate_limits import *
    from buildkite_orm.resources.organizations.repository_connection import *
else:
    __getattr__, __dir__ = lazy_modules(__name__)
