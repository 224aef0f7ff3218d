"""A script whose process forks while it has a client: run as `python -m tests.network.forking SCENARIO URL`.

It prints the outcome as JSON. It is a process of its own, since the one of the tests has threads.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import sys
import threading
import time
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import BaseAdapter, HTTPAdapter

from buildkite_orm import Buildkite, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildkite_orm.resources.pipelines.ref import PipelineRef

READ_SECONDS: Final = 4.0
HANGS: Final = "hangs"
_LOCKS: Final = (type(threading.Lock()), type(threading.RLock()))


class Child:
    """A forked process that runs one function and ends."""

    def __init__(self, do: Callable[[], Any]) -> None:
        self._reading, writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                result = do()
            except BaseException as problem:  # noqa: BLE001 - the parent prints it
                result = repr(problem)
            os.write(writing, json.dumps(result).encode())
            os._exit(0)
        os.close(writing)

    def result(self) -> Any:
        """Wait for what it returns; `HANGS` if it does not."""
        ready, _, _ = select.select([self._reading], [], [], READ_SECONDS)
        output = os.read(self._reading, 1 << 16) if ready else json.dumps(HANGS).encode()
        os.close(self._reading)
        if not ready:
            os.kill(self._pid, 9)
        os.waitpid(self._pid, 0)
        return json.loads(output)


def numbers(web: PipelineRef, first: int, count: int = 12) -> list[int]:
    """Fetch builds in order, and return the numbers received."""
    return [web.build(number).fetch().number for number in range(first, first + count)]


def fetches(web: PipelineRef) -> Any:
    """Parent and children fetch at the same time."""
    numbers(web, 1, 1)
    children = [Child(lambda first=first: numbers(web, first)) for first in (100, 200)]  # type: ignore[misc]
    own = numbers(web, 300)
    return [own, *(child.result() for child in children)]


def creates(web: PipelineRef) -> Any:
    """Parent and child create a build at the same time."""
    numbers(web, 1, 1)

    def create(message: str) -> str | None:
        return web.builds().create(commit="HEAD", branch="main", message=message).message

    child = Child(lambda: [create(f"child {index}") for index in range(6)])
    own = [create(f"parent {index}") for index in range(6)]
    return [own, child.result()]


def in_flight(web: PipelineRef) -> Any:
    """A request of the parent is under way that takes the last of the budget."""
    numbers(web, 1, 1)
    thread = threading.Thread(target=lambda: numbers(web, 999, 1), daemon=True)
    thread.start()
    time.sleep(0.1)  # it has been sent by then
    return Child(lambda: numbers(web, 100, 1)).result()


def locks(web: PipelineRef) -> Any:
    """Every lock of the client is held at the moment of the fork."""
    listed = web.builds().per_page(2)
    next(iter(listed))
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        found = list(locks_of(web, listed))
        for lock in found:
            lock.acquire(timeout=0.2)
        held.set()
        done.wait(0.5)  # so that locks taken before the fork are released
        for lock in found:
            lock.release()

    threading.Thread(target=hold, daemon=True).start()
    held.wait()
    return Child(lambda: [numbers(web, 100, 1), [each.number for each in listed]]).result()


def data(web: PipelineRef) -> Any:
    """Objects loaded before the fork stay loaded after it."""
    build = web.build(7).fetch()
    listed = web.builds().per_page(2)
    next(iter(listed))

    def child() -> Any:
        first = listed[0].number
        return [build.number, build.state, first, [each.number for each in listed], build.reload().number]

    return Child(child).result()


def descriptors(web: PipelineRef) -> Any:
    """The child closes its copies of the parent's sockets, and the parent continues with them."""
    numbers(web, 1, 1)
    before = sockets()

    def child() -> Any:
        numbers(web, 100, 1)
        after = sockets()
        web.session.close()
        gc.collect()
        return [len(after), len(after & before)]

    result = Child(child).result()
    return [result, numbers(web, 2, 1)]


def unused(web: PipelineRef) -> Any:
    """The child sends nothing, closes the client, and ends as any process does."""
    numbers(web, 1, 1)

    def child() -> Any:
        web.session.close()
        gc.collect()
        return "closed"

    result = Child(child).result()
    return [result, numbers(web, 2, 1)]


def grandchildren(web: PipelineRef) -> Any:
    """A child forks again."""
    numbers(web, 1, 1)

    def child() -> Any:
        own = numbers(web, 100, 1)
        grandchild = Child(lambda: numbers(web, 200, 6))
        return [own, numbers(web, 110, 6), grandchild.result()]

    return Child(child).result()


class Wrapper(BaseAdapter):
    """A caller's transport that sends through another one."""

    def __init__(self) -> None:
        super().__init__()
        self._inner = [HTTPAdapter()]

    def send(self, *args: Any, **options: Any) -> Any:
        """Send a request."""
        return self._inner[0].send(*args, **options)

    def close(self) -> None:
        """Close the connections."""
        self._inner[0].close()


class Incomplete(HTTPAdapter):
    """A caller's transport that has no connections: it does not call `super().__init__()`."""

    def __init__(self) -> None:
        pass

    def close(self) -> None:
        """Close no connection, since there is none."""


def wrapped(web: PipelineRef) -> Any:
    """The client sends through a transport that holds another one, and there is a client of an incomplete one."""
    url = web.session.base_url
    with (
        Buildkite("bkua_" + "5f3a" * 10, base_url=url, organization="acme", transport=Wrapper()) as bk,
        Buildkite("bkua_" + "5f3a" * 10, base_url=url, organization="acme", transport=Incomplete()),
    ):
        web = bk.organization().pipeline("web")
        numbers(web, 1, 1)
        child = Child(lambda: numbers(web, 100)).result()  # while the parent's connection is idle
        return [numbers(web, 300), child]


def sockets() -> set[str]:
    """Return the sockets of this process, as Linux names them."""
    found = set[str]()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one of the folder itself
            name = str(descriptor.readlink())
            found |= {name} if name.startswith("socket:") else set()
    return found


def locks_of(*roots: object) -> Iterator[Any]:
    """Yield the locks that some objects have, wherever they keep them."""
    seen, left = set[int](), list[object](roots)
    while left:
        each = left.pop()
        if id(each) in seen or isinstance(each, type | ModuleType | FunctionType):
            continue
        seen.add(id(each))
        if isinstance(each, _LOCKS):
            yield each
        left += gc.get_referents(each)


def main() -> None:
    scenario, url = sys.argv[1:]
    policy = RetryPolicy(attempts=1, max_elapsed=READ_SECONDS)
    with Buildkite("bkua_" + "5f3a" * 10, base_url=url, organization="acme", retry=policy, timeout=2.0) as bk:
        do: Callable[[PipelineRef], Any] = globals()[scenario]
        print(json.dumps(do(bk.organization().pipeline("web"))))  # noqa: T201


if __name__ == "__main__":
    main()
