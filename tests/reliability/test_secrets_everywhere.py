"""Secrets that answers carry, agent tokens and private keys and the like: in the object's data, and nowhere else."""

from __future__ import annotations

import copy
import importlib
import io
import json
import logging
import pickle
import pkgutil
import pprint
import re
import subprocess
import sys
import traceback
import types
import typing
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

import buildkite_orm.resources
from buildkite_orm import Buildkite, BuildkiteError, RetryPolicy
from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.hidden import HIDDEN, is_secret, masked
from buildkite_orm.jsonvalues import as_array, as_object
from buildkite_orm.loading import load_list, load_one
from buildkite_orm.resource import Model, Resource
from buildkite_orm.session import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm import OrganizationRef
    from tests.conftest import Costs

    Ask = Callable[[Buildkite], Any]

SECRET = "s3cret-0123456789abcdef"


# -- every model, also those that come later


def modules() -> Iterator[types.ModuleType]:
    for found in pkgutil.walk_packages(buildkite_orm.resources.__path__, "buildkite_orm.resources."):
        yield importlib.import_module(found.name)


def kinds_of(annotation: object) -> set[object]:
    return {annotation}.union(*(kinds_of(each) for each in typing.get_args(annotation)))


MODELS = {
    thing
    for module in modules()
    for thing in vars(module).values()
    if isinstance(thing, type) and issubclass(thing, Model) and thing.__module__ == module.__name__
}
MAY_BE_SECRET = re.compile("token|secret|passw|passphrase|private|credential|api_?key|access_?key|webhook|auth|hmac")
NO_SECRETS = {
    "BuildAuthor.",
    "Meta.webhook_ips",
}
FIELDS = sorted(
    (model, name)
    for model in MODELS
    for name, field in model.model_fields.items()
    if MAY_BE_SECRET.search(name) and kinds_of(field.annotation) & {str, Any, dict}
)
