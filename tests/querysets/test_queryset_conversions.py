"""Querysets in place of lists, in pools, numpy, tqdm and random: each loads them once, or raises an error."""

from __future__ import annotations

import collections
import operator
import pickle
import random
import traceback
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Costs
    from tests.querysets.conftest import Kind


def identifier(item: Any) -> str:
    return str(item.id)


def by_thread_pool(qs: Any) -> list[str]:
    with ThreadPool(2) as pool:
        return pool.map(identifier, qs)


def by_futures(qs: Any) -> list[str]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(identifier, qs))


def by_tqdm(qs: Any) -> list[str]:
    tqdm = pytest.importorskip("tqdm").tqdm
    return [identifier(item) for item in tqdm(qs, disable=None)]


def by_array(qs: Any) -> list[str]:
    array = pytest.importorskip("numpy").array(qs)
    assert array.dtype == object
    return [identifier(item) for item in array]


def by_array_of_objects(qs: Any) -> list[str]:
    return [identifier(item) for item in pytest.importorskip("numpy").asarray(qs, dtype=object)]


WAYS: dict[str, Callable[[Any], list[str]]] = {
    "ThreadPool.map": by_thread_pool,
    "Executor.map": by_futures,
    "tqdm": by_tqdm,
    "numpy.array": by_array,
    "numpy.asarray": by_array_of_objects,
    "sorted": lambda qs: list(map(identifier, sorted(qs, key=lambda _item: 0))),
    "deque": lambda qs: list(map(identifier, collections.deque(qs))),
    "unpacking": lambda qs: [identifier(item) for item in [*qs]],
    "dict.fromkeys": lambda qs: list(map(identifier, dict.fromkeys(qs))),
}


@pytest.mark.parametrize("way", WAYS)
def test_functions_for_iterables_accept_a_queryset(kind: Kind, costs: Costs, way: str) -> None:
    with costs(3):
        assert WAYS[way](kind.qs) == kind.ids


def test_thread_pool_map_over_a_queryset_works(kind: Kind, costs: Costs) -> None:
    with costs(3), ThreadPool(4) as pool:
        assert pool.map(identifier, kind.qs) == kind.ids


@pytest.mark.parametrize("use", [len, random.choice, random.choices, reversed], ids=operator.attrgetter("__name__"))
def test_functions_that_need_a_length_raise_and_send_no_request(
    kind: Kind, costs: Costs, use: Callable[[Any], object]
) -> None:
    with costs(0), pytest.raises(TypeError, match=r"has no len\(\).*\.count\(\), or len\(list\(qs\)\)"):
        use(kind.qs)


def test_random_sample_raises_and_sends_no_request(kind: Kind, costs: Costs) -> None:
    with costs(0), pytest.raises(TypeError, match="must be a sequence"):
        random.sample(kind.qs, 2)  # type: ignore[arg-type]


def test_hasattr_len_is_false_and_sends_no_request(kind: Kind, costs: Costs) -> None:
    with costs(0):
        assert not hasattr(kind.qs, "__len__")
        assert operator.length_hint(kind.qs, -1) == -1


def test_an_array_without_a_copy_is_rejected(kind: Kind) -> None:
    pytest.importorskip("numpy")
    with pytest.raises(ValueError, match=r"copy=False.*leave it out"):
        kind.qs.__array__(copy=False)


def test_the_error_of_len_is_printed_and_pickled_as_a_type_error(kind: Kind) -> None:
    qs: Any = kind.qs
    with pytest.raises(TypeError) as caught:
        len(qs)
    assert traceback.format_exception_only(caught.value)[0].startswith("TypeError: a queryset has no len()")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - its own
