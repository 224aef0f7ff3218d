"""Where secrets appear: the token, and those in responses, such as agent tokens and private keys."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
import pprint
import re
import traceback
import types
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from buildkite_orm import Buildkite, BuildkiteError, DriftWarning, Resource, RetryPolicy
from buildkite_orm.fake import FakeBuildkite, Settings
from buildkite_orm.utils.json_types import as_array, as_object
from tests.reliability.tables import Row, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from buildkite_orm import OrganizationRef
    from buildkite_orm.fake import RecordedRequest
    from tests.reliability.tables import Cells

    Action = Callable[[Buildkite], Any]

MAY_BE_SECRET: Final = re.compile(
    "token|secret|passw|passphrase|private|credential|api_?key|access_?key|webhook|auth|hmac"
)
HOOK: Final = {"url": "https://hooks.example.com/s3cret-0123456789abcdef", "token": "s3cret-0123456789abcdef"}
HERE: Final = str(Path(__file__).parent)


# -- what shows --------------------------------------------------------------------------------------------------------


def representations(value: Any) -> Iterator[object]:
    """Yield an object as consoles, notebooks, debuggers, loggers and printers show it."""
    yield from (repr(value), str(value), f"{value}", f"{value!r:>3}", "%s" % value, pprint.pformat(value))  # noqa: UP031
    yield from (repr([value]), repr({"a": (value,)}), repr(types.SimpleNamespace(a=value)))
    yield from (list(value.__repr_args__()), list(value.__rich_repr__() or ()), value.__repr_str__(", "))
    yield list(value.__pretty__(repr))
    if isinstance(value, Resource):
        yield from (value._repr_mimebundle_(), printed(value))  # pyright: ignore[reportPrivateUsage]


def printed(value: object) -> str:
    """Return what rich prints."""
    console = Console(file=io.StringIO(), width=200)
    with console.capture() as captured:
        console.print(value)
    return captured.get()


def shown(value: Any) -> str:
    return "\n".join(str(each) for each in representations(value))


def full_text(error: BaseException | None) -> str:
    """Return the texts of an error and of those before it, with the locals of the frames in their tracebacks."""
    texts: list[str] = []
    while error is not None:
        frames = [
            each for each in traceback.walk_tb(error.__traceback__) if not each[0].f_code.co_filename.startswith(HERE)
        ]
        texts += [str(error), repr(error), repr(error.args), repr(vars(error))]
        texts += traceback.StackSummary.extract(iter(frames), capture_locals=True).format()
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


@contextmanager
def logged() -> Generator[io.StringIO]:
    """Collect all that is logged, by whomever."""
    text, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(text), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


class Carried:
    """The secrets that the fake's responses have contained, by name."""

    def __init__(self, server: FakeBuildkite) -> None:
        self.server = server
        self.found: set[str] = set()

    def __call__(self, payload: Any) -> Any:
        """Look at a payload, and leave it as it is."""
        for value in as_array(payload) or (as_object(payload) or {}).values():
            self(value)
        named = {value for key, value in (as_object(payload) or {}).items() if MAY_BE_SECRET.search(key)}
        self.found |= {each for each in named if isinstance(each, str) and len(each) > 8 and "://buildkite" not in each}
        return payload

    def in_(self, text: str) -> list[str]:
        escaped = [json.dumps(each)[1:-1] for each in self.found]
        return [each for each in [*self.found, *escaped] if each in text]


# -- what carries secrets ----------------------------------------------------------------------------------------------


def acme(bk: Buildkite) -> OrganizationRef:
    return bk.organization("acme")


def agent_token(bk: Buildkite) -> object:
    return acme(bk).clusters()[0].agent_tokens().create(description="Linux agents")


def portal(bk: Buildkite) -> object:
    return acme(bk).portals().create(name="Who am I?", query="query { viewer { user { name } } }")


def suite(bk: Buildkite) -> object:
    return acme(bk).suites()[0].fetch(show_api_token=True)


def registry_token(bk: Buildkite) -> object:
    return acme(bk).registry("files").tokens().create(description="For CI")


def vnc_session(bk: Buildkite) -> object:
    return next(iter(acme(bk).pipeline("mac").build(1).jobs())).create_vnc_session()


def ssh_session(bk: Buildkite) -> object:
    return next(iter(acme(bk).pipeline("mac").build(1).jobs())).create_ssh_session()


def pipeline(bk: Buildkite) -> object:
    return acme(bk).pipeline("mac").fetch()


def pipelines(bk: Buildkite) -> object:
    return acme(bk).pipelines().all()[0]


