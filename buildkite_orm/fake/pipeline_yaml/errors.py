"""Errors and warnings of pipelines in YAML."""

from __future__ import annotations


class PipelineYamlError(ValueError):
    """A text is not a valid pipeline; the message says where and why."""


class IgnoredStepKeysWarning(UserWarning):
    """A pipeline has documented keys that the fake accepts and does not simulate."""
