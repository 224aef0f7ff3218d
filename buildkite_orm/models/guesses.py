"""Wrong guesses of names: the error says what the right call is.

Users of pybuildkite, PyGithub, Django or requests guess names. The tables below map a guess to what it may stand for;
the first that the class has is named. This only makes the text of an error: no attribute is answered, and nothing is
requested.
"""

from __future__ import annotations

import re
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_DUMP: Final = ("dump()",)

OBJECT_GUESSES: Final[Mapping[str, tuple[str, ...]]] = {
    "abort": ("cancel()",),
    "add_annotation": ("annotations().create(…)",),
    "agent_queue": ("agent.queue",),
    "annotate": ("annotations().create(…)",),
    "as_dict": _DUMP,
    "asdict": _DUMP,
    "attributes": _DUMP,
    "body": ("body_html", *_DUMP),
    "conclusion": ("state",),
    "construct": ("model_validate(data)",),
    "content": ("download()", "text()"),
    "contents": ("download()", "text()"),
    "copy": ("model_copy()",),
    "created": ("created_at",),
    "data": _DUMP,
    "dict": _DUMP,
    "edit": ("update(…)",),
    "elapsed": ("duration",),
    "ended_at": ("finished_at",),
    "env_vars": ("env", "environment()"),
    "exit_code": ("exit_status",),
    "failed": ("state",),
    "filename": ("path",),
    "finished": ("is_finished", "finished_at"),
    "from_orm": ("model_validate(data)",),
    "get": ("fetch()",),
    "get_log": ("log()", "jobs()[0].log()"),
    "get_logs": ("log()", "jobs()[0].log()"),
    "has_failed": ("state",),
    "html_url": ("web_url",),
    "is_active": ("is_finished", "state"),
    "is_done": ("is_finished",),
    "is_failed": ("state",),
    "is_passed": ("has_passed", "state"),
    "is_retried": ("was_retried", "retried"),
    "is_running": ("is_finished", "state"),
    "items": _DUMP,
    "json": _DUMP,
    "keys": _DUMP,
    "log": ("jobs()[0].log()",),
    "logs": ("log()", "jobs()[0].log()"),
    "ok": ("has_passed", "state"),
    "output": ("log()",),
    "parse_file": ("model_validate_json(text)",),
    "parse_obj": ("model_validate(data)", *_DUMP),
    "parse_raw": ("model_validate_json(text)",),
    "passed": ("has_passed", "state"),
    "patch": ("update(…)",),
    "poll": ("wait()",),
    "queue": ("agent.queue",),
    "queue_wait": ("queue_time",),
    "queued_for": ("queue_time",),
    "raw": _DUMP,
    "raw_data": _DUMP,
    "ref": ("branch",),
    "refresh": ("reload()", "fetch()"),
    "repo": ("repository",),
    "restart": ("rebuild()", "retry()"),
    "result": ("state",),
    "retries": ("retries_count",),
    "retry": ("retry_failed_jobs()", "rebuild()"),
    "retry_count": ("retries_count",),
    "retry_failed": ("retry_failed_jobs()",),
    "run": ("builds().create(…)",),
    "run_time": ("duration",),
    "runtime": ("duration",),
    "save": ("update(…)", "save_to(path)"),
    "schema": ("model_json_schema()",),
    "schema_json": ("model_json_schema()",),
    "serialize": _DUMP,
    "sha": ("commit",),
    "size": ("file_size",),
    "start": ("builds().create(…)",),
    "status": ("state", "connection_state"),
    "step": ("step_key",),
    "stop": ("cancel()",),
    "succeeded": ("has_passed", "state"),
    "success": ("has_passed", "state"),
    "successful": ("has_passed", "state"),
    "to_dict": _DUMP,
    "to_json": _DUMP,
    "trigger": ("builds().create(…)",),
    "trigger_build": ("builds().create(…)",),
    "update_forward_refs": ("model_rebuild()",),
    "updated": ("updated_at",),
    "user": ("creator",),
    "validate": ("model_validate(data)",),
    "values": _DUMP,
    "wait_for": ("wait()",),
    "wait_time": ("queue_time",),
    "wait_until_finished": ("wait()",),
}
"""The likely meaning of a name that a ref or an object does not have."""

