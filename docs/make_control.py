"""Write the tables of docs/fake_control.md: the endpoints of the fake's control API, from its code.

python docs/make_control.py           write them
python docs/make_control.py --check   fail if they are out of date
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin, get_type_hints, is_typeddict

from buildkite_orm.fake import seed_file
from buildkite_orm.fake.control import bodies
from buildkite_orm.fake.control.access import PREFIX
from buildkite_orm.fake.control.bodies import EmptyBody
from buildkite_orm.fake.control.endpoints import ENDPOINTS
from buildkite_orm.fake.control.validation import Body

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parent / "fake_control.md"
MARK = "<!-- from here on made by `python docs/make_control.py` -->\n"
_TYPES: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    Any: "any",
}
_SEED = (seed_file.Seed, seed_file.SeedOrganization, seed_file.SeedPipeline)


def tables() -> str:
    """Write the tables."""
    return "\n".join(
        [
            *_endpoints(),
            "",
            "## Bodies",
            "",
            "No value is converted, an unknown field is an error, and a field without a default must be sent. A time",
            "is ISO 8601, UTC unless it has an offset.",
            *(line for body in _bodies() for line in _body(body)),
            "",
            "## Responses",
            *(line for reply in _replies() for line in _reply(reply)),
            "",
        ]
    )


def _endpoints() -> Iterator[str]:
    yield from ("| request | what it does | body | response |", "| --- | --- | --- | --- |")
    for each in ENDPOINTS:
        body = "" if each.body is EmptyBody else _link(each.body.__name__)
        reply = f"{each.status} {_link(each.reply.__name__)}" if each.reply else f"{each.status}"
        yield f"| `{each.method} {PREFIX}{each.path}` | {each.summary} | {body} | {reply} |"


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _bodies() -> list[type[Body]]:
    """Return the bodies of the endpoints, and the objects in them, in the order of the code."""
    declared = [*(each for _, each in inspect.getmembers(bodies, _is_body)), *_SEED]
    used: set[type[Any]] = set()
    waiting: list[Any] = [*(each.body for each in ENDPOINTS), *_SEED]
    while waiting:
        annotation = waiting.pop()
        if annotation in declared and annotation not in used:
            used.add(annotation)
            waiting += [field.annotation for field in annotation.model_fields.values()]
            waiting += [item for field in annotation.model_fields.values() for item in field.metadata]
        waiting += get_args(annotation)
    return sorted(used - {EmptyBody}, key=lambda each: (each.__module__, inspect.getsourcelines(each)[1]))


def _is_body(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Body) and not value.__name__.startswith("_")


def _body(body: type[Body]) -> Iterator[str]:
    schema = body.model_json_schema(by_alias=True)
    yield from ("", f"### {body.__name__}", "", f"{schema['description']}", "")
    yield from ("| field | type | default | |", "| --- | --- | --- | --- |")
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        default = "" if name in required else f"`{_json(field.get('default'))}`"
        kind = _schema_type(field)
        if default == "`null`":
            kind = kind.removesuffix(" or null")
        yield f"| `{name}` | {kind} | {default} | {field.get('description', '')} |"


def _json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _schema_type(schema: dict[str, Any]) -> str:
    """Write a JSON schema in short."""
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(dict.fromkeys(_schema_type(each) for each in schema[union]))
    if "$ref" in schema:
        return _link(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    return _plain_type(schema)


def _plain_type(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if kind == "array":
        return f"array of {_schema_type(schema['items'])}"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"object of {_schema_type(cast('dict[str, Any]', values))}" if isinstance(values, dict) else "object"
    if schema.get("format") == "time":
        return "time"
    return f"{kind or 'any'}{_bounds(schema)}"


def _bounds(schema: dict[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    if low is None or high is None:
        return ""
    above = "above " if "exclusiveMinimum" in schema else ""
    return f", {above}{low:,.15g} to {high:,.15g}"


def _replies() -> list[type[Any]]:
    used: list[Any] = []
    waiting: list[Any] = [each.reply for each in reversed(ENDPOINTS) if is_typeddict(each.reply)]
    while waiting:
        annotation = waiting.pop()
        if is_typeddict(annotation) and annotation not in used:
            used.append(annotation)
            waiting += get_type_hints(annotation).values()
        waiting += get_args(annotation)
    return sorted(used, key=lambda each: inspect.getsourcelines(each)[1])


def _reply(reply: type[Any]) -> Iterator[str]:
    yield from ("", f"### {reply.__name__}", "", inspect.getdoc(reply) or "", "")
    yield from ("| field | type |", "| --- | --- |")
    for name, annotation in get_type_hints(reply).items():
        yield f"| `{name}` | {_type(annotation)} |"


def _type(annotation: Any) -> str:
    """Write a type of Python as one of JSON."""
    if is_typeddict(annotation):
        return _link(annotation.__name__)
    if annotation in _TYPES:
        return _TYPES[annotation]
    parts = [_type(each) for each in get_args(annotation)]
    if get_origin(annotation) is list:
        return f"array of {parts[0]}"
    return "object" if get_origin(annotation) is dict else " or ".join(parts)


def main() -> int:
    """Write the tables after the mark, or return 1 if they are out of date."""
    text = PAGE.read_text(encoding="utf-8")
    written = text[: text.index(MARK) + len(MARK)] + "\n" + tables()
    if "--check" in sys.argv[1:]:
        return 0 if text == written else 1
    PAGE.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
