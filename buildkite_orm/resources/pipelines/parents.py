"""Refs by where they stand: in a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkite_orm.resources.parents import InOrganization

if TYPE_CHECKING:
    from buildkite_orm.resources.pipelines.ref import PipelineRef

_SEGMENTS = 4  # organizations/acme/pipelines/web


class InPipeline(InOrganization):
    """What belongs to a pipeline."""

    @property
    def pipeline(self) -> PipelineRef:
        """The pipeline that it belongs to."""
        from buildkite_orm.resources.pipelines.ref import PipelineRef

        return PipelineRef.at(self.session, "/".join(self.api_path.split("/")[:_SEGMENTS]))