QUERYSET_GUESSES: Final[Mapping[str, str]] = {
    "aggregate": "iterate over it, and compute in Python",
    "dataframe": "pandas.DataFrame(qs.rows())",
    "delete": "iterate over it, and call .delete() of each object",
    "df": "pandas.DataFrame(qs.rows())",
    "dict": "[each.dump() for each in qs]",
    "dump": "[each.dump() for each in qs]",
    "exclude": "[each for each in qs if …]",
    "execute": ".all()",
    "exists": "bool(qs), which loads the first page; or .first()",
    "fetch": ".all()",
    "fetch_all": ".all()",
    "fetchall": ".all()",
    "fetchone": ".first()",
    "filter_by": ".filter(…), or pass filters to the method that returns the queryset",
    "filter": "[each for each in qs if …], since the API has no filters here",
    "find": ".filter(…), or next(each for each in qs if …)",
    "get": ".one(), the only object; .first(); or a ref by its key",
    "get_page": ".page(number)",
    "head": ".limit(n), or qs[:n]",
    "items": "list(qs)",
    "json": "[each.dump() for each in qs]",
    "last": "qs[-1]",
    "length": ".count()",
    "list": "list(qs), or .all()",
    "next": "iterate over it, or use .pages()",
    "next_page": ".pages(), or iterate over it, which loads all pages",
    "none": ".limit(0)",
    "only": "each.dump(), whose keys are the fields",
    "order_by": "sorted(qs, key=…), since the API decides the order",
    "paginate": ".pages(), or iterate over it, which loads all pages",
    "paginator": ".pages()",
    "refresh": ".fresh()",
    "reload": ".fresh()",
    "reverse": "reversed(list(qs))",
    "reversed": "reversed(list(qs))",
    "select": ".filter(…), or [each for each in qs if …]",
    "size": ".count()",
    "sort": "sorted(qs, key=…)",
    "sort_by": "sorted(qs, key=…)",
    "take": ".limit(n), or qs[:n]",
    "table": ".arrow(), which pyarrow, DuckDB, polars and pandas read",
    "to_arrow": ".arrow(), which pyarrow, DuckDB, polars and pandas read",
    "to_csv": "csv.DictWriter with .rows(), or pandas.DataFrame(qs.rows()).to_csv(path)",
    "to_dataframe": "pandas.DataFrame(qs.rows())",
    "to_df": "pandas.DataFrame(qs.rows())",
    "to_dict": "[each.dump() for each in qs]",
    "to_dicts": "list(qs.rows()), or [each.dump() for each in qs]",
    "to_duckdb": ".arrow().to_duckdb(path)",
    "to_list": "list(qs), or .all()",
    "to_pandas": "pandas.DataFrame(qs.rows())",
    "to_parquet": ".arrow().to_parquet(path)",
    "to_polars": "polars.DataFrame(qs.arrow())",
    "tolist": "list(qs), or .all()",
    "total": ".count()",
    "totalCount": ".count()",
    "total_count": ".count()",
    "values": "[each.dump() for each in qs]",
    "values_list": "[each.number for each in qs], or another field",
    "where": ".filter(…), or [each for each in qs if …]",
}
"""The replacement for a name that a queryset does not have."""

CLIENT_GUESSES: Final[Mapping[str, str]] = {
    "access_tokens": "bk.access_token()",
    "budget": "bk.budgets()",
    "current_user": "bk.user()",
    "delete": "bk.request('DELETE', path)",
    "get": "bk.request('GET', path)",
    "get_user": "bk.user()",
    "headers": "Buildkite(app='my-bot/1.0') for the User-Agent; others are not sent",
    "is_access_token_set": "nothing: a client without a token is a ConfigurationError",
    "me": "bk.user()",
    "organisation": "bk.organization(slug)",
    "organisations": "bk.organizations()",
    "patch": "bk.request('PATCH', path, json=…)",
    "post": "bk.request('POST', path, json=…)",
    "put": "bk.request('PUT', path, json=…)",
    "rate_limit": "bk.budgets()",
    "rate_limits": "bk.budgets(), or bk.organization().rate_limits().fetch()",
    "set_access_token": "Buildkite(token)",
    "set_client_access_token": "Buildkite(token)",
    "token": "nothing: the token is not shown",
    "users": "bk.user(), or bk.organization().members()",
    "viewer": "bk.user()",
    "whoami": "bk.user()",
}
"""The replacement for a name that a client does not have."""

FILTER_GUESSES: Final[Mapping[str, tuple[str, ...]]] = {
    "after": ("created_from",),
    "author": ("creator",),
    "before": ("created_to",),
    "cluster_queue": ("cluster_queue_id",),
    "from_date": ("created_from",),
    "glob": ("path",),
    "job_type": ("kind",),
    "key": ("step_key",),
    "limit": (".limit(n)",),
    "metadata": ("meta_data",),
    "page": (".page(n)",),
    "per_page": (".per_page(n)",),
    "ref": ("branch",),
    "sha": ("commit",),
    "since": ("created_from",),
    "start": ("created_from",),
    "status": ("state",),
    "step": ("step_key",),
    "to_date": ("created_to",),
    "type": ("kind",),
    "until": ("created_to",),
    "user": ("creator",),
}
"""The likely meaning of a filter that a listing does not have: another filter, or a method."""