def webhook(bk: Buildkite) -> object:
    return acme(bk).notification_services().all()[0]


OPERATIONS: Final = (
    agent_token, portal, suite, registry_token, vnc_session, ssh_session, pipeline, pipelines, webhook,
)  # fmt: skip


def furnish(server: FakeBuildkite) -> None:
    """Add objects that have secrets, and a job that runs on a machine with remote access."""
    with server.client() as bk:
        org = acme(bk)
        org.pipeline_settings().enable_hosted_agents_ssh()
        org.registries().create(name="Files", ecosystem="files")
        org.suites().create(name="RSpec", default_branch="main")
        org.notification_services().create(provider="webhook", settings=HOOK)
    store, record = server.store, server.store.organizations["acme"]
    shape = "MACOS_ARM64_M4_6X28"
    queue = store.add_queue(record, "macos", cluster=store.add_cluster(record, "Hosted"), instance_shape=shape)
    agent = store.add_agent(record, queue=queue, os_id="darwin")
    server.add_pipeline("mac")
    job = server.add_build("mac", number=1, state="running", jobs=[{"state": "running", "agent": agent}]).jobs[0]
    server.add_artifact(job, "a.txt", b"hello")
    server.requests.clear()


@contextmanager
def furnished() -> Generator[Carried]:
    """Start a server that records the secrets in its responses."""
    settings = Settings(organization_limit=None, user_limit=None)
    with FakeBuildkite(populate=False, settings=settings) as server:
        furnish(server)
        settings.drift = carried = Carried(server)
        yield carried


# -- what goes wrong meanwhile -----------------------------------------------------------------------------------------


def odd(payload: Any) -> Any:
    """Change the types of fields that are not secret."""
    if (known := as_object(payload)) is not None:
        return {
            key: value if MAY_BE_SECRET.search(key) or value is None else odd(value) for key, value in known.items()
        }
    if (several := as_array(payload)) is not None:
        return [odd(each) for each in several]
    return {"odd": "odd"}


def in_a_list(payload: Any) -> list[Any]:
    return [payload]


CARRYING: Final = r"^POST|api_token=|/(pipelines/mac$|pipelines\?|services\?)"
BENT: Final[dict[str, Callable[[Any], Any]]] = {"odd": odd, "list": in_a_list}
TROUBLE: Final[dict[str, dict[str, Any]]] = {
    "cut": {"kind": "cut_json"},
    "truncated": {"kind": "truncate"},
    "reset": {"kind": "reset_mid_body"},
    "HTML": {"kind": "html", "status": 502, "processed": True},
    "refused": {"kind": "error", "status": 422, "message": "Validation failed"},
}


def make_trouble(carried: Carried, trouble: str) -> None:
    """Make requests whose responses contain secrets fail."""
    server = carried.server
    if trouble in TROUBLE:
        server.faults.add(**TROUBLE[trouble], times=None, match=CARRYING)

    def bend(payload: Any) -> Any:
        carried(payload)
        is_bent = trouble in BENT and re.search(CARRYING, server.requests[-1].line)
        return BENT[trouble](payload) if is_bent else payload

    server.settings.drift = bend


def error_of(do: Callable[[], object]) -> BuildkiteError:
    try:
        do()
    except BuildkiteError as error:
        return error
    raise AssertionError("no error was raised")


# -- measurements -----------------------------------------------------------------------------------------------------


class _Looked:
    """Searches for secrets, and fails if one appears that must not."""

    def __init__(self, secrets: Callable[[], set[str]]) -> None:
        self._secrets = secrets
        self.cells: list[str] = []

    def absent(self, *texts: str) -> None:
        secrets = self._secrets()
        assert secrets
        assert [each for each in secrets for text in texts if each in text or json.dumps(each)[1:-1] in text] == []
        self.cells.append("no")


def secret(action: Action) -> Cells:
    """Search for the secrets of a response, after a success and after failures."""
    with furnished() as carried:
        server = carried.server
        looked = _Looked(lambda: carried.found)
        with logged() as log, server.client(http=True) as bk:
            value = action(bk)
        data = json.dumps(value.dump())
        assert carried.in_(data)
        assert json.dumps(pickle.loads(pickle.dumps(value)).dump()) == data  # noqa: S301 - our own
        looked.cells.append("yes")
        looked.absent(shown(value), shown(copy.deepcopy(value)))
        looked.absent(log.getvalue())
        looked.absent(*(each.line for each in server.requests))
    errors, logs, warned = _troubled(action)
    looked.absent(*map(full_text, errors), *logs)
    looked.absent(*(pickle.dumps(error).decode("latin-1") for error in errors))
    looked.absent(*warned)
    return tuple(looked.cells)


