"""Libraries that take the place of the network have no framing, and keep working."""

from __future__ import annotations

import gzip
import json
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests_mock
import responses
import vcr

from buildkite_orm import Buildkite, NotFoundError, PermissionDeniedError
from buildkite_orm.fake import FakeBuildkite, Settings
from tests.helpers import web_pipeline
from tests.network import payloads
from tests.network.calls import build, log
from tests.network.conftest import TOKEN
from tests.network.servers import in_turn, json_response

if TYPE_CHECKING:
    from pathlib import Path

    import requests

    from tests.network.certificates import Certificates
    from tests.network.conftest import Connect, Serve

BASE: Final = "https://api.buildkite.com"
WEB: Final = f"{BASE}/v2/organizations/acme/pipelines/web"


@pytest.fixture
def bk(connect: Connect) -> Buildkite:
    """A client of the real API, which no test reaches."""
    return connect(BASE)


def test_responses_responses_for_the_network(bk: Buildkite) -> None:
    with responses.RequestsMock() as mock:
        mock.add("GET", f"{WEB}/builds/2", json=payloads.build(2))
        mock.add("POST", f"{WEB}/builds", json=payloads.build(3), status=201)
        mock.add("DELETE", WEB, status=204)
        assert build(bk, 2).fetch().number == 2
        assert web_pipeline(bk).builds().create(commit="HEAD", branch="main").number == 3
        web_pipeline(bk).delete()
        assert mock.calls[0].request.headers["User-Agent"].startswith("buildkite-orm/")


def test_responses_lists_pages_and_refuses(bk: Buildkite) -> None:
    agents = f"{BASE}/v2/organizations/acme/agents"
    ids = [f"0190abcd-0000-4000-8000-{index:012}" for index in range(2)]
    with responses.RequestsMock() as mock:
        link = {"Link": f'<{agents}?page=2>; rel="next"'}
        mock.add("GET", agents, json=[payloads.agent(ids[0])], headers=link)
        mock.add("GET", agents, json=[payloads.agent(ids[1])])
        mock.add("GET", WEB, json={"message": "Forbidden"}, status=403)
        assert [agent.id for agent in bk.organization().agents()] == ids
        with pytest.raises(PermissionDeniedError):
            web_pipeline(bk).fetch()


def test_responses_returns_a_log_without_a_length(bk: Buildkite, tmp_path: Path) -> None:
    url = f"{WEB}/builds/1/jobs/{log(bk).job.api_path.rpartition('/')[2]}/log"
    with responses.RequestsMock() as mock:
        mock.add("GET", url, body=b"a log\n", content_type="text/plain", auto_calculate_content_length=False)
        assert log(bk).save_to(tmp_path / "job.log").read_bytes() == b"a log\n"


def test_responses_returns_a_packed_body(bk: Buildkite) -> None:
    body = gzip.compress(json.dumps(payloads.build(2)).encode())
    with responses.RequestsMock() as mock:
        mock.add("GET", f"{WEB}/builds/2", body=body, headers={"Content-Encoding": "gzip"})
        assert build(bk, 2).fetch().number == 2


def test_requests_mock_responses_for_the_network(bk: Buildkite) -> None:
    with requests_mock.Mocker() as mock:
        mock.get(f"{WEB}/builds/2", json=payloads.build(2))
        mock.post(f"{WEB}/builds", json=payloads.build(3), status_code=201)
        mock.delete(WEB, status_code=204)
        assert build(bk, 2).fetch().number == 2
        assert web_pipeline(bk).builds().create(commit="HEAD", branch="main").number == 3
        web_pipeline(bk).delete()
        assert len(mock.request_history) == 3


def test_requests_mock_is_a_transport(connect: Connect) -> None:
    adapter = requests_mock.Adapter()
    adapter.register_uri("GET", f"{WEB}/builds/2", json=payloads.build(2))
    adapter.register_uri("GET", WEB, json={"message": "Forbidden"}, status_code=403)
    bk = connect(BASE, transport=adapter)
    assert build(bk, 2).fetch().number == 2
    with pytest.raises(PermissionDeniedError):
        web_pipeline(bk).fetch()


