"""Parse YAML as pipelines use it.

Merge keys work, times stay strings, and duplicate keys and aliases that expand to too much are refused.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.pipeline_yaml.errors import PipelineYamlError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_NODES = 100_000
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_MERGE = "tag:yaml.org,2002:merge"


@cache
def _yaml() -> Any:
    try:
        return import_module("yaml")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "pipelines in YAML need PyYAML: pip install 'buildkite_orm[fake]'", name="yaml"
        ) from error


@cache
def _loader() -> Any:
    """Return the safe loader without timestamps, whose keys are unique texts."""
    base: Any = _yaml().SafeLoader

    class Loader(base):  # type: ignore[misc]
        """The safe loader of pipelines."""

    def construct(loader: Any, node: Any) -> Iterator[dict[Any, Any]]:
        _check_keys(node)  # before merge keys are replaced by what they merge, whose keys may repeat
        loader.flatten_mapping(node)
        values: dict[Any, Any] = {}
        yield values
        for key, value in node.value:
            name = key.value if key.id == "scalar" else str(loader.construct_object(key, deep=True))
            values[name] = loader.construct_object(value, deep=True)

    Loader.yaml_implicit_resolvers = {
        first: [each for each in resolvers if each[0] != _TIMESTAMP]
        for first, resolvers in base.yaml_implicit_resolvers.items()
    }
    Loader.add_constructor("tag:yaml.org,2002:map", construct)
    return Loader


def load(text: str) -> Any:
    """Return the value of a YAML document.

    Raises:
        PipelineYamlError: The text is not one YAML document, or its aliases expand to too much.
    """
    yaml = _yaml()
    try:
        return _load(text)
    except PipelineYamlError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise PipelineYamlError(f"invalid YAML: {where}{error.problem or error.context}") from error
    except RecursionError as error:
        raise PipelineYamlError("invalid YAML: it is nested too deeply") from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise PipelineYamlError(f"invalid YAML: {error}") from error


def _load(text: str) -> Any:
    loader = _loader()(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_keys(node: Any) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.id != "scalar" or key.tag == _MERGE:
            continue
        if key.value in seen:
            raise PipelineYamlError(f"invalid YAML: line {key.start_mark.line + 1}: {key.value!r} is given twice")
        seen.add(key.value)


def _check_size(root: Any) -> None:
    """Raise if a document contains itself, or has too many nodes with all aliases expanded."""
    sizes: dict[int, int] = {}
    above: set[int] = set()
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        node, is_counted = stack.pop()
        if is_counted:
            above.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(child)] for child in _children(node))
            if sizes[id(node)] > MOST_NODES:
                raise PipelineYamlError(f"invalid YAML: its aliases expand to more than {MOST_NODES} values")
        elif id(node) in above:
            raise PipelineYamlError("invalid YAML: an anchor contains its own alias")
        elif id(node) not in sizes:
            above.add(id(node))
            stack.append((node, True))
            stack.extend((child, False) for child in _children(node))


def _children(node: Any) -> list[Any]:
    if node.id == "mapping":
        return [each for pair in node.value for each in pair]
    return list(node.value) if node.id == "sequence" else []