def _troubled(action: Action) -> tuple[list[BuildkiteError], list[str], list[str]]:
    """Return the errors of a strict client, the logs, and the warnings of a tolerant one; none has a secret."""
    errors: list[BuildkiteError] = []
    logs: list[str] = []
    for trouble in [*TROUBLE, *BENT]:
        with furnished() as carried, logged() as log:
            make_trouble(carried, trouble)
            with carried.server.client(strict=True, retry=RetryPolicy(attempts=2)) as bk:
                errors.append(error_of(partial(action, bk)))
            shown_text, kept = full_text(errors[-1]), pickle.dumps(errors[-1]).decode("latin-1")
            assert carried.found or trouble == "refused"
            for text in (log.getvalue(), shown_text, kept):
                assert carried.in_(text) == []
                assert carried.server.token not in text
            logs.append(log.getvalue())
    with furnished() as carried, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make_trouble(carried, "odd")
        with carried.server.client() as bk:
            action(bk)
        warned = [str(each.message) for each in caught if each.category is DriftWarning]
        assert warned
        assert all(carried.in_(each) == [] for each in warned)
    return errors, logs, warned


def token() -> Cells:
    """Search for the token in all that the library shows, logs, raises and saves."""
    with furnished() as carried:
        server = carried.server
        looked = _Looked(lambda: {server.token})
        with logged() as log, server.client(http=True) as bk:
            resources: list[Any] = [action(bk) for action in OPERATIONS]
            resources += [bk.user(), bk.access_token()]
            refs = [bk, bk.session, acme(bk), acme(bk).pipeline("mac"), acme(bk).pipeline("mac").builds()]
            looked.absent(*(json.dumps(value.dump()) for value in resources))
            looked.absent(*map(shown, resources), *(f"{each!r} {each}" for each in refs))
            pickled = [
                pickle.dumps(each).decode("latin-1") for each in (*resources, acme(bk), acme(bk).pipeline("mac"))
            ]
            written = files_written(server, bk)
        looked.absent(log.getvalue())
        looked.absent(*(each.line for each in server.requests), *written)
        errors: list[BuildkiteError] = []
        for trouble in [*TROUBLE, *BENT]:
            server.faults.clear()
            make_trouble(carried, trouble)
            with server.client(strict=True, retry=RetryPolicy(attempts=2)) as bk:
                errors.append(error_of(partial(pipeline, bk)))
        with warnings.catch_warnings(record=True) as warned, server.client() as bk:
            warnings.simplefilter("always")
            make_trouble(carried, "odd")
            pipeline(bk)
        caught = [str(each.message) for each in warned]
        assert caught
        looked.absent(*map(full_text, errors))
        looked.absent(*pickled, *(pickle.dumps(error).decode("latin-1") for error in errors))
        looked.absent(*caught)
        return tuple(looked.cells)


def files_written(server: FakeBuildkite, bk: Buildkite) -> list[str]:
    """Return the names and contents of the files that saving writes, during the download and at its end."""
    (artifact,) = acme(bk).pipeline("mac").build(1).artifacts()
    written: list[str] = []
    with TemporaryDirectory() as folder:

        def look(_: object) -> bool:
            files = [path for path in Path(folder).rglob("*") if path.is_file()]
            written.extend(f"{path} {path.read_bytes()!r}" for path in files)
            return False

        server.faults.add("html", origin="artifacts", match=look)
        artifact.save_to(folder)
        look(None)
    assert len(written) > 1
    return written


def goes(trick: Callable[[FakeBuildkite, Buildkite], None], who: Callable[[RecordedRequest], bool]) -> Cells:
    """Return whether a host receives a request, and whether it receives the token; the API always receives it."""
    with furnished() as carried, carried.server.client(retry=RetryPolicy(attempts=1)) as bk:
        server = carried.server
        trick(server, bk)
        there = [request for request in server.requests if who(request)]
        others = [request for request in server.requests if not who(request)]
        assert {each.headers["Host"] for each in others if "Authorization" in each.headers} <= {API}
        with_token = [request for request in there if "Authorization" in request.headers]
        assert all(server.token.encode() not in request.body for request in server.requests)
        return _yes(there), _yes(with_token)


def _yes(found: object) -> str:
    return "yes" if found else "no"


API: Final = "api.buildkite.com"
EVIL: Final = "evil.example"


def is_elsewhere(request: RecordedRequest) -> bool:
    return EVIL in request.headers["Host"] or ":8443" in request.headers["Host"] or "elsewhere" in request.path


