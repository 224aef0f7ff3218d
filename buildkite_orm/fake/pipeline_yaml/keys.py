"""Every documented key of pipelines and their steps: what its values may be, and whether the fake simulates it.

`docs/testing.md` has a table that is generated from this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from buildkite_orm.fake.pipeline_yaml import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Treatment = Literal["simulated", "accepted with a warning", "refused"]


@dataclass(frozen=True, slots=True)
class Key:
    """A documented key.

    Attributes:
        name: The key.
        check: Returns what its value must be, or None if a value is valid.
        aliases: Other names of the key.
        treatment: What the fake does with it.
        note: What is special about it.
    """

    name: str
    check: Callable[[Any], str | None] = checks.anything
    aliases: tuple[str, ...] = ()
    treatment: Treatment = "simulated"
    note: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its name, and its aliases."""
        return (self.name, *self.aliases)


def _ignored(*names: str) -> tuple[Key, ...]:
    return tuple(Key(name, treatment="accepted with a warning") for name in names)


_SHOWN = "shown in the web interface only"
_COMMON = (
    Key("key", checks.key, ("id", "identifier")),
    Key("depends_on", checks.depends_on),
    Key("allow_dependency_failure", checks.flag),
    Key("if", checks.condition, note="evaluated when the build is created"),
)
_BRANCHES = Key("branches", checks.texts, note="not together with `if`")
_LABEL = Key("label", checks.text, ("name",))
_SKIP = Key("skip", checks.skip)
_MANUAL = (
    *_COMMON,
    _BRANCHES,
    Key("label", checks.text, ("name",)),
    Key("prompt", checks.text, note=_SHOWN),
    Key("submit", checks.text, note=_SHOWN),
    Key("fields", checks.fields, note="`required` is true unless given; `format` and `options` are checked"),
    Key("blocked_state", checks.one_of("passed", "failed", "running")),
    Key("allowed_teams", checks.teams, note="slugs or ids of teams; other users get a 403"),
)

STEPS: dict[str, tuple[Key, ...]] = {
    "command": (
        Key("command", checks.texts, ("commands",)),
        *_COMMON,
        _BRANCHES,
        _LABEL,
        Key("agents", checks.agents, ("agent_query_rules",), note="`queue` decides where the job waits"),
        Key("artifact_paths", checks.texts, ("artifacts",)),
        Key("cancel_on_build_failing", checks.flag),
        Key("env", checks.env),
        Key("matrix", checks.matrix, note="not together with `parallelism`"),
        Key("parallelism", checks.integer(0, 1000)),
        Key("priority", checks.integer(), note="of the jobs that wait for an agent, the highest goes first"),
        Key("retry", checks.retry),
        _SKIP,
        Key("soft_fail", checks.soft_fail),
        Key("timeout_in_minutes", checks.integer(0), ("timeout",)),
        Key("concurrency", checks.integer(1), note="together with `concurrency_group`"),
        Key("concurrency_group", checks.group_name, note="of all pipelines of the organization"),
        Key("concurrency_method", checks.one_of("ordered", "eager")),
        *_ignored(
            "adjustments",
            "cache",
            "checkout",
            "if_changed",
            "image",
            "metadata",
            "notify",
            "plugins",
            "secrets",
            "signature",
        ),
    ),
    "wait": (
        Key("wait", checks.text, ("waiter",)),
        *_COMMON,
        _BRANCHES,
        Key("continue_on_failure", checks.flag),
    ),
    "block": (Key("block", checks.text), *_MANUAL),
    "input": (Key("input", checks.text), *_MANUAL),
    "trigger": (
        Key("trigger", checks.text),
        *_COMMON,
        _BRANCHES,
        _LABEL,
        Key("async", checks.flag),
        Key("build", checks.build),
        Key("parallelism", checks.integer(0, 1000)),
        _SKIP,
        Key("soft_fail", checks.soft_fail),
        *_ignored("if_changed"),
    ),
    "group": (
        Key("group", checks.text),
        Key("steps", note="at least one; groups are not nested"),
        *_COMMON,
        _LABEL,
        _SKIP,
        *_ignored("if_changed", "notify"),
        *(Key(f"concurrency{each}", treatment="refused") for each in ("", "_group", "_method")),
    ),
}
PIPELINE = (
    Key("steps", note="at least one"),
    Key("env", checks.env),
    Key("agents", checks.agents),
    Key("priority", checks.integer(), note="of all steps without one"),
    *_ignored("cache", "checkout", "image", "notify", "secrets"),
)


def table() -> Iterator[str]:
    """Yield the lines of a table in Markdown of all documented keys."""
    yield "| step | key | the fake | notes |"
    yield "| --- | --- | --- | --- |"
    for kind, keys in {"pipeline": PIPELINE, **STEPS}.items():
        for key in keys:
            names = ", ".join(f"`{name}`" for name in key.names)
            yield f"| {kind} | {names} | {key.treatment} | {key.note} |"
