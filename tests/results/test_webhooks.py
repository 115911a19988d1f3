import asyncio
import base64
import contextlib
import hmac
import json
import logging
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.trace import StatusCode
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from services.results.metrics import ResultsMetrics
from services.results.reader import Reader
from services.results.settings import ResultsSettings
from services.results.signing import read_secrets, signed_headers
from services.results.silence import Silence
from services.results.webhooks import Webhooks
from shared import groups, keys
from shared.addresses import Reach, Refused, Unresolved, check_written, is_public, resolve
from shared.entries import Entry, Source
from shared.service import Server
from tests.results.story import Story, processed, upload
from tests.support.parts import require
from tests.support.recording import recorded
from tests.support.waiting import eventually, wait_until

HOOKS = Source(keys.hooks(0), keys.HOOKS_GROUP, 0)
SECRET = b"0123456789abcdef0123456789abcdef"
TOKEN = "whsec_" + base64.b64encode(SECRET).decode()


@dataclass
class Receiver:
    """A receiver of webhooks, with the answers that it is to give next."""

    url: str = ""
    answers: list[Response] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        self.got.append((dict(request.headers), await request.body()))
        return self.answers.pop(0) if self.answers else Response(status_code=204)

    def event(self, number: int = -1) -> dict[str, object]:
        event: dict[str, object] = json.loads(self.got[number][1])
        return event


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    server = Server(Starlette(routes=[Route("/hook", made.take, methods=["POST"])]), "127.0.0.1", 0)
    await server.start()
    made.url = f"http://localhost:{server.port}/hook"
    yield made
    await server.stop()