def test_a_transport_may_put_a_plain_file_in_the_place_of_the_response_of_urllib3(connect: Connect) -> None:
    class Files(requests_mock.Adapter):
        def send(self, *args: Any, **options: Any) -> requests.Response:
            response = super().send(*args, **options)
            response.raw = BytesIO(response.raw.read())
            return response

    adapter = Files()
    adapter.register_uri("GET", f"{WEB}/builds/2", json=payloads.build(2))
    packed = gzip.compress(json.dumps(payloads.build(3)).encode())
    adapter.register_uri("GET", f"{WEB}/builds/3", content=packed, headers={"Content-Encoding": "gzip"})
    bk = connect(BASE, transport=adapter)
    assert build(bk, 2).fetch().number == 2
    assert build(bk, 3).fetch().number == 3


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_vcrpy_records_and_replays(
    serve: Serve, connect: Connect, trusted: Certificates, tmp_path: Path, scheme: str
) -> None:
    tls = trusted.server_context() if scheme == "https" else None
    server = serve(in_turn(json_response(payloads.build(2)), json_response(payloads.build(3), 201)), tls=tls)
    recorder: Any = vcr.VCR(filter_headers=["authorization"], match_on=["method", "path"])

    def work() -> list[int]:
        bk = connect(server)
        found = [build(bk, 2).fetch().number, web_pipeline(bk).builds().create(commit="HEAD", branch="main").number]
        bk.close()
        return found

    cassette = tmp_path / "case.yaml"
    with recorder.use_cassette(str(cassette), record_mode="once"):
        assert work() == [2, 3]
    assert len(server.requests) == 2
    assert TOKEN not in cassette.read_text()
    server.close()
    with recorder.use_cassette(str(cassette), record_mode="none") as replayed:
        assert work() == [2, 3]
        assert replayed.all_played
    assert len(server.requests) == 2


@pytest.mark.parametrize("options", [{}, {"decode_compressed_response": True}], ids=["as-received", "decoded"])
def test_vcrpy_replays_packed_pages_logs_and_files(tmp_path: Path, options: dict[str, Any]) -> None:
    """It stores bodies without their compression, but with the header that declares it."""
    recorder: Any = vcr.VCR(filter_headers=["authorization"], **options)
    cassette = str(tmp_path / "case.yaml")

    def work(server: FakeBuildkite) -> list[object]:
        with server.client(http=True) as bk:
            failed, passed = (web_pipeline(bk).builds(state=state)[0] for state in ("failed", "passed"))
            job, artifact = failed.failed_jobs()[0], passed.artifacts()[0]
            text, size, tail = job.log().fetch().text, job.log().fetch_size(), job.log().tail(2)
            agents = [agent.name for agent in bk.organization("acme").agents().per_page(10)]
            with pytest.raises(NotFoundError):
                web_pipeline(bk).build(9999).fetch()
            return [failed.number, agents, text, size, tail, artifact.download(), artifact.save_to(tmp_path).name]

    with FakeBuildkite(settings=Settings(organization_limit=None, user_limit=None)) as server:
        with recorder.use_cassette(cassette, record_mode="once"):
            recorded = work(server)
        sent = len(server.requests)
        assert server.token not in (tmp_path / "case.yaml").read_text()
        with recorder.use_cassette(cassette, record_mode="none"):
            assert work(server) == recorded
        assert len(server.requests) == sent


def test_a_body_that_a_mock_has_decompressed_may_be_shorter_than_the_compressed_one(bk: Buildkite) -> None:
    class Decompressed(requests_mock.Adapter):
        def send(self, *args: Any, **options: Any) -> requests.Response:
            response = super().send(*args, **options)
            response.raw = BytesIO(b"null")
            return response

    adapter = Decompressed()
    packed = {"Content-Encoding": "gzip", "Content-Length": str(len(gzip.compress(b"null")))}
    adapter.register_uri("GET", f"{BASE}/v2/meta", headers=packed)
    with Buildkite(TOKEN, base_url=bk.session.base_url, transport=adapter) as client:
        assert client.request("GET", "meta") is None


def test_the_adapter_of_the_fake_responses_for_the_network() -> None:
    settings = Settings(organization_limit=None, user_limit=None)
    with FakeBuildkite(populate=False, settings=settings) as server:
        server.add_pipeline("web")
        record = server.add_build("web")
        client = Buildkite(server.token, organization="acme", base_url=BASE, transport=server.adapter())
        with client as bk:
            assert build(bk, record.number).fetch().number == record.number