def request_api(_: FakeBuildkite, bk: Buildkite) -> None:
    bk.user()


def redirected(location: str, server: FakeBuildkite, bk: Buildkite) -> None:
    server.faults.add("redirect", location=location, times=None)
    for action in (bk.user, bk.builds().first):
        error_of(action)


def linked(server: FakeBuildkite, bk: Buildkite) -> None:
    """Point the `next` links and the `url` of each object to another host."""
    for number in range(3):
        server.add_pipeline(f"p{number}")
    server.settings.public_urls = f"https://{EVIL}:666/other"
    for each in acme(bk).pipelines().per_page(2):
        each.reload()


def stored(server: FakeBuildkite, bk: Buildkite) -> None:
    (artifact,) = acme(bk).pipeline("mac").build(1).artifacts()
    assert artifact.download() == b"hello"
    assert server.requests[-1].origin == "artifacts"


def stored_elsewhere(server: FakeBuildkite, bk: Buildkite) -> None:
    server.faults.add("redirect", location=f"https://{EVIL}/file", origin="artifacts")
    (artifact,) = acme(bk).pipeline("mac").build(1).artifacts()
    error_of(artifact.download)


def uploaded_elsewhere(server: FakeBuildkite, bk: Buildkite) -> None:
    def point_elsewhere(payload: Any) -> Any:
        form = (as_object(payload) or {}).get("form")
        return {**payload, "form": {**form, "url": f"https://{EVIL}/bucket"}} if form else payload

    server.settings.drift = point_elsewhere
    packages = acme(bk).registry("files").packages()
    error_of(lambda: packages.publish_presigned(io.BytesIO(b"x" * 100), filename="a-1.0.0.txt"))


_NAMES: Final = {
    agent_token: "an agent token",
    portal: "a portal's token and secret",
    suite: "a suite's API token",
    registry_token: "a registry token",
    vnc_session: "VNC credentials",
    ssh_session: "SSH credentials",
    pipeline: "a pipeline's webhook URL",
    pipelines: "the same, in a listing",
    webhook: "a webhook's URL and token",
}
SHOWN: Final = Table(
    title="Where secrets appear",
    note=f"""\
The token, and the secrets in responses. Tests search for them in the data of their object (`dump()`, its pickle); in
what consoles, notebooks and debuggers show; in a log of everything at DEBUG; in URLs and saved files; in errors and
their tracebacks with all locals, after {len(TROUBLE) + len(BENT)} kinds of failures; in their pickles, and in warnings.
The lines that urllib3 logs for the library's requests have no query, since that may be the key to a file; its lines for
other requests are unchanged. (Python's own `http.client.HTTPConnection.debuglevel` prints all that is sent, with the
token.)

If a server repeats the token, errors mask it: as it is, in JSON, in a URL, in HTML or in Base64, in the body or in a
header. Other text is masked only if it begins as Buildkite's tokens do (`bkua_`): 40 hexadecimal digits may be a token,
but also a commit.
""",
    columns=("its own data", "`repr`, `str`, …", "logs", "URLs, files", "errors, locals", "their pickles", "warnings"),
    rows=(Row("the API token", token), *(Row(_NAMES[action], partial(secret, action)) for action in OPERATIONS)),
)
SENT: Final = Table(
    title="Where the token goes",
    note="""\
To `base_url`, and nowhere else. Of URLs in responses, only path and query are used; the request goes to `base_url`.
Files are downloaded from the storage, and uploaded to it, without the token.
""",
    columns=("receives a request", "receives the token"),
    rows=(
        Row("the API", partial(goes, request_api, lambda request: request.headers["Host"] == API)),
        Row("a redirect to another host", partial(goes, partial(redirected, f"https://{EVIL}/v2/user"), is_elsewhere)),
        Row("a redirect to another port", partial(goes, partial(redirected, f"https://{API}:8443/"), is_elsewhere)),
        Row("a redirect to plain http", partial(goes, partial(redirected, f"http://{API}/elsewhere"), is_elsewhere)),
        Row("a redirect to another path", partial(goes, partial(redirected, "/v2/elsewhere"), is_elsewhere)),
        Row("a `next` link or an object's `url` elsewhere", partial(goes, linked, is_elsewhere)),
        Row("the storage of artifacts", partial(goes, stored, lambda request: request.origin == "artifacts")),
        Row("a redirect of the storage", partial(goes, stored_elsewhere, is_elsewhere)),
        Row("a form to upload by", partial(goes, uploaded_elsewhere, is_elsewhere)),
    ),
)
TABLES: Final = (SHOWN, SENT)