@dataclass
class Postman:
    """Reads the hooks stream and delivers, as the stage of the service does."""

    story: Story
    webhooks: Webhooks
    metrics: ResultsMetrics

    async def deliver(self) -> list[Entry]:
        reply = await self.story.redis.xreadgroup(HOOKS.group, "tester", {HOOKS.stream: ">"}, count=100)
        entries = [Entry(entry.decode(), fields) for _, found in reply for entry, fields in found]
        await self.webhooks.handle(HOOKS, entries)
        return entries

    def count(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("darkroom_webhooks_total", {"outcome": outcome}) or 0


def postman_with(story: Story, redis_url: str, blob_url: str, **settings: object) -> Postman:
    made = ResultsSettings(redis_url=redis_url, blob_url=blob_url, **settings)
    metrics = ResultsMetrics()
    webhooks = Webhooks(made, Reader(story.redis, partitions=1), metrics)
    webhooks.consumer = "tester"
    return Postman(story, webhooks, metrics)


@pytest.fixture
async def postman(story: Story, redis_url: str, blob_url: str) -> AsyncIterator[Postman]:
    await groups.ensure(story.redis, HOOKS)
    made = postman_with(story, redis_url, blob_url, webhook_allow_private=True, webhook_secret=TOKEN)
    yield made
    await made.webhooks.close()


async def test_the_end_of_a_job_is_told_with_a_signed_cloud_event(
    story: Story, postman: Postman, receiver: Receiver
) -> None:
    (job_id,) = await story.submit("cat.jpg", webhook=receiver.url)
    await story.finish(job_id)
    await postman.deliver()
    # The end of its batch is told at the same time.
    ((headers, body),) = [(headers, body) for headers, body in receiver.got if b"darkroom.job.done" in body]
    event = json.loads(body)
    assert headers["content-type"] == "application/cloudevents+json"
    assert (event["specversion"], event["type"], event["subject"]) == ("1.0", "darkroom.job.done", job_id)
    assert event["id"] == headers["webhook-id"]
    assert event["data"]["state"] == "done"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(SECRET, signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert postman.count("delivered") == 2


async def test_a_batch_is_told_once_when_all_expected_jobs_are_terminal(
    story: Story, postman: Postman, receiver: Receiver
) -> None:
    one, two = await story.submit("a.jpg", "b.jpg", webhook=receiver.url, expected=3)
    await story.finish(one, two)
    await story.finish(*await story.submit("c.jpg", webhook=receiver.url, expected=3))
    await postman.deliver()
    told = [json.loads(body) for _, body in receiver.got]
    completed = [event for event in told if event["type"] == "darkroom.batch.completed"]
    assert len(told) == 4
    assert len(completed) == 1
    assert completed[0]["subject"] == "0-batch"
    assert completed[0]["data"]["counts"] == {"done": 3}


async def test_cancelling_the_last_job_completes_the_batch(
    story: Story, postman: Postman, receiver: Receiver, http: httpx.AsyncClient
) -> None:
    one, two = await story.submit("a.jpg", "b.jpg", webhook=receiver.url)
    await story.fail(one)
    await http.delete(f"/v1/jobs/{two}")
    await postman.deliver()
    kinds = sorted(str(json.loads(body)["type"]) for _, body in receiver.got)
    assert kinds == ["darkroom.batch.completed", "darkroom.job.cancelled", "darkroom.job.failed"]


@pytest.mark.parametrize("cancelled", [False, True])
async def test_closing_a_batch_that_waits_for_nothing_else_tells_it_once(
    story: Story, postman: Postman, receiver: Receiver, http: httpx.AsyncClient, cancelled: bool
) -> None:
    (job_id,) = await story.submit("a.jpg", webhook=receiver.url, expected=3)
    await (http.delete(f"/v1/jobs/{job_id}") if cancelled else story.finish(job_id))
    for _ in range(2):
        await http.post("/v1/batches/0-batch/close")
    await postman.deliver()
    (completed,) = batches_told(receiver)
    assert (completed["subject"], completed["data"]["expected"], completed["data"]["complete"]) == ("0-batch", 1, True)


async def test_a_batch_that_is_closed_early_is_told_by_its_last_job(
    story: Story, postman: Postman, receiver: Receiver, http: httpx.AsyncClient
) -> None:
    one, two = await story.submit("a.jpg", "b.jpg", webhook=receiver.url, expected=3)
    await story.finish(one)
    await http.post("/v1/batches/0-batch/close")
    await postman.deliver()
    assert batches_told(receiver) == []
    await story.fail(two)
    await http.post("/v1/batches/0-batch/close")
    await postman.deliver()
    assert [event["data"]["counts"] for event in batches_told(receiver)] == [{"done": 1, "failed": 1}]


def batches_told(receiver: Receiver) -> list[dict[str, Any]]:
    events = [json.loads(body) for _, body in receiver.got]
    return [event for event in events if event["type"] == "darkroom.batch.completed"]


async def test_the_webhook_of_a_cancelled_job_is_told_of_its_batch_too(
    story: Story, postman: Postman, receiver: Receiver, http: httpx.AsyncClient
) -> None:
    """The first job of a batch that ended says who is told, whether or not the last one names anybody."""
    (one,) = await story.submit("a.jpg", webhook=receiver.url, expected=2)
    (two,) = await story.submit("b.jpg", expected=2)
    await http.delete(f"/v1/jobs/{one}")
    await story.finish(two)
    await postman.deliver()
    kinds = sorted(str(json.loads(body)["type"]) for _, body in receiver.got)
    assert kinds == ["darkroom.batch.completed", "darkroom.job.cancelled"]


async def test_the_end_of_a_batch_goes_where_its_first_job_that_ended_wanted_it(
    story: Story, postman: Postman, receiver: Receiver
) -> None:
    (one,) = await story.submit("a.jpg", webhook=receiver.url, expected=2)
    (two,) = await story.submit("b.jpg", webhook=f"{receiver.url}?another", expected=2)
    await story.finish(one, two)
    sent = [fields for _, fields in await story.redis.xrange(HOOKS.stream) if fields[b"type"] == b"batch.completed"]
    assert [fields[b"url"].decode() for fields in sent] == [receiver.url]


async def test_one_receiver_that_never_answers_does_not_keep_the_webhooks_of_others_waiting(
    story: Story, redis_url: str, blob_url: str, receiver: Receiver
) -> None:
    calls: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: calls.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    await groups.ensure(story.redis, HOOKS)
    postman = postman_with(story, redis_url, blob_url, webhook_allow_private=True, webhook_timeout=0.3)
    postman.webhooks._silence = Silence(pause=60)

    async def told(url: str) -> None:
        fields = {"type": "job.done", "id": "0-a", "run": "1", "owner": "local", "url": url, "traceparent": ""}
        await story.redis.xadd(HOOKS.stream, fields)
        await postman.deliver()

    await told(f"http://localhost:{port}/hook")
    for _ in range(5):
        await told(f"http://localhost:{port}/another")
        await told(receiver.url)
    assert (len(calls), len(receiver.got)) == (1, 5)
    assert (postman.count("again"), postman.count("delivered")) == (6, 5)
    waiting = [json.loads(data) for data in await story.redis.zrange(keys.hooks_delayed(0), 0, -1)]
    assert sorted(webhook["attempt"] for webhook in waiting) == [1] * 5 + [2], "only what was tried counts"
    await postman.webhooks.close()
    for writer in calls:
        writer.close()
    silent.close()


def test_a_silent_receiver_is_tried_by_one_delivery_at_a_time_until_it_answers() -> None:
    silence = Silence(pause=0.05)
    url = "https://example.com/hook"
    silence.silent(url)
    assert 0 < silence.left("https://example.com/other") <= 0.1
    assert silence.left("https://example.com:8443/hook") == 0
    wait_until(lambda: silence.left(url) == 0)
    assert silence.left(url) > 0, "one is on its way"
    silence.answered(url)
    assert silence.left(url) == 0


async def test_an_event_that_is_projected_twice_is_told_once(
    story: Story, postman: Postman, receiver: Receiver
) -> None:
    event = upload("0-a", webhook=receiver.url)
    await story.project(processed(event), processed(event))
    await story.project(processed(event))
    await postman.deliver()
    assert len(receiver.got) == 1


async def test_a_failed_delivery_comes_back_with_the_same_id_until_it_succeeds(
    story: Story, redis_url: str, blob_url: str, receiver: Receiver
) -> None:
    await groups.ensure(story.redis, HOOKS)
    postman = postman_with(story, redis_url, blob_url, webhook_allow_private=True, webhook_first_delay=0.001)
    receiver.answers = [Response(status_code=500), Response(status_code=302, headers={"Location": receiver.url})]
    await story.project(processed(upload("0-a", webhook=receiver.url)))
    await postman.deliver()
    for _ in range(2):
        assert await eventually(lambda: postman.webhooks.bring_back(0)) == 1
        await postman.deliver()
    assert len(receiver.got) == 3
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert (postman.count("again"), postman.count("delivered")) == (2, 1)
    assert await story.redis.zcard(keys.hooks_delayed(0)) == 0
    assert (await story.redis.xpending(HOOKS.stream, HOOKS.group))["pending"] == 0
    await postman.webhooks.close()


async def told_before(story: Story, receiver: Receiver, *, hours: float) -> None:
    """A webhook that was first due that long ago and comes back from its delay."""
    webhook = {
        "message_id": "msg_1",
        "type": "job.done",
        "subject": "0-a",
        "owner": "local",
        "run": 1,
        "url": receiver.url,
        "since": int((time.time() - hours * 3600) * 1000),
        "attempt": 9,
    }
    await story.redis.xadd(HOOKS.stream, {"data": json.dumps(webhook)})


async def waits(story: Story) -> float:
    """Seconds until the one webhook that waits for its next try is due."""
    ((_, due),) = await story.redis.zrange(keys.hooks_delayed(0), 0, -1, withscores=True)
    seconds, micros = await story.redis.time()
    return float(due) / 1000 - seconds - micros / 1_000_000


async def test_it_is_tried_for_a_day_then_given_up(story: Story, postman: Postman, receiver: Receiver) -> None:
    receiver.answers = [Response(status_code=503), Response(status_code=503)]
    await told_before(story, receiver, hours=25)
    await postman.deliver()
    assert postman.count("gave_up") == 1
    assert await story.redis.zcard(keys.hooks_delayed(0)) == 0
    await told_before(story, receiver, hours=23)
    await postman.deliver()
    assert (postman.count("again"), postman.count("gave_up")) == (1, 1)
    assert 3500 < await waits(story) <= 3600  # its own pause is four hours by now: the last try ends the day


async def test_what_waits_outlasts_a_service_that_is_away_for_days(
    story: Story, postman: Postman, receiver: Receiver
) -> None:
    receiver.answers = [Response(status_code=503)] * 2
    await told_before(story, receiver, hours=1)
    await postman.deliver()
    assert await story.redis.ttl(keys.hooks_delayed(0)) >= keys.LIVE_TTL - 1
    await story.redis.expire(keys.hooks_delayed(0), 2 * keys.LIVE_TTL)
    await told_before(story, receiver, hours=2)
    await postman.deliver()
    assert await story.redis.zcard(keys.hooks_delayed(0)) == 2
    assert await story.redis.ttl(keys.hooks_delayed(0)) > keys.LIVE_TTL, "the wait of one shortens no other's"


@pytest.mark.parametrize(("asked", "least", "most"), [("3600", 3500, 3601), ("86400", 86_000, 86_400)])
async def test_the_receiver_may_ask_for_more_time(
    story: Story, postman: Postman, receiver: Receiver, asked: str, least: float, most: float
) -> None:
    """Asking for more than what is left of the day is no reason to give up at the first try."""
    receiver.answers = [Response(status_code=429, headers={"Retry-After": asked})]
    (job_id,) = await story.submit("cat.jpg", webhook=receiver.url, batch="0-x")
    await story.fail(job_id)
    await postman.deliver()
    assert least < await waits(story) <= most
    assert postman.count("gave_up") == 0


async def test_the_span_of_a_request_says_what_went_wrong(story: Story, postman: Postman, receiver: Receiver) -> None:
    receiver.answers = [Response(status_code=503), Response(status_code=404)]
    with recorded("results") as spans:
        (job_id,) = await story.submit("cat.jpg", webhook=receiver.url)
        await story.finish(job_id)
        await postman.deliver()
    posts = [span for span in spans if span.name == "POST"]
    assert {span.status for span in posts} == {StatusCode.ERROR}
    assert {span.attributes["error.type"] for span in posts} == {"503", "404"}


async def test_the_span_of_a_request_that_took_too_long_says_so(story: Story, redis_url: str, blob_url: str) -> None:
    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.append(asyncio.current_task())
        writer.write(b"HTTP/1.1 200 OK\r\nx: ")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()

    answering: list[asyncio.Task[None] | None] = []
    await groups.ensure(story.redis, HOOKS)
    slow = postman_with(story, redis_url, blob_url, webhook_allow_private=True, webhook_timeout=0.2)
    async with await asyncio.start_server(trickle, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with recorded("results") as spans:
            (job_id,) = await story.submit("cat.jpg", webhook=url)
            await story.finish(job_id)
            await slow.deliver()
        await slow.webhooks.close()
        await asyncio.gather(*(task for task in answering if task is not None))
    posts = [span for span in spans if span.name == "POST"]
    assert {(span.status, span.attributes["error.type"]) for span in posts} == {(StatusCode.ERROR, "timed_out")}


async def test_nobody_and_nonsense_do_not_keep_others_waiting(
    story: Story, postman: Postman, receiver: Receiver
) -> None:
    for url in ("http://127.0.0.1:1/", "http://nowhere.invalid/", "ftp://x/", "http://[", receiver.url):
        await story.redis.xadd(
            HOOKS.stream,
            {"type": "job.done", "id": "0-a", "run": "1", "owner": "local", "url": url, "traceparent": ""},
        )
    await story.redis.xadd(HOOKS.stream, {"odd": "entry"})
    await postman.deliver()
    assert len(receiver.got) == 1
    assert receiver.event()["data"] == {"id": "0-a"}
    assert (postman.count("again"), postman.count("refused"), postman.count("delivered")) == (2, 2, 1)
    assert (await story.redis.xpending(HOOKS.stream, HOOKS.group))["pending"] == 0


async def test_a_private_address_is_refused_by_default_and_nothing_is_sent(
    story: Story, redis_url: str, blob_url: str, receiver: Receiver
) -> None:
    await groups.ensure(story.redis, HOOKS)
    postman = postman_with(story, redis_url, blob_url)
    (job_id,) = await story.submit("cat.jpg", webhook=receiver.url)
    await story.finish(job_id)
    with capture_logs() as lines:
        await postman.deliver()
    assert receiver.got == []
    assert postman.count("refused") == 2
    told = [line for line in lines if line["event"] == "webhook refused"]
    assert sorted((line.get("job_id", ""), line.get("batch", "")) for line in told) == [("", "0-batch"), (job_id, "")]
    await postman.webhooks.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for the name localhost, and for no address, with its key."""
    openssl = require("openssl", shutil.which("openssl"))
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost")
    names = ("-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate))
    subprocess.run([openssl, *made, *names], check=True, capture_output=True)
    return certificate, key


async def test_a_certificate_is_checked_for_the_name_though_the_connection_goes_to_the_address(
    story: Story, redis_url: str, blob_url: str, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    await groups.ensure(story.redis, HOOKS)
    for trusted, outcome in ((False, "again"), (True, "delivered")):
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        postman = postman_with(story, redis_url, blob_url, webhook_allow_private=True)
        await story.project(processed(upload(f"0-{outcome}", webhook=f"https://localhost:{port}/hook")))
        await postman.deliver()
        assert postman.count(outcome) == 1
        await postman.webhooks.close()
    assert f"Host: localhost:{port}\r\n".encode() in got[-1]
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "168.63.129.16",
        "::ffff:168.63.129.16",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:db8::1",
    ],
)
def test_these_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_these_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url", ["http://2130706433/", "http://0x7f.1/", "http://localhost/", "http://user@127.0.0.1:80/", "https://[::1]/"]
)
async def test_another_spelling_of_loopback_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        await resolve(url, Reach.PUBLIC)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://x/", "//x/", "http://", "http://x:99999/", ""])
async def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        await resolve(url, Reach.PRIVATE)


async def test_a_name_that_does_not_resolve_may_do_so_later() -> None:
    with pytest.raises(Unresolved):
        await resolve("http://nowhere.invalid/", Reach.PRIVATE)


def test_every_secret_signs() -> None:
    secrets = read_secrets(f"{TOKEN} {TOKEN[:-2]}g=")
    headers = signed_headers(secrets, message_id="msg_1", timestamp=1, body=b"{}")
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert "webhook-signature" not in signed_headers([], message_id="msg_1", timestamp=1, body=b"{}")


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of the reference libraries of Standard Webhooks."""
    secrets = read_secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers(
        secrets, message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_the_check_in_the_documentation_knows_ours_from_others(
    story: Story, postman: Postman, receiver: Receiver
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
    documented: dict[str, Any] = {}
    exec(page.split("```python")[1].split("```")[0], documented)  # the reader is told to run this very code
    (job_id,) = await story.submit("cat.jpg", webhook=receiver.url)
    await story.finish(job_id)
    await postman.deliver()
    headers, body = receiver.got[0]
    assert documented["is_genuine"](TOKEN, headers, body)
    assert not documented["is_genuine"](TOKEN, headers, body + b" ")
    assert not documented["is_genuine"]("whsec_" + base64.b64encode(b"x" * 32).decode(), headers, body)
    assert not documented["is_genuine"](TOKEN, headers | {"webhook-timestamp": "1"}, body)


@pytest.mark.parametrize("secret", ["topsecret", "whsec_!!!", "whsec_c2hvcnQ=", base64.b64encode(SECRET).decode()])
def test_a_wrong_secret_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ResultsSettings(webhook_secret=secret)
    assert secret not in str(caught.value)


async def test_the_secret_is_never_logged(
    story: Story,
    postman: Postman,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.answers = [Response(status_code=500)] * 2
    (job_id,) = await story.submit("cat.jpg", webhook=receiver.url)
    await story.finish(job_id)
    await postman.deliver()
    written = caplog.text + "".join(capsys.readouterr())
    assert "webhook failed" in written
    assert TOKEN not in written
    assert TOKEN not in repr(postman.webhooks._settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "localhost", "a.localhost."])
async def test_a_reach_to_the_loopback_is_one_to_nothing_else_inside(host: str) -> None:
    check_written(f"http://{host}/", Reach.LOOPBACK)
    with pytest.raises(Refused):
        check_written(f"http://{host}/", Reach.PUBLIC)
    assert await resolve("http://127.0.0.1/", Reach.LOOPBACK) == ["127.0.0.1"]
    for inside in ("10.0.0.1", "169.254.169.254", "[fd00::1]", "0.0.0.0", "[::]", "192.168.1"):
        with pytest.raises(Refused):
            check_written(f"http://{inside}/", Reach.LOOPBACK)
