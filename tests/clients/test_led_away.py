"""Pictures that are at the object store: the clients follow the service there, and leave the API key behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.api import AsyncClient, Client
from shared.errors import DarkroomError, Expired, StorageUnavailable
from tests.clients.scripted import Answer, ScriptedServer

KEY = "dr_0123456789abcdef"
OBJECT = "/photos/results/2026-11-24/local/abc?X-Amz-Signature=f%2Fg%3D&X-Amz-Expires=300"


@pytest.fixture
def store() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.will_answer(Answer(body=b"pixels"))
        yield server


@pytest.fixture
def service(scripted: ScriptedServer, store: ScriptedServer) -> ScriptedServer:
    """A service that leads to the store."""
    scripted.will_answer(Answer(307, b"", {"Location": f"{store.url}{OBJECT}"}))
    return scripted


def assert_no_key_was_told(store: ScriptedServer) -> None:
    assert {request.path for request in store.received} == {OBJECT}
    for request in store.received:
        told = {name.lower() for name in request.headers}
        assert {"authorization", "cookie"}.isdisjoint(told)
        assert KEY not in str(request)


def test_a_picture_at_the_store_is_fetched_from_there(
    service: ScriptedServer, store: ScriptedServer, tmp_path: Path
) -> None:
    with Client(service.url, key=KEY) as client:
        assert client.result("0-a") == b"pixels"
        assert client.original("0-a") == b"pixels"
        assert client.save_result("0-a", tmp_path / "out.png") == 6
    assert (tmp_path / "out.png").read_bytes() == b"pixels"
    assert [request.path for request in service.received] == [
        *("/v1/jobs/0-a/result", "/v1/jobs/0-a/original", "/v1/jobs/0-a/result")
    ]
    assert {request.headers["Authorization"] for request in service.received} == {f"Bearer {KEY}"}
    assert_no_key_was_told(store)


async def test_the_asynchronous_client_goes_there_too(
    service: ScriptedServer, store: ScriptedServer, tmp_path: Path
) -> None:
    async with AsyncClient(service.url, key=KEY) as client:
        assert await client.result("0-a") == b"pixels"
        assert await client.original("0-a") == b"pixels"
        assert await client.save_result("0-a", tmp_path / "out.png") == 6
    assert (tmp_path / "out.png").read_bytes() == b"pixels"
    assert_no_key_was_told(store)


def test_a_store_that_is_slow_is_asked_again(service: ScriptedServer, store: ScriptedServer, tmp_path: Path) -> None:
    store.will_answer(Answer(503, b"SlowDown"), Answer(body=b"pix", breaks=True), Answer(body=b"pixels"))
    with Client(service.url) as client:
        assert client.save_result("0-a", tmp_path / "out.png") == 6
    assert (tmp_path / "out.png").read_bytes() == b"pixels"
    assert len(store.received) == 3


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [(403, StorageUnavailable, r"The object store at 127\.0\.0\.1 answered 403"), (404, Expired, "no longer kept")],
)
def test_what_the_store_refuses_is_said_without_the_address(
    service: ScriptedServer, store: ScriptedServer, status: int, error: type[Exception], said: str
) -> None:
    store.will_answer(Answer(status, b"<Error/>"))
    with Client(service.url, retry_for=0) as client, pytest.raises(error, match=said) as raised:
        client.result("0-a")
    assert "Signature" not in str(raised.value)


def test_a_store_that_is_not_there_is_not_the_service(scripted: ScriptedServer, unused_port: int) -> None:
    scripted.will_answer(Answer(307, b"", {"Location": f"http://127.0.0.1:{unused_port}{OBJECT}"}))
    with Client(scripted.url, retry_for=0) as client:
        with pytest.raises(StorageUnavailable, match=r"object store at 127\.0\.0\.1 does not answer"):
            client.result("0-a")
        scripted.will_answer(Answer(307, b"", {"Location": "file:///etc/passwd"}))
        with pytest.raises(StorageUnavailable, match="named no address"):
            client.result("0-a")


def test_nothing_else_is_led_away(service: ScriptedServer, store: ScriptedServer) -> None:
    with Client(service.url, key=KEY) as client, pytest.raises(DarkroomError, match="answered 307"):
        client.job("0-a")
    assert store.received == []
