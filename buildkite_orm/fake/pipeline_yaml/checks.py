"""Checks of the values of keys: each returns what is expected, or None if the value is valid."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.pipeline_yaml.conditionals import ConditionalError, parse
from buildkite_orm.fake.pipeline_yaml.values import is_list, is_map

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_FIELD_KEY = re.compile(r"[A-Za-z0-9/_-]+").fullmatch
_LONGEST_SKIP = 70
_LONGEST_GROUP = 200
_MOST_TEAMS = 100


def is_scalar(value: Any) -> bool:
    """Return whether a value is a text, a number or a boolean."""
    return isinstance(value, str | int | float)


def anything(value: Any) -> str | None:
    """Accept any value."""
    del value
    return None


def text(value: Any) -> str | None:
    """Accept a text, or a number as one."""
    return None if is_scalar(value) or value is None else "a string"


def flag(value: Any) -> str | None:
    """Accept a boolean, or its text."""
    return None if isinstance(value, bool) or value in ("true", "false") else "true or false"


def texts(value: Any) -> str | None:
    """Accept a text or a list of texts."""
    is_valid = value is None or is_scalar(value) or (is_list(value) and all(map(is_scalar, value)))
    return None if is_valid else "a string or a list of strings"


def env(value: Any) -> str | None:
    """Accept a map of texts."""
    is_valid = value is None or (is_map(value) and all(each is None or is_scalar(each) for each in value.values()))
    return None if is_valid else "a map of strings"


def agents(value: Any) -> str | None:
    """Accept a map of tags, or a list of `tag=value`."""
    return None if env(value) is None or texts(value) is None else "a map of tags, or a list of tag=value"


def integer(low: int | None = None, high: int | None = None) -> Callable[[Any], str | None]:
    """Return a check that accepts an integer between two bounds."""
    bounds = ("" if low is None else f" from {low}") + ("" if high is None else f" to {high}")

    def check(value: Any) -> str | None:
        number: Any = int(value) if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value) else value
        if not isinstance(number, int) or isinstance(number, bool):
            return f"an integer{bounds}"
        return None if (low is None or number >= low) and (high is None or number <= high) else f"an integer{bounds}"

    return check


def one_of(*choices: str) -> Callable[[Any], str | None]:
    """Return a check that accepts some texts."""
    return lambda value: None if value in choices else f"one of {', '.join(choices)}"


def key(value: Any) -> str | None:
    """Accept the key of a step, which is not a UUID."""
    is_valid = is_scalar(value) and str(value) and not _UUID(str(value))
    return None if is_valid or value is None else "a string that is not a UUID"


def group_name(value: Any) -> str | None:
    """Accept the name of a concurrency group."""
    is_valid = is_scalar(value) and 0 < len(str(value)) <= _LONGEST_GROUP
    return None if is_valid else f"a string of 1 to {_LONGEST_GROUP} characters"


def teams(value: Any) -> str | None:
    """Accept a team or a list of teams."""
    is_valid = texts(value) is None and not (is_list(value) and len(value) > _MOST_TEAMS)
    return None if is_valid else f"a list of at most {_MOST_TEAMS} slugs or ids of teams"


def field_key(value: Any) -> str | None:
    """Accept the key of a field."""
    return None if is_scalar(value) and _FIELD_KEY(str(value)) else "letters, digits, slashes, dashes and underscores"


def skip(value: Any) -> str | None:
    """Accept a boolean or a reason."""
    is_valid = value is None or isinstance(value, bool) or (isinstance(value, str) and len(value) <= _LONGEST_SKIP)
    return None if is_valid else f"true, false, or a reason of at most {_LONGEST_SKIP} characters"


def condition(value: Any) -> str | None:
    """Accept a boolean expression of the documented grammar."""
    if value is None or isinstance(value, bool):
        return None
    if not isinstance(value, str):
        return "a boolean expression"
    try:
        parse(value)
    except ConditionalError as error:
        return f"a boolean expression; {error}"
    return None


def depends_on(value: Any) -> str | None:
    """Accept a key, a list of keys, or a list of maps with `step` and `allow_failure`."""
    each = value if is_list(value) else [] if value is None else [value]
    return None if all(map(_is_dependency, each)) else "a key, or a list of keys or of maps with step and allow_failure"


def _is_dependency(value: Any) -> bool:
    if not is_map(value):
        return isinstance(value, str | int)
    is_known = value.keys() <= {"step", "allow_failure"} and isinstance(value.get("step"), str | int)
    return is_known and flag(value.get("allow_failure", False)) is None


def _is_status(value: Any, low: int = -1) -> bool:
    return value == "*" or integer(low, 255)(value) is None


def soft_fail(value: Any) -> str | None:
    """Accept a boolean, or a list of exit statuses."""
    each = value if is_list(value) else [value]
    is_valid = flag(value) is None or all(
        is_map(item) and item.keys() == {"exit_status"} and _is_status(item["exit_status"]) for item in each
    )
    return None if is_valid else "true, false, or a list of maps with exit_status"


_REASONS = {
    "*",
    "none",
    "cancel",
    "agent_stop",
    "agent_refused",
    "agent_incompatible",
    "process_run_error",
    "signature_rejected",
    "stack_error",
}


def _is_rule(value: Any) -> bool:
    if not is_map(value) or not value.keys() <= {"exit_status", "signal", "signal_reason", "limit"}:
        return False
    statuses, reasons = value.get("exit_status", "*"), value.get("signal_reason", "*")
    return (
        all(map(_is_status, statuses if is_list(statuses) else [statuses]))
        and all(each in _REASONS for each in (reasons if is_list(reasons) else [reasons]))
        and texts(value.get("signal", "*")) is None
        and integer(0, 10)(value.get("limit", 2)) is None
    )


def retry(value: Any) -> str | None:
    """Accept `automatic`, `manual` or both."""
    if not is_map(value) or not value or not value.keys() <= {"automatic", "manual"}:
        return "a map with automatic or manual"
    automatic, manual = value.get("automatic", False), value.get("manual", True)
    rules = automatic if is_list(automatic) else [automatic]
    if flag(automatic) is not None and not all(map(_is_rule, rules)):
        return "automatic: true, false, or rules with exit_status, signal, signal_reason and limit (0 to 10)"
    if flag(manual) is not None and not _is_manual(manual):
        return "manual: true, false, or a map with allowed, permit_on_passed and reason"
    return None


def _is_manual(value: Any) -> bool:
    flags = ("allowed", "permit_on_passed")
    return (
        is_map(value)
        and value.keys() <= {*flags, "reason"}
        and all(flag(value[name]) is None for name in flags if name in value)
        and text(value.get("reason")) is None
    )


_DIMENSIONS, _ELEMENTS, _ADJUSTMENTS, _ELEMENT_BYTES = 6, 25, 12, 128


def _are_elements(value: Any) -> bool:
    return (
        is_list(value)
        and 0 < len(value) <= _ELEMENTS
        and all(is_scalar(each) and len(str(each).encode()) <= _ELEMENT_BYTES for each in value)
    )


def _is_dimension(item: tuple[Any, Any]) -> bool:
    return len(str(item[0]).encode()) <= _ELEMENT_BYTES and _are_elements(item[1])


def matrix(value: Any) -> str | None:
    """Accept a list of elements, or a map with `setup` and `adjustments`."""
    if _are_elements(value):
        return None
    if not is_map(value) or "setup" not in value or not value.keys() <= {"setup", "adjustments"}:
        return f"a list of at most {_ELEMENTS} values of at most {_ELEMENT_BYTES} bytes, or a map with setup"
    setup: Any = value["setup"]
    adjustments: Any = value.get("adjustments") or []
    if is_map(setup) and not (0 < len(setup) <= _DIMENSIONS and all(map(_is_dimension, setup.items()))):
        return (
            f"setup: at most {_DIMENSIONS} dimensions of at most {_ELEMENTS} values of at most {_ELEMENT_BYTES} bytes"
        )
    if not is_map(setup) and not _are_elements(setup):
        return "setup: a map of lists, or a list"
    if not is_list(adjustments) or len(adjustments) > _ADJUSTMENTS:
        return f"adjustments: a list of at most {_ADJUSTMENTS}"
    return None if all(_is_adjustment(each, setup) for each in adjustments) else _ADJUSTMENT


_ADJUSTMENT = "adjustments: maps with a value of each dimension in with, and skip or soft_fail"


def _is_adjustment(value: Any, setup: Any) -> bool:
    if not is_map(value) or not {"with"} <= value.keys() <= {"with", "skip", "soft_fail"}:
        return False
    chosen = value["with"]
    is_complete = chosen.keys() == setup.keys() if is_map(setup) and is_map(chosen) else False
    if is_list(setup):
        is_complete = is_scalar(chosen) or (is_list(chosen) and len(chosen) == 1)
    return is_complete and skip(value.get("skip")) is None and soft_fail(value.get("soft_fail", False)) is None


def unknown(value: Mapping[Any, Any], known: set[str]) -> str | None:
    """Return a message that names the unknown keys of a map, or None."""
    found = sorted(str(name) for name in value if name not in known)
    return f"unknown {'key' if len(found) == 1 else 'keys'} {', '.join(found)}" if found else None


_TEXT_FIELD = {"text", "key", "hint", "required", "default", "format"}
_SELECT_FIELD = {"select", "key", "hint", "required", "default", "multiple", "options"}


def fields(value: Any) -> str | None:
    """Accept a list of text and select fields."""
    if not is_list(value):
        return "a list of text and select fields"
    return next((problem for each in value if (problem := _field_problem(each)) is not None), None)


def _field_problem(value: Any) -> str | None:
    if not is_map(value) or {"text", "select"} <= value.keys():
        return "fields that have either text or select"
    if (problem := unknown(value, _SELECT_FIELD if "select" in value else _TEXT_FIELD)) is not None:
        return f"documented keys of fields only; {problem}"
    if (problem := field_key(value.get("key"))) is not None:
        return f"a key of each field: {problem}"
    if any(flag(value[name]) is not None for name in ("required", "multiple") if name in value):
        return "true or false for required and multiple"
    if "format" in value and not _is_pattern(value["format"]):
        return "a regular expression as format"
    return _select_problem(value)


def _select_problem(value: Mapping[str, Any]) -> str | None:
    if not _is_default(value):
        return "a text as default, or a list of texts if multiple is true"
    options = value.get("options", [])
    has_options = is_list(options) and bool(options) and all(map(_is_option, options))
    return "options with label and value" if "select" in value and not has_options else None


def _is_default(field: Mapping[str, Any]) -> bool:
    default = field.get("default")
    if is_list(default):
        return field.get("multiple") in (True, "true") and texts(default) is None
    return text(default) is None


def _is_option(value: Any) -> bool:
    is_known = is_map(value) and {"label", "value"} <= value.keys() <= {"label", "value", "hint", "required"}
    return is_known and is_scalar(value["label"]) and is_scalar(value["value"])


def python_pattern(value: str) -> str:
    """Return a pattern of HTML for Python, whose named groups are written otherwise."""
    return re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", value)


def _is_pattern(value: Any) -> bool:
    try:
        re.compile(python_pattern(value))
    except (re.error, TypeError, RecursionError, OverflowError):
        return False
    return True


_BUILD = {"branch", "commit", "env", "message", "meta_data"}


def build(value: Any) -> str | None:
    """Accept the attributes of a triggered build."""
    if value is None:
        return None
    if not is_map(value):
        return "a map"
    if (problem := unknown(value, _BUILD)) is not None:
        return f"a map with {', '.join(sorted(_BUILD))}; {problem}"
    if any(env(value.get(name)) is not None for name in ("env", "meta_data")):
        return "maps of strings as env and meta_data"
    return None if all(text(value.get(name)) is None for name in ("branch", "commit", "message")) else "strings"