DEPRECATED_BY_PYDANTIC: Final = (
    *("construct", "copy", "dict", "from_orm", "json", "parse_file", "parse_obj", "parse_raw", "schema", "schema_json"),
    *("update_forward_refs", "validate"),
)
"""The public members of pydantic's models that it keeps for its first version."""

_VERB: Final = re.compile(
    r"(?:get|list|fetch|find|load|all|create|add|new|make|update|edit|delete|remove)(?:_all)?_(\w+)"
)
_NEWEST: Final = re.compile(r"(?:latest|last|newest|most_recent|first)_(\w+?)s?")
_MAKING: Final = ("create", "add", "new", "make")


class Unavailable:
    """Hides a deprecated member of pydantic's models, whose name an unknown field of a payload may have."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, item: object, kind: type[Any]) -> Callable[..., NoReturn]:
        problem = unknown_attribute(kind, self._name, has_data=True)
        if item is not None:
            raise AttributeError(problem)

        def refuse(*_args: object, **_options: object) -> NoReturn:  # an AttributeError would not have this text
            raise TypeError(problem)

        return refuse


def unknown_attribute(kind: type[Any], name: str, *, has_data: bool) -> str:
    """Return the text of the error for an attribute that a ref or an object does not have.

    Args:
        kind: The class.
        name: The attribute.
        has_data: Whether it is an object, not only a ref.
    """
    if name.startswith("_"):
        return f"{kind.__name__!r} object has no attribute {name!r}"
    start = f"{kind.__name__} has no attribute {name!r}"
    right = next((each for each in _candidates(kind, name) if _has(kind, each)), None)
    if right is not None:
        return f"{start}; use .{right}"
    if has_data or not hasattr(kind, "fetch"):
        return start
    field = next((each for each in (name, *_candidates(kind, name)) if _has(_object_class(kind), each)), None)
    if field is None:
        return f"{start}; it is a ref, without data: .fetch() returns the object"
    return f"{start}: a ref has no data; .fetch().{field} requests it"


_TABLE_GUESSES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("dataframe", "df", "to_dataframe", "to_df", "to_pandas"), "pandas.DataFrame.from_arrow({x})"),
    **dict.fromkeys(("pl", "to_polars"), "polars.DataFrame({x})"),
    **dict.fromkeys(("to_dicts", "to_list", "to_pylist"), "pyarrow.table({x}).to_pylist(), or qs.rows()"),
    "to_csv": "pandas.DataFrame.from_arrow({x}).to_csv(path), or csv.DictWriter with qs.rows()",
}


def unknown_of_table(kind: type[Any], name: str, tables: str) -> str:
    """Return the text of the error for an attribute that an Arrow table does not have.

    Args:
        kind: The class.
        name: The name of the attribute.
        tables: What other libraries read, as an expression.
    """
    start = f"{kind.__name__} has no attribute {name!r}"
    right = _TABLE_GUESSES.get(name, "pyarrow.table({x})").replace("{x}", tables)
    return start if name.startswith("_") else f"{start}; use {right}"


def unknown_of_queryset(kind: type[Any], model: type[Any], name: str) -> str:
    """Return the text of the error for an attribute that a queryset does not have."""
    start = f"{kind.__name__} has no attribute {name!r}"
    if name.startswith("_"):
        return start
    right = QUERYSET_GUESSES.get(name)
    if right is not None:
        has_filters = ".filter(" not in right or hasattr(kind, "filter")
        return f"{start}; use {right if has_filters else QUERYSET_GUESSES['filter']}"
    if name == "wait" and _has(model, name):
        return f"{start}; use bk.wait_all(qs)"
    if name in {"download", "save", "save_to"} and hasattr(kind, "save_all"):
        return f"{start}; use .save_all(folder)"
    if _has(model, name):
        call = "()" if callable(getattr(model, name, None)) else ""
        return f"{start}; its objects have: [each.{name}{call} for each in qs]"
    return f"{start}; it is a listing: iterate over it, or use .first(), .one(), .count()"


def unknown_filter(model: type[Any], name: str, known: Iterable[str]) -> str:
    """Return what to use in place of a filter that a listing does not have, as the end of a sentence.

    Args:
        model: The class of the objects.
        name: The filter.
        known: The filters that there are.
    """
    for each in (*FILTER_GUESSES.get(name, ()), *get_close_matches(name, known, n=1)):
        if each == "kind" and model.__name__ == "Job":
            return "; use kind=ScriptJob, or another class of jobs"
        if each in known:
            return f"; use {each}="
        if each.startswith("."):
            return f"; use {each}"
    return f"; its objects have it: [each for each in qs if each.{name} == …]" if _has(model, name) else ""


def unknown_of_client(kind: type[Any], top: type[Any], name: str) -> str:
    """Return the text of the error for an attribute that a client does not have.

    Args:
        kind: The class of the client.
        top: The class of an organization's ref, whose relations may be meant.
        name: The attribute.
    """
    start = f"{kind.__name__} has no attribute {name!r}"
    if name.startswith("_"):
        return start
    if name in CLIENT_GUESSES:
        return f"{start}; use {CLIENT_GUESSES[name]}"
    for each in (name, *_without_verb(name)):
        if _has(kind, each):
            return f"{start}; use bk.{each}"
        if _has(top, each):
            return f"{start}; use bk.organization('acme').{each if '(' in each else f'{each}(…)'}"
    return f"{start}; it has organizations, which have the rest: bk.organization('acme').pipeline('web').build(42)"


def not_subscriptable(kind: type[Any], key: object, *, has_data: bool) -> str:
    """Return the text of the error for `build["state"]`."""
    name = key if isinstance(key, str) and key.isidentifier() else None
    start = f"{kind.__name__!r} object is not subscriptable"
    if not has_data:
        return f"{start}: a ref has no data; use .fetch(){'' if name is None else f'.{name}'}"
    return f"{start}; use {'its attributes' if name is None else f'.{name}'}, or .dump(), which returns a dictionary"


def no_key(model: type[Any], key: str) -> str:
    """Return the text of the error for `org.pipelines()["web"]`."""
    template: tuple[tuple[str, str | None], ...] = next(iter(model.routes.templates), ())
    start = f"[{key!r}]: the index of a queryset is a position, not a key"
    if not template or template[-1][1] is None or len(template) < 2:  # noqa: PLR2004
        return start
    parents = [name for _, name in template[:-1] if name]
    collection = template[-2][0].replace("-", "_")
    one = f"{collection[:-3]}y" if collection.endswith("ies") else collection.removesuffix("s")
    shown = repr(key) if model.identity != "number" else key if key.isdecimal() else "…"
    return f"{start}; {parents[-1] if parents else 'bk'}.{one}({shown}) is the ref with that {model.identity}"


def no_item(listing: str, index: int, total: int | None) -> str:
    """Return the text of the error for an index past the end of a listing, whose length may be unknown."""
    if total == 0:
        return f"[{index}]: nothing matches {listing}; .first() returns None then"
    count = {None: "fewer objects", 1: "1 object"}.get(total, f"{total} objects")
    return f"[{index}]: {listing} has {count}"


def not_iterable(kind: type[Any]) -> str:
    """Return the text of the error for `list(build)` or `dict(build)`."""
    return (
        f"{kind.__name__!r} object is not iterable; .dump() returns its data as a dictionary, for example for "
        "pandas.DataFrame([each.dump() for each in objects])"
    )


def _candidates(kind: type[Any], name: str) -> Iterator[str]:
    """Yield what a name may stand for, as expressions after a dot."""
    yield from OBJECT_GUESSES.get(name, ())
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    if snake != name:
        yield snake
        yield from OBJECT_GUESSES.get(snake, ())
    yield from _without_verb(snake, getattr(kind, "_kind", ""))
    if newest := _NEWEST.fullmatch(snake):
        yield f"{newest[1]}s().first()"
    yield from (f"{snake}_at", f"{snake}s()", f"{snake.removesuffix('s')}()" if snake.endswith("s") else f"is_{snake}")


def _without_verb(name: str, kind: str = "") -> Iterable[str]:
    """Return the calls that `create_build` or `get_pipelines` may stand for."""
    found = _VERB.fullmatch(name)
    if found is None:
        return ()
    verb, what = name.partition("_")[0], found[1]
    plural = what if what.endswith("s") else f"{what}s"
    if what == kind:
        return {"update": ("update(…)",), "edit": ("update(…)",), "delete": ("delete()",)}.get(verb, ("fetch()",))
    if verb in _MAKING:
        return (f"{plural}().create(…)",)
    return (f"{what}()",) if what.endswith("s") else (f"{what}(…)", f"{plural}()", what)


def _has(kind: type[Any] | None, expression: str) -> bool:
    name = re.split(r"\W", expression, maxsplit=1)[0]
    if kind is None or name in DEPRECATED_BY_PYDANTIC:
        return False
    return hasattr(kind, name) or name in getattr(kind, "model_fields", ())


def _object_class(ref: type[Any]) -> type[Any] | None:
    """Return the class of the objects that a ref fetches, if it is loaded."""
    name = ref.fetch.__annotations__.get("return")
    found: type[Any] | None = ref.fetch.__globals__.get(name) or getattr(sys.modules["buildkite_orm"], str(name), None)
    return found
